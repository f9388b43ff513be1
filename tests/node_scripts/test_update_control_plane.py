"""The steps of an update that call kubeadm's upgrade and change addons, with what kubeadm does to files."""

import json
from pathlib import Path

import pytest

from khgen.resources import verbatim
from support.boot_machine import Machine

PODS = "/etc/kubernetes/manifests"
CONFIGURATION = "kubernetesVersion: {version}\n"
KUBECTL = """\
#!/bin/bash
case "$*" in
*"get pods"*) cat {root}/images ;;
*"get configmap kubeadm-config"*) cat {root}/configured ;;
*"get configmap kube-proxy"*) cat {root}/kube-proxy 2>/dev/null || : ;;
*"get configmap coredns"*) echo "{{}}" ;;
*) echo "kubectl $*" >>{log} ;;
esac
"""
KUBEADM = """\
#!/bin/bash
echo "kubeadm $*" >>{log}
cd /etc/kubernetes
case "$*" in
"init phase etcd local"*) cat {root}/etcd-to-come >manifests/etcd.yaml ;;
"init phase addon kube-proxy"*) [ ! -e {root}/to-come ] || mv {root}/to-come {root}/kube-proxy ;;
"upgrade apply"*)
  mkdir -p tmp/kubeadm-backup-manifests-1 tmp/kubeadm-backup-etcd-1
  mv manifests/kube-apiserver.yaml tmp/kubeadm-backup-manifests-1/
  [ ! -e {root}/cut-at-manifest ] || {{ rm {root}/cut-at-manifest; kill -9 $PPID; exit; }}
  echo new >manifests/kube-apiserver.yaml
  mv admin.conf admin.conf.backup
  [ ! -e {root}/cut-at-admin ] || {{ rm {root}/cut-at-admin; kill -9 $PPID; exit; }}
  echo kubeadms >admin.conf
  echo kubeadms >super-admin.conf
  echo {version} >{root}/configured-version
  sed -i "s/:.*/: {version}/" {root}/configured
  ;;
esac
"""
OLD, NEW = "v1.29.6", "v1.29.9"


class ControlPlane:
    """A control plane of version OLD with one step of an update to NEW."""

    def __init__(self, machine: Machine, step: str) -> None:
        self.machine, self.root = machine, machine.root
        (machine.steps / f"1-{step}").write_text(verbatim(f"steps/{step}.sh"), encoding="utf-8")
        machine.has_steps(f"1-{step}")
        machine.place("/etc/khgen/update.sh", verbatim("update.sh"))
        machine.place("/etc/khgen/cluster.yaml", CONFIGURATION.format(version=NEW))
        machine.place("/etc/kubernetes/admin.conf", "khgen's")
        machine.place("/etc/kubernetes/pki/ca.key", "")
        machine.place(f"{PODS}/kube-apiserver.yaml", "old")
        machine.place(f"{PODS}/etcd.yaml", "- --initial-cluster=a\n- --name=cp1\n")
        (self.root / "etcd-to-come").write_text("- --name=cp1\n")
        (self.root / "configured").write_text(CONFIGURATION.format(version=OLD))
        (self.root / "images").write_text(f"r/kube-apiserver:{OLD}\nr/kube-apiserver:{OLD}\n")
        values = {"root": self.root, "log": machine.log, "version": NEW}
        for name, text in (("kubectl", KUBECTL), ("kubeadm", KUBEADM)):
            path = self.root / "bin" / name
            path.write_text(text.format(**values), encoding="utf-8")
            path.chmod(0o755)
        with (self.root / "etc/khgen/node.env").open("a") as env:
            env.write("api() { true; }\nNODE_URL=https://10.0.0.1:6443\n")

    def boot(self) -> list[str]:
        """What it ran; it succeeds."""
        done = self.machine.run()
        assert done.returncode == 0, done.stdout + done.stderr
        ran = self.machine.logged()
        self.machine.log.write_text("")
        return ran

    def file(self, path: str) -> Path:
        return self.root / path.lstrip("/")


@pytest.fixture
def node(machine: Machine, request: pytest.FixtureRequest) -> ControlPlane:
    return ControlPlane(machine, str(request.param))


def of_step(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("node", [name], indirect=True)


FLAGS = "--certificate-renewal=false --etcd-upgrade={etcd} --ignore-preflight-errors=CreateJob"


@of_step("update-control-plane")
def test_the_first_applies_the_version_and_keeps_its_admin_conf(node: ControlPlane) -> None:
    ran = node.boot()
    assert ran[-1] == f"kubeadm upgrade apply {NEW} --yes {FLAGS.format(etcd='false')}"
    assert node.file("/etc/kubernetes/admin.conf").read_text() == "khgen's"
    names = {path.name for path in node.file("/etc/kubernetes").iterdir()}
    assert names == {"admin.conf", "manifests", "pki", "tmp"}
    assert not list(node.file("/etc/kubernetes/tmp").iterdir())
    # From then on, the others and every other change upgrade the node.
    node.machine.place("/etc/khgen/cluster.yaml", CONFIGURATION.format(version=NEW) + "more: 1\n")
    assert node.boot()[-1] == (
        f"kubeadm upgrade node --skip-phases=kubelet-config {FLAGS.format(etcd='false')}"
    )


@of_step("update-control-plane")
def test_etcd_is_upgraded_where_more_than_its_founding_changes(node: ControlPlane) -> None:
    (node.root / "etcd-to-come").write_text("- --name=cp1\n- --quota-backend-bytes=1\n")
    assert "--etcd-upgrade=true" in node.boot()[-1]
    # kubeadm's upgrade would write it; the step itself leaves it alone.
    assert "initial-cluster" in node.file(f"{PODS}/etcd.yaml").read_text()


@of_step("update-control-plane")
def test_a_file_configures_the_upgrade_where_there_is_one(node: ControlPlane) -> None:
    (node.root / "etcd-to-come").write_text("- --name=other\n")
    given = "apply:\n  etcdUpgrade: false\nnode:\n  etcdUpgrade: false\n"
    node.machine.place("/etc/khgen/upgrade.yaml", given)
    assert node.boot()[-1] == f"kubeadm upgrade apply {NEW} --yes --config /run/khgen/upgrade.yaml"
    used = node.file("/run/khgen/upgrade.yaml").read_text()
    assert used == given.replace("false", "true")


@pytest.mark.parametrize("moment", ["cut-at-manifest", "cut-at-admin"])
@of_step("update-control-plane")
def test_an_upgrade_that_is_cut_off_is_done_again(node: ControlPlane, moment: str) -> None:
    (node.root / moment).touch()
    ran = node.boot()
    assert len([line for line in ran if line.startswith("kubeadm upgrade apply")]) == 2
    assert node.file(f"{PODS}/kube-apiserver.yaml").read_text() == "new\n"
    assert node.file("/etc/kubernetes/admin.conf").read_text() == "khgen's"
    assert not node.file("/etc/kubernetes/super-admin.conf").exists()


@pytest.fixture
def all_new(node: ControlPlane) -> ControlPlane:
    """Where every API server has the new version, and kube-proxy runs."""
    (node.root / "images").write_text(f"r/kube-apiserver:{NEW}\n")
    (node.root / "kube-proxy").write_text(json.dumps({"config.conf": "mode: iptables"}))
    return node


RESTART = "kubectl -n kube-system rollout restart daemonset kube-proxy"


@of_step("update-addons")
def test_addons_wait_for_the_last_api_server(node: ControlPlane) -> None:
    (node.root / "images").write_text(f"r/kube-apiserver:{NEW}\nr/kube-apiserver:{OLD}\n")
    assert node.boot() == []


@of_step("update-addons")
def test_addons_are_not_taken_for_done_while_the_api_does_not_answer(node: ControlPlane) -> None:
    (node.root / "images").unlink()
    with node.machine.start() as boot:
        node.machine.until("running")
        boot.kill()
    assert node.machine.logged() == []


@of_step("update-addons")
def test_kube_proxy_starts_again_where_its_configuration_changes(all_new: ControlPlane) -> None:
    assert RESTART not in all_new.boot()
    (all_new.root / "to-come").write_text(json.dumps({"config.conf": "mode: nftables"}))
    all_new.machine.place("/etc/khgen/cluster.yaml", CONFIGURATION.format(version=NEW) + "a: 1\n")
    assert RESTART in all_new.boot()


@of_step("update-addons")
def test_kube_proxy_starts_again_also_if_a_try_was_cut_off_before(all_new: ControlPlane) -> None:
    all_new.machine.place("/var/lib/khgen/kube-proxy.before", "another configuration")
    assert RESTART in all_new.boot()
    all_new.machine.place("/etc/khgen/cluster.yaml", CONFIGURATION.format(version=NEW) + "a: 1\n")
    assert RESTART not in all_new.boot()


@of_step("update-addons")
def test_a_kube_proxy_that_was_removed_stays_away(all_new: ControlPlane) -> None:
    (all_new.root / "kube-proxy").unlink()
    assert all_new.boot() == [
        "kubeadm init phase addon coredns --config /etc/khgen/cluster.yaml",
    ]
