"""A small HTTPS API with khgen's certificates, and a kubectl that asks it."""

import os
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.rendered_out import node_files
from support.rendering import ROOT
from support.seen_cluster import SeenCluster

PKI = "/etc/kubernetes/pki"


@dataclass
class ApiLists:
    """The API: the cluster that it shows, and how."""

    seen: SeenCluster
    port: int = 0
    away: bool = False
    """Whether it answers every request with an error, as behind a load balancer without servers."""
    asked: list[str] = field(default_factory=list)
    """The method and path of each request by a client of the cluster's CA."""


@contextmanager
def api_lists(folder: Path, seen: SeenCluster) -> Iterator[ApiLists]:
    """The API of the output in folder/out, on loopback; the output's admin.conf names it."""
    lists = ApiLists(seen)

    class Handler(BaseHTTPRequestHandler):
        """One connection; its client's certificate is checked by TLS."""

        def do_GET(self) -> None:
            lists.asked.append(f"GET {self.path}")
            text = "no API server is ready" if lists.away else lists.seen.list_of(self.path)
            self.send_response(503 if lists.away else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = _context(folder).wrap_socket(server.socket, server_side=True)
    lists.port = server.server_address[1]
    name_it(folder / "out" / "admin.conf", lists.port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield lists
    finally:
        server.shutdown()
        server.server_close()


def kubectl_path(folder: Path) -> str:
    """A PATH whose kubectl is the real one of KHGEN_KUBE_BIN, else the stand-in's."""
    programs = folder / "bin"
    programs.mkdir()
    real = os.environ.get("KHGEN_KUBE_BIN")
    if real:
        (programs / "kubectl").symlink_to(Path(real) / "kubectl")
    else:
        standin = ROOT / "tests" / "standin" / "kubectl"
        (programs / "kubectl").write_text(f'#!/bin/sh\nexec {sys.executable} {standin} "$@"\n')
        (programs / "kubectl").chmod(0o755)
    return f"{programs}:/usr/bin:/bin"


def _context(folder: Path) -> ssl.SSLContext:
    files = node_files(folder / "out", "cp1")
    for name in ("apiserver.crt", "apiserver.key", "ca.crt"):
        (folder / name).write_bytes(files[f"{PKI}/{name}"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    context.load_verify_locations(folder / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def name_it(admin_conf: Path, port: int) -> None:
    """Put that port on loopback into the kubeconfig as its server."""
    lines = admin_conf.read_text(encoding="utf-8").splitlines()
    changed = [
        line.partition("server:")[0] + f"server: https://127.0.0.1:{port}"
        if line.strip().startswith("server:")
        else line
        for line in lines
    ]
    assert changed != lines
    admin_conf.write_text("\n".join(changed) + "\n", encoding="utf-8")
