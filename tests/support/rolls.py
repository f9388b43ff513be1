"""Rolls on booted hosts: specs that each change something, and who held a slot when."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from khgen.pki.secrets import EVERYONE, renewed
from khgen.rehearse.rehearsed_spec import MANIFESTS
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from support.kubernetes import kubeadm_version
from support.local_cluster import ENDPOINT, LocalCluster
from support.topologies import cluster

REAL = bool(os.environ.get("KHGEN_KUBE_BIN"))
KEY = "/registry" if REAL else "/standin/api/v1/namespaces/khgen"
KEY += "/configmaps/khgen/roll" if REAL else "/configmaps/roll"
"""Where the API server keeps the ConfigMap in etcd."""
REGISTRY = "update-{}.example.net"


def numbered_spec(counts: Mapping[str, int], number: int) -> ClusterSpec:
    """A spec in which an update of another number differs in a hosts entry, in a flag of the API
    server, in the kubelets' configuration and in labels; with the stand-in, also in the version."""
    version = str(kubeadm_version()) if REAL else f"1.29.{number}"
    entry = {"address": "10.9.9.9", "names": [REGISTRY.format(number)]}
    spec = cluster(
        counts,
        controlPlaneEndpoint=ENDPOINT,
        os={"family": "debian", "release": "12", "hosts": [entry] if number else []},
        kubernetes={
            "version": version,
            "apiServer": {"extraArgs": {"audit-log-maxage": str(number + 1)}},
            "kubelet": {"config": {"maxPods": 100 + number}},
        },
    )
    data = spec.model_dump(mode="json", by_alias=True)
    for node in data["nodes"]:
        node["labels"] = {"example.net/update": str(number)}
    return ClusterSpec.model_validate(data)


def render_update(cluster: LocalCluster, number: int, *, renew: bool = False) -> None:
    """Another update for every host, as `khgen render` makes it; with renewed certificates, if
    asked."""
    counts: dict[str, int] = {}
    for node in cluster.render.plan.nodes:
        kind = node.name.rstrip("0123456789")
        counts[kind] = counts.get(kind, 0) + 1
    if renew:
        secrets = renewed(cluster.render.secrets, (EVERYONE,), datetime.now(UTC))
        cluster.render = ClusterRender(cluster.render.plan, secrets, MANIFESTS)
    cluster.rendered_anew(numbered_spec(counts, number))
    cluster.make_updates()


def in_force(cluster: LocalCluster, name: str, number: int) -> bool:
    """Whether that update is in force on a host: in its files, and in what its API server runs."""
    host = cluster.hosts[name]
    if REGISTRY.format(number) not in (host.read("/etc/hosts") or ""):
        return False
    if cluster.render.plan.by_name[name] not in cluster.render.plan.control_planes:
        return True
    running = host.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'").splitlines()
    return f"--audit-log-maxage={number + 1}" in running


def node_metadata(cluster: LocalCluster, name: str) -> dict[str, dict[str, str]]:
    """Labels and annotations of a Node."""
    node = json.loads(cluster.kubectl("get", "nodes", name, "-o", "json"))
    return dict((node["items"][0] if "items" in node else node)["metadata"])


Slots = Mapping[str, Mapping[str, str]]
"""The slots at one moment, by the node that holds each."""


@dataclass(slots=True, kw_only=True)
class SlotHistory:
    """Every state that the nodes wrote, out of etcd's own history: nothing is missed."""

    cluster: LocalCluster
    since: int = 0

    def begin(self) -> None:
        """Forget what was until now."""
        self.since = self._at()["header"]["revision"]

    def states(self) -> list[Slots]:
        """The slots after each write, in order."""
        found: list[Slots] = []
        revision = 0
        while pairs := self._at(revision).get("kvs", []):
            if pairs[0]["mod_revision"] <= self.since:
                break
            found.append(_slots(base64.b64decode(pairs[0]["value"])))
            revision = pairs[0]["mod_revision"] - 1
        return found[::-1]

    def holders(self) -> list[str]:
        """Who held a slot, in the order in which they took it."""
        order: list[str] = []
        before: Slots = {}
        for slots in self.states():
            order += [name for name in slots if name not in before]
            before = slots
        return order

    def wrong(self) -> list[list[str]]:
        """Holders of slots that no two may hold at the same time."""
        return [
            sorted(slots) for slots in self.states() if any(n > 1 for n in _by_role(slots).values())
        ]

    def _at(self, revision: int = 0) -> dict[str, Any]:
        host = next(
            node.name
            for node in self.cluster.render.plan.etcd_members
            if self.cluster.hosts[node.name].first_process is not None
        )
        words = ["get", KEY, "-w", "json", *([f"--rev={revision}"] if revision else [])]
        return dict(json.loads(self.cluster.etcd(host, *words)))


def _by_role(slots: Slots) -> Mapping[str, int]:
    roles = [slot["role"] for slot in slots.values()]
    return {role: roles.count(role) for role in roles}


def _slots(stored: bytes) -> Slots:
    """The slots in a stored ConfigMap: JSON, or protobuf that has the JSON of the state as it is."""
    if REAL:
        begin = stored.find(b'{"applied"')
        text = stored[begin:].decode(errors="replace") if begin >= 0 else "{}"
        state = json.JSONDecoder().raw_decode(text)[0]
    else:
        state = json.loads(json.loads(stored)["data"].get("state", "{}"))
    return dict(state.get("slots", {}))
