"""Kubernetes' programs as downloads: hosts install and upgrade them by the steps of real machines."""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from khgen.rehearse.namespaces import Namespaces

SERVER_PORT = 8000
DOWNLOADED = ("kubeadm", "kubelet", "kubectl")
SERVED = "served"
"""The folder below that of the testbed from which the hosts download."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPrograms:
    """A folder of Kubernetes programs that hosts download."""

    folder: Path
    version: str

    def artifacts(self, gateway: str) -> Mapping[str, Mapping[str, str]]:
        """URL and digest of each program, as the spec's `install.artifacts` has them."""
        host = f"[{gateway}]" if ":" in gateway else gateway
        return {
            name: {
                "url": f"http://{host}:{SERVER_PORT}/{self.version}/{name}",
                "sha256": _digest(self.folder / name),
            }
            for name in DOWNLOADED
        }


def serve_programs(namespaces: Namespaces, folder: Path, served: Sequence[ServedPrograms]) -> None:
    """Start the server of these programs on the bridge; it ends with the namespaces."""
    root = folder / SERVED
    root.mkdir(exist_ok=True)
    for programs in served:
        (root / programs.version).symlink_to(programs.folder.resolve())
    command = [sys.executable, "-m", "http.server", str(SERVER_PORT), "--directory", str(root)]
    # Both address families.
    command += ["--bind", "::"]
    namespaces.start(command, folder / "server.log", dict(os.environ))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
