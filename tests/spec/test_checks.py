"""Every check across fields: what it refuses, at which place, and what it accepts."""

import pytest

from khgen.problems import Severity
from khgen.spec.load import CHECKS
from support.spec_texts import Changes, loaded

EVEN = {"nodes.2": None}
ETCD = {"name": "e1", "role": "etcd", "address": "192.168.10.31"}
BALANCER = {"name": "lb1", "role": "load-balancer", "address": "192.168.10.41"}
BALANCER_2 = {"name": "lb2", "role": "load-balancer", "address": "192.168.10.42"}
WORKER = {"name": "w1", "role": "worker", "address": "192.168.10.21"}
API_SERVER = "kubernetes.apiServer.extraArgs"
CONTROLLER_MANAGER = "kubernetes.controllerManager.extraArgs"
KUBELET = "kubernetes.kubelet.config"
KUBE_PROXY = "kubernetes.kubeProxy.config"
AUDIT = "/etc/kubernetes/audit.yaml"
RAW = {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}
NETWORK = {"prefixLength": 28, "gateway": "192.168.10.1"}
MIRROR = {"registry": "docker.io", "endpoints": ["https://mirror.lan"]}
HOST = {"controlPlaneEndpoint": {"host": "api.example.com"}}
PIN = {"url": "https://example.com/x", "sha256": "0" * 64}
TARBALLS = dict.fromkeys(("containerd", "runc", "cniPlugins"), PIN)
KUBE_BINARIES = dict.fromkeys(("cniPlugins", "crictl", "kubeadm", "kubelet", "kubectl"), PIN)
DUAL = {
    "networking.podSubnet": "10.244.0.0/16,fd00:1::/56",
    "networking.serviceSubnet": "10.96.0.0/16,fd00:2::/112",
}
DUAL_NODES = DUAL | {f"nodes.{i}.additionalAddresses": [f"fd00:70::{i + 1}"] for i in range(4)}
V6 = {"controlPlaneEndpoint.vip": "fd00:70::99"}

# (check, what is refused, the problem's path, a part of its message, what is accepted instead)
Case = tuple[str, Changes, str, str, Changes]
# fmt: off  (one case a line)
ERRORS: tuple[Case, ...] = (
    (
        "duplicate_names",
        {"nodes.3.name": "cp1"},
        "nodes[3].name",
        "'cp1' is already used by nodes[0]",
        {"nodes.3.name": "cp4"},
    ),
    (
        "duplicate_addresses",
        {"nodes.3.address": "192.168.10.11"},
        "nodes[3].address",
        "already used by 'cp1'",
        {},
    ),
    (
        "duplicate_addresses",
        {"nodes.3.additionalAddresses": ["192.168.10.12"]},
        "nodes[3].additionalAddresses[0]",
        "already used by 'cp2'",
        {},
    ),
    (
        "long_names",
        {"nodes.3.name": "a" * 40 + "." + "b" * 40},
        "nodes[3].name",
        "at most 64",
        {"nodes.3.name": "a" * 63},
    ),
    (
        "unusable_addresses",
        {"nodes.3.address": "127.0.0.1"},
        "nodes[3].address",
        "cannot be the address",
        {},
    ),
    (
        "gateway_outside",
        {"nodes.0.network": NETWORK | {"gateway": "192.168.11.1"}},
        "nodes[0].network.gateway",
        "is not in the node's network 192.168.10.0/28",
        {"nodes.0.network": {"prefixLength": 24, "gateway": "192.168.10.1"}},
    ),
    (
        "gateway_outside",
        {"nodes.0.network": NETWORK | {"gateway": "192.168.10.11"}},
        "nodes[0].network.gateway",
        "own address",
        {},
    ),
    (
        "prefix_too_long",
        {"nodes.0.network": {"prefixLength": 64}},
        "nodes[0].network.prefixLength",
        "is more than 32",
        {"nodes.0.network": {"prefixLength": 24}},
    ),
    (
        "unknown_release",
        {"os.release": "11"},
        "os.release",
        "is not one of: 12, 13",
        {"os.release": "13"},
    ),
    (
        "unknown_release",
        {"os": {"family": "rhel", "release": "9.4"}},
        "os.release",
        "is not one of: 9",
        {"os": {"family": "rhel", "release": 9}},
    ),
    (
        "time_program",
        {"os": {"family": "rhel", "release": "9", "timeSync": {"program": "timesyncd"}}},
        "os.timeSync.program",
        "not packaged",
        {"os.timeSync": {"program": "timesyncd"}},
    ),
    (
        "time_program",
        {"os.timeSync": {"program": "unmanaged", "pools": ["p.example.com"]}},
        "os.timeSync.program",
        "no effect",
        {"os.timeSync": {"pools": ["p.example.com"]}},
    ),
    (
        "vip_or_host",
        {"controlPlaneEndpoint.host": "api.example.com"},
        "controlPlaneEndpoint.host",
        "both vip and host",
        HOST,
    ),
    (
        "vip_or_host",
        {"controlPlaneEndpoint": {"port": 8443}},
        "controlPlaneEndpoint",
        "neither vip nor host",
        {},
    ),
    (
        "vip_is_a_node",
        {"controlPlaneEndpoint.vip": "192.168.10.21"},
        "controlPlaneEndpoint.vip",
        "is the address of node 'w1'",
        {},
    ),
    (
        "vip_outside",
        {"controlPlaneEndpoint.vip": "172.31.0.1"},
        "controlPlaneEndpoint.vip",
        "does not seem to be in the network",
        {},
    ),
    (
        "vip_outside",
        {"nodes.0.network": NETWORK},
        "controlPlaneEndpoint.vip",
        "is not in 192.168.10.0/28, the network of node 'cp1'",
        {"nodes.0.network": {"prefixLength": 24}},
    ),
    (
        "vip_outside",
        V6,
        "controlPlaneEndpoint.vip",
        "is IPv6, but node 'cp1' has no such address",
        DUAL_NODES | V6,
    ),
    (
        "vip_outside",
        {"nodes.4": BALANCER | {"address": "10.1.1.1"}},
        "controlPlaneEndpoint.vip",
        "network of node 'lb1'",
        {"nodes.4": BALANCER},
    ),
    (
        "port_taken",
        {"controlPlaneEndpoint.port": 6443},
        "controlPlaneEndpoint.port",
        "used by the API server",
        {"controlPlaneEndpoint.port": 6443, "nodes.4": BALANCER},
    ),
    (
        "port_taken",
        {"controlPlaneEndpoint.port": 2379},
        "controlPlaneEndpoint.port",
        "used by etcd's clients",
        HOST,
    ),
    (
        "balancers_without_vip",
        HOST | {"nodes.4": BALANCER},
        "nodes[4].role",
        "has no VIP to carry",
        {"nodes.4": BALANCER},
    ),
    (
        "overlapping_subnets",
        {"networking.podSubnet": "10.0.0.0/8"},
        "networking.serviceSubnet",
        "service network 10.96.0.0/12 overlaps pod network 10.0.0.0/8",
        {"networking": {"podSubnet": "10.0.0.0/8", "serviceSubnet": "172.16.0.0/16"}},
    ),
    (
        "nodes_in_subnets",
        {"networking.podSubnet": "192.168.0.0/16"},
        "nodes[0].address",
        "is in the pod network",
        {},
    ),
    (
        "nodes_in_subnets",
        {"networking.serviceSubnet": "192.168.10.0/27"},
        "nodes[0].address",
        "is in the service network",
        {},
    ),
    (
        "vip_in_subnets",
        {"networking.serviceSubnet": "192.168.10.224/27"},
        "controlPlaneEndpoint.vip",
        "is in the service network",
        {},
    ),
    (
        "service_subnet_size",
        {"networking.serviceSubnet": "10.96.0.0/29"},
        "networking.serviceSubnet",
        "too small: it has 8 addresses",
        {"networking.serviceSubnet": "10.96.0.0/28"},
    ),
    (
        "service_subnet_size",
        {"networking.serviceSubnet": "11.0.0.0/11"},
        "networking.serviceSubnet",
        "too large: the API server accepts /12",
        {"networking.serviceSubnet": "10.96.0.0/12"},
    ),
    (
        "pod_subnet_size",
        {"networking.podSubnet": "10.244.0.0/25"},
        "networking.podSubnet",
        "smaller than the /24 of each node",
        {"networking.podSubnet": "10.244.0.0/22"},
    ),
    (
        "pod_subnet_size",
        {"networking.podSubnet": "10.244.0.0/23"},
        "networking.podSubnet",
        "has room for 2 nodes with a /24 each, but there are 4",
        {
            "networking.podSubnet": "10.244.0.0/23",
            "kubernetes.controllerManager.extraArgs.node-cidr-mask-size-ipv4": "26",
        },
    ),
    (
        "pod_subnet_size",
        {"networking.podSubnet": "32.0.0.0/7"},
        "networking.podSubnet",
        "too large",
        {"networking.podSubnet": "33.0.0.0/8"},
    ),
    (
        "pods_and_services",
        {"networking.podSubnet": "10.244.0.0/16,fd00:1::/56"},
        "networking.serviceSubnet",
        "pods use IPv4 and IPv6, but services use IPv4",
        DUAL_NODES,
    ),
    ("node_families", DUAL, "nodes[0].address", "has no IPv6 address", DUAL_NODES),
    (
        "node_families",
        {"networking.podSubnet": "fd00:1::/56", "networking.serviceSubnet": "fd00:2::/112"},
        "nodes[0].address",
        "the cluster's first family is IPv6",
        {},
    ),
    (
        "one_address_a_family",
        {"nodes.3.additionalAddresses": ["192.168.10.99"]},
        "nodes[3].additionalAddresses[0]",
        "a second IPv4 address",
        {"nodes.3.additionalAddresses": ["fd00::9"]},
    ),
    (
        "no_control_plane",
        {"nodes": [{"name": "w", "role": "worker", "address": "192.168.10.1"}]},
        "nodes",
        "no node has the role control-plane",
        {},
    ),
    (
        "etcd_hosts",
        {"nodes.4": ETCD},
        "nodes[4].role",
        "etcd.topology is stacked",
        {"nodes.4": ETCD, "etcd.topology": "external"},
    ),
    (
        "etcd_hosts",
        {"etcd.topology": "external"},
        "etcd.topology",
        "no node has the role etcd",
        {"nodes.4": ETCD, "etcd.topology": "external"},
    ),
    (
        "unsupported_minor",
        {"kubernetes.version": "1.28.0"},
        "kubernetes.version",
        "Kubernetes 1.28 is not supported",
        {"kubernetes.version": "1.31.14"},
    ),
    (
        "program_skew",
        {"install.packageVersions.kubelet": "1.30.0"},
        "install.packageVersions.kubelet",
        "kubelet 1.30.0 does not work with",
        {"install.packageVersions.kubelet": "1.26.0"},
    ),
    (
        "program_skew",
        {"install.packageVersions.kubelet": "1.25.9"},
        "install.packageVersions.kubelet",
        "does not work with",
        {"install.packageVersions.kubelet": "1.29.9"},
    ),
    (
        "program_skew",
        {"install.packageVersions.kubeadm": "1.28.0"},
        "install.packageVersions.kubeadm",
        "does not work with",
        {"install.packageVersions.kubeadm": "1.30.0"},
    ),
    (
        "program_skew",
        {"install.packageVersions.kubectl": "1.31.0"},
        "install.packageVersions.kubectl",
        "does not work with",
        {"install.packageVersions.kubectl": "1.28.0"},
    ),
    (
        "kubelet_newer_than_kubeadm",
        {"install.packageVersions": {"kubeadm": "1.30.0", "kubelet": "1.26.0"}},
        "install.packageVersions.kubelet",
        "does not work with kubeadm",
        {"install.packageVersions": {"kubeadm": "1.30.0", "kubelet": "1.27.0"}},
    ),
    (
        "shorter_than_boot_window",
        {"pki.certificateValidity": "20d"},
        "pki.certificateValidity",
        "20d is shorter than the boot window of 30d",
        {"pki": {"certificateValidity": "20d", "bootWindow": "14d"}},
    ),
    (
        "shorter_than_boot_window",
        {"pki.nodeIdentityValidity": "29d"},
        "pki.nodeIdentityValidity",
        "shorter than the boot window",
        {"pki.nodeIdentityValidity": "30d"},
    ),
    (
        "longer_than_ca",
        {"pki.certificateValidity": "11y"},
        "pki.certificateValidity",
        "longer than caValidity of 10y",
        {"pki.certificateValidity": "10y"},
    ),
    (
        "no_lifetime",
        {"pki": {"caValidity": "0s", "certificateValidity": "0s", "bootWindow": "0s"}},
        "pki.caValidity",
        "greater than zero",
        {},
    ),
    (
        "backdated_too_far",
        {"pki.backdate": "11y"},
        "pki.backdate",
        "backdate of 11y is longer than 10y",
        {"pki.backdate": "10y"},
    ),
    (
        "token_with_offline_keys",
        {"bootstrapToken": {"ttl": "2h"}, "pki.caKeys": "offline"},
        "bootstrapToken",
        "does not work with pki.caKeys: offline",
        {"bootstrapToken": {"ttl": "2h"}},
    ),
    (
        "short_token",
        {"bootstrapToken": {"ttl": "5s"}},
        "bootstrapToken.ttl",
        "expires before a node can join",
        {"bootstrapToken": {"ttl": "1h"}},
    ),
    (
        "serving_requests_with_offline_keys",
        {"kubernetes.kubelet.config": {"serverTLSBootstrap": True}, "pki.caKeys": "offline"},
        "kubernetes.kubelet.config.serverTLSBootstrap",
        "needs a CA key",
        {"kubernetes.kubelet.config": {"serverTLSBootstrap": True}},
    ),
    (
        "own_flags",
        {"etcd.extraArgs": {"initial-cluster": "x"}},
        "etcd.extraArgs.initial-cluster",
        "is set by khgen or kubeadm",
        {"etcd.extraArgs": {"snapshot-count": 10000}},
    ),
    (
        "own_flags",
        {"kubernetes.apiServer.extraArgs": {"etcd-servers": "x"}},
        "kubernetes.apiServer.extraArgs.etcd-servers",
        "is set by",
        {"kubernetes.apiServer.extraArgs": {"profiling": False}},
    ),
    (
        "api_server_flags",
        {"kubernetes.apiServer.extraArgs": {"anonymous-auth": False}},
        "kubernetes.apiServer.extraArgs.anonymous-auth",
        "breaks the health checks",
        {},
    ),
    (
        "node_authorization",
        {"kubernetes.apiServer.extraArgs": {"authorization-mode": "RBAC"}},
        "kubernetes.apiServer.extraArgs.authorization-mode",
        "lacks Node or RBAC",
        {"kubernetes.apiServer.extraArgs": {"authorization-mode": "Node,RBAC,Webhook"}},
    ),
    (
        "api_server_flags",
        {
            "kubernetes": {
                "encryptionAtRest": True,
                "apiServer": {"extraArgs": {"encryption-provider-config": "/x"}},
            }
        },
        "kubernetes.apiServer.extraArgs.encryption-provider-config",
        "is set by encryptionAtRest",
        {"kubernetes.encryptionAtRest": True},
    ),
    (
        "own_gates",
        {"kubernetes.featureGates": {"PublicKeysECDSA": False}},
        "kubernetes.featureGates.PublicKeysECDSA",
        "set by pki.algorithm",
        {"kubernetes.featureGates": {"EtcdLearnerMode": True}},
    ),
    (
        "own_gates",
        {"kubernetes.featureGates": {"RootlessControlPlane": True}},
        "kubernetes.featureGates.RootlessControlPlane",
        "other owners",
        {"kubernetes.featureGates": {"RootlessControlPlane": False}},
    ),
    (
        "unusable_gates",
        {"kubernetes.featureGates": {"EtcdLearnerMod": True}},
        "kubernetes.featureGates.EtcdLearnerMod",
        "kubeadm 1.29 has no feature gate",
        {},
    ),
    (
        "unusable_gates",
        {"kubernetes": {"version": "1.33.0", "featureGates": {"EtcdLearnerMode": True}}},
        "kubernetes.featureGates.EtcdLearnerMode",
        "kubeadm 1.33 has no feature gate 'EtcdLearnerMode': Kubernetes 1.33 removed it",
        {"kubernetes": {"version": "1.32.0", "featureGates": {"EtcdLearnerMode": True}}},
    ),
    (
        "unusable_gates",
        {f"{KUBELET}.featureGates": {"SidecarContainers": False}, "kubernetes.version": "1.33.0"},
        f"{KUBELET}.featureGates.SidecarContainers",
        "kubelet 1.33 has locked the feature gate 'SidecarContainers' to true",
        {f"{KUBELET}.featureGates": {"SidecarContainers": True}, "kubernetes.version": "1.33.0"},
    ),
    (
        "unusable_gates",
        {f"{KUBE_PROXY}.featureGates": {"AppArmor": True}, "kubernetes.version": "1.33.0"},
        f"{KUBE_PROXY}.featureGates.AppArmor",
        "kube-proxy 1.33 has no feature gate 'AppArmor': Kubernetes 1.33 removed it",
        {f"{KUBE_PROXY}.featureGates": {"AppArmor": True}, "kubernetes.version": "1.32.0"},
    ),
    (
        "unusable_gates",
        {
            f"{KUBELET}.featureGates": {"PodsAPI": True},
            "kubernetes.version": "1.36.0",
            "install.packageVersions": {"kubelet": "1.35.2"},
        },
        f"{KUBELET}.featureGates.PodsAPI",
        "kubelet 1.35 has no feature gate 'PodsAPI'",
        {f"{KUBELET}.featureGates": {"PodsAPI": True}, "kubernetes.version": "1.36.0"},
    ),
    (
        "unknown_flags",
        {f"{API_SERVER}.feature-gates": "SidecarContainers=true,AppArmor=true"}
        | {"kubernetes.version": "1.33.1"},
        f"{API_SERVER}.feature-gates",
        "kube-apiserver 1.33 has no feature gate 'AppArmor'",
        {f"{API_SERVER}.feature-gates": "SidecarContainers=true,AllAlpha=false"},
    ),
    (
        "unknown_flags",
        {f"{API_SERVER}.feature-gates": "kube:APIServerTracing=0", "kubernetes.version": "1.34.1"},
        f"{API_SERVER}.feature-gates",
        "kube-apiserver 1.34 has locked the feature gate 'APIServerTracing' to true",
        {f"{API_SERVER}.feature-gates": "kube:APIServerTracing=1", "kubernetes.version": "1.34.1"},
    ),
    (
        "unknown_flags",
        {f"{API_SERVER}.cloud-provider": "external", "kubernetes.version": "1.33.0"},
        f"{API_SERVER}.cloud-provider",
        "kube-apiserver 1.33 has no flag 'cloud-provider': Kubernetes 1.33 removed it",
        {f"{API_SERVER}.cloud-provider": "external", "kubernetes.version": "1.32.0"},
    ),
    (
        "unknown_flags",
        {f"{CONTROLLER_MANAGER}.concurrent-daemonset-syncs": 3},
        f"{CONTROLLER_MANAGER}.concurrent-daemonset-syncs",
        "kube-controller-manager 1.29 has no flag 'concurrent-daemonset-syncs'",
        {
            f"{CONTROLLER_MANAGER}.concurrent-daemonset-syncs": 3,
            "kubernetes.version": "1.32.0",
        },
    ),
    (
        "unknown_flags",
        {"kubernetes.scheduler.extraArgs.leader-elekt": "true"},
        "kubernetes.scheduler.extraArgs.leader-elekt",
        "kube-scheduler 1.29 has no flag 'leader-elekt'",
        {"kubernetes.scheduler.extraArgs.leader-elect": "true"},
    ),
    (
        "unknown_flags",
        {"nodes.3.kubeletExtraArgs": {"register-schedulable": "true"}}
        | {"kubernetes.version": "1.34.0"},
        "nodes[3].kubeletExtraArgs.register-schedulable",
        "kubelet 1.34 has no flag 'register-schedulable': Kubernetes 1.34 removed it",
        {"nodes.3.kubeletExtraArgs": {"register-schedulable": "true"}}
        | {"kubernetes.version": "1.33.0"},
    ),
    (
        "kubelet_fields",
        {"kubernetes.kubelet.config": {"cgroupDriver": "cgroupfs"}},
        "kubernetes.kubelet.config.cgroupDriver",
        "must be 'systemd'",
        {"kubernetes.kubelet.config": {"maxPods": 200}},
    ),
    (
        "kube_proxy_fields",
        {"kubernetes.kubeProxy": {"config": {"mode": "ipvs"}}},
        "kubernetes.kubeProxy.config.mode",
        "must be 'iptables'",
        {"kubernetes.kubeProxy": {"mode": "ipvs"}},
    ),
    (
        "kube_proxy_fields",
        {"kubernetes.kubeProxy": {"mode": "nftables"}},
        "kubernetes.kubeProxy.mode",
        "disabled by default before Kubernetes 1.31",
        {"kubernetes": {"version": "1.31.14", "kubeProxy": {"mode": "nftables"}}},
    ),
    (
        "own_kubelet_flags",
        {"nodes.3.kubeletExtraArgs": {"node-ip": "1.2.3.4"}},
        "nodes[3].kubeletExtraArgs.node-ip",
        "is set by",
        {"nodes.3.kubeletExtraArgs": {"v": 4}},
    ),
    (
        "forbidden_labels",
        {"nodes.3.labels": {"node-role.kubernetes.io/worker": ""}},
        "nodes[3].labels.node-role.kubernetes.io/worker",
        "may not set the label",
        {
            "nodes.3.labels": {
                "node.kubernetes.io/pool": "a",
                "example.com/x": "y",
                "topology.kubernetes.io/zone": "z",
            }
        },
    ),
    (
        "duplicate_taints",
        {"nodes.3.taints": [{"key": "a", "effect": "NoSchedule"}] * 2},
        "nodes[3].taints[1]",
        "is given twice",
        {"nodes.3.taints": [{"key": "a", "effect": "NoSchedule"}]},
    ),
    *(
        (
            "missing_artifacts",
            {"install.containerd": source, f"containerd.{program}": True},
            f"containerd.{program}",
            f"install.artifacts.{program} is missing",
            {
                "install": {"containerd": source, "artifacts": {program: PIN}},
                f"containerd.{program}": True,
            },
        )
        for source in ("docker", "distribution")
        for program in ("nerdctl", "buildkit")
    ),
    (
        "missing_artifacts",
        {"install.containerd": "tarball"},
        "install.artifacts.runc",
        "install.containerd: tarball needs it",
        {"install": {"containerd": "tarball", "artifacts": TARBALLS}},
    ),
    (
        "missing_artifacts",
        {"install.kubernetes": "binaries"},
        "install.artifacts.kubelet",
        "install.kubernetes: binaries needs it",
        {"install": {"kubernetes": "binaries", "artifacts": KUBE_BINARIES}},
    ),
    (
        "missing_artifacts",
        {"install": {"containerd": "tarball", "artifacts": TARBALLS}, "containerd.nerdctl": True},
        "containerd.nerdctl",
        "install.artifacts.nerdctl is missing",
        {"install.containerd": "image", "containerd.nerdctl": True},
    ),
    (
        "duplicate_registries",
        {"containerd.registryMirrors": [{"registry": "docker.io", "endpoints": ["https://m"]}] * 2},
        "containerd.registryMirrors[1].registry",
        "mirrored twice",
        {"containerd.registryMirrors": [{"registry": "docker.io", "endpoints": ["https://m"]}]},
    ),
    (
        "manifest_sources",
        {"addons.calico": {}},
        "addons.calico",
        "neither url nor path",
        {"addons.calico": PIN},
    ),
    (
        "manifest_sources",
        {"addons.calico": PIN | {"path": "x.yaml"}},
        "addons.calico.path",
        "both url and path",
        {"addons.calico": {"path": "x.yaml"}},
    ),
    (
        "manifest_sources",
        {"addons.manifests": [{"name": "a", "url": "https://m/x"}]},
        "addons.manifests[0].url",
        "without sha256",
        {"addons.manifests": [{"name": "a"} | PIN]},
    ),
    (
        "manifest_sources",
        {"addons.calico": {"path": "x.yaml", "sha256": "0" * 64}},
        "addons.calico.sha256",
        "belongs to url",
        {},
    ),
    (
        "duplicate_manifests",
        {"addons.manifests": [{"name": "a"} | PIN] * 2},
        "addons.manifests[1].name",
        "already taken",
        {"addons.manifests": [{"name": "a"} | PIN, {"name": "b"} | PIN]},
    ),
    (
        "duplicate_manifests",
        {"addons": {"calico": PIN, "manifests": [{"name": "calico"} | PIN]}},
        "addons.manifests[0].name",
        "already taken",
        {},
    ),
    (
        "typha_settings",
        {"addons.calico": PIN | {"typhaReplicas": 3}},
        "addons.calico.typhaReplicas",
        "typha is not true",
        {"addons.calico": PIN | {"typha": True, "typhaReplicas": 3}},
    ),
    (
        "own_keys",
        {"userData.extra": {"write_files": []}},
        "userData.extra.write_files",
        "is set by khgen",
        {"userData.extra": {"users": ["default"]}},
    ),
    (
        "key_sources",
        {"install.dockerRepositoryKey": {"sha256": "0" * 64, "path": "docker.asc"}},
        "install.dockerRepositoryKey",
        "needs exactly one of sha256, path and text",
        {"install.dockerRepositoryKey": {"sha256": "0" * 64}},
    ),
    (
        "runcmd_shape",
        {"userData.extra": {"runcmd": "true"}},
        "userData.extra.runcmd",
        "must be a list",
        {"userData.extra": {"runcmd": ["true"]}},
    ),
    *(
        (
            "unusable_addresses",
            {"nodes.3.address": address},
            "nodes[3].address",
            f"cannot be the address of a machine: it is {kind}",
            {},
        )
        for address, kind in (
            ("0.1.2.3", "an address of 'this network'"),
            ("0.0.0.0", "an address of"),  # noqa: S104 - refused
            ("169.254.7.7", "a link-local"),
            ("224.0.0.1", "a multicast"),
            ("240.0.0.1", "a reserved"),
            ("255.255.255.255", "the broadcast"),
            ("::1", "a loopback"),
            ("fe80::1", "a link-local"),
            ("ff02::1", "a multicast"),
            ("::ffff:10.0.0.1", "an IPv4-mapped"),
        )
    ),
    (
        "unusable_addresses",
        {"nodes.3.additionalAddresses": ["fe80::1"]},
        "nodes[3].additionalAddresses[0]",
        "a link-local",
        {"nodes.3.additionalAddresses": ["fd00::1"]},
    ),
    (
        "unusable_endpoint",
        {"controlPlaneEndpoint.vip": "224.0.0.1"},
        "controlPlaneEndpoint.vip",
        "cannot be a virtual IP: it is a multicast address",
        {},
    ),
    *(
        (
            "unusable_endpoint",
            {"controlPlaneEndpoint": {"host": host}},
            "controlPlaneEndpoint.host",
            fragment,
            {"controlPlaneEndpoint": {"host": "10.9.9.9"}},
        )
        for host, fragment in (
            ("localhost", "is the machine itself on every node"),
            ("127.0.0.1", "it is a loopback address"),
            ("255.255.255.255", "the broadcast address"),
        )
    ),
    (
        "unusable_in_its_network",
        {"nodes.3": WORKER | {"address": "192.168.10.15", "network": {"prefixLength": 28}}},
        "nodes[3].address",
        "is the broadcast address of 192.168.10.0/28",
        {"nodes.3": WORKER | {"address": "192.168.10.15", "network": {"prefixLength": 24}}},
    ),
    (
        "unusable_in_its_network",
        {"nodes.3.network": {"prefixLength": 24, "gateway": "192.168.10.0"}},
        "nodes[3].network.gateway",
        "is the network address",
        {"nodes.3.network": {"prefixLength": 24, "gateway": "192.168.10.1"}},
    ),
    (
        "unusable_in_its_network",
        {"controlPlaneEndpoint.vip": "192.168.10.255", "nodes.3.network": {"prefixLength": 24}},
        "controlPlaneEndpoint.vip",
        "is the broadcast address",
        {"controlPlaneEndpoint.vip": "192.168.10.254", "nodes.3.network": {"prefixLength": 24}},
    ),
    (
        "unusable_servers",
        {"nodes.3.network": {"prefixLength": 24, "nameservers": ["10.0.0.2", "127.0.0.53"]}},
        "nodes[3].network.nameservers[1]",
        "cannot be a DNS server of pods: it is a loopback",
        {"nodes.3.network": {"prefixLength": 24, "nameservers": ["169.254.169.253"]}},
    ),
    (
        "unusable_servers",
        {"nodes.3.network": {"prefixLength": 24, "gateway": "224.0.0.1"}},
        "nodes[3].network.gateway",
        "cannot be a gateway",
        {"nodes.3.network": {"prefixLength": 24, "gateway": "169.254.1.1"}},
    ),
    *(
        (
            "local_names",
            {"nodes.3.name": name},
            "nodes[3].name",
            fragment,
            {"nodes.3.name": "node-1.example"},
        )
        for name, fragment in (
            ("localhost", "the name of every machine for itself"),
            ("localhost.localdomain", "the name of every machine for itself"),
            ("n1.localhost", "the name of every machine for itself"),
            ("10.0.0.1", "is read as an IP address"),
            ("123", "is read as an IP address"),
        )
    ),
    *(
        (
            "node_mask_flags",
            {f"{CONTROLLER_MANAGER}.{flag}": value},
            f"{CONTROLLER_MANAGER}.{flag}",
            fragment,
            {f"{CONTROLLER_MANAGER}.node-cidr-mask-size-ipv4": "26"},
        )
        for flag, value, fragment in (
            ("node-cidr-mask-size-ipv4", "x", "is not a whole number from 1 to 32"),
            ("node-cidr-mask-size-ipv4", "33", "is not a whole number from 1 to 32"),
            ("node-cidr-mask-size", "33", "is not a whole number from 1 to 32"),
            ("node-cidr-mask-size-ipv6", "64", "not allowed without IPv6 pods"),
        )
    ),
    (
        "node_mask_flags",
        DUAL_NODES | {f"{CONTROLLER_MANAGER}.node-cidr-mask-size": "24"},
        f"{CONTROLLER_MANAGER}.node-cidr-mask-size",
        "not allowed with two families",
        DUAL_NODES | {f"{CONTROLLER_MANAGER}.node-cidr-mask-size-ipv6": "64"},
    ),
    *(
        (
            "unmounted_files",
            {f"{path}.{flag}": value},
            f"{path}.{flag}",
            f"file '{file}' is not in {component}'s container",
            {f"{path}.{flag}": accepted},
        )
        for path, flag, value, file, component, accepted in (
            (
                API_SERVER,
                "audit-policy-file",
                AUDIT,
                AUDIT,
                "the API server",
                "/etc/kubernetes/pki/a",
            ),
            (API_SERVER, "audit-policy-file", "a.yaml", "a.yaml", "the API server", "/etc/pki/a"),
            (API_SERVER, "audit-log-path", "/var/log/a", "/var/log/a", "the API server", "-"),
            (
                API_SERVER,
                "oidc-ca-file",
                "/etc/ssl/c/../d",
                "/etc/ssl/c/../d",
                "the API server",
                "/etc/ssl/certs/a.pem",
            ),
            (
                API_SERVER,
                "tls-sni-cert-key",
                "/etc/pki/a,/x/b:a.com",
                "/x/b",
                "the API server",
                "/etc/pki/a,/etc/pki/b:a.com",
            ),
            (
                CONTROLLER_MANAGER,
                "cloud-config",
                "/etc/cloud.conf",
                "/etc/cloud.conf",
                "the controller manager",
                "/etc/kubernetes/pki/cloud.conf",
            ),
            (
                "kubernetes.scheduler.extraArgs",
                "config",
                "/etc/s.yaml",
                "/etc/s.yaml",
                "the scheduler",
                "/etc/kubernetes/scheduler.conf",
            ),
            ("etcd.extraArgs", "wal-dir", "/data/wal", "/data/wal", "etcd", "/var/lib/etcd/wal"),
            (
                "etcd.extraArgs",
                "auth-token",
                "jwt,pub-key=/a.pem",
                "/a.pem",
                "etcd",
                "jwt,pub-key=/etc/kubernetes/pki/etcd/a.pem",
            ),
        )
    ),
    *(
        (
            "unmounted_files",
            {f"{API_SERVER}.oidc-ca-file": AUDIT},
            f"{API_SERVER}.oidc-ca-file",
            "it is not mounted there",
            {f"{path}.{flag}": value},
        )
        for path, flag, value in (
            (API_SERVER, "etcd-prefix", "/registry"),
            (API_SERVER, "cors-allowed-origins", "//a.example.com(:|$)"),
            (API_SERVER, "service-account-jwks-uri", "https://a.example.com/openid/v1/jwks"),
            (API_SERVER, "runtime-config", "api/all=true"),
            (CONTROLLER_MANAGER, "authorization-always-allow-paths", "/healthz,/readyz"),
            (CONTROLLER_MANAGER, "flex-volume-plugin-dir", "/var/lib/flex"),
        )
    ),
    *(
        (
            "shared_data_directory",
            {"etcd.dataDir": folder},
            "etcd.dataDir",
            fragment,
            {"etcd.dataDir": "/data/etcd/"},
        )
        for folder, fragment in (
            ("/", "is a system folder"),
            ("//etc/", "is a system folder"),
            ("/var/lib", "is a system folder"),
            ("/home", "is a system folder"),
            ("/a/../etc", "contains '..'"),
            ("/tmp/etcd", "emptied by systemd-tmpfiles"),  # noqa: S108 - refused
            ("/run/etcd", "empty after every boot"),
            ("/etc/kubernetes/etcd", "kubeadm has its files there"),
            ("/var/lib/kubelet", "the kubelet has its data there"),
        )
    ),
    *(
        (
            "set_by_kube_proxy",
            {"os.sysctl.extra": {key: "1"}},
            f"os.sysctl.extra.{key}",
            "kube-proxy sets it when it starts",
            {"os.sysctl.extra": {"net.netfilter.nf_conntrack_buckets": "1"}},
        )
        for key in (
            "net.netfilter.nf_conntrack_max",
            "net/netfilter/nf_conntrack_max",
            "-net.nf_conntrack_max",
            "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
        )
    ),
    *(
        (
            "component_configs",
            {f"{path}.{key}": value},
            f"{path}.{at}",
            fragment,
            {f"{path}.{key}": accepted},
        )
        for path, key, at, value, fragment, accepted in (
            (KUBELET, "maxPods", "maxPods", "many", "must be a whole number, found 'many'", 9),
            (KUBELET, "maxPods", "maxPods", True, "must be a whole number, found 'true'", 9),
            (KUBELET, "maxPods", "maxPods", 1.5, "must be a whole number, found '1.5'", 1),
            (KUBELET, "failSwapOn", "failSwapOn", "false", "must be true or false", False),
            (KUBELET, "clusterDNS", "clusterDNS", "10.96.0.10", "a list of text", ["10.96.0.10"]),
            (
                KUBELET,
                "kubeReserved",
                "kubeReserved",
                {"cpu": 1},
                "a mapping of text",
                {"cpu": "1"},
            ),
            (
                KUBELET,
                "featureGates",
                "featureGates",
                {"A": "x"},
                "a mapping of true and false",
                {"A": True},
            ),
            (KUBELET, "shutdownGracePeriod", "shutdownGracePeriod", "1d", "a duration", "24h"),
            (
                KUBELET,
                "authentication",
                "authentication.webhook.cacheTTL",
                {"webhook": {"cacheTTL": 5}},
                "cacheTTL of KubeletWebhookAuthentication must be",
                {"webhook": {"cacheTTL": "5s"}},
            ),
            (KUBELET, "authentication", "authentication", True, "must be a mapping", {}),
            (KUBE_PROXY, "conntrack", "conntrack", [], "must be a mapping", {"maxPerCore": 0}),
            (
                KUBE_PROXY,
                "clientConnection",
                "clientConnection.qps",
                {"qps": "5"},
                "must be a number",
                {"qps": 5.5},
            ),
            (KUBE_PROXY, "portRange", "portRange", 1, "must be text", "1-2"),
        )
    ),
    (
        "component_configs",
        {f"{KUBELET}.maxpods": 9},
        f"{KUBELET}.maxpods",
        "KubeletConfiguration has no field 'maxpods'",
        {f"{KUBELET}.maxPods": 9},
    ),
    (
        "component_configs",
        {f"{KUBELET}.newField": 9},
        f"{KUBELET}.newField",
        "KubeletConfiguration has no field 'newField'",
        {},
    ),
    (
        "component_configs",
        {f"{KUBELET}.crashLoopBackOff": {"maxContainerRestartPeriod": "9s"}},
        f"{KUBELET}.crashLoopBackOff",
        "KubeletConfiguration has no field 'crashLoopBackOff' in Kubernetes 1.29",
        {
            f"{KUBELET}.crashLoopBackOff": {"maxContainerRestartPeriod": "9s"},
            "kubernetes.version": "1.32.0",
        },
    ),
    (
        "component_configs",
        {f"{KUBELET}.userNamespaces": {"idsPerPod": "9"}, "kubernetes.version": "1.33.0"},
        f"{KUBELET}.userNamespaces.idsPerPod",
        "idsPerPod of UserNamespaces must be a whole number",
        {f"{KUBELET}.userNamespaces": {"idsPerPod": 9}, "kubernetes.version": "1.33.0"},
    ),
    *(
        (
            "network_configs",
            {"nodes.3.network": {"prefixLength": 24, "raw": raw}},
            f"nodes[3].network.raw{at}",
            fragment,
            {"nodes.3.network": {"prefixLength": 24, "raw": RAW}},
        )
        for raw, at, fragment in (
            ({"ethernets": {}}, "", "key 'version' is missing"),
            ({"version": 3, "ethernets": {}}, ".version", "is not one of: 1, 2"),
            ({"version": "2", "ethernets": {}}, ".version", "is not one of: 1, 2"),
            ({"network": RAW}, ".network", "inside of 'network'"),
            ({"version": 2, "ethernet": {}}, ".ethernet", "has no key 'ethernet'"),
            ({"version": 2}, "", "has no device"),
            ({"version": 1, "config": {}}, ".config", "a list of mappings"),
            ({"version": 2, "ethernets": []}, ".ethernets", "a mapping of devices by name"),
            ({"version": 2, "ethernets": {"a": None}}, ".ethernets.a", "must be a mapping"),
            (
                {"version": 2, "ethernets": {"a": {"match": None}}},
                ".ethernets.a.match",
                "must be a mapping",
            ),
            (
                {"version": 2, "ethernets": {"a": {"addresses": "10.0.0.1/24"}}},
                ".ethernets.a.addresses",
                "must be a list",
            ),
            (
                {"version": 2, "ethernets": {"a": {"mtu": True}}},
                ".ethernets.a.mtu",
                "must be a whole number",
            ),
        )
    ),
    (
        "window_length",
        {"updates.window": {"start": "22:00", "length": "4m"}},
        "updates.window.length",
        "a window of 4m is not between 5m and 1d",
        {"updates.window": {"start": "22:00", "length": "5m"}},
    ),
    (
        "window_length",
        {"updates.window": {"start": "22:00", "length": "25h"}},
        "updates.window.length",
        "a window of 25h is not between 5m and 1d",
        {"updates.window": {"start": "22:00", "length": "24h"}},
    ),
    (
        "window_length",
        {"updates.window": {"start": "22:00", "length": "10m1s"}},
        "updates.window.length",
        "a window of 601s is not of whole minutes",
        {"updates.window": {"start": "22:00", "length": "1h10m"}},
    ),
    (
        "window_days",
        {"updates.window": {"days": ["Sat", "Sun", "Sat"], "start": "22:00", "length": "4h"}},
        "updates.window.days",
        "'Sat' is listed 2 times",
        {"updates.window": {"days": ["Sat", "Sun"], "start": "22:00", "length": "4h"}},
    ),
    (
        "drain_timeout",
        {"updates.drainTimeout": "9s"},
        "updates.drainTimeout",
        "drainTimeout of 9s is not between 10s and 1d",
        {"updates.drainTimeout": "10s"},
    ),
)
WARNINGS: tuple[Case, ...] = (
    (
        "no_pod_network",
        {"addons": None},
        "addons",
        "nodes stay NotReady until one is applied",
        {"addons": {"manifests": [{"name": "a"} | PIN]}},
    ),
    (
        "selinux_elsewhere",
        {"os.selinux": "permissive"},
        "os.selinux",
        "no effect on debian",
        {"os": {"family": "rhel", "release": "9", "selinux": "permissive"}},
    ),
    (
        "vip_outside",
        {"controlPlaneEndpoint.vip": "192.168.11.240"},
        "controlPlaneEndpoint.vip",
        "does not seem to be",
        {"controlPlaneEndpoint.vip": "192.168.11.240"}
        | {f"nodes.{i}.network": {"prefixLength": 16} for i in range(3)},
    ),
    (
        "single_balancer",
        {"nodes.4": BALANCER},
        "nodes[4].role",
        "not highly available",
        {"nodes.4": BALANCER, "nodes.5": BALANCER_2},
    ),
    (
        "host_bits",
        {"networking.podSubnet": "10.244.3.0/16"},
        "networking.podSubnet",
        "10.244.3.0/16 has host bits set: it means 10.244.0.0/16",
        {},
    ),
    ("quorum", {"nodes.2": None, "nodes.1": None}, "nodes", "one etcd member", {}),
    ("even_members", EVEN, "nodes", "2 etcd members (control-plane nodes) tolerate 0 failures", {}),
    (
        "even_members",
        {
            "etcd.topology": "external",
            "nodes.4": ETCD,
            "nodes.5": ETCD | {"name": "e2", "address": "192.168.10.32"},
        },
        "nodes",
        "2 etcd members (etcd nodes)",
        EVEN | {"nodes.3": ETCD, "etcd.topology": "external"},
    ),
    (
        "short_token",
        {"bootstrapToken": {"ttl": "31d"}},
        "bootstrapToken.ttl",
        "valid longer than the boot window",
        {"bootstrapToken": {"ttl": "30d"}},
    ),
    (
        "kube_proxy_fields",
        {"kubernetes": {"version": "1.35.0", "kubeProxy": {"mode": "ipvs"}}},
        "kubernetes.kubeProxy.mode",
        "deprecated",
        {"kubernetes": {"version": "1.34.0", "kubeProxy": {"mode": "ipvs"}}},
    ),
    (
        "settings_of_no_node",
        {"nodes.4": BALANCER | {"labels": {"a": "b"}}},
        "nodes[4].labels",
        "have no effect",
        {"nodes.4": BALANCER},
    ),
    (
        "unused_artifacts",
        {"install.artifacts": {"runc": PIN}},
        "install.artifacts.runc",
        "is not used",
        {"install": {"containerd": "tarball", "artifacts": TARBALLS}},
    ),
    (
        "key_sources",
        {"install": {"containerd": "image", "dockerRepositoryKey": {"sha256": "0" * 64}}},
        "install.dockerRepositoryKey",
        "is not used",
        {"install": {"kubernetes": "image", "dockerRepositoryKey": {"sha256": "0" * 64}}},
    ),
    (
        "weak_flags",
        {"nodes.3.kubeletExtraArgs": {"anonymous-auth": "T"}},
        "nodes[3].kubeletExtraArgs.anonymous-auth",
        "anonymous-auth=T lets anyone",
        {"nodes.3.kubeletExtraArgs": {"anonymous-auth": "f"}},
    ),
    (
        "weak_kubelet_fields",
        {"kubernetes.kubelet.config": {"readOnlyPort": 10255}},
        "kubernetes.kubelet.config.readOnlyPort",
        "readOnlyPort '10255' shows pods",
        {"kubernetes.kubelet.config": {"readOnlyPort": 0}},
    ),
    (
        "unverified_registries",
        {"containerd.registryMirrors": [MIRROR | {"skipVerify": True}]},
        "containerd.registryMirrors[0].skipVerify",
        "replace images",
        {"containerd.registryMirrors": [MIRROR]},
    ),
    (
        "plain_http",
        {"os.packageMirror": "http://mirror.lan/debian"},
        "os.packageMirror",
        "plain http",
        {"os.packageMirror": "https://mirror.lan/debian"},
    ),
    (
        "exposed_ca_keys",
        {"userData.datasource": "ec2"},
        "userData.datasource",
        "the metadata service of ec2 holds CA keys",
        {"userData.datasource": "ec2", "os.blockMetadata": True},
    ),
    (
        "all_workers_at_once",
        {
            "nodes.4": {**WORKER, "name": "w9", "address": "192.168.10.29"},
            # Also one worker more does not reach it.
            "updates.maxUnavailable": 3,
        },
        "updates.maxUnavailable",
        "maxUnavailable of 3 lets all ",
        {"updates.maxUnavailable": 2},
    ),
)

# fmt: on


def said(changes: Changes, severity: Severity) -> list[tuple[str, str]]:
    problems = loaded(changes).problems
    return [(p.place.path, p.message) for p in problems if p.severity is severity]


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: f"{case[0]}-{case[2]}")
def test_an_error_is_found_in_its_place_and_its_opposite_passes(case: Case) -> None:
    _, refused, path, fragment, accepted = case
    found = said(refused, Severity.ERROR)
    assert path in [p for p, message in found if fragment in message], found
    assert loaded(refused).spec is None
    assert not [message for _, message in said(accepted, Severity.ERROR) if fragment in message]


@pytest.mark.parametrize("case", WARNINGS, ids=lambda case: f"{case[0]}-{case[2]}")
def test_a_warning_is_found_in_its_place_and_does_not_stop_anything(case: Case) -> None:
    _, warned, path, fragment, accepted = case
    found = said(warned, Severity.WARNING)
    assert path in [p for p, message in found if fragment in message], found
    assert loaded(warned).spec is not None
    assert not [message for _, message in said(accepted, Severity.WARNING) if fragment in message]


def test_every_check_has_a_case() -> None:
    covered = {case[0] for case in (*ERRORS, *WARNINGS)}
    assert {check.find.__name__ for check in CHECKS} == covered


def test_no_check_stands_twice() -> None:
    assert len({check.find for check in CHECKS}) == len(CHECKS)


def test_the_sound_spec_has_no_problems() -> None:
    assert not loaded({}).problems


def test_checks_still_run_beside_a_schema_error_elsewhere() -> None:
    messages = [
        p.message for p in loaded({"nodes.3.role": "wrker", "nodes.1.name": "cp1"}).problems
    ]
    assert any("'wrker' is not one of" in message for message in messages)
    assert any("already used by nodes[0]" in message for message in messages)


def test_a_finding_about_a_node_after_a_broken_one_names_its_true_place() -> None:
    problems = loaded({"nodes.0.role": "x", "nodes.3.address": "127.0.0.1"}).problems
    assert "nodes[3].address" in {p.place.path for p in problems}


def test_no_quorum_is_counted_while_a_node_is_broken() -> None:
    problems = loaded({"nodes.0.role": "contol-plane"}).problems
    assert len(problems) == 1
