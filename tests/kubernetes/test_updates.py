"""Real kubeadm takes what an update places: the cluster's configuration, and the steps' commands."""

import re
from pathlib import Path

import pytest

from khgen.files.living_configuration import (
    CLUSTER,
    UPGRADE,
    own_configuration,
    shared_configuration,
)
from khgen.plan.cluster_plan import NodeFile, NodePlan, Plan
from khgen.resources import resource_folder, verbatim
from support.kubernetes import (
    fresh_secrets,
    kube_bin,
    kubeadm,
    kubeadm_version,
    kubernetes_files,
    run_in,
    write_root,
)
from support.programs import run
from support.topologies import TOPOLOGIES, plan_with_joiner, topology

pytestmark = pytest.mark.kubernetes
MANIFESTS = "etc/kubernetes/manifests"
WANTED_ETCD = """
set -euo pipefail
PATH={bin}:$PATH
pods=/etc/kubernetes/manifests wanted_pods=/etc/wanted-pods
. /etc/khgen/update.sh
{functions}
write_wanted_etcd
"""


def plan_of_this_version(name: str) -> Plan:
    spec = topology(name)
    kubernetes = spec.kubernetes.model_copy(update={"version": str(kubeadm_version())})
    return plan_with_joiner(spec.model_copy(update={"kubernetes": kubernetes}))


def living(tmp_path: Path, plan: Plan, node: NodePlan) -> Path:
    """A folder with the node's files, of its first boot and of an update."""
    root = tmp_path / node.name
    more = (
        *shared_configuration(plan, node.kind),
        *own_configuration(plan, node),
        NodeFile(path=CLUSTER.with_name("update.sh"), content=verbatim("update.sh")),
    )
    write_root(root, (*kubernetes_files(plan, node, fresh_secrets(plan.spec)), *more))
    return root


def pods(root: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (root / MANIFESTS).iterdir()}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_clusters_configuration_is_valid_on_every_control_plane(
    tmp_path: Path, name: str
) -> None:
    plan = plan_of_this_version(name)
    for node in plan.control_planes:
        root = living(tmp_path, plan, node)
        for path in (CLUSTER, UPGRADE) if plan.facts.lists_arguments else (CLUSTER,):
            done = kubeadm(root, "config", "validate", "--config", str(path))
            assert done.returncode == 0, done.stderr
            assert "strict decoding" not in done.stderr


def test_it_makes_the_pods_of_the_founding(tmp_path: Path) -> None:
    plan = plan_of_this_version("stacked")
    root = living(tmp_path, plan, plan.control_planes[0])
    made = []
    for config in ("/etc/khgen/kubeadm.yaml", str(CLUSTER)):
        done = kubeadm(root, "init", "phase", "control-plane", "all", "--config", config)
        assert done.returncode == 0, done.stderr
        made.append(pods(root))
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["stacked", "offline"])
def test_etcds_wanted_manifest_is_written_aside(tmp_path: Path, name: str) -> None:
    """Also where the CA's key is not there, and without a trace in what the kubelet reads."""
    plan = plan_of_this_version(name)
    root = living(tmp_path, plan, plan.control_planes[1])
    (root / MANIFESTS).mkdir()
    found = re.search(
        r"^write_wanted_etcd\(\) .*?^}\n",
        verbatim("steps/update-control-plane.sh"),
        re.MULTILINE | re.DOTALL,
    )
    assert found is not None
    script = WANTED_ETCD.format(bin=kube_bin(), functions=found[0])
    done = run_in(root, ["bash", "-c", script], "--net")
    assert done.returncode == 0, done.stderr
    assert pods(root) == {}
    (wanted,) = (root / "etc/wanted-pods").iterdir()
    assert wanted.name == "etcd.yaml"
    assert "--initial-cluster-state" not in wanted.read_text()
    assert not (root / "etc/kubernetes/super-admin.conf").exists() or name == "stacked"


def test_kubeadm_knows_every_upgrade_of_the_steps() -> None:
    steps = (resource_folder("templates") / "cloud-init" / "steps").glob("update-*.sh")
    text = "".join(step.read_text(encoding="utf-8") for step in steps)
    # The options that the calls share.
    text = text.replace('"${how[@]}"', "--certificate-renewal --etcd-upgrade")
    found = set(re.findall(r"kubeadm (upgrade(?: [a-z][a-z-]*)+)((?: (?:--|\"\$)[^\n]*)?)", text))
    assert {words for words, _ in found} == {
        "upgrade apply",
        "upgrade node",
        "upgrade node phase kubelet-config",
    }
    for words, rest in found:
        said = run([kube_bin() / "kubeadm", *words.split(), "--help"]).stdout
        usage = re.search(r"^ +kubeadm (.*?)(?: \[|$)", said, re.MULTILINE)
        assert usage is not None
        assert usage[1] == words
        assert all(flag in said for flag in re.findall(r"--[a-z-]+", rest)), words


def test_kubeadm_knows_every_phase_of_the_steps() -> None:
    steps = (resource_folder("templates") / "cloud-init" / "steps").glob("update-*.sh")
    text = "".join(step.read_text(encoding="utf-8") for step in steps)
    found = set(re.findall(r"update_phase (?:\$config|/\S+) ([a-z -]+[a-z])", text))
    assert found == {"upload-config all", "etcd local", "addon coredns", "addon kube-proxy"}
    for words in found:
        said = run([kube_bin() / "kubeadm", "init", "phase", *words.split(), "--help"]).stdout
        assert f"kubeadm init phase {words} " in said
        assert "--config" in said
