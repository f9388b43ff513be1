"""Real kubeadm takes what khgen renders: configuration, certificates, kubeconfigs, patches."""

import re
from pathlib import Path

import pytest
import yaml

from khgen.files.etcd_manifest import etcd_pod
from khgen.plan.cluster_plan import NodeKind, NodePlan, Plan, build_plan, founders_of
from khgen.resources import resource_folder
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys
from support.kubernetes import (
    fresh_secrets,
    kube_bin,
    kubeadm,
    kubeadm_version,
    kubernetes_files,
    run_step,
    write_root,
)
from support.programs import run
from support.topologies import TOPOLOGIES, cluster, plan_with_joiner, topology

pytestmark = pytest.mark.kubernetes
CONFIG = "/etc/khgen/kubeadm.yaml"
EVERYTHING = {
    "encryptionAtRest": True,
    "clusterName": "other",
    "imageRepository": "mirror.example.net/k8s",
    "apiServer": {"extraArgs": {"audit-log-maxage": "7"}, "certSANs": ["api.example.net"]},
    "controllerManager": {"extraArgs": {"bind-address": "0.0.0.0"}},  # noqa: S104 - a flag
    "scheduler": {"extraArgs": {"bind-address": "0.0.0.0"}},  # noqa: S104 - a flag
    "kubelet": {"config": {"maxPods": 200}},
    "kubeProxy": {"mode": "ipvs", "config": {"ipvs": {"strictARP": True}}},
}


def of_this_version(spec: ClusterSpec) -> ClusterSpec:
    """The spec, for the Kubernetes of the kubeadm in the folder."""
    kubernetes = spec.kubernetes.model_copy(update={"version": str(kubeadm_version())})
    return spec.model_copy(update={"kubernetes": kubernetes})


def rendered(tmp_path: Path, plan: Plan, node: NodePlan) -> Path:
    """The node's files under a folder."""
    root = tmp_path / node.name
    write_root(root, kubernetes_files(plan, node, fresh_secrets(plan.spec)))
    return root


def full_cluster() -> ClusterSpec:
    """A cluster that uses every field that reaches kubeadm's configuration, dual-stack."""
    spec = cluster(
        {"cp": 3, "w": 1},
        kubernetes=EVERYTHING,
        networking={
            "podSubnet": "10.244.0.0/16,fd00:10:244::/56",
            "serviceSubnet": "172.16.0.0/16,fd00:172::/112",
        },
        etcd={"extraArgs": {"quota-backend-bytes": "8589934592"}, "dataDir": "/var/lib/etcd/data"},
        bootstrapToken={"ttl": "2d"},
    )
    nodes = tuple(
        node.model_copy(
            update={
                "labels": {"zone": "a", "rack": "1"},
                "taints": (),
                "kubelet_extra_args": {"v": "2"},
            }
        )
        for node in spec.nodes
    )
    return spec.model_copy(update={"nodes": nodes})


def plans() -> list[tuple[str, ClusterSpec]]:
    """Every shape, and one with every field."""
    return [*((name, topology(name)) for name in TOPOLOGIES), ("full", full_cluster())]


@pytest.mark.parametrize(("name", "spec"), plans(), ids=[name for name, _ in plans()])
def test_every_configuration_is_valid(tmp_path: Path, name: str, spec: ClusterSpec) -> None:
    assert name
    plan = plan_with_joiner(of_this_version(spec))
    seen = {}
    for node in plan.nodes:
        if node.joins_kubernetes and node.kind not in seen:
            root = rendered(tmp_path, plan, node)
            seen[node.kind] = kubeadm(root, "config", "validate", "--config", CONFIG)
    assert NodeKind.FOUNDER in seen
    for kind, done in seen.items():
        assert done.returncode == 0, f"{kind}: {done.stderr}"
        assert "ok" in done.stdout
        assert "unknown field" not in done.stderr
        assert "strict decoding" not in done.stderr


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_certificates_and_kubeconfigs_are_used_as_they_are(tmp_path: Path, name: str) -> None:
    plan = plan_with_joiner(of_this_version(topology(name)))
    root = rendered(tmp_path, plan, plan.control_planes[0])
    before = contents(root / "etc/kubernetes")
    certs = kubeadm(root, "init", "phase", "certs", "all", "--config", CONFIG)
    assert certs.returncode == 0, certs.stderr
    said = certs.stdout + certs.stderr
    assert "Generating" not in said, said
    assert "xisting" in said, said
    kubeconfig = kubeadm(root, "init", "phase", "kubeconfig", "all", "--config", CONFIG)
    assert kubeconfig.returncode == 0, kubeconfig.stderr
    for file in ("admin", "kubelet", "controller-manager", "scheduler"):
        assert re.search(rf"(existing|provided).*{file}\.conf", kubeconfig.stdout), (
            kubeconfig.stdout
        )
    made = {"super-admin.conf"} if plan.spec.pki.ca_keys is CaKeys.CONTROL_PLANE else set()
    written = set(re.findall(r'Writing "(\S+)"', kubeconfig.stdout))
    assert written == made, kubeconfig.stdout
    after = contents(root / "etc/kubernetes")
    assert {path: after[path] for path in before} == before
    assert after.keys() - before.keys() == made


def test_founders_etcd_starts_as_one_static_cluster(tmp_path: Path) -> None:
    plan = plan_with_joiner(of_this_version(topology("stacked")))
    node = plan.control_planes[1]
    root = rendered(tmp_path, plan, node)
    done = kubeadm(root, "init", "phase", "etcd", "local", "--config", CONFIG)
    assert done.returncode == 0, done.stderr
    command = pod(root, "etcd")["spec"]["containers"][0]["command"]
    # etcd takes the last of a flag that stands twice.
    last = {word.split("=", 1)[0]: word.split("=", 1)[1] for word in command[1:]}
    assert last["--initial-cluster"] == "cp1=https://10.1.0.2:2380,cp2=https://10.1.0.3:2380"
    assert last["--initial-cluster-state"] == "new"
    assert last["--name"] == "cp2"
    config = list(yaml.safe_load_all((root / "etc/khgen/kubeadm.yaml").read_text()))
    assert "initial-cluster" not in yaml.safe_dump(config)


def test_control_plane_manifests(tmp_path: Path) -> None:
    plan = plan_with_joiner(of_this_version(full_cluster()))
    root = rendered(tmp_path, plan, plan.control_planes[0])
    done = kubeadm(root, "init", "phase", "control-plane", "all", "--config", CONFIG)
    assert done.returncode == 0, done.stderr
    flags = pod(root, "kube-apiserver")["spec"]["containers"][0]["command"]
    for flag in (
        "--advertise-address=10.1.0.2",
        "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=172.16.0.0/16,fd00:172::/112",
        "--encryption-provider-config=/etc/kubernetes/encryption-config.yaml",
        "--audit-log-maxage=7",
    ):
        assert flag in flags
    assert (
        "--bind-address=0.0.0.0" in pod(root, "kube-scheduler")["spec"]["containers"][0]["command"]
    )


def test_without_ca_keys_kubeadm_runs_in_external_ca_mode(tmp_path: Path) -> None:
    plan = plan_with_joiner(of_this_version(topology("offline")))
    root = rendered(tmp_path, plan, plan.control_planes[0])
    assert not (root / "etc/kubernetes/pki/ca.key").exists()
    done = kubeadm(root, "init", "phase", "control-plane", "all", "--config", CONFIG)
    assert done.returncode == 0, done.stderr
    flags = pod(root, "kube-controller-manager")["spec"]["containers"][0]["command"]
    assert "--cluster-signing-cert-file=" in flags


@pytest.mark.parametrize("step", ["etcd", "control-plane"])
def test_a_founder_without_super_admin_conf_runs_every_phase(tmp_path: Path, step: str) -> None:
    spec = of_this_version(topology("offline"))
    plan = build_plan(spec, founders_of(spec))
    holder, other = (rendered(tmp_path, plan, node) for node in plan.control_planes[:2])
    super_admin = "etc/kubernetes/super-admin.conf"
    assert (holder / super_admin).exists()
    assert not (other / super_admin).exists()
    # Asked directly, kubeadm refuses: that is what the step's stand-in file is for.
    refused = kubeadm(other, "init", "phase", "control-plane", "scheduler", "--config", CONFIG)
    assert "super-admin.conf file does not exists" in refused.stderr
    before = (holder / super_admin).read_bytes()
    for root in (holder, other):
        done = run_step(root, step, kubeadm=True)
        assert done.returncode == 0, done.stderr
        assert list((root / "etc/kubernetes/manifests").iterdir())
    assert (holder / super_admin).read_bytes() == before
    assert not (other / super_admin).exists()


def test_manifest_of_external_etcd_is_kubeadms_own(tmp_path: Path) -> None:
    """What kubeadm writes for a stacked member of the same name and address, but the founding."""
    spec = of_this_version(cluster({"cp": 3}))
    plan = build_plan(spec, founders_of(spec))
    node = plan.control_planes[2]
    root = rendered(tmp_path, plan, node)
    done = kubeadm(root, "init", "phase", "etcd", "local", "--config", CONFIG)
    assert done.returncode == 0, done.stderr
    theirs = pod(root, "etcd")
    theirs["metadata"].pop("creationTimestamp", None)  # null
    ours = yaml.safe_load(yaml.safe_dump(etcd_pod(plan, node)))
    their_flags = theirs["spec"]["containers"][0].pop("command")
    our_flags = ours["spec"]["containers"][0].pop("command")
    assert ours == {key: value for key, value in theirs.items() if key != "status"}
    # The patch gives its flags a second time; everything else is the same, in the same order.
    founding = [flag for flag in our_flags if flag.startswith("--initial-cluster")]
    own = f"--initial-cluster={node.name}=https://{node.address}:2380"
    assert [flag for flag in their_flags if flag not in (*founding, own)] == [
        flag for flag in our_flags if flag not in founding
    ]


@pytest.mark.parametrize(
    ("found", "fatal"), [((), False), (("lost+found",), False), (("lost+found", "member"), True)]
)
def test_a_data_directory_may_be_a_disk_of_its_own(
    tmp_path: Path, found: tuple[str, ...], *, fatal: bool
) -> None:
    spec = of_this_version(cluster({"cp": 3}, etcd={"dataDir": "/var/lib/etcd/"}))
    plan = plan_with_joiner(spec)
    root = rendered(tmp_path, plan, plan.control_planes[0])
    for name in found:
        (root / "var/lib/etcd" / name).mkdir(parents=True)
    # On this machine the preflight ends with other errors: it is what it says that counts.
    said = run_step(root, "preflight", kubeadm=True).stderr
    assert "[preflight] Some fatal errors occurred" in said
    assert ("[ERROR DirAvailable--var-lib-etcd-]" in said) is fatal
    assert ("[WARNING DirAvailable--var-lib-etcd-]" in said) is (bool(found) and not fatal)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def pod(root: Path, name: str) -> dict[str, dict[str, list[dict[str, list[str]]]]]:
    text = (root / f"etc/kubernetes/manifests/{name}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, list[dict[str, list[str]]]]] = yaml.safe_load(text)
    return loaded


def test_kubeadm_knows_every_command_of_the_steps_and_their_lists() -> None:
    steps = (resource_folder("templates") / "cloud-init" / "steps").glob("*.sh")
    text = "".join(step.read_text(encoding="utf-8") for step in steps)
    text = text.replace("  phase ", "  kubeadm init phase ")
    commands = set(
        re.findall(r"kubeadm ((?:init|join)\b(?: [a-z][a-z-]*)*)((?: --[a-z-]+)*)", text)
    )
    assert ("init phase bootstrap-token", " --skip-token-print") in commands
    for words, flags in commands:
        said = run([kube_bin() / "kubeadm", *words.split(), "--help"]).stdout
        usage = re.search(r"^ +kubeadm (.*?)(?: \[|$)", said, re.MULTILINE)
        assert usage is not None, words
        assert words.startswith(usage[1]), (words, usage[1])
        assert all(flag in said for flag in flags.split()), words
