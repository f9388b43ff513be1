"""kubeadm's configuration, its patches and the kubelet's files, by structure."""

import configparser
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from khgen.facts.kubernetes import MINORS
from khgen.files.etcd_manifest import etcd_arguments, etcd_pod
from khgen.files.kubeadm import encryption_files, kubeadm_config_files, kubelet_files, patch_files
from khgen.files.node_files import manifest_files
from khgen.plan.cluster_plan import NodeKind, NodePlan, Plan
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import KubernetesSpec
from khgen.spec.model.machine import KubernetesSource
from support.topologies import cluster, plan_with_joiner, topology

TOKEN = "abcdef.0123456789abcdef"  # noqa: S105 - test only
Document = dict[str, Any]


def at_version(spec: ClusterSpec, version: str) -> ClusterSpec:
    kubernetes = spec.kubernetes.model_copy(update={"version": version})
    return spec.model_copy(update={"kubernetes": kubernetes})


def documents(plan: Plan, node: NodePlan) -> dict[str, Document]:
    (file,) = kubeadm_config_files(plan, node, TOKEN)
    assert file.mode == 0o600
    return {document["kind"]: document for document in yaml.safe_load_all(file.content)}


@pytest.mark.parametrize("minor", MINORS)
def test_founders_configuration_has_the_shape_of_its_api(minor: str) -> None:
    plan = plan_with_joiner(at_version(topology("stacked"), f"{minor}.0"))
    found = documents(plan, plan.control_planes[0])
    assert list(found) == [
        "InitConfiguration",
        "ClusterConfiguration",
        "KubeletConfiguration",
    ]
    init, whole = found["InitConfiguration"], found["ClusterConfiguration"]
    flags = init["nodeRegistration"]["kubeletExtraArgs"]
    if plan.facts.kubeadm_api == "v1beta3":
        assert flags == {"node-ip": "10.1.0.2"}
        assert whole["featureGates"] == {"PublicKeysECDSA": True}
        assert whole["apiServer"]["extraArgs"] == {"authorization-mode": "Node,RBAC"}
        assert "encryptionAlgorithm" not in whole
    else:
        assert flags == [{"name": "node-ip", "value": "10.1.0.2"}]
        assert whole["encryptionAlgorithm"] == "ECDSA-P256"
        assert "timeoutForControlPlane" not in whole["apiServer"]
        assert "featureGates" not in whole


def test_kube_proxys_configuration_is_there_when_the_spec_has_something_to_say() -> None:
    kubernetes = KubernetesSpec.model_validate({"kubeProxy": {"mode": "ipvs"}})
    plan = plan_with_joiner(topology("stacked").model_copy(update={"kubernetes": kubernetes}))
    proxy = documents(plan, plan.control_planes[0])["KubeProxyConfiguration"]
    assert proxy == {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "ipvs",
    }


@pytest.mark.parametrize(("version", "algorithm"), [("1.33.0", "256"), ("1.34.0", "384")])
def test_p384_is_asked_for_where_kubeadm_knows_it(version: str, algorithm: str) -> None:
    plan = plan_with_joiner(at_version(topology("p384"), version))
    found = documents(plan, plan.control_planes[0])["ClusterConfiguration"]
    assert found["encryptionAlgorithm"] == f"ECDSA-P{algorithm}"


def test_the_founding_members_stand_in_a_patch_only() -> None:
    plan = plan_with_joiner(topology("stacked"))
    (file,) = kubeadm_config_files(plan, plan.control_planes[0], TOKEN)
    assert "initial-cluster" not in file.content
    (patch,) = patch_files(plan, NodeKind.FOUNDER)
    assert [operation["value"] for operation in yaml.safe_load(patch.content)] == [
        "--initial-cluster=cp1=https://10.1.0.2:2380,cp2=https://10.1.0.3:2380",
        "--initial-cluster-state=new",
        "--initial-cluster-token=tested",
    ]
    assert patch_files(plan, NodeKind.CONTROL_PLANE_JOINER) == ()
    assert patch_files(plan_with_joiner(topology("external-etcd")), NodeKind.FOUNDER) == ()


def test_founders_share_one_short_lived_token() -> None:
    plan = plan_with_joiner(topology("stacked"))
    init = documents(plan, plan.control_planes[0])["InitConfiguration"]
    assert init["bootstrapTokens"] == [{"token": TOKEN, "ttl": "30m0s"}]
    kept = plan_with_joiner(cluster({"cp": 1}, bootstrapToken={"ttl": "2d"}))
    init = documents(kept, kept.control_planes[0])["InitConfiguration"]
    assert init["bootstrapTokens"] == [{"token": TOKEN, "ttl": "48h"}]


def test_a_later_node_joins_with_its_own_identity() -> None:
    plan = plan_with_joiner(topology("stacked"))
    join: Document = {}
    for node in (plan.workers[0], plan.control_planes[2]):
        found = documents(plan, node)
        assert list(found) == ["JoinConfiguration"]
        join = found["JoinConfiguration"]
        assert join["discovery"] == {"file": {"kubeConfigPath": "/etc/kubernetes/kubelet.conf"}}
        assert TOKEN not in str(join)
    assert join["controlPlane"]["localAPIEndpoint"]["advertiseAddress"] == "10.1.0.4"


def test_hosts_outside_kubernetes_have_no_kubeadm_configuration() -> None:
    for name, host in (("external-etcd", "etcd1"), ("dedicated-lb", "lb1")):
        plan = plan_with_joiner(topology(name))
        assert kubeadm_config_files(plan, plan.by_name[host], TOKEN) == ()


def test_external_etcd_is_named_member_by_member() -> None:
    plan = plan_with_joiner(topology("external-etcd"))
    found = documents(plan, plan.control_planes[0])["ClusterConfiguration"]
    assert found["etcd"]["external"]["endpoints"] == [
        f"https://10.3.0.{last}:2379" for last in (2, 3, 4)
    ]


def test_both_families_of_dual_stack() -> None:
    spec = cluster(
        {"cp": 1},
        networking={
            "podSubnet": "10.96.0.1/8,fd00:10::/56",
            "serviceSubnet": "172.16.0.0/16,fd00:172::/112",
        },
    )
    nodes = (spec.nodes[0].model_copy(update={"additional_addresses": (ip_address("fd00::11"),)}),)
    plan = plan_with_joiner(spec.model_copy(update={"nodes": nodes}))
    found = documents(plan, plan.control_planes[0])
    networking = found["ClusterConfiguration"]["networking"]
    assert networking["podSubnet"] == "10.0.0.0/8,fd00:10::/56"
    flags = found["InitConfiguration"]["nodeRegistration"]["kubeletExtraArgs"]
    assert flags["node-ip"] == "10.1.0.2,fd00::11"


def test_encryption_at_rest_reaches_every_control_plane_and_nobody_else() -> None:
    plan = plan_with_joiner(cluster({"cp": 3, "w": 1}, kubernetes={"encryptionAtRest": True}))
    key = bytes(range(32))
    for kind in NodeKind:
        files = encryption_files(plan, kind, key)
        assert bool(files) is (kind in {NodeKind.FOUNDER, NodeKind.CONTROL_PLANE_JOINER})
        assert all(file.mode == 0o600 for file in files)
    api_server = documents(plan, plan.control_planes[0])["ClusterConfiguration"]["apiServer"]
    path = api_server["extraArgs"]["encryption-provider-config"]
    assert path == api_server["extraVolumes"][0]["hostPath"] == str(files_path(plan, key))


def test_etcd_hosts_run_the_kubelet_as_service_manager() -> None:
    plan = plan_with_joiner(topology("external-etcd"))
    files = {str(file.path): file.content for file in kubelet_files(plan, NodeKind.ETCD_FOUNDER)}
    drop_ins = "/etc/systemd/system/kubelet.service.d/"
    assert [path for path in files if path.startswith(drop_ins)] == [
        f"{drop_ins}10-containerd.conf",
        f"{drop_ins}20-etcd-service-manager.conf",
    ]
    assert (
        "\nExecStart=\nExecStart=kubelet --config=/etc/khgen/etcd-kubelet.yaml\n"
        in (files[f"{drop_ins}20-etcd-service-manager.conf"])
    )
    (only,) = kubelet_files(plan, NodeKind.WORKER)
    assert only.path.name == "10-containerd.conf"


@pytest.mark.parametrize(("minor", "probe"), [("1.29", "/health"), ("1.31", "/livez")])
def test_etcd_flags_and_probes_follow_the_minor(minor: str, probe: str) -> None:
    plan = plan_with_joiner(at_version(topology("external-etcd"), f"{minor}.0"))
    node = plan.by_name["etcd1"]
    pod: Any = etcd_pod(plan, node)
    (container,) = pod["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"].startswith(probe)
    assert "--experimental-initial-corrupt-check=true" in etcd_arguments(plan, node)


def test_etcd_36_is_not_given_flags_that_it_warns_about() -> None:
    plan = plan_with_joiner(at_version(topology("external-etcd"), "1.34.2"))
    arguments = etcd_arguments(plan, plan.by_name["etcd1"])
    assert "--feature-gates=InitialCorruptCheck=true" in arguments
    assert not any("experimental" in argument for argument in arguments)


def test_manifests_in_the_specs_order_and_for_founders_only() -> None:
    sha256 = "0" * 64
    plan = plan_with_joiner(
        cluster(
            {"cp": 1, "w": 1},
            addons={
                "calico": {"url": "https://example.net/calico.yaml", "sha256": sha256},
                "manifests": [{"name": "extra", "path": "extra.yaml"}],
            },
        )
    )
    contents = {"extra.yaml": b"kind: List\n"}
    files = {
        file.path.name: file.content for file in manifest_files(plan, NodeKind.FOUNDER, contents)
    }
    assert files == {
        "02-extra.yaml": "kind: List\n",
        "urls": f"{sha256} 01-calico.yaml https://example.net/calico.yaml\n",
    }
    assert manifest_files(plan, NodeKind.WORKER, contents) == ()


def files_path(plan: Plan, key: bytes) -> object:
    return encryption_files(plan, NodeKind.FOUNDER, key)[0].path


def test_control_planes_do_not_wait_for_every_member_of_external_etcd() -> None:
    plan = plan_with_joiner(cluster({"etcd": 3, "cp": 3, "w": 1}, etcd={"topology": "external"}))
    founder, _, joiner = (documents(plan, node) for node in plan.control_planes)
    registrations = (
        founder["InitConfiguration"]["nodeRegistration"],
        joiner["JoinConfiguration"]["nodeRegistration"],
    )
    for registration in registrations:
        assert "ExternalEtcdVersion" in registration["ignorePreflightErrors"]
    worker = documents(plan, plan.by_name["w1"])["JoinConfiguration"]["nodeRegistration"]
    assert "ExternalEtcdVersion" not in worker["ignorePreflightErrors"]
    stacked = plan_with_joiner(topology("stacked"))
    founder = documents(stacked, stacked.control_planes[0])
    assert "ignorePreflightErrors" not in founder["InitConfiguration"]["nodeRegistration"]


@pytest.mark.parametrize("shape", ["stacked", "external-etcd", "dedicated-lb"])
@pytest.mark.parametrize("source", ["packages", "binaries"])
def test_the_kubelet_starts_after_containerd(shape: str, source: str) -> None:
    spec = topology(shape)
    install = spec.install.model_copy(update={"kubernetes": KubernetesSource(source)})
    plan = plan_with_joiner(spec.model_copy(update={"install": install}))
    for kind in {node.kind for node in plan.nodes}:
        units = configparser.ConfigParser(interpolation=None, strict=False)
        units.optionxform = str  # type: ignore[assignment]
        for file in kubelet_files(plan, kind):
            if file.path.name == "10-containerd.conf":
                units.read_string(file.content)
        if kind is NodeKind.LOAD_BALANCER:
            assert not units.sections()
        else:
            assert dict(units["Unit"]) == {
                "Wants": "containerd.service",
                "After": "containerd.service",
            }
