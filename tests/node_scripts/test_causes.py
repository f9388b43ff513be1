"""What the status of a step that fails shows: the cause, not the last line."""

import json
import shlex
from pathlib import Path

import pytest

from support.boot_machine import LONG_SECONDS, Machine
from support.kubernetes import kube_bin, kubeadm_version

pytestmark = pytest.mark.tools
PREFLIGHT = """\
[preflight] Running pre-flight checks
\t[WARNING Hostname]: hostname "x" could not be reached
error execution phase preflight: [preflight] Some fatal errors occurred:
\t[ERROR Port-2379]: Port 2379 is in use
\t[ERROR FileExisting-crictl]: crictl not found in system path
[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`
To see the stack trace of this error execute with --v=5 or higher
"""
"""kubeadm 1.29.6 said so of a machine with these two faults."""
CONFIG = """\
unable to read config from "/nonexist" : open /nonexist: no such file or directory
To see the stack trace of this error execute with --v=5 or higher
"""
CONFIGURATION = """\
apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
nodeRegistration: {name: x, criSocket: "unix:///nowhere.sock"}
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
"""
CAUSES = {
    PREFLIGHT: "[ERROR Port-2379]: Port 2379 is in use;"
    " [ERROR FileExisting-crictl]: crictl not found in system path",
    CONFIG: "unable to read config from /nonexist : open /nonexist: no such file or directory",
    "[ERROR A]: a\n[ERROR B]: b\n[ERROR A]: a\n": "[ERROR A]: a; [ERROR B]: b",
    "one\ntwo\n": "two",
}


@pytest.mark.parametrize(("said", "cause"), CAUSES.items())
def test_status_shows_the_cause(machine: Machine, said: str, cause: str) -> None:
    tried = '[ ! -e "$LOG.tried" ] || { echo again; until [ -e "$LOG.go" ]; do sleep 0.05; done; }'
    body = f'{tried}\ntouch "$LOG.tried"; printf %s {shlex.quote(said)}; [ -e "$LOG.go" ]'
    machine.step("1-a", body, "#every: 0.5")
    with machine.start() as boot:
        try:
            while not Path(f"{machine.log}.tried").exists():
                assert boot.poll() is None
            until(machine, "failed", cause)
            until(machine, "output", "again")
            assert machine.status()["failed"] == cause, "the cause stays while it is tried again"
            Path(f"{machine.log}.go").touch()
            output, _ = boot.communicate(timeout=LONG_SECONDS)
        finally:
            boot.kill()
    assert output.count("--v=5") == 2 * said.count("--v=5"), "the journal has every line"
    done = json.loads(machine.run("status", "--json").stdout)
    assert (done["output"], done["failed"]) == ("", "")


def until(machine: Machine, field: str, text: str) -> None:
    machine.until("running", lambda status: status[field] == text)


@pytest.mark.kubernetes
def test_the_real_kubeadm_is_understood(machine: Machine) -> None:
    kubeadm = kube_bin() / "kubeadm"
    version = f"kubernetesVersion: v{str(kubeadm_version()).removeprefix('v')}"
    machine.place("/etc/khgen/kubeadm.yaml", CONFIGURATION + version)
    machine.step("1-a", f"{kubeadm} init phase preflight --config /etc/khgen/kubeadm.yaml")
    with machine.start() as boot:
        try:
            status = machine.until("running", lambda status: status["failed"])
        finally:
            boot.kill()
    assert "[ERROR " in str(status["failed"])
    assert "--v=5" not in str(status["failed"])
