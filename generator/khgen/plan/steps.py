"""The boot: every step and gate of each kind of node, as one table in boot order."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from khgen.plan.installation import balances_load
from khgen.plan.machine_steps import MACHINE_STEPS
from khgen.plan.model import CONTROL_PLANE_KINDS, ETCD_KINDS, NodeKind, Plan
from khgen.spec.model.cluster import CaKeys


class StepAct(StrEnum):
    """Whether a step does something, or only waits until something is true."""

    ACTION = "action"
    GATE = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step (templates/cloud-init/steps/<name>.sh) and the nodes that have it."""

    name: str
    act: StepAct
    kinds: frozenset[NodeKind]
    applies: Callable[[Plan, NodeKind], bool] = lambda _plan, _kind: True


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedStep:
    """A step at its place in the boot."""

    number: int
    step: Step

    @property
    def file_name(self) -> str:
        """Its name in /etc/khgen/steps.d; the number is the same on every kind of node."""
        return f"{self.number:02d}-{self.step.name}"


def numbered_steps() -> tuple[NumberedStep, ...]:
    """Every step of every kind of node, in the order of the boot."""
    return tuple(NumberedStep(number=number, step=step) for number, step in enumerate(STEPS))


def steps_of(plan: Plan, kind: NodeKind) -> tuple[NumberedStep, ...]:
    """What a node of that kind does at its boot, in order."""
    return tuple(
        numbered
        for numbered in numbered_steps()
        if kind in numbered.step.kinds and numbered.step.applies(plan, kind)
    )


def expects_pod_network(plan: Plan, _: NodeKind) -> bool:
    """Whether the spec brings what a Node needs to become Ready."""
    return plan.spec.addons.calico is not None or bool(plan.spec.addons.manifests)


def _bakes_images(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.image is not None


def _stacked(plan: Plan, _: NodeKind) -> bool:
    return plan.stacked


def _keyless(plan: Plan, _: NodeKind) -> bool:
    return plan.spec.pki.ca_keys is CaKeys.OFFLINE


def _confines_haproxy(plan: Plan, kind: NodeKind) -> bool:
    return balances_load(plan, kind) and plan.distribution.family.selinux


ALL = frozenset(NodeKind)
FOUNDER = frozenset({NodeKind.FOUNDER})
JOINER = frozenset({NodeKind.CONTROL_PLANE_JOINER})
WORKER = frozenset({NodeKind.WORKER})
JOINS = JOINER | WORKER
LOAD_BALANCER = frozenset({NodeKind.LOAD_BALANCER})
ETCD_JOINER = frozenset({NodeKind.ETCD_JOINER})
IMAGE_STEP = "image"
"""The only step that no image brings: it looks whether the image is the right one."""
GATE, ACTION = StepAct.GATE, StepAct.ACTION
_PREPARING = tuple(
    Step(name=step.name, act=ACTION, kinds=ALL, applies=step.applies) for step in MACHINE_STEPS
)

STEPS: tuple[Step, ...] = (
    Step(name=IMAGE_STEP, act=ACTION, kinds=ALL, applies=_bakes_images),
    _PREPARING[0],  # time synchronisation, for the gate that waits for the clock
    Step(name="clock", act=GATE, kinds=ALL),
    *_PREPARING[1:],
    Step(name="haproxy-selinux", act=ACTION, kinds=ALL, applies=_confines_haproxy),
    Step(name="load-balancer", act=ACTION, kinds=ALL - JOINER, applies=balances_load),
    Step(name="vip-hosts", act=GATE, kinds=LOAD_BALANCER),
    Step(name="identity", act=ACTION, kinds=CONTROL_PLANE_KINDS | WORKER),
    # A founder, up to its own API server.
    Step(name="founder", act=GATE, kinds=FOUNDER, applies=_stacked),
    Step(name="founder", act=GATE, kinds=frozenset({NodeKind.ETCD_FOUNDER})),
    Step(name="preflight", act=ACTION, kinds=FOUNDER),
    Step(name="etcd", act=ACTION, kinds=FOUNDER, applies=_stacked),
    Step(name="kubelet", act=ACTION, kinds=FOUNDER),
    # An external etcd host.
    Step(name="etcd-host-join", act=ACTION, kinds=ETCD_JOINER),
    Step(name="etcd-host", act=ACTION, kinds=ETCD_KINDS),
    Step(name="etcd-quorum", act=GATE, kinds=FOUNDER | ETCD_KINDS),
    Step(name="control-plane", act=ACTION, kinds=FOUNDER),
    Step(name="apiserver", act=GATE, kinds=FOUNDER),
    # Whoever uses the API.
    Step(name="endpoint", act=GATE, kinds=CONTROL_PLANE_KINDS | WORKER),
    Step(name="kubeadm-config", act=GATE, kinds=JOINS),
    Step(name="join", act=ACTION, kinds=WORKER),
    Step(name="join-control-plane", act=ACTION, kinds=JOINER),
    Step(name="node", act=GATE, kinds=CONTROL_PLANE_KINDS),
    # Others hold the virtual IP, and learn from the API of a control plane that has joined.
    Step(name="load-balancer", act=ACTION, kinds=JOINER, applies=balances_load),
    # The cluster, once.
    Step(name="cluster-admins", act=GATE, kinds=FOUNDER, applies=_keyless),
    Step(name="cluster", act=ACTION, kinds=FOUNDER),
    Step(name="manifests", act=ACTION, kinds=FOUNDER, applies=expects_pod_network),
    # Done means: well by itself, not only seen through the others.
    Step(name="etcd-member", act=GATE, kinds=CONTROL_PLANE_KINDS, applies=_stacked),
    Step(name="etcd-member", act=GATE, kinds=ETCD_KINDS),
    Step(name="vip-hosts", act=GATE, kinds=JOINER, applies=balances_load),
    Step(name="control-plane-done", act=GATE, kinds=CONTROL_PLANE_KINDS),
    Step(name="ready", act=GATE, kinds=WORKER, applies=expects_pod_network),
)
