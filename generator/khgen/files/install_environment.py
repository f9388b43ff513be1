"""The values that the install and prepare steps read from node.env."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from khgen.facts.distributions import RPM
from khgen.files.packages import Repository, fetched_keys, repositories
from khgen.plan.installation import Package, Program, baked, image_programs, packages
from khgen.plan.model import NodeKind, Plan
from khgen.plan.steps import sets_time_sources
from khgen.spec.model.machine import TimeProgram

Wanted = TypeVar("Wanted")


def install_environment(plan: Plan, *kinds: NodeKind) -> dict[str, str]:
    """Each key that a step of nodes of these kinds reads; no key is empty."""
    repos = _of_all(repositories, plan, kinds)
    values = {
        "TIME_UNIT": _time_unit(plan, kinds),
        "PACKAGES": " ".join(_pinned(plan, p) for p in _of_all(packages, plan, kinds)),
        "REPOSITORY_KEYS": " ".join(_of_all(fetched_keys, plan, kinds)),
        "PACKAGE_REPOS": _package_repos(plan, repos),
        "PACKAGE_MIRROR": _rpm_mirror(plan),
        "PROGRAMS": " ".join(map(_program, _of_all(image_programs, plan, kinds))),
    }
    return {key: value for key, value in values.items() if value}


def _of_all(
    wanted: Callable[[Plan, NodeKind], Iterable[Wanted]], plan: Plan, kinds: Iterable[NodeKind]
) -> tuple[Wanted, ...]:
    """What any of the kinds wants, once."""
    return tuple(dict.fromkeys(one for kind in kinds for one in wanted(plan, kind)))


def _is_rpm(plan: Plan) -> bool:
    return plan.distribution.family.package_format is RPM


def _time_unit(plan: Plan, kinds: Iterable[NodeKind]) -> str:
    if not any(sets_time_sources(plan, kind) for kind in kinds):
        return ""
    return {
        TimeProgram.CHRONY: plan.distribution.family.chrony_unit,
        TimeProgram.TIMESYNCD: "systemd-timesyncd",
        TimeProgram.UNMANAGED: "",
    }[plan.spec.os.time_sync.program]


def _pinned(plan: Plan, package: Package) -> str:
    if package.version is None:
        return package.name
    return f"{package.name}{plan.distribution.family.package_format.pin}{package.version}"


def _package_repos(plan: Plan, repos: Iterable[Repository]) -> str:
    return ",".join(repo.name for repo in repos) if _is_rpm(plan) else ""


def _rpm_mirror(plan: Plan) -> str:
    if not _is_rpm(plan) or baked(plan):
        return ""
    return (plan.spec.os.package_mirror or "").rstrip("/")


def _program(program: Program) -> str:
    return f"{program.name}={program.version}" if program.version else program.name
