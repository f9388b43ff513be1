"""The boot: every step of each kind of node, as one table in boot order.

Reasons behind the steps that install and prepare:
- prepare-swap: swap.target pulls in the swap units of fstab, GPT and zram (systemd.special(7)).
- install-deb: packages that are installed at an accepted version stay as they are. First, `dpkg
  --configure -a` and `apt-get -f install` complete an installation that a crash interrupted.
- prepare-metadata comes after the packages, because it needs iptables.
- containerd: `grep -q` would close the pipe of ctr, which is a failure under pipefail.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from khgen.facts.distributions import DEB, RPM, PackageFormat
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodeKind, Plan
from khgen.plan.installation import (
    baked,
    balances_load,
    downloads,
    hosts_kubernetes,
    image_programs,
    packages,
    runs_containerd,
)
from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.spec.model.cluster import CaKeys
from khgen.spec.model.machine import FirewallMode, SelinuxMode, SwapMode, TimeProgram

Applies = Callable[[Plan, NodeKind], bool]
"""Whether nodes of a kind have a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of the boot (templates/cloud-init/steps/<name>.sh), and the nodes that have it.

    A script with an `#every:` line is a gate: it waits until something is true.
    """

    name: str
    applies: Applies
    in_bake: bool = False
    """Whether a bake runs it: it installs or prepares the machine for any cluster."""
    living: bool = False
    """Whether only a node that runs has it: it comes with an update."""
    number: int = 0
    """Its place in the boot."""

    @property
    def file_name(self) -> str:
        """Its name in /etc/khgen/steps.d, with the same number on every kind of node."""
        return f"{self.number:02d}-{self.name}"


def steps_of(plan: Plan, kind: NodeKind) -> tuple[Step, ...]:
    """The steps of a first boot of a node of that kind, in order."""
    return tuple(step for step in all_steps_of(plan, kind) if not step.living)


def all_steps_of(plan: Plan, kind: NodeKind) -> tuple[Step, ...]:
    """The steps of a node of that kind that runs, in order: those of its first boot, and living ones."""
    return tuple(step for step in STEPS if step.applies(plan, kind))


def sets_time_sources(plan: Plan, _: NodeKind) -> bool:
    """Whether the spec's time sources replace the distribution's."""
    sync = plan.spec.os.time_sync
    return sync.program is not TimeProgram.UNMANAGED and bool(sync.servers or sync.pools)


def closes_metadata(plan: Plan, kind: NodeKind) -> bool:
    """Whether nodes of that kind block their pods from the cloud's metadata service."""
    return plan.spec.os.block_metadata and hosts_kubernetes(kind)


def expects_pod_network(plan: Plan, _: NodeKind) -> bool:
    """Whether the spec has a pod network, which a Node needs to become Ready."""
    return plan.spec.addons.calico is not None or bool(plan.spec.addons.manifests)


def _always(_plan: Plan, _kind: NodeKind) -> bool:
    return True


def _on(*kinds: NodeKind, where: Applies = _always) -> Applies:
    """Whether nodes of these kinds have a step, if a further condition is true."""
    return lambda plan, kind: kind in kinds and where(plan, kind)


def _bakes_images(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.image is not None


def _stacked(plan: Plan, _: NodeKind) -> bool:
    return plan.stacked


def _keyless(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.pki.ca_keys is CaKeys.OFFLINE


def _confines_haproxy(plan: Plan, kind: NodeKind) -> bool:
    return balances_load(plan, kind) and plan.distribution.family.selinux


def _runs_containerd(_: Plan, kind: NodeKind) -> bool:
    return runs_containerd(kind)


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


def _mirrored(packages_of: PackageFormat) -> Applies:
    return lambda plan, _: (
        plan.spec.os.package_mirror is not None
        and not baked(plan)
        and plan.distribution.family.package_format is packages_of
    )


def _installs(packages_of: PackageFormat) -> Applies:
    return lambda plan, kind: (
        bool(packages(plan, kind)) and plan.distribution.family.package_format is packages_of
    )


def _downloads(plan: Plan, kind: NodeKind) -> bool:
    return bool(downloads(plan, kind))


def _looks_for_programs(plan: Plan, kind: NodeKind) -> bool:
    return bool(image_programs(plan, kind))


FOUNDER, JOINER = NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER
WORKER, LOAD_BALANCER = NodeKind.WORKER, NodeKind.LOAD_BALANCER
ETCD_FOUNDER, ETCD_JOINER = NodeKind.ETCD_FOUNDER, NodeKind.ETCD_JOINER
IMAGE_STEP = "image"
"""The only step that is not in an image: it checks that the image is the right one."""

_IN_ORDER = (
    Step(name=IMAGE_STEP, applies=_bakes_images),
    # The clock is set before the gate that waits for it.
    Step(name="prepare-clock", applies=sets_time_sources),
    Step(name="clock", applies=_always),
    # A bake runs these too.
    Step(name="prepare-swap", applies=_swap_off, in_bake=True),
    Step(name="prepare-selinux", applies=_selinux_permissive, in_bake=True),
    Step(name="prepare-firewall", applies=_firewall_off, in_bake=True),
    Step(name="prepare-kernel", applies=_tunes_kernel, in_bake=True),
    Step(name="prepare-mirror-deb", applies=_mirrored(DEB), in_bake=True),
    Step(name="prepare-mirror-rpm", applies=_mirrored(RPM), in_bake=True),
    Step(name="install-deb", applies=_installs(DEB), in_bake=True),
    Step(name="install-rpm", applies=_installs(RPM), in_bake=True),
    Step(name="install-downloads", applies=_downloads, in_bake=True),
    Step(name="install-image", applies=_looks_for_programs, in_bake=True),
    Step(name="prepare-metadata", applies=closes_metadata, in_bake=True),
    Step(name="containerd", applies=_runs_containerd, in_bake=True),
    Step(name="buildkit", applies=_builds_images, in_bake=True),
    Step(name="haproxy-selinux", applies=_confines_haproxy),
    Step(name="load-balancer", applies=_on(FOUNDER, LOAD_BALANCER, where=balances_load)),
    Step(name="vip-hosts", applies=_on(LOAD_BALANCER)),
    Step(name="identity", applies=_on(FOUNDER, JOINER, WORKER)),
    # Founders, up to their own API servers.
    Step(name="founder", applies=_on(FOUNDER, where=_stacked)),
    Step(name="founder", applies=_on(ETCD_FOUNDER)),
    Step(name="preflight", applies=_on(FOUNDER)),
    Step(name="etcd", applies=_on(FOUNDER, where=_stacked)),
    Step(name="kubelet", applies=_on(FOUNDER)),
    # External etcd hosts.
    Step(name="etcd-host-join", applies=_on(ETCD_JOINER)),
    Step(name="etcd-host", applies=_on(*ETCD_KINDS)),
    Step(name="etcd-quorum", applies=_on(FOUNDER, *ETCD_KINDS)),
    Step(name="control-plane", applies=_on(FOUNDER)),
    Step(name="apiserver", applies=_on(FOUNDER)),
    # Nodes that use the API.
    Step(name="endpoint", applies=_on(FOUNDER, JOINER, WORKER)),
    Step(name="kubeadm-config", applies=_on(JOINER, WORKER)),
    Step(name="join", applies=_on(WORKER)),
    Step(name="join-control-plane", applies=_on(JOINER)),
    Step(name="node", applies=_on(*CONTROL_PLANE_KINDS)),
    # Until then the others hold the virtual IP; they read from the API that a control plane joined.
    Step(name="load-balancer", applies=_on(JOINER, where=balances_load)),
    # Once per cluster.
    Step(name="cluster-admins", applies=_on(FOUNDER, where=_keyless)),
    Step(name="cluster", applies=_on(FOUNDER)),
    Step(name="manifests", applies=_on(FOUNDER, where=expects_pod_network)),
    # A node is done if it is healthy itself, not only reachable through others.
    Step(name="etcd-member", applies=_on(*CONTROL_PLANE_KINDS, where=_stacked)),
    Step(name="etcd-member", applies=_on(*ETCD_KINDS)),
    Step(name="vip-hosts", applies=_on(JOINER, where=balances_load)),
    Step(name="control-plane-done", applies=_on(*CONTROL_PLANE_KINDS)),
    Step(name="ready", applies=_on(WORKER, where=expects_pod_network)),
)

STEPS = tuple(replace(step, number=number) for number, step in enumerate(_IN_ORDER))
"""Every step of every kind of node, in the order of the boot."""
