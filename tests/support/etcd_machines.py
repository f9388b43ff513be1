"""Machines whose boot steps talk to a real etcd cluster, with the certificates they are given."""

import contextlib
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from khgen.files.etcd_manifest import etcd_arguments
from khgen.pki.secrets import with_removed
from khgen.plan.cluster_plan import NodePlan, Plan, build_plan
from khgen.spec.model import ClusterSpec
from support.kubernetes import fresh_secrets, kubernetes_files, run_step, write_root
from support.programs import require_program

LONE_LISTENERS = ("--listen-client-urls=", "--listen-metrics-urls=")
UNKNOWN_TO_34 = ("--experimental-watch-progress-notify-interval=",)


class Members:
    """etcd members on loopback addresses, all in one machine, and what the others were given."""

    def __init__(
        self, folder: Path, spec: ClusterSpec, joiner: str, network: str = "127.77.0"
    ) -> None:
        """No member runs yet; all but the joiner are founders."""
        self.folder = folder
        nodes = tuple(
            node.model_copy(update={"address": type(node.address)(f"{network}.{number}")})
            for number, node in enumerate(spec.nodes, start=1)
        )
        self.spec = spec.model_copy(update={"nodes": nodes})
        founders = tuple(node.name for node in nodes if node.name != joiner)
        self.secrets = replace(fresh_secrets(self.spec), founders=founders)
        self.plan: Plan = build_plan(self.spec, founders)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def remove(self, name: str) -> None:
        """`khgen node remove`, and the spec without that node rendered."""
        node = self.node(name)
        now = datetime.now(UTC)
        self.secrets = with_removed(self.secrets, name, node.role, node.address, now)
        nodes = tuple(node for node in self.spec.nodes if node.name != name)
        self.spec = self.spec.model_copy(update={"nodes": nodes})
        secrets = self.secrets
        self.plan = build_plan(self.spec, secrets.founders, secrets.replaced, secrets.removed)

    def machine(self, name: str, life: str = "first") -> Path:
        """A machine's files; another life of it has an empty disk again."""
        root = self.folder / f"{name}-{life}"
        if not root.exists():
            write_root(root, kubernetes_files(self.plan, self.node(name), self.secrets))
        return root

    def node(self, name: str) -> NodePlan:
        """Its plan."""
        return self.plan.by_name[name]

    def start(self, name: str, life: str = "first", command: tuple[str, ...] = ()) -> None:
        """Run its etcd with the rendered arguments, or with those of a manifest."""
        root = self.machine(name, life)
        words = [
            word.replace("=/etc/kubernetes", f"={root}/etc/kubernetes").replace(
                "=/var/lib/etcd", f"={root}/var/lib/etcd"
            )
            for word in command or etcd_arguments(self.plan, self.node(name))
            if not word.startswith((*LONE_LISTENERS, *UNKNOWN_TO_34))
        ]
        # All members share one 127.0.0.1 here, so each listens on its own address only.
        words.append(f"--listen-client-urls=https://{self.node(name).address}:2379")
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [require_program("etcd"), *words], stdout=log, stderr=log
            )

    def stop(self, name: str) -> None:
        """A power cut."""
        self.running[name].kill()
        self.running.pop(name).wait()

    def passes(self, name: str, step: str, life: str = "first") -> str:
        """What the step says when it gets through, within its retries."""
        deadline = time.monotonic() + 30
        while True:
            done = run_step(self.machine(name, life), step)
            if done.returncode == 0:
                return done.stdout
            if time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text()[-3000:]
                pytest.fail(f"{step} on {name}: {done.stdout}{done.stderr}\n{log}")
            time.sleep(0.5)

    def refuses(self, name: str, step: str, life: str = "first") -> str:
        """What the step says when it fails."""
        done = run_step(self.machine(name, life), step)
        assert done.returncode != 0, done.stdout
        return done.stdout

    def end(self) -> None:
        """Kill all that run."""
        for process in self.running.values():
            process.kill()
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
