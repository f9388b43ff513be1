"""The steps of an update, on folders that stand for a node, with processes that stand for its pods."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from khgen.resources import verbatim
from support.boot_machine import Machine
from support.rendering import ROOT

PODS = "etc/kubernetes/manifests"
TEMPORARY = "etc/kubernetes/tmp"
BACKUP = f"{TEMPORARY}/kubeadm-backup-manifests-2026-01-01-00-00-0"
MANIFEST = """\
spec:
  containers:
  - command:
    - {name}
{flags}    image: example
"""
KUBECTL = """\
#!{python}
import json, pathlib, sys
sys.path.insert(0, "{root}/tests/standin")
from standin import kubectl
state = pathlib.Path("{state}")

class Cluster:
    def __init__(self, *_):
        self.nodes = json.loads(state.read_text())

    def ask(self, _, path):
        name = path.removeprefix("/api/v1/nodes").strip("/")
        return self.nodes[name] if name else {{"items": list(self.nodes.values())}}

    def put(self, _, node):
        self.nodes[node["metadata"]["name"]] = node
        state.write_text(json.dumps(self.nodes))

with open("{log}", "a") as log:
    print(*sys.argv[1:], file=log)
kubectl.Client = Cluster
kubectl.main()
"""
"""The stand-in's kubectl, with Nodes in a file."""


class Node:
    """A machine with the step of an update."""

    def __init__(self, machine: Machine, step: str) -> None:
        self.machine, self.root = machine, machine.root
        (machine.steps / f"1-{step}").write_text(verbatim(f"steps/{step}.sh"), encoding="utf-8")
        machine.has_steps(f"1-{step}")
        machine.place("/etc/khgen/update.sh", verbatim("update.sh"))
        (self.root / PODS).mkdir(parents=True)

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def boot(self) -> str:
        done = self.machine.run()
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stalls(self) -> str:
        """What the step says that it does not get over."""
        with self.machine.start() as boot:
            said = self.machine.until("running")
            boot.kill()
        return str(said["output"])


@pytest.fixture
def step(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def node(machine: Machine, step: str) -> Node:
    return Node(machine, step)


def of_step(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("step", [name], indirect=True)


@of_step("update-restore")
def test_a_manifest_that_a_cut_upgrade_took_away_goes_back_from_the_newest_copy(node: Node) -> None:
    for number, text in enumerate(("old", "new")):
        node.machine.place(f"/{BACKUP}{number}/kube-apiserver.yaml", text)
    node.machine.place(f"/{BACKUP}1/etcd.yaml", "an earlier one")
    node.machine.place(f"/{PODS}/etcd.yaml", "what kubeadm wrote since")
    node.machine.place(f"/{TEMPORARY}/kubeadm-backup-etcd-2026/member/wal", "much")
    node.machine.place(f"/{TEMPORARY}/kubeadm-upgraded-manifests123/etcd.yaml", "cut")
    assert "the manifest of kube-apiserver goes back" in node.boot()
    left = {path.name: path.read_text() for path in (node.root / PODS).iterdir()}
    assert left == {"kube-apiserver.yaml": "new", "etcd.yaml": "what kubeadm wrote since"}
    assert list((node.root / TEMPORARY).iterdir()) == []
    # Nothing is left to do, until another upgrade is cut off.
    assert "goes back" not in node.boot()
    (node.root / PODS / "etcd.yaml").unlink()
    node.machine.place(f"/{BACKUP}2/etcd.yaml", "again")
    assert "the manifest of etcd goes back" in node.boot()


PROGRAM = "tail -f /dev/null --"
"""What runs until it is ended. Flags after it are files that are not there, for all that it cares."""


class Pod:
    """A process with the flags of a static pod, which its kubelet starts again when it ends."""

    def __init__(self, folder: Path, flags: list[str], *unshare: str) -> None:
        self._stop = folder / f"stop-{time.monotonic_ns()}"
        # The loop itself has none of the flags among its own words.
        loop = f'while [ ! -e "$0" ]; do {PROGRAM} $FLAGS; done'
        command = [*unshare, "bash", "-c", loop, str(self._stop)]
        environment = {**os.environ, "FLAGS": " ".join(flags)}
        self._process = subprocess.Popen(command, env=environment, start_new_session=True)

    def process(self) -> int:
        """The number of the process that runs now."""
        for _ in range(100):
            found = subprocess.run(
                ["pgrep", "-s", str(self._process.pid), "-f", f"^{PROGRAM}"],
                capture_output=True,
                text=True,
                check=False,
            )
            if numbers := found.stdout.split():
                return int(numbers[0])
            time.sleep(0.05)
        message = "the process never ran"
        raise AssertionError(message)

    def end(self) -> None:
        self._stop.touch()
        os.killpg(self._process.pid, 9)
        self._process.wait()


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    running: list[Pod] = []
    yield running
    for pod in running:
        pod.end()


def place_scheduler(node: Node, tmp_path: Path, *more: str) -> list[str]:
    """The manifest of a kube-scheduler that reads a file; returns its flags."""
    read = node.machine.place("/etc/kubernetes/scheduler.conf", "first")
    long_ago = time.time() - 3600
    os.utime(read, (long_ago, long_ago))
    flags = ["--kubeconfig=/etc/kubernetes/scheduler.conf", f"--test={tmp_path.name}", *more]
    lines = "".join(f"    - {flag}\n" for flag in flags)
    text = MANIFEST.format(name="kube-scheduler", flags=lines)
    node.machine.place(f"/{PODS}/kube-scheduler.yaml", text)
    node.machine.place("/etc/khgen/etcd.sh", "")
    return flags


@of_step("update-static-pods")
def test_a_static_pod_starts_again_if_a_file_that_it_reads_is_newer(
    node: Node, tmp_path: Path, pods: list[Pod]
) -> None:
    flags = place_scheduler(node, tmp_path)
    other = Pod(tmp_path, [*flags[:1], "--test=another"])
    pod = Pod(tmp_path, flags)
    pods += [other, pod]
    first, others = pod.process(), other.process()
    assert "starts again" not in node.boot()
    assert pod.process() == first
    time.sleep(0.05)
    node.machine.place("/etc/kubernetes/scheduler.conf", "second")
    assert "kube-scheduler is older than /etc/kubernetes/scheduler.conf" in node.boot()
    second = pod.process()
    assert second != first
    assert other.process() == others, "it has other flags: it is no static pod of this node"
    node.machine.place("/etc/kubernetes/unread.conf", "new")
    assert "starts again" not in node.boot()
    assert pod.process() == second


@of_step("update-static-pods")
def test_what_runs_in_another_network_is_no_static_pod(
    node: Node, tmp_path: Path, pods: list[Pod]
) -> None:
    flags = place_scheduler(node, tmp_path)
    pods.append(Pod(tmp_path, flags, "unshare", "--net"))
    time.sleep(0.3)
    first = pods[0].process()
    node.machine.place("/etc/kubernetes/scheduler.conf", "second")
    assert "starts again" not in node.boot()
    assert pods[0].process() == first


SYSTEMCTL = """\
#!/bin/bash
case "$*" in
*MainPID*) cat {root}/main-pid ;;
*ExecStart*) echo "{{ path={python} ; argv[]=kubelet ; }}" ;;
*) echo "$*" >>{log} ;;
esac
"""
KUBEADM = """\
#!/bin/bash
[ "$*" = "upgrade node phase kubelet-config" ] || {{ echo "unknown: $*"; exit 1; }}
mkdir -p /etc/kubernetes/tmp/kubeadm-kubelet-config1
cat {root}/in-cluster >/var/lib/kubelet/config.yaml
"""
KUBELET = """\
#!/bin/bash
case $1 in
--help) echo "--pod-infra-container-image is deprecated" ;;
esac
"""
JOINED = (
    'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///c.sock --node-ip=10.0.0.1'
    ' --old=yes --pod-infra-container-image=pause:3.9 --register-with-taints=a=b:NoSchedule"\n'
)


@pytest.fixture
def kubelet(node: Node) -> Iterator[subprocess.Popen[bytes]]:
    """A kubelet that runs with the configuration that is there."""
    root = node.root
    node.program("kubeadm", KUBEADM.format(root=root))
    node.program("kubelet", KUBELET)
    node.program(
        "systemctl", SYSTEMCTL.format(root=root, log=node.machine.log, python=sys.executable)
    )
    node.machine.place("/var/lib/kubelet/config.yaml", "maxPods: 110\n")
    node.machine.place("/var/lib/kubelet/kubeadm-flags.env", JOINED)
    node.machine.place("/etc/kubernetes/kubelet.conf", "server: https://vip:6443\n")
    node.machine.place("/etc/khgen/kubelet-flags", "--node-ip=10.0.0.1\n--old=yes\n")
    (root / "in-cluster").write_text("maxPods: 110\n")
    time.sleep(0.05)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    (root / "main-pid").write_text(str(process.pid))
    yield process
    process.kill()
    process.wait()


RESTART = "restart kubelet"


@of_step("update-kubelet")
def test_a_kubelet_that_has_what_is_wanted_goes_on(
    node: Node, kubelet: subprocess.Popen[bytes]
) -> None:
    assert kubelet.pid
    node.boot()
    assert RESTART not in node.machine.logged()
    assert (node.root / "var/lib/kubelet/kubeadm-flags.env").read_text() == JOINED
    assert not list((node.root / TEMPORARY).iterdir())


@of_step("update-kubelet")
def test_flags_of_the_spec_replace_those_of_an_earlier_one_and_kubeadms_own_stay(
    node: Node, kubelet: subprocess.Popen[bytes]
) -> None:
    assert kubelet.pid
    flags = "--node-ip=10.0.0.1\n--node-labels=zone=a\n--v=2\n"
    node.machine.place("/etc/khgen/kubelet-flags", flags)
    node.boot()
    assert (node.root / "var/lib/kubelet/kubeadm-flags.env").read_text() == (
        'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///c.sock --node-ip=10.0.0.1'
        " --node-labels=zone=a --pod-infra-container-image=pause:3.9"
        ' --register-with-taints=a=b:NoSchedule --v=2"\n'
    )
    assert RESTART in node.machine.logged()


@of_step("update-kubelet")
def test_a_flag_that_the_kubelet_does_not_know_any_more_goes(
    node: Node, kubelet: subprocess.Popen[bytes]
) -> None:
    assert kubelet.pid
    node.program("kubelet", "#!/bin/sh\n")
    node.boot()
    flags = (node.root / "var/lib/kubelet/kubeadm-flags.env").read_text()
    assert "pod-infra" not in flags
    assert "--register-with-taints=a=b:NoSchedule" in flags


@of_step("update-kubelet")
def test_another_configuration_restarts_the_kubelet_also_if_an_earlier_try_only_wrote_it(
    node: Node, kubelet: subprocess.Popen[bytes]
) -> None:
    assert kubelet.pid
    (node.root / "in-cluster").write_text("maxPods: 99\n")
    time.sleep(0.05)
    # What a try leaves whose power is cut before the restart.
    node.machine.place("/var/lib/kubelet/config.yaml", "maxPods: 99\n")
    node.boot()
    assert RESTART in node.machine.logged()


@of_step("update-kubelet")
def test_a_kubelet_of_another_version_starts(node: Node, kubelet: subprocess.Popen[bytes]) -> None:
    assert kubelet.pid
    systemctl = SYSTEMCTL.format(root=node.root, log=node.machine.log, python="/bin/true")
    node.program("systemctl", systemctl)
    node.boot()
    assert RESTART in node.machine.logged()


GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
FOUNDED = [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]


class Nodes:
    """Nodes of a cluster, and what the spec wants of them."""

    def __init__(self, node: Node) -> None:
        self.node, self.state = node, node.root / "nodes"
        values = {"python": sys.executable, "root": ROOT, "state": self.state}
        node.program("kubectl", KUBECTL.format(**values, log=node.machine.log))
        self.state.write_text(
            json.dumps(
                {
                    name: {
                        "metadata": {"name": name, "labels": {"theirs": "yes"}, "annotations": {}},
                        "spec": {"taints": taints},
                    }
                    for name, taints in (("cp1", FOUNDED), ("w1", []))
                }
            )
        )

    def bring(self, **wanted: object) -> None:
        """An update whose spec says so of w1 (labels, taints), or of cp1 (cp1_taints)."""
        nodes = {
            "w1": {
                "controlPlane": False,
                "labels": wanted.get("labels", {}),
                "taints": wanted.get("taints"),
            },
            "cp1": {"controlPlane": True, "labels": {}, "taints": wanted.get("cp1_taints")},
            "to-come": {"controlPlane": False, "labels": {"a": "b"}, "taints": None},
        }
        self.node.machine.place("/etc/khgen/nodes.json", json.dumps(nodes))
        self.node.boot()

    def labels(self, name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.state.read_text())[name]["metadata"]["labels"]
        return found

    def taints(self, name: str) -> set[str]:
        found = json.loads(self.state.read_text())[name]["spec"]["taints"]
        return {f"{one['key']}={one.get('value', '')}:{one['effect']}" for one in found}

    def writes(self) -> list[str]:
        """What was changed since this was asked last."""
        lines = [line for line in self.node.machine.logged() if not line.startswith("get ")]
        self.node.machine.log.write_text("")
        return lines


@pytest.fixture
def nodes(node: Node) -> Nodes:
    return Nodes(node)


@of_step("update-nodes")
def test_nodes_of_a_spec_without_labels_and_taints_are_left_alone(nodes: Nodes) -> None:
    nodes.bring()
    assert nodes.writes() == []


@of_step("update-nodes")
def test_labels_and_taints_come_change_and_go(nodes: Nodes) -> None:
    nodes.bring(labels={"zone": "a", "rack": "1"}, taints=[GPU])
    assert nodes.labels("w1") == {"theirs": "yes", "zone": "a", "rack": "1"}
    assert nodes.taints("w1") == {"gpu=yes:NoSchedule"}
    assert nodes.labels("cp1") == {"theirs": "yes"}
    nodes.bring(labels={"zone": "b"}, taints=[{**GPU, "effect": "NoExecute"}])
    assert nodes.labels("w1") == {"theirs": "yes", "zone": "b"}
    assert nodes.taints("w1") == {"gpu=yes:NoExecute"}
    nodes.bring()
    assert nodes.labels("w1") == {"theirs": "yes"}
    assert nodes.taints("w1") == set()
    nodes.writes()
    nodes.bring(labels={})
    assert nodes.writes() == []


@of_step("update-nodes")
def test_a_control_plane_may_lose_its_taint_and_get_it_back(nodes: Nodes) -> None:
    nodes.bring(cp1_taints=[])
    assert nodes.taints("cp1") == set()
    nodes.bring()
    assert nodes.taints("cp1") == {f"{CONTROL_PLANE}=:NoSchedule"}


@of_step("update-nodes")
def test_what_a_try_that_was_cut_off_gave_is_still_taken_back(nodes: Nodes) -> None:
    """The note comes before the label, and keeps what an earlier spec gave until that is gone."""
    nodes.bring(labels={"zone": "a"})
    writes = nodes.writes()
    assert writes[0].startswith("annotate"), writes
    nodes.bring(labels={"rack": "1"})
    noted, label, note = nodes.writes()
    assert json.loads(noted.partition("khgen/set=")[2]) == {"labels": ["rack", "zone"]}
    assert label.endswith("rack=1 zone-")
    assert json.loads(note.partition("khgen/set=")[2]) == {"labels": ["rack"]}


ETCD = """spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.1:2379
{founding}    - --name=etcd1
{more}    image: etcd:{tag}
"""
FOUNDING = (
    "    - --initial-cluster=etcd1=https://10.0.0.1:2380\n    - --initial-cluster-state=new\n"
)
JOINING = "    - --initial-cluster=@INITIAL_CLUSTER@\n    - --initial-cluster-state=existing\n"


@of_step("update-etcd-host")
def test_etcd_goes_on_until_the_wanted_image_is_there(node: Node) -> None:
    before = ETCD.format(founding=FOUNDING, more="", tag=1)
    pod = node.machine.place(f"/{PODS}/etcd.yaml", before)
    node.machine.place("/etc/khgen/etcd.sh", "")
    node.machine.place("/etc/khgen/etcd.yaml", ETCD.format(founding=FOUNDING, more="", tag=2))
    node.program("crictl", '#!/bin/sh\n[ "$1" = inspecti ] || echo "no way to $2"\nexit 1\n')
    assert node.stalls() == "no way to etcd:2"
    assert pod.read_text() == before


@of_step("update-etcd-host")
def test_etcd_gets_what_is_wanted_and_keeps_how_it_was_founded(
    node: Node, pods: list[Pod], tmp_path: Path
) -> None:
    pod = node.machine.place(f"/{PODS}/etcd.yaml", ETCD.format(founding=FOUNDING, more="", tag=1))
    node.machine.place("/etc/khgen/etcd.sh", "etcd() { true; }\n")
    node.program("crictl", "#!/bin/sh\n")
    wanted = {"founding": JOINING, "more": "    - --quota-backend-bytes=1\n", "tag": 2}
    node.machine.place("/etc/khgen/etcd.yaml", ETCD.format(**wanted))
    node.machine.set_values(ETCD_URL="https://10.0.0.1:2379")
    flags = re.findall("--.*", ETCD.format(**{**wanted, "founding": FOUNDING}))
    pods.append(Pod(tmp_path, flags))
    node.boot()
    flags_then = re.findall("--.*|image.*", pod.read_text())
    assert sorted(flags_then) == sorted([*flags, "image: etcd:2"])
    assert pod.read_text().splitlines()[3:5] == ["    - etcd", FOUNDING.splitlines()[0]]
    before = pod.stat().st_mtime_ns
    (node.root / "var/lib/khgen").rename(node.root / "var/lib/forgotten")
    node.boot()
    assert pod.stat().st_mtime_ns == before


@of_step("update-noted")
def test_what_was_used_once_is_in_force_but_for_manifests(node: Node) -> None:
    for name, file in (("2-cluster", "kubeadm.yaml"), ("3-manifests", "manifests/cni.yaml")):
        folder = "/etc/khgen/manifests/*" if "manifests" in file else f"/etc/khgen/{file}"
        node.machine.step(name, "true", f"#once: {folder} by hand")
        node.machine.place(f"/etc/khgen/{file}", "first")
    node.machine.has_steps("2-cluster", "3-manifests")
    with (node.root / "etc/khgen/node.env").open("a") as values:
        values.write("MACHINE=ab12cd34\n")
    node.boot()
    node.machine.place("/etc/khgen/kubeadm.yaml", "second")
    node.machine.place("/etc/khgen/manifests/cni.yaml", "second")
    node.machine.has_steps("1-update-noted", "2-cluster", "3-manifests")
    said = node.boot()
    assert "manifests/cni.yaml: by hand" in said
    assert "kubeadm.yaml" not in said


@pytest.mark.parametrize(
    ("runs", "wants", "steps", "said"),
    [
        ("v1.29.6", "v1.30.2", "11-install-deb", None),
        ("v1.29.6", "v1.29.9", "11-install-downloads", None),
        ("v1.30.2", "v1.29.6", "11-install-deb", "can't go back a minor, to v1.29.6"),
        ("v1.29.6", "v1.31.0", "11-install-deb", "v1.31.0 is 2 minors away"),
        ("v1.29.6", "v1.30.2", "13-install-image", "replace this machine"),
    ],
)
@of_step("update-possible")
def test_an_upgrade_that_kubeadm_refuses_is_refused_before_anything_changes(
    node: Node, runs: str, wants: str, steps: str, said: str | None
) -> None:
    node.program("kubeadm", f"#!/bin/sh\necho {runs}\n")
    node.program("kubelet", f"#!/bin/sh\necho Kubernetes {runs}\n")
    node.machine.place("/var/lib/kubelet/config.yaml", "x")
    node.machine.place("/etc/khgen/programs", f"kubeadm {wants}\nkubelet {wants}\n")
    node.machine.step(steps, "true")
    answer = f'{{"major": "1", "gitVersion": "{runs}"}}'
    with (node.root / "etc/khgen/node.env").open("a") as values:
        values.write(f"api() {{ echo '{answer}'; }}\nENDPOINT=https://vip\n")
    if said is None:
        assert "all done" in node.boot()
    else:
        assert said in node.stalls()


@of_step("update-possible")
def test_an_update_without_an_upgrade_asks_no_api(node: Node) -> None:
    for name, before in (("kubeadm", ""), ("kubelet", "Kubernetes ")):
        node.program(name, f"#!/bin/sh\necho {before}v1.29.6\n")
    node.machine.place("/var/lib/kubelet/config.yaml", "x")
    node.machine.place("/etc/khgen/programs", "kubeadm v1.29.6\nkubelet v1.29.6\n")
    assert "all done" in node.boot()
