"""`khgen rehearse` as a user runs it: on one small cluster, with the stand-in."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from khgen.rehearse.cached_images import cache_folder, rootfs
from khgen.rehearse.namespaces import CGROUP_PREFIX as CGROUPS
from khgen.rehearse.namespaces import CGROUP_ROOT
from support.local_cluster import STAND_IN
from support.programs import require_namespaces, require_program

pytestmark = pytest.mark.boot
SPEC = """\
apiVersion: khgen/v1alpha1
kind: Cluster
metadata: {name: small}
controlPlaneEndpoint: {vip: 10.77.0.10, port: 8443}
os: {family: debian, release: "12"}
nodes:
  - {name: alone, role: control-plane, address: 10.77.0.11}
"""


@pytest.fixture(autouse=True)
def _machine() -> None:
    require_namespaces()
    require_program("systemd-nspawn")
    require_program("mmdebstrap")
    rootfs()


def rehearse(folder: Path, *options: str) -> "subprocess.Popen[str]":
    spec = folder / "cluster.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "khgen", "rehearse", str(spec), *options]
    environment = {name: v for name, v in os.environ.items() if name != "KHGEN_KUBE_BIN"}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def leftovers(pid: int) -> list[str]:
    """What a rehearsal of that process could have left."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    processes = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _command(path).find(f"rehearsal-{pid}/") >= 0
    ]
    cgroups = [str(path) for path in CGROUP_ROOT.glob(f"**/{CGROUPS}{pid}")]
    folders = [str(path) for path in cache_folder().glob(f"rehearsal-{pid}")]
    return [*re.findall(f".*rehearsal-{pid}.*", mounts), *processes, *cgroups, *folders]


def _command(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_quota(cgroup: str) -> float:
    """The processors that the kernel lets the cgroup have."""
    for path in CGROUP_ROOT.glob(f"**/{cgroup}/cpu.max"):
        quota, period = path.read_text(encoding="ascii").split()
        return int(quota) / int(period)
    (path,) = CGROUP_ROOT.glob(f"**/{cgroup}/cpu.cfs_quota_us")
    period = path.with_name("cpu.cfs_period_us").read_text(encoding="ascii")
    return int(path.read_text(encoding="ascii")) / int(period)


def test_cluster_is_followed_to_its_end_and_nothing_is_left(tmp_path: Path) -> None:
    consoles = tmp_path / "consoles"
    options = ("--kube-bin", str(STAND_IN), "--consoles", str(consoles))
    with rehearse(tmp_path, *options, "--timeout", "120") as process:
        said, _ = process.communicate(timeout=180)
    assert process.returncode == 0, said
    # It looks five times a second: short steps go unseen.
    assert re.search(r"\n +[0-9.]+ s  alone +running  [0-9]+-containerd: containerd ", said)
    assert re.search(r"\nalone +done +[0-9.]+\n", said)
    assert "all done" in (consoles / "alone.log").read_text(errors="replace")
    assert not leftovers(process.pid)
    assert not list(tmp_path.glob("*.secrets.yaml")), "a rehearsal founds no cluster"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_interrupted_rehearsal_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    with rehearse(tmp_path, "--kube-bin", str(STAND_IN), "--cpus", "1.5") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "containerd" in line:
                break
        assert cpu_quota(f"{CGROUPS}{process.pid}/alone") == 1.5
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "nothing is left" in said
    assert not leftovers(process.pid)


def test_killed_rehearsal_leaves_no_process_and_no_mount(tmp_path: Path) -> None:
    with rehearse(tmp_path, "--kube-bin", str(STAND_IN)) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "containerd" in line:
                break
        process.kill()
        process.communicate(timeout=60)
    until = time.monotonic() + 60
    while any(not left.startswith("/") for left in leftovers(process.pid)):
        assert time.monotonic() < until, leftovers(process.pid)
        time.sleep(0.1)
    with rehearse(tmp_path, "--kube-bin", str(STAND_IN), "--timeout", "1") as second:
        second.communicate(timeout=60)
    assert not leftovers(process.pid), "the next rehearsal clears the rest"


def test_timeout_ends_with_what_is_not_done(tmp_path: Path) -> None:
    with rehearse(tmp_path, "--kube-bin", str(STAND_IN), "--timeout", "3") as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 4, said
    assert re.search(r"\nalone +(booting|running) ", said)


def test_programs_of_kubernetes_must_be_named(tmp_path: Path) -> None:
    with rehearse(tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "KHGEN_KUBE_BIN" in said
