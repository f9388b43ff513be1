"""The steps that talk to etcd, against real etcd members with the certificates they are given."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from khgen.files.etcd_manifest import etcd_arguments
from khgen.plan.build import build_plan
from khgen.plan.model import NodePlan, Plan
from support.kubernetes import fresh_secrets, kubernetes_files, run_step, write_root
from support.programs import require_program
from support.topologies import cluster

pytestmark = pytest.mark.tools
JOINER = "etcd4"
LONE_LISTENERS = ("--listen-client-urls=", "--listen-metrics-urls=")
UNKNOWN_TO_34 = ("--experimental-watch-progress-notify-interval=",)


class Members:
    """etcd members on loopback addresses, all in one machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        spec = cluster({"etcd": 4, "cp": 1}, etcd={"topology": "external"})
        nodes = tuple(
            node.model_copy(update={"address": type(node.address)(f"127.77.0.{number}")})
            for number, node in enumerate(spec.nodes, start=1)
        )
        self.spec = spec.model_copy(update={"nodes": nodes})
        self.plan: Plan = build_plan(
            self.spec, [node.name for node in nodes if node.name != JOINER]
        )
        self.secrets = fresh_secrets(self.spec)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def machine(self, name: str, life: str = "first") -> Path:
        """A machine's files; another life of it has an empty disk again."""
        root = self.folder / f"{name}-{life}"
        if not root.exists():
            write_root(root, kubernetes_files(self.plan, self.node(name), self.secrets))
        return root

    def node(self, name: str) -> NodePlan:
        return self.plan.by_name[name]

    def start(self, name: str, life: str = "first", command: tuple[str, ...] = ()) -> None:
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
        self.running[name].kill()
        self.running.pop(name).wait()

    def passes(self, name: str, step: str, life: str = "first") -> None:
        """The step gets through within its retries."""
        deadline = time.monotonic() + 30
        while True:
            done = run_step(self.machine(name, life), step)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text()[-3000:]
                pytest.fail(f"{step} on {name}: {done.stdout}{done.stderr}\n{log}")
            time.sleep(0.5)

    def refuses(self, name: str, step: str, life: str = "first") -> str:
        done = run_step(self.machine(name, life), step)
        assert done.returncode != 0, done.stdout
        return done.stdout


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Members]:
    members = Members(tmp_path)
    yield members
    for process in members.running.values():
        process.kill()
    for process in members.running.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)


def test_founding_late_member_and_lost_disk(members: Members) -> None:
    members.passes("etcd1", "founder")
    assert "0 of 3 healthy" in members.refuses("etcd1", "etcd-quorum")
    members.start("etcd1")
    members.start("etcd2")
    members.passes("etcd1", "etcd-quorum")
    # The third is known by name from the start, and has not been there: it may found.
    members.passes("etcd3", "founder")
    assert "not healthy" in members.refuses("etcd3", "etcd-member")
    members.start("etcd3")
    members.passes("etcd3", "etcd-member")
    # The same machine with its data goes on; with an empty disk it is a replacement.
    members.passes("etcd3", "founder")
    assert "does not wait for this member" in members.refuses("etcd3", "founder", "second")
    # One that the cluster never had must not found either.
    members.spec = members.spec.model_copy(update={"nodes": members.spec.nodes})
    members.plan = build_plan(members.spec, [node.name for node in members.spec.nodes])
    assert "does not wait for this member" in members.refuses(JOINER, "founder", "never")


def test_a_later_member_joins_and_joins_again_after_losing_its_disk(members: Members) -> None:
    for name in ("etcd1", "etcd2"):
        members.start(name)
    members.passes("etcd1", "etcd-member")
    # The third founder has not come up: no time to change the membership.
    assert "started voter" in members.refuses(JOINER, "etcd-host-join")
    members.start("etcd3")
    members.passes("etcd3", "etcd-member")
    for life in ("first", "second"):
        members.passes(JOINER, "etcd-host-join", life)
        manifest = members.machine(JOINER, life) / "etc/kubernetes/manifests/etcd.yaml"
        assert manifest.stat().st_mode & 0o777 == 0o600
        pod = yaml.safe_load(manifest.read_text())
        command = pod["spec"]["containers"][0]["command"]
        assert "--initial-cluster-state=existing" in command
        (founding,) = (word for word in command if word.startswith("--initial-cluster="))
        assert set(founding.partition("=")[2].split(",")) == {
            f"etcd{number}=https://127.77.0.{number}:2380" for number in (1, 2, 3, 4)
        }
        before = manifest.read_bytes()
        members.passes(JOINER, "etcd-host-join", life)
        assert manifest.read_bytes() == before, "a second run changes nothing"
        members.start(JOINER, life, tuple(command[1:]))
        members.passes(JOINER, "etcd-member", life)
        if life == "first":
            members.stop(JOINER)
