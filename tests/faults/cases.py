"""The fault table: what goes wrong while a cluster builds itself, one row for each case."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from khgen.plan.cluster_plan import NodeKind, Plan, build_plan, founders_of
from khgen.plan.steps import steps_of
from khgen.rehearse.rehearsed_spec import rehearsed
from khgen.spec.model import ClusterSpec
from support.boot_steps import is_gate
from support.local_cluster import ENDPOINT
from support.topologies import cluster

CLOUD_INIT = "cloud-init"
"""In place of a step: while cloud-init places the files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A cluster that cases are played on."""

    counts: Mapping[str, int]
    external: bool = False
    before: Mapping[str, int] | None = None
    """How many there were when the living hosts were rendered; they keep those files."""

    def spec(self, version: Mapping[str, str]) -> ClusterSpec:
        """Its spec, of that version of Kubernetes."""
        return self._spec(self.counts, version)

    def spec_before(self, version: Mapping[str, str]) -> ClusterSpec:
        """The spec that its living hosts were rendered from."""
        return self._spec(self.before or self.counts, version)

    def _spec(self, counts: Mapping[str, int], version: Mapping[str, str]) -> ClusterSpec:
        etcd = {"topology": "external"} if self.external else {}
        return cluster(counts, etcd=etcd, controlPlaneEndpoint=ENDPOINT, kubernetes=version)


SHAPES: Mapping[str, Shape] = {
    "three founders": Shape(counts={"cp": 3}),
    "three founders, workers": Shape(counts={"cp": 3, "w": 24}),
    "three founders, a joiner": Shape(counts={"cp": 4}, before={"cp": 3}),
    "one founder, two joiners": Shape(counts={"cp": 3}, before={"cp": 1}),
    "three founders, two joiners": Shape(counts={"cp": 5}, before={"cp": 3}),
    "a third balancer": Shape(counts={"cp": 1, "lb": 3}, before={"cp": 1, "lb": 2}),
    "etcd hosts": Shape(counts={"etcd": 3, "cp": 1}, external=True),
    "load balancers": Shape(counts={"cp": 3, "lb": 2}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One fault. `living` hosts are done before it begins, and may serve several cases."""

    name: str
    shape: str = "three founders"
    power: Mapping[str, float]
    """Who is powered on, after how many seconds; -1: as late as --late says."""
    living: tuple[str, ...] = ()
    host: str = ""
    """To whom it happens."""
    cut_at: str = ""
    cut_host: str = ""
    """Who loses its power when `host` is at that step; default: itself."""
    unplug_at: str = ""
    """The step at which power or cable goes, for --off seconds."""
    full: str = ""
    """The folder that is full, for --off seconds after the host's boot has begun."""
    damage: Callable[[bytes], bytes] | None = None
    """What happens to its user-data; it gets the right one when the others are done."""
    ahead: float = 0
    """Seconds that the render's clock is ahead of the hosts'."""
    patience: float = 0
    """Seconds until khgen-boot calls a step stalled (default: its own), which must happen."""
    reseeded: tuple[str, ...] = ()
    """Living hosts that get their new files, and reboot, one after the other."""

    @property
    def expected(self) -> tuple[str, ...]:
        """Who must be done in the end."""
        return (*self.living, *self.power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role whose every step has its power cut, and whose every gate loses its cable."""

    kind: NodeKind
    shape: str
    host: str
    power: Mapping[str, float]
    living: tuple[str, ...] = ()


CP = ("cp1", "cp2", "cp3")
ETCD = ("etcd1", "etcd2", "etcd3")
AT_ONCE: Mapping[str, float] = dict.fromkeys(CP, 0)
ETCD_AT_ONCE: Mapping[str, float] = dict.fromkeys(ETCD, 0)
ROLES: Mapping[str, Role] = {
    "founder": Role(kind=NodeKind.FOUNDER, shape="three founders", host="cp2", power=AT_ONCE),
    "worker": Role(
        kind=NodeKind.WORKER, shape="three founders, workers", host="w", power={}, living=CP
    ),
    "etcd host": Role(
        kind=NodeKind.ETCD_FOUNDER, shape="etcd hosts", host="etcd2", power=ETCD_AT_ONCE
    ),
    "founder, external etcd": Role(
        kind=NodeKind.FOUNDER, shape="etcd hosts", host="cp1", power={**ETCD_AT_ONCE, "cp1": 0}
    ),
    "load balancer": Role(
        kind=NodeKind.LOAD_BALANCER,
        shape="load balancers",
        host="lb2",
        power={"lb2": 0},
        living=(*CP, "lb1"),
    ),
    "later control plane": Role(
        kind=NodeKind.CONTROL_PLANE_JOINER,
        shape="three founders, a joiner",
        host="cp4",
        power={"cp4": 0},
        living=CP,
    ),
}


def _order(*names: str) -> Case:
    power = {name: 4.0 * turn for turn, name in enumerate(names)}
    return Case(name=f"order: {', '.join(names)}, 4 s apart", power=power)


OTHERS: tuple[Case, ...] = (
    _order("cp1", "cp2", "cp3"),
    _order("cp1", "cp3", "cp2"),
    _order("cp2", "cp1", "cp3"),
    _order("cp2", "cp3", "cp1"),
    _order("cp3", "cp1", "cp2"),
    _order("cp3", "cp2", "cp1"),
    Case(name="late: cp3 two minutes after the others", power={"cp1": 0, "cp2": 0, "cp3": -1}),
    Case(name="absent: cp3 never comes", power={"cp1": 0, "cp2": 0}),
    Case(name="clock: 30 s before notBefore", power=AT_ONCE, ahead=30),
    Case(name="clock: stalled until notBefore", power=AT_ONCE, ahead=45, patience=8),
    Case(name="full: /var/lib/etcd", power=AT_ONCE, host="cp2", full="/var/lib/etcd"),
    Case(name="full: /var/lib/khgen", power=AT_ONCE, host="cp2", full="/var/lib/khgen"),
    Case(name="full: /etc/kubernetes", power=AT_ONCE, host="cp2", full="/etc/kubernetes"),
    Case(
        name="user-data: its first half",
        power=AT_ONCE,
        host="cp2",
        damage=lambda data: data[: len(data) // 2],
    ),
    Case(
        name="user-data: without its last twentieth",
        power=AT_ONCE,
        host="cp2",
        damage=lambda data: data[: len(data) * 19 // 20],
    ),
    Case(
        name="user-data: garbage",
        power=AT_ONCE,
        host="cp2",
        damage=lambda data: bytes(byte ^ 0x5A for byte in data),
    ),
    Case(name="user-data: empty", power=AT_ONCE, host="cp2", damage=lambda _: b""),
    Case(
        name="growth: one to three",
        shape="one founder, two joiners",
        power={"cp2": 0, "cp3": 0},
        living=("cp1",),
    ),
    Case(
        name="growth: one to three, a newcomer cut at its join",
        shape="one founder, two joiners",
        power={"cp2": 0, "cp3": 0},
        living=("cp1",),
        host="cp2",
        cut_at="join-control-plane",
    ),
    Case(
        name="growth: one to three, the first cut at a newcomer's join",
        shape="one founder, two joiners",
        power={"cp2": 0, "cp3": 0},
        living=("cp1",),
        host="cp2",
        cut_at="join-control-plane",
        cut_host="cp1",
    ),
    Case(
        name="growth: three to five",
        shape="three founders, two joiners",
        power={"cp4": 0, "cp5": 0},
        living=CP,
    ),
    Case(
        name="growth: two balancers to three",
        shape="a third balancer",
        power={"lb3": 0},
        living=("cp1", "lb1", "lb2"),
        reseeded=("lb1", "lb2"),
    ),
)


def all_cases() -> tuple[Case, ...]:
    """The whole table; cases that share living hosts stand together."""
    return (*OTHERS, *(case for name, role in ROLES.items() for case in _of_role(name, role)))


def _of_role(name: str, role: Role) -> Iterator[Case]:
    steps = steps_of(plan_of(role.shape), role.kind)
    gates = [step.file_name for step in steps if is_gate(step)]
    cuts = [("cut", step) for step in (CLOUD_INIT, *(step.file_name for step in steps))]
    for number, (act, step) in enumerate((*cuts, *(("cable", gate) for gate in gates)), start=1):
        # A worker of its own for each: a Node that is there already would change what joins do.
        host = f"w{number}" if role.kind is NodeKind.WORKER else role.host
        yield Case(
            name=f"{act}: {name} at {step}",
            shape=role.shape,
            power=role.power or {host: 0},
            living=role.living,
            host=host,
            cut_at=step if act == "cut" else "",
            unplug_at=step if act == "cable" else "",
        )


def plan_of(shape: str) -> Plan:
    """The plan that a shape's hosts are rendered from."""
    spec, before = (
        rehearsed(made({})).spec for made in (SHAPES[shape].spec, SHAPES[shape].spec_before)
    )
    return build_plan(spec, founders_of(before))
