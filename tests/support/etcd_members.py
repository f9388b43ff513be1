"""The real etcd, run as the rendered static pods say, on loopback addresses of this machine."""

import os
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from support.programs import SYSTEM_PATH, require_program

START = """\
set -eu
root=$1
shift
mkdir -p "$root/data" "$root/upper" "$root/work"
mount -t overlay overlay -o "lowerdir=$root/etc:/etc,upperdir=$root/upper,workdir=$root/work" /etc
mkdir -p /var/lib/etcd
mount --bind "$root/data" /var/lib/etcd
exec "$@"
"""
"""Lays the rendered /etc over this machine's, seen by this one process alone."""


@dataclass
class EtcdMember:
    """One member: the folder with its rendered files, and the running etcd."""

    name: str
    address: str
    root: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def client_url(self) -> str:
        """Where clients reach it."""
        return f"https://{self.address}:2379"

    def command(self) -> list[str]:
        """The pod's command line, except the two listeners that all hosts have on 127.0.0.1."""
        (pod,) = yaml.safe_load_all((self.root / "etc/khgen/etcd.yaml").read_text())
        program, *arguments = pod["spec"]["containers"][0]["command"]
        shared = ("https://127.0.0.1:2379,", "http://127.0.0.1:2381")
        assert sum(any(text in argument for text in shared) for argument in arguments) == 2
        own = [
            argument.replace(shared[0], "").replace(shared[1], f"http://{self.address}:2381")
            for argument in arguments
        ]
        return [require_program(program), *own]

    def start(self) -> None:
        """Start etcd in a mount namespace of its own."""
        with (self.root / "etcd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "bash", "-c", START, "etcd", self.root, *self.command()],
                stdout=log,
                stderr=log,
                env={**os.environ, "PATH": SYSTEM_PATH},
            )

    def stop(self) -> None:
        """Kill etcd."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """What etcd said."""
        return (self.root / "etcd.log").read_text()


def etcdctl(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What etcdctl says, with API version 3 and a short patience."""
    return subprocess.run(
        [require_program("etcdctl"), "--command-timeout=3s", "--dial-timeout=2s", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
        env={"PATH": SYSTEM_PATH, "ETCDCTL_API": "3"},
    )


def wait_for_port(address: str, port: int, *, seconds: float) -> None:
    """Return once somebody listens there."""
    end = time.monotonic() + seconds
    while True:
        with closing(socket.socket()) as trial:
            trial.settimeout(0.5)
            if trial.connect_ex((address, port)) == 0:
                return
        assert time.monotonic() < end, f"nobody listens on {address}:{port}"
        time.sleep(0.05)
