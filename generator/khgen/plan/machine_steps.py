"""The boot steps that install programs and prepare the operating system, as one table.

Why they do it so stands here, for the scripts themselves are part of every node's user-data:
- prepare-swap: the swap units of fstab, GPT and zram all hang on swap.target (systemd.special(7)).
- install-deb: what is there already, at a version that the spec takes, is left alone; before the
  rest `dpkg --configure -a` and `apt-get -f install` finish what a crash may have left.
- prepare-metadata comes after the packages: it needs iptables.
- containerd: `grep -q` would close the pipe on ctr, which pipefail takes for a failure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from khgen.facts.distributions import DEB, RPM, PackageFormat
from khgen.plan.installation import (
    baked,
    downloads,
    hosts_kubernetes,
    image_programs,
    packages,
    runs_containerd,
)
from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.plan.model import NodeKind, Plan
from khgen.spec.model.machine import (
    FirewallMode,
    SelinuxMode,
    SwapMode,
    TimeProgram,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStep:
    """A step (templates/cloud-init/steps/<name>.sh), and whether nodes of a kind have it."""

    name: str
    applies: Callable[[Plan, NodeKind], bool]


def machine_steps(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """Names of the steps of nodes of that kind, in order."""
    return tuple(step.name for step in MACHINE_STEPS if step.applies(plan, kind))


def sets_time_sources(plan: Plan) -> bool:
    """Whether the time program is to leave the distribution's own sources for the spec's."""
    sync = plan.spec.os.time_sync
    return sync.program is not TimeProgram.UNMANAGED and bool(sync.servers or sync.pools)


def closes_metadata(plan: Plan, kind: NodeKind) -> bool:
    """Whether nodes of that kind keep their pods from the cloud's metadata service."""
    return plan.spec.os.block_metadata and hosts_kubernetes(kind)


def _builds_images(plan: Plan, kind: NodeKind) -> bool:
    return plan.spec.containerd.buildkit and runs_containerd(kind)


def _swap_off(plan: Plan, kind: NodeKind) -> bool:
    return plan.spec.os.swap is SwapMode.OFF and runs_containerd(kind)


def _selinux_permissive(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.os.selinux is SelinuxMode.PERMISSIVE


def _firewall_off(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.os.firewall is FirewallMode.DISABLED


def _tunes_kernel(plan: Plan, kind: NodeKind) -> bool:
    return bool(kernel_modules(plan, kind) or kernel_settings(plan, kind))


def _mirrored(plan: Plan, packages_of: PackageFormat) -> bool:
    mirror = plan.spec.os.package_mirror
    return bool(mirror) and not baked(plan) and _has(plan, packages_of)


def _installs(plan: Plan, kind: NodeKind, packages_of: PackageFormat) -> bool:
    return bool(packages(plan, kind)) and _has(plan, packages_of)


def _has(plan: Plan, packages_of: PackageFormat) -> bool:
    return plan.distribution.family.package_format is packages_of


MACHINE_STEPS: tuple[MachineStep, ...] = (
    MachineStep(name="prepare-clock", applies=lambda plan, _: sets_time_sources(plan)),
    MachineStep(name="prepare-swap", applies=_swap_off),
    MachineStep(name="prepare-selinux", applies=_selinux_permissive),
    MachineStep(name="prepare-firewall", applies=_firewall_off),
    MachineStep(name="prepare-kernel", applies=_tunes_kernel),
    MachineStep(name="prepare-mirror-deb", applies=lambda plan, _: _mirrored(plan, DEB)),
    MachineStep(name="prepare-mirror-rpm", applies=lambda plan, _: _mirrored(plan, RPM)),
    MachineStep(
        name="install-deb",
        applies=lambda plan, kind: _installs(plan, kind, DEB),
    ),
    MachineStep(name="install-rpm", applies=lambda plan, kind: _installs(plan, kind, RPM)),
    MachineStep(name="install-downloads", applies=lambda plan, kind: bool(downloads(plan, kind))),
    MachineStep(name="install-image", applies=lambda plan, kind: bool(image_programs(plan, kind))),
    MachineStep(name="prepare-metadata", applies=closes_metadata),
    MachineStep(name="containerd", applies=lambda _, kind: runs_containerd(kind)),
    MachineStep(name="buildkit", applies=_builds_images),
)
"""In order. Whatever sets the clock comes first, for the gate that waits for it."""
