"""A folder that khgen-boot takes for a machine, run as a node runs it."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from khgen.resources import resource_folder
from support.programs import SYSTEM_PATH, require_program

KHGEN_BOOT = resource_folder("templates") / "cloud-init" / "khgen-boot"
MOUNT = """\
for folder in etc run var/lib; do mount --bind "$0/$folder" /$folder; done
exec bash "$@"
"""
CLOUD_INIT = """\
#!/bin/sh
[ "$*" = "status --wait" ] && grep -c 'PRIVATE KEY' /var/lib/cloud/instances/*/user-data.txt >{log}
"""
"""Stands for the real one, which waits until it has done: notes what is still there then."""
Status = dict[str, object]
LONG_SECONDS = 60
"""Longer than anything here takes, on a machine that does much else."""


class Machine:
    """A folder that khgen-boot takes for a machine."""

    def __init__(self, root: Path, patience: int) -> None:
        self.root = root
        self.patience = patience
        self.steps = root / "etc/khgen/steps.d"
        for folder in (self.steps, root / "run", root / "var/lib/cloud", root / "bin"):
            folder.mkdir(parents=True)
        self.waited = root / "waited"
        (root / "bin/cloud-init").write_text(CLOUD_INIT.format(log=self.waited))
        (root / "bin/cloud-init").chmod(0o755)
        self.log = root / "log"
        self.log.touch()
        self.set_values(NAME="node one")

    def set_values(self, **values: str) -> None:
        lines = [f"{name}='{value}'\n" for name, value in {**values, "LOG": str(self.log)}.items()]
        (self.root / "etc/khgen/node.env").write_text("".join(lines), encoding="utf-8")

    def step(self, name: str, body: str, *headers: str) -> None:
        lines = ["#!/bin/bash", f"#: what {name} does", *headers, "set -euo pipefail", body, ""]
        (self.steps / name).write_text("\n".join(lines), encoding="utf-8")
        self.has_steps(*(path.name for path in self.steps.iterdir()))

    def has_steps(self, *names: str) -> None:
        order = "".join(f"{name}\n" for name in sorted(names))
        (self.root / "etc/khgen/steps").write_text(order, encoding="utf-8")

    def place(self, path: str, content: str) -> Path:
        """A file at an absolute path, as cloud-init places it."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def command(self, *arguments: str) -> list[str]:
        unshare = require_program("unshare")
        return [
            unshare,
            "--mount",
            "bash",
            "-c",
            MOUNT,
            str(self.root),
            str(KHGEN_BOOT),
            *arguments,
        ]

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.root}/bin:{SYSTEM_PATH}"
        return {**os.environ, "PATH": path, "PATIENCE": str(self.patience)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LONG_SECONDS,
            check=False,
        )

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(), env=self.environment, stdout=subprocess.PIPE, text=True
        )

    def logged(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").split("\n")[:-1]

    def status(self) -> Status:
        status: Status = json.loads((self.root / "run/khgen/status.json").read_text())
        return status

    def until(self, state: str, seen: Callable[[Status], object] | None = None) -> Status:
        """Its status once it is in that state and `seen` is true (default: a step said something)."""
        seen = seen or (lambda status: status.get("output"))
        deadline = time.monotonic() + LONG_SECONDS
        while time.monotonic() < deadline:
            if (self.root / "run/khgen/status.json").exists():
                status = self.status()
                if status["state"] == state and seen(status):
                    return status
            time.sleep(0.02)
        pytest.fail(f"never became {state}: {self.status()}")
