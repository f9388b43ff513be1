"""A cluster whose nodes update: a real etcd, API servers of the tests over it, and folders for machines."""

import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from support.etcd_machines import Members
from support.etcd_members import wait_for_port
from support.topologies import cluster
from support.updates import UpdatedMachine

STANDIN = Path(__file__).resolve().parents[1] / "standin"
NODES = {"etcd": 3, "cp": 2, "w": 8}
CONFIG_MAP = "/api/v1/namespaces/khgen/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/khgen"
POLICY: dict[str, object] = {
    "paused": False,
    "maxUnavailable": 1,
    "drainSeconds": 300,
    "window": None,
}
Object = dict[str, Any]


class LivingCluster:
    """Three etcd hosts, two control planes and eight workers, all on loopback addresses."""

    def __init__(self, folder: Path, nodes: Mapping[str, int] = NODES) -> None:
        """A cluster with a network of its own."""
        spec = cluster(nodes, etcd={"topology": "external"})
        self.folder, self.nodes = folder, nodes
        self.members = Members(folder, spec, "none", network())
        self.servers: dict[str, subprocess.Popen[bytes]] = {}
        self.machines = 0

    def url(self, name: str, port: int = 6443) -> str:
        """Where a node's API server, or its etcd, is."""
        return f"https://{self.members.node(name).address}:{port}"

    def names(self, kind: str) -> list[str]:
        """The nodes of a kind."""
        return [f"{kind}{number}" for number in range(1, self.nodes[kind] + 1)]

    def start_etcd(self, *names: str) -> None:
        """Their etcd runs and answers."""
        for name in names:
            self.members.start(name)
        for name in names:
            wait_for_port(str(self.members.node(name).address), 2379, seconds=60)

    def start_missing_etcd(self) -> None:
        """Also those run that a test stopped."""
        self.start_etcd(*(name for name in self.names("etcd") if name not in self.members.running))

    def start_api(self, name: str) -> None:
        """That control plane's API server runs and answers."""
        pki = self.members.machine(name) / "etc/kubernetes/pki"
        address = str(self.members.node(name).address)
        flags = {
            "etcd-servers": ",".join(self.url(etcd, 2379) for etcd in self.names("etcd")),
            "etcd-cafile": pki / "etcd/ca.crt",
            "etcd-certfile": pki / "apiserver-etcd-client.crt",
            "etcd-keyfile": pki / "apiserver-etcd-client.key",
            "tls-cert-file": pki / "apiserver.crt",
            "tls-private-key-file": pki / "apiserver.key",
            "client-ca-file": pki / "ca.crt",
            "bind-address": address,
        }
        with (self.folder / f"api-{name}.log").open("ab") as log:
            self.servers[name] = subprocess.Popen(
                [
                    *("/usr/bin/python3", "-m", "standin.apiserver"),
                    *(f"--{flag}={value}" for flag, value in flags.items()),
                ],
                env={**os.environ, "PYTHONPATH": str(STANDIN)},
                stdout=log,
                stderr=log,
            )
        wait_for_port(address, 6443, seconds=60)

    def stop_api(self, name: str) -> None:
        """It is away."""
        self.servers[name].kill()
        self.servers.pop(name).wait()

    def end(self) -> None:
        """All is away."""
        for name in list(self.servers):
            self.stop_api(name)
        self.members.end()

    def machine(self, name: str, role: str = "worker", **settings: object) -> UpdatedMachine:
        """A machine of that node, booted."""
        self.machines += 1
        root = self.members.machine(name, f"machine{self.machines}")
        values = (root / "etc/khgen/node.env").read_text()
        (root / "etc/khgen/steps").unlink()
        for script in (root / "etc/khgen/steps.d").iterdir():
            script.unlink()
        servers = {cp: self.url(cp) for cp in self.names("cp")}
        members = {etcd: self.url(etcd, 2379) for etcd in self.names("etcd")}
        given: dict[str, object] = {
            "slots": "etcd" if role == "etcd" else "api",
            "endpoint": None if role == "etcd" else self.url("cp1"),
            "apiServers": {} if role == "etcd" else servers,
            "etcd": {} if role == "worker" else members,
        }
        machine = UpdatedMachine(root, name, role, values, **{**given, **settings})
        kubectl = f'#!/bin/sh\nexec /usr/bin/python3 {STANDIN / "kubectl"} "$@"\n'
        machine.program("kubectl", kubectl)
        current = machine.path("/var/lib/kubelet/pki/kubelet-client-current.pem")
        if role != "etcd":
            current.symlink_to("kubelet-client-khgen.pem")
        return machine

    def ask(self, method: str, path: str, body: Object | None = None, by: str = "cp1") -> Object:
        """An answer of the API to the operator."""
        admin = yaml.safe_load(
            (self.members.machine("cp1") / "etc/kubernetes/admin.conf").read_text()
        )
        user, at = admin["users"][0]["user"], admin["clusters"][0]["cluster"]
        authority = base64.b64decode(at["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        with TemporaryDirectory() as folder:
            for name in ("client-certificate", "client-key"):
                (Path(folder) / name).write_bytes(base64.b64decode(user[f"{name}-data"]))
            context.load_cert_chain(f"{folder}/client-certificate", f"{folder}/client-key")
        address = str(self.members.node(by).address)
        connection = http.client.HTTPSConnection(address, 6443, context=context, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            said = answer.read()
        assert answer.status in {200, 201, 404} or b"AlreadyExists" in said, said
        return dict(json.loads(said)) if answer.status in {200, 201} else {}

    def clear(self) -> None:
        """No objects are left of the test before."""
        every = {"key": _b64("/standin/"), "range_end": _b64("/standin0")}
        self.etcd("kv/deleterange", every)
        self.etcd("kv/deleterange", {"key": _b64("/khgen/roll")})

    def etcd(self, call: str, body: Mapping[str, object]) -> Object:
        """An answer of etcd itself."""
        pki = self.members.machine("etcd1") / "etc/kubernetes/pki/etcd"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        client = pki / "healthcheck-client.crt", pki / "healthcheck-client.key"
        context.load_cert_chain(*client)
        address = str(self.members.node("etcd1").address)
        connection = http.client.HTTPSConnection(address, 2379, context=context, timeout=30)
        with contextlib.closing(connection):
            connection.request("POST", f"/v3/{call}", json.dumps(body))
            return dict(json.loads(connection.getresponse().read()))

    def history(self, key: str) -> Iterator[Object]:
        """Each value that a key has had, oldest first."""
        now = int(self.etcd("kv/range", {"key": _b64(key)})["header"]["revision"])
        seen = ""
        for revision in range(1, now + 1):
            found = self.etcd("kv/range", {"key": _b64(key), "revision": str(revision)})
            for pair in found.get("kvs", []):
                if pair["value"] != seen:
                    yield json.loads(base64.b64decode(pair["value"]))
                seen = pair["value"]

    def applies(
        self, wanted: Mapping[str, int], state: Object | None = None, **policy: object
    ) -> None:
        """`kubectl apply -f update.yaml`, as far as nodes take turns by it.

        With `state`, the nodes wrote that just before.
        """
        roles = {"cp": "control-plane", "w": "worker"}
        data = {
            "policy": json.dumps({**POLICY, **policy}),
            "wanted": json.dumps(
                {
                    name: {"role": roles[name.rstrip("0123456789")], "generation": generation}
                    for name, generation in wanted.items()
                }
            ),
        }
        if state is not None:
            data["state"] = json.dumps(state)
        if not self.ask("PATCH", f"{CONFIG_MAP}/roll", {"data": data}):
            metadata = {"name": "roll", "namespace": "khgen"}
            new = {"kind": "ConfigMap", "metadata": metadata, "data": data}
            self.ask("POST", CONFIG_MAP, new)
            self.allow("roll", "configmaps", ("get", "update", "patch"), "system:nodes")

    def allow(self, name: str, resource: str, verbs: tuple[str, ...], subject: str) -> None:
        """A Role and its RoleBinding, for the object of that name alone."""
        rule = {"resources": [resource], "resourceNames": [name], "verbs": verbs, "apiGroups": [""]}
        metadata = {"name": name, "namespace": "khgen"}
        self.ask("POST", f"{RBAC}/roles", {"metadata": metadata, "rules": [rule]})
        binding = {"metadata": metadata, "roleRef": {"name": name}, "subjects": [{"name": subject}]}
        self.ask("POST", f"{RBAC}/rolebindings", binding)

    def state(self, state: Object | None = None) -> Object:
        """What nodes have written about the roll; or they have written this."""
        if state is not None:
            self.ask("PATCH", f"{CONFIG_MAP}/roll", {"data": {"state": json.dumps(state)}})
        found = self.ask("GET", f"{CONFIG_MAP}/roll")
        return dict(json.loads(found["data"].get("state", "{}")))

    def register(self, name: str, *, ready: bool = True, control_plane: bool = False) -> None:
        """Its Node is in the API."""
        labels = {"node-role.kubernetes.io/control-plane": ""} if control_plane else {}
        condition = {"type": "Ready", "status": str(ready)}
        about = {"conditions": [condition], "nodeInfo": {"kubeletVersion": "v1.29.6"}}
        metadata = {"name": name, "labels": labels}
        self.ask("POST", "/api/v1/nodes", {"metadata": metadata, "spec": {}, "status": about})

    def node(self, name: str) -> Object:
        """Its Node."""
        return self.ask("GET", f"/api/v1/nodes/{name}")

    def report(self, name: str) -> Object:
        """What it reports about its updates."""
        annotations = self.node(name)["metadata"].get("annotations", {})
        return dict(json.loads(annotations.get("khgen/update", "{}")))

    def pod(self, name: str, node: str, **metadata: object) -> None:
        """A pod on a node."""
        about = {"name": name, "namespace": "default", **metadata}
        pod = {"kind": "Pod", "metadata": about, "spec": {"nodeName": node}, "status": {}}
        self.ask("POST", "/api/v1/namespaces/default/pods", pod)

    def pods(self) -> list[str]:
        """All pods."""
        return sorted(pod["metadata"]["name"] for pod in self.ask("GET", "/api/v1/pods")["items"])


def network() -> str:
    """Loopback addresses that no other run of the tests has on this machine."""
    number = os.getpid()
    return f"127.{128 + (number >> 8) % 127}.{number % 256}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def day_and_time(seconds: float) -> tuple[str, str]:
    """The day of the week and the time of day, UTC, so many seconds from now."""
    moment = datetime.fromtimestamp(time.time() + seconds, UTC)
    return moment.strftime("%a"), moment.strftime("%H:%M")
