"""The values that the install and prepare steps read from node.env."""

from khgen.files.packages import repositories
from khgen.plan.installation import Package, Program, baked, image_programs, packages
from khgen.plan.machine_steps import sets_time_sources
from khgen.plan.model import NodeKind, Plan
from khgen.spec.model.machine import OsFamily, TimeProgram


def install_environment(plan: Plan, kind: NodeKind) -> dict[str, str]:
    """Each key that a step of nodes of that kind reads; no key is empty."""
    values = {
        "TIME_UNIT": _time_unit(plan),
        "PACKAGES": " ".join(_pinned(plan, package) for package in packages(plan, kind)),
        "APT_KEYS": _apt_keys(plan, kind),
        "PACKAGE_REPOS": _package_repos(plan, kind),
        "PACKAGE_MIRROR": _rpm_mirror(plan),
        "PROGRAMS": " ".join(map(_program, image_programs(plan, kind))),
    }
    return {key: value for key, value in values.items() if value}


def _is_rpm(plan: Plan) -> bool:
    return plan.spec.os.family is OsFamily.RHEL


def _time_unit(plan: Plan) -> str:
    if not sets_time_sources(plan):
        return ""
    return {
        TimeProgram.CHRONY: "chronyd" if _is_rpm(plan) else "chrony",
        TimeProgram.TIMESYNCD: "systemd-timesyncd",
        TimeProgram.UNMANAGED: "",
    }[plan.spec.os.time_sync.program]


def _pinned(plan: Plan, package: Package) -> str:
    if package.version is None:
        return package.name
    return f"{package.name}{'-' if _is_rpm(plan) else '='}{package.version}"


def _apt_keys(plan: Plan, kind: NodeKind) -> str:
    """name=URL of each repository's key; dnf reads the URL from the repository's own file."""
    if _is_rpm(plan):
        return ""
    return " ".join(f"{repo.name}={repo.key}" for repo in repositories(plan, kind))


def _package_repos(plan: Plan, kind: NodeKind) -> str:
    return ",".join(r.name for r in repositories(plan, kind)) if _is_rpm(plan) else ""


def _rpm_mirror(plan: Plan) -> str:
    if not _is_rpm(plan) or baked(plan):
        return ""
    return (plan.spec.os.package_mirror or "").rstrip("/")


def _program(program: Program) -> str:
    return f"{program.name}={program.version}" if program.version else program.name
