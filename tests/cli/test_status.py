"""`khgen status`: what it asks, what it prints for people and programs, and its ends."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from support.api_lists import ApiLists, api_lists, kubectl_path
from support.command import SMALL_SPEC, khgen, python
from support.rendering import ROOT
from support.seen_cluster import (
    GENERATION,
    OLDER,
    SeenCluster,
    give_bundles,
    node_of,
    report_of,
    slot_of,
    small_cluster,
)

SPEC = SMALL_SPEC + 'kubernetes: {apiServer: {certSANs: ["127.0.0.1"]}}\n'
PAGE = (ROOT / "docs" / "status.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
QUICK = """
import sys
from khgen.cli import main, status_command
status_command.WATCH_SECONDS = 0.2
main()
"""
"""khgen, but it does not sleep so long."""


@dataclass
class Room:
    """A rendered cluster that runs."""

    folder: Path
    api: ApiLists
    path: str

    @property
    def env(self) -> dict[str, str]:
        """The environment of a command in it."""
        return {"PATH": self.path, "HOME": str(self.folder), "KUBECONFIG": ""}

    def status(self, *arguments: str) -> CompletedProcess[str]:
        """One run of khgen status."""
        return khgen("status", *arguments, cwd=self.folder, env=self.env)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the spec and its output."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "cluster.yaml").write_text(SPEC)
    done = khgen("render", "cluster.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    give_bundles(folder / "out", GENERATION)
    return folder


@pytest.fixture
def room(rendered: Path, tmp_path: Path) -> Iterator[Room]:
    with api_lists(rendered, small_cluster()) as api:
        yield Room(rendered, api, kubectl_path(tmp_path))


def rolling() -> SeenCluster:
    """The second control plane rolls, the others and the worker wait."""
    seen = small_cluster()
    for name, state, line in (
        ("cp2", "rolling", "60-update-control-plane: waiting for kube-apiserver"),
        ("cp3", "waiting", "cp2 is being updated"),
        ("w1", "waiting", "control plane cp2 has not applied its generation yet"),
    ):
        etcd = "healthy" if name != "w1" else None
        seen.nodes[name] = node_of(name, report_of(state, applied=OLDER, line=line, etcd=etcd))
    seen.state = {"slots": {"cp2": slot_of("control-plane")}, "applied": {"cp1": GENERATION}}
    return seen


def failed() -> SeenCluster:
    """That roll, stopped."""
    seen = rolling()
    reason = "60-update-control-plane: kube-apiserver is not ready after 300 s"
    seen.state = {"slots": {"cp2": slot_of("control-plane", "failed", reason)}}
    seen.nodes["cp2"] = node_of("cp2", report_of("failed", applied=OLDER, line=reason))
    return seen


def test_a_cluster_as_rendered_is_a_table_and_exit_code_0(room: Room) -> None:
    done = room.status()
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == """\
small: all 4 nodes are as rendered, Kubernetes 1.29.6
VIP 10.9.0.2: held by cp1

node  role           ready  kubernetes  bundle             update   etcd     certificates end
cp1   control-plane  yes    1.29.6      2026-11-26 02:00Z  applied  healthy  2027-11-26
cp2   control-plane  yes    1.29.6      2026-11-26 02:00Z  applied  healthy  2027-11-26
cp3   control-plane  yes    1.29.6      2026-11-26 02:00Z  applied  healthy  2027-11-26
w1    worker         yes    1.29.6      2026-11-26 02:00Z  applied  -        2027-11-26
"""
    )


def test_a_roll_is_shown_as_the_page_quotes_it(room: Room) -> None:
    room.api.seen = rolling()
    done = room.status()
    quoted = re.search(r"^```\n(small: .*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert quoted is not None
    assert (done.returncode, done.stdout) == (2, quoted[1])
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_page_lists_every_key_of_the_report(room: Room) -> None:
    said = json.loads(room.status("--format", "json").stdout)
    own = said.keys() - {"exitCode", "written", "wrote", "problems"}
    listed = PAGE.partition("### For programs")[2].partition("\n## ")[0]
    assert [k for k in own | said["nodes"][0].keys() if f"`{k}`" not in listed + COMMANDS] == []


def test_why_a_roll_stopped_comes_first(room: Room) -> None:
    room.api.seen = failed()
    first, *_ = room.status().stdout.splitlines()
    assert first == (
        "the roll stopped: cp2 (control-plane) failed at 2026-11-26 02:03Z: 60-update-control-plane:"
    )


def test_a_pause_and_a_window_are_shown(room: Room) -> None:
    room.api.seen.policy = {"paused": True, "window": None}
    assert "updates are paused: only a node that holds a slot goes on" in room.status().stdout
    window = {"days": ["Sat"], "start": "22:00", "minutes": 60}
    room.api.seen.policy = {"paused": False, "window": window}
    moment = {"SOURCE_DATE_EPOCH": str(GENERATION)}
    done = khgen("status", cwd=room.folder, env={**room.env, **moment})
    assert "the window for updates opens at 2026-11-28 22:00Z" in done.stdout
    assert done.returncode == 0


def test_a_large_cluster_is_summed_up(room: Room) -> None:
    seen = room.api.seen
    values = json.loads((room.folder / "out/manifest.json").read_text())
    before = (room.folder / "out/manifest.json").read_text()
    for number in range(2, 200):
        name = f"w{number}"
        values["nodes"][name] = values["nodes"]["w1"]
        report = report_of() if number != 150 else report_of("failed", line="disk full")
        seen.nodes[name] = node_of(name, report)
        seen.wanted[name] = seen.wanted["w1"]
    (room.folder / "out/manifest.json").write_text(json.dumps(values))
    give_bundles(room.folder / "out", GENERATION)
    try:
        done = room.status()
    finally:
        (room.folder / "out/manifest.json").write_text(before)
    assert done.returncode == 2, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[4:]] == [
        "cp1", "cp2", "cp3", "w150", "failed", "198",
    ]  # fmt: skip
    assert lines[-1] == "198 more are as rendered"


def test_names_outside_the_output_and_outside_the_api_are_listed(room: Room) -> None:
    room.api.seen.nodes["w9"] = node_of("w9")
    assert room.status().stdout.splitlines()[-1] == "in the cluster, but not in the output: w9"


def test_the_report_for_programs(room: Room) -> None:
    room.api.seen = failed()
    done = room.status("--format", "json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["exitCode"], said["asRendered"]) == (2, 2, False)
    assert (said["output"], said["cluster"], said["vipHolders"]) == ("out", "small", ["cp1"])
    assert len(said["stopped"]) == 1
    assert [node["state"] for node in said["nodes"]] == ["applied", "failed", "waiting", "waiting"]
    assert not said["written"]


def test_only_three_lists_are_asked_for_and_no_cache_is_left(room: Room) -> None:
    room.status()
    # The real kubectl also sends its time limit.
    assert sorted(re.sub(r"[?&]timeout=10s$", "", line) for line in room.api.asked) == [
        "GET /api/v1/namespaces/khgen/configmaps?fieldSelector=metadata.name%3Droll",
        "GET /api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver",
        "GET /api/v1/nodes",
    ]
    assert not (room.folder / ".kube").exists()


def test_an_api_that_is_away_is_a_failed_program(room: Room) -> None:
    room.api.away = True
    done = room.status()
    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr.startswith("khgen: error: kubectl: ")
    assert "hint: try kubectl --kubeconfig out/admin.conf get nodes" in done.stderr
    as_json = json.loads(room.status("--format", "json").stdout)
    assert as_json["exitCode"] == 4
    assert as_json["problems"][0]["message"].startswith("kubectl: ")


def test_a_missing_kubectl_is_reported_with_where_to_get_it(room: Room, tmp_path: Path) -> None:
    done = khgen("status", cwd=room.folder, env={**room.env, "PATH": str(tmp_path)})
    assert done.returncode == 4
    assert "there is no kubectl on this machine" in done.stderr
    assert "https://kubernetes.io/docs/tasks/tools/" in done.stderr


def test_the_kubeconfig_is_the_named_one_else_the_outputs_else_the_environments(
    room: Room, tmp_path: Path
) -> None:
    own = room.folder / "out" / "admin.conf"
    elsewhere = tmp_path / "elsewhere.conf"
    elsewhere.write_text(own.read_text())
    own.write_text(own.read_text().replace(f":{room.api.port}", ":1"))
    assert room.status().returncode == 4
    assert room.status("--kubeconfig", str(elsewhere)).returncode == 0
    own.unlink()
    assert room.status().returncode == 2
    assert "name a kubeconfig with --kubeconfig" in room.status().stderr
    by_environment = {**room.env, "KUBECONFIG": str(elsewhere)}
    done = khgen("status", cwd=room.folder, env=by_environment)
    own.write_text(elsewhere.read_text())
    assert done.returncode == 0, done.stderr


def test_without_an_output_there_is_nothing_to_compare_with(room: Room, tmp_path: Path) -> None:
    done = khgen("status", cwd=tmp_path, env=room.env)
    assert done.returncode == 3
    assert "there is no such folder: khgen render writes it" in done.stderr


def test_watch_logs_each_change_and_ends_when_all_is_as_rendered(room: Room) -> None:
    room.api.seen = rolling()
    command = [sys.executable, "-c", QUICK, "status", "--watch"]
    with subprocess.Popen(
        command,
        cwd=room.folder,
        env={**os.environ, **room.env},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(3)]
        room.api.seen = failed()
        lines += [running.stdout.readline() for _ in range(2)]
        room.api.away = True
        lines.append(running.stdout.readline())
        room.api.seen, room.api.away = small_cluster(), False
        lines += running.stdout.readlines()
        code = running.wait(timeout=20)
    assert code == 0
    assert all(re.match(r"\d\d:\d\d:\d\dZ  ", line) for line in lines)
    said = [line[11:].rstrip() for line in lines]
    assert [text.partition(": ")[0] for text in said[:3]] == ["cp2", "cp3", "w1"]
    assert said[3].startswith("small: the roll stopped: cp2 (control-plane) failed")
    assert said[4].startswith("cp2: failed since")
    assert said[5].startswith("no newer state: kubectl: ")
    assert sorted(said[6:]) == [
        "cp2: as rendered",
        "cp3: as rendered",
        "small: all is as rendered",
        "small: as rendered",
        "w1: as rendered",
    ]


def test_watch_redraws_a_terminal(room: Room) -> None:
    room.api.seen = rolling()
    master, slave = pty.openpty()
    command = [sys.executable, "-c", QUICK, "status", "--watch"]
    env = {**os.environ, **room.env, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    env.pop("NO_COLOR", None)
    running = subprocess.Popen(command, cwd=room.folder, env=env, stdout=slave, stderr=slave)
    os.close(slave)
    first = read_until(master, b"control plane cp2 has not applied", after=b"w1\x1b[0m")
    room.api.seen = small_cluster()
    last = read_until(master, b"w1 ", after=b"all 4 nodes")
    assert running.wait(timeout=20) == 0
    os.close(master)
    assert b"\x1b[33mcp2\x1b[0m   control-plane" in first
    assert b", again every 0 s until all is as rendered\x1b[K\r\n" in first
    frame = last[last.rindex(b"\x1b[H") :].decode()
    assert "small: \x1b[32mall 4 nodes are as rendered\x1b[0m, Kubernetes 1.29.6\x1b[K\r\n" in frame
    assert "waiting" not in frame


def read_until(terminal: int, text: bytes, *, after: bytes) -> bytes:
    """What the terminal shows, until that text came after the other."""
    shown, end = b"", time.monotonic() + 20
    while text not in (shown[shown.rfind(after) :] if after in shown else b""):
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536)
    return shown


def test_watch_has_no_json(room: Room) -> None:
    done = room.status("--watch", "--format", "json")
    assert done.returncode == 2
    assert "leave out --format json" in json.loads(done.stdout)["problems"][0]["message"]


def test_no_colour_without_a_terminal_or_with_no_color(room: Room) -> None:
    room.api.seen = failed()
    done = python("-m", "khgen", "status", cwd=room.folder, env=room.env)
    assert "\x1b" not in done.stdout
