"""The update of a rehearsed cluster: the files of another spec, which the hosts get by the API."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from khgen.bundle.update_bundle import UpdateBundle
from khgen.bundle.update_objects import NodeUpdate, update_yaml
from khgen.files.node_files import update_key
from khgen.rehearse.local_host import LocalHost, Testbed
from khgen.rehearse.processes import wait_until
from khgen.render import ClusterRender, ClusterUpdates

STATUS = "/run/khgen/roll.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollStatus:
    """Where a host is with its update."""

    host: str
    state: str
    line: str
    seconds: float
    """Seconds from the beginning of the update until the host was first seen there."""


@dataclass(slots=True, kw_only=True)
class RollWatch:
    """Follows hosts until each has the update that it shall have."""

    hosts: Sequence[LocalHost]
    wanted: Mapping[str, int]
    """The generation of each host's update."""
    since: float = field(default_factory=time.monotonic)
    last: dict[str, RollStatus] = field(default_factory=dict)
    _applied: set[str] = field(default_factory=set, init=False)

    @property
    def seconds(self) -> float:
        """How long it has been watching."""
        return time.monotonic() - self.since

    @property
    def all_done(self) -> bool:
        """Whether every host has its update in force."""
        return len(self._applied) == len(self.hosts)

    def until_done(self, timeout: float, every: float = 0.2) -> Iterator[RollStatus]:
        """Each change, until all is done or the time is over."""
        while True:
            yield from self.look()
            if self.all_done or self.seconds > timeout:
                return
            time.sleep(every)

    def look(self) -> Iterator[RollStatus]:
        """Each host that changed its state or its line since the last look."""
        for host in self.hosts:
            shown = _status(host)
            if shown.get("applied") == self.wanted[host.name] and shown.get("state") == "applied":
                self._applied.add(host.name)
            new = RollStatus(
                host=host.name,
                state=str(shown.get("state", "")),
                line=str(shown.get("line", "")),
                seconds=self.seconds,
            )
            old = self.last.get(host.name)
            if old is None or (old.state, old.line) != (new.state, new.line):
                self.last[host.name] = new
                if new.state:
                    yield new


def _status(host: LocalHost) -> Mapping[str, object]:
    try:
        return dict(json.loads(host.read(STATUS) or "{}"))
    except ValueError:  # half written, or the disk is damaged
        return {}


def updates_of(
    render: ClusterRender, held: Mapping[str, UpdateBundle] | None = None
) -> Mapping[str, UpdateBundle]:
    """The update of each node by name, newer than those that it was given before (`held`)."""
    before = {name: bundle.held for name, bundle in (held or {}).items()}
    updates = ClusterUpdates(render, before, datetime.now(UTC))
    return {node.name: updates.bundle(render.node(node)) for node in render.plan.nodes}


def objects_of(render: ClusterRender, updates: Mapping[str, UpdateBundle]) -> str:
    """update.yaml with these updates."""
    nodes = [node for node in render.plan.nodes if node.joins_kubernetes and node.name in updates]
    wanted = {node.name: updates[node.name].generation for node in nodes}
    given = (
        NodeUpdate(
            node=node,
            generation=wanted[node.name],
            files=updates[node.name].files,
            key=update_key(render.secrets, node),
        )
        for node in nodes
    )
    return "".join(update_yaml(render.plan, wanted, given))


def apply_objects(testbed: Testbed, render: ClusterRender, text: str) -> None:
    """`kubectl apply` of update.yaml, as the operator does it, with the operator's kubeconfig."""
    folder = testbed.folder / "operator"
    folder.mkdir(mode=0o700, exist_ok=True)
    kubeconfig, objects = folder / "admin.conf", folder / "update.yaml"
    kubeconfig.write_text(render.admin_conf(), encoding="utf-8")
    objects.write_text(text, encoding="utf-8")
    kubectl = (testbed.programs / "kubectl", "--kubeconfig", kubeconfig)

    def applied() -> bool:
        return testbed.namespaces.tries(*kubectl, "apply", "-f", objects) is not None

    # Just after the boot an API server may still be on its way behind its load balancer.
    wait_until(applied, 60, "kubectl apply -f update.yaml", every=1)


def give_by_folder(host: LocalHost, update: UpdateBundle, folder: str = "/root/update") -> None:
    """Put a host's update on its disk and have khgen-boot take it, as an operator on its console."""
    for name, content in update.files.items():
        host.place(f"{folder}/{name}", content)
    host.run("khgen-boot", "apply", folder)
