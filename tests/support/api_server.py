"""A real kube-apiserver of KHGEN_KUBE_BIN on a real etcd, with a rendered control plane's files."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.kubernetes import kube_bin
from support.programs import SYSTEM_PATH, require_program
from support.rendered_out import node_files

START_SECONDS = 120


@dataclass
class ApiServer:
    """The API server on loopback, and the identity of an administrator."""

    port: int
    authority: Path

    def kubectl(self, *words: str | Path, text: str | None = None) -> str:
        """What kubectl prints for the administrator; it must succeed."""
        done = self.try_kubectl(*words, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_kubectl(
        self, *words: str | Path, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A run of kubectl for the administrator."""
        server = f"--server=https://127.0.0.1:{self.port}"
        identity = (server, f"--certificate-authority={self.authority}", "--token=admin")
        return subprocess.run(
            [kube_bin() / "kubectl", *identity, *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": SYSTEM_PATH, "HOME": str(self.authority.parent), "KUBECONFIG": ""},
        )

    def create(self, kind: str, item: dict[str, Any]) -> None:
        """Create the object, and set its status, which a creation leaves out."""
        metadata = item["metadata"]
        text = json.dumps({"apiVersion": "v1", "kind": kind, **item})
        self.kubectl("create", "-f", "-", text=text)
        place = ("-n", metadata["namespace"]) if "namespace" in metadata else ()
        patch = (
            "--subresource=status",
            "--type=merge",
            "-p",
            json.dumps({"status": item["status"]}),
        )
        self.kubectl("patch", kind.lower(), metadata["name"], *place, *patch)


@contextmanager
def api_server(folder: Path, out: Path, node: str) -> Iterator[ApiServer]:
    """The API server with the files of this node of the output; they are put into the folder."""
    for path, content in node_files(out, node).items():
        file = folder / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (folder / "tokens.csv").write_text("admin,admin,admin,system:masters\nweak,weak,weak\n")
    port, client_port, peer_port = _free_ports(3)
    with ExitStack() as stack:
        etcd = _etcd(folder, client_port, peer_port)
        stack.enter_context(_running(etcd, folder / "etcd.log"))
        log = folder / "kube-apiserver.log"
        process = stack.enter_context(_running(_server(folder, port, client_port), log))
        server = ApiServer(port, folder / "etc/kubernetes/pki/ca.crt")
        _wait_until_ready(server, process, log)
        yield server


def _etcd(folder: Path, client_port: int, peer_port: int) -> list[str | Path]:
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        require_program("etcd"),
        *("--data-dir", folder / "etcd", "--initial-cluster", f"default={peer}"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
    ]


def _server(folder: Path, port: int, client_port: int) -> list[str | Path]:
    pki = folder / "etc/kubernetes/pki"
    return [
        kube_bin() / "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{client_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=Node,RBAC",
        f"--token-auth-file={folder}/tokens.csv",
        # No controller manager makes the service accounts that pods would need.
        "--disable-admission-plugins=ServiceAccount",
    ]


@contextmanager
def _running(command: list[str | Path], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as said:
        environment = {**os.environ, "PATH": SYSTEM_PATH}
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(server: ApiServer, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while server.try_kubectl("get", "--raw", "/readyz").returncode:
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.5)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [one.getsockname()[1] for one in sockets]
