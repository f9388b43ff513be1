"""What `khgen status` reads from the API, as a model.

These are Nodes with their annotation, the API servers' pods, and the ConfigMap that orders a roll.
Only keys that the report uses are here. What nodes wrote may be missing, or from another version of
khgen: then it is a fault in the snapshot, not a failure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, ValidationError
from pydantic.alias_generators import to_camel

from khgen.bundle.update_objects import NAMESPACE, ROLL
from khgen.spec.model.updates import Day

REPORT = "khgen/update"
"""The annotation on a Node that the node itself writes."""
API_SERVER = "kube-apiserver"
NODES_PATH = "/api/v1/nodes"
PODS_PATH = f"/api/v1/namespaces/kube-system/pods?labelSelector=component%3D{API_SERVER}"
ROLL_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps?fieldSelector=metadata.name%3D{ROLL}"
"""Lists, because a list is empty where there is no such object."""


class UpdateState(StrEnum):
    """How far a node is with its update."""

    WAITING = "waiting"
    ROLLING = "rolling"
    FAILED = "failed"
    APPLIED = "applied"
    REFUSED = "refused"


class _Part(BaseModel):
    """A part of an object; its keys are in camelCase, and others are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class _Metadata(_Part):
    name: str
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Condition(_Part):
    """A condition of a Node or a pod."""

    type: str
    status: str
    message: str = ""


def is_true(conditions: tuple[Condition, ...], kind: str) -> bool:
    """Whether there is a condition of that type, and it holds."""
    return any(one.type == kind and one.status == "True" for one in conditions)


class _NodeInfo(_Part):
    kubelet_version: str = ""


class _NodeStatus(_Part):
    conditions: tuple[Condition, ...] = ()
    node_info: _NodeInfo = _NodeInfo()


class _NodeSpec(_Part):
    unschedulable: bool = False


class Node(_Part):
    """A Node."""

    metadata: _Metadata
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()


class _Container(_Part):
    name: str
    image: str


class _PodSpec(_Part):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class _PodStatus(_Part):
    conditions: tuple[Condition, ...] = ()


class Pod(_Part):
    """A pod of an API server."""

    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    @property
    def version(self) -> str:
        """The tag of the API server's image, like v1.29.6; empty where the image has none."""
        images = [one.image for one in self.spec.containers if one.name == API_SERVER]
        name = images[0].partition("@")[0] if images else ""
        return name.rpartition("/")[2].partition(":")[2]


class _ConfigMap(_Part):
    data: Mapping[str, str] = Field(default_factory=dict)


class _Nodes(_Part):
    items: tuple[Node, ...]


class _Pods(_Part):
    items: tuple[Pod, ...]


class _ConfigMaps(_Part):
    items: tuple[_ConfigMap, ...]


class NodeReport(_Part):
    """What a node reports of itself in its annotation."""

    state: UpdateState
    applied: int | None = None
    wanted: int | None = None
    line: str = ""
    since: AwareDatetime | None = None
    vip: bool = False
    etcd: str | None = None
    certificates_end: AwareDatetime | None = None
    ending: str | None = None
    """Certificates in the last quarter of their life that nothing on the node renews."""


class Window(_Part):
    """When a roll may start: on these days (UTC), from a time of day on, for so many minutes."""

    days: tuple[Day, ...] = Field(min_length=1)
    start: str = Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    minutes: int = Field(ge=1)


class _Policy(_Part):
    paused: bool = False
    window: Window | None = None


class _Wanted(_Part):
    generation: int


class _WantedNodes(RootModel[Mapping[str, _Wanted]]):
    pass


class Slot(_Part):
    """The right of a node to put its update into force now."""

    role: str
    generation: int
    since: AwareDatetime
    state: Literal["rolling", "failed"]
    message: str = ""


class _RollState(_Part):
    slots: Mapping[str, Slot] = Field(default_factory=dict)
    applied: Mapping[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """The order of a roll, as the ConfigMap has it."""

    paused: bool
    window: Window | None
    wanted: Mapping[str, int]
    """The generation that each node is to have."""
    slots: Mapping[str, Slot]
    applied: Mapping[str, int]
    """The generation that each node had when it gave back its slot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The cluster at one moment, each part by the node's name."""

    nodes: Mapping[str, Node]
    reports: Mapping[str, NodeReport]
    api_servers: Mapping[str, Pod]
    roll: Roll | None
    """None where the cluster has no such ConfigMap."""
    faults: tuple[str, ...]
    """What was there but could not be read."""


class NotAListError(ValueError):
    """What came is not the list of objects that was asked for."""


_Model = TypeVar("_Model", bound=BaseModel)


def snapshot(nodes: str, pods: str, config_maps: str) -> Snapshot:
    """The snapshot in three lists of the API, each in JSON; NotAListError where one is none."""
    found = {node.metadata.name: node for node in _list(nodes, _Nodes, "Nodes").items}
    api_servers = {pod.spec.node_name: pod for pod in _list(pods, _Pods, "Pods").items}
    maps = _list(config_maps, _ConfigMaps, "ConfigMaps").items
    faults: list[str] = []
    reports = {
        name: report
        for name, node in found.items()
        if (text := node.metadata.annotations.get(REPORT)) is not None
        if (report := _read(text, NodeReport, f"annotation {REPORT} of {name}", faults))
    }
    return Snapshot(
        nodes=found,
        reports=reports,
        api_servers=api_servers,
        roll=_roll(maps[0], faults) if maps else None,
        faults=tuple(faults),
    )


def _roll(config_map: _ConfigMap, faults: list[str]) -> Roll:
    where = f"ConfigMap {NAMESPACE}/{ROLL}"
    data = config_map.data
    policy = _read(data.get("policy", "{}"), _Policy, f"data.policy of {where}", faults)
    state = _read(data.get("state", "{}"), _RollState, f"data.state of {where}", faults)
    wanted = _read(data.get("wanted", "{}"), _WantedNodes, f"data.wanted of {where}", faults)
    policy, state = policy or _Policy(), state or _RollState()
    generations = {name: one.generation for name, one in wanted.root.items()} if wanted else {}
    return Roll(
        paused=policy.paused,
        window=policy.window,
        wanted=generations,
        # Nodes, too, ignore the slot of a node that is no longer wanted: khgen-roll, seen_slots.
        slots={name: slot for name, slot in state.slots.items() if name in generations},
        applied=state.applied,
    )


def _list(text: str, model: type[_Model], what: str) -> _Model:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        message = f"the API's answer is no list of {what}"
        raise NotAListError(message) from None


def _read(text: str, model: type[_Model], what: str, faults: list[str]) -> _Model | None:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = f"{place}: {first['msg']}" if place else first["msg"]
        faults.append(f"the {what} cannot be read: {message}")
        return None
