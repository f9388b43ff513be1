"""Plausible values, right and wrong, for every field of cluster.yaml, and specs made of them."""

import random
from copy import deepcopy
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from khgen.spec.model import ClusterSpec
from support.spec_texts import SOUND

PIN = {"url": "https://example.com/x", "sha256": "0" * 64}
HOSTS = ("api.example.com", "API.example.com", "10.9.9.9", "10.0.0.256", ".", "a:b", "fd00::9", "localhost", "a..b", "-a", "api", "xn--bcher-kva.example", "a_b", "1", "api.example.com.", "*.example.com", "127.0.0.1", "a" * 64, "0x7f.1", "1.2.3")  # fmt: skip
ADDRESSES = ("192.168.10.50", "10.9.9.9", "fd00:70::5", "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "169.254.1.1", "fe80::1", "::", "::1", "ff02::1", "::ffff:10.0.0.1", "0.1.2.3", "192.168.10.255", "192.168.10.0", "2001:db8::1")  # noqa: S104 # fmt: skip
NETWORKS = ("10.244.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "10.96.0.0/12", "fd00::/8", "fd00:1::/56", "fd00:2::/112", "fd00:2::/108", "10.244.0.0/16,fd00:1::/56", "fd00:1::/56,10.244.0.0/16", "10.96.0.0/16,fd00:2::/112", "10.1.0.0/30", "10.1.0.0/28", "0.0.0.0/0", "127.0.0.0/8", "224.0.0.0/8", "192.168.10.0/24", "10.244.1.2/16", "10.244.0.0/24", "10.244.0.0/20", "fd00:1::/48", "fd00:1::/64", "::/0", "10.244.0.0/16,10.245.0.0/16", "10.244.0.0/16, fd00:1::/56", " 10.244.0.0/16", "fe80::/64", "::ffff:10.0.0.0/112")  # fmt: skip
FLAGS: tuple[dict[str, Any], ...] = ({}, {"v": "4"}, {"v": 4}, {"profiling": False}, {"a-": "x"}, {"event-ttl": "1h"}, {"x": ""}, {"x": "a b"}, {"x": "a,b=c"}, {"x": "\N{SNOWMAN}"}, {"0": "x"}, {"x": "-"}, {"x": "--y"}, {"feature-gates": "A=true,B=false"})  # fmt: skip
DURATIONS = ("24h", "1h30m", "365d", "10y", "0s", "1s", "59s", "1m", "100y", "30d", "90d", "1000000s", "1h30")  # fmt: skip
NAMES = ("n1", "node-1", "node.example.com", "localhost", "10.0.0.1", "123", "a" * 63, "a" * 64, "UP", "a.b.c.d", "0x10", "localhost.localdomain", "a--b", "xn--a", "n1.localhost")  # fmt: skip
FIELDS: dict[str, tuple[object, ...]] = {
    "apiVersion": ("khgen/v1alpha1", "khgen/v1"),
    "kind": ("Cluster", "cluster"),
    "metadata.name": ("test", "a" * 63, "a.b", "Upper", "1"),
    "kubernetes.imageRepository": ("registry.k8s.io", "registry.lan:5000", "registry.lan:5000/k8s", "Registry.lan/k8s", "registry.lan/K8s", "registry.lan/k8s:v1", "registry.lan/k8s@sha256:" + "0" * 64, "a//b", "a/b/", "a b", "k8s", "127.0.0.1:5000/a", "a.b/c__d", "a.b/c___d", "a.b/-c", "registry.lan:99999/a"),
    "kubernetes.clusterName": ("kubernetes", "a.b", "a/b", "A:b@c", "a+b", "x" * 253, "1"),
    "kubernetes.featureGates": ({}, {"EtcdLearnerMode": True}, {"EtcdLearnerMode": "f"}, {"X": True}, {"RootlessControlPlane": False}, {"UpgradeAddonsBeforeControlPlane": True}, {"PublicKeysECDSA": True}),
    "kubernetes.apiServer.extraArgs": (*FLAGS, {"audit-policy-file": "/etc/kubernetes/audit.yaml"}, {"service-node-port-range": "30000-32767"}, {"etcd-servers": "x"}),
    "kubernetes.apiServer.certSANs": ([], ["api.example.com"], *([host] for host in HOSTS), ["a", "a"]),
    "kubernetes.controllerManager.extraArgs": (*FLAGS, {"node-cidr-mask-size": "24"}, {"node-cidr-mask-size-ipv4": "26"}, {"allocate-node-cidrs": "false"}, {"node-cidr-mask-size": "20"}, {"node-cidr-mask-size-ipv6": "72"}, {"node-cidr-mask-size-ipv4": "x"}, {"node-cidr-mask-size-ipv4": "33"}, {"node-cidr-mask-size-ipv4": "0"}, {"allocate-node-cidrs": "0"}),
    "kubernetes.scheduler.extraArgs": FLAGS,
    "kubernetes.kubelet.config": ({}, {"maxPods": 200}, {"failSwapOn": False}, {"serializeImagePulls": False}, {"evictionHard": {"memory.available": "5%"}}, {"clusterDNS": ["10.96.0.10"]}, {"imageGCHighThresholdPercent": 80}, {"featureGates": {"A": True}}, {"tlsMinVersion": "VersionTLS13"}, {"authentication": {"anonymous": {"enabled": False}}}, {"nodeStatusUpdateFrequency": "10s"}, {"shutdownGracePeriod": "30s"}, {"maxPods": "200"}, {"maxPods": True}, {"failSwapOn": "false"}, {"failSwapOn": 1}, {"evictionHard": ["x"]}, {"evictionHard": {"memory.available": 5}}, {"clusterDNS": "10.96.0.10"}, {"featureGates": {"A": "true"}}, {"nodeStatusUpdateFrequency": 10}, {"shutdownGracePeriod": "30"}, {"maxpods": 10}, {"kind": "X"}, {"authentication": True}, {"authentication": {"anonymous": True}}, {"registerWithTaints": [{"key": "a"}]}, {"maxPods": 1.5}, {"kubeReserved": {"cpu": "100m"}}, {"kubeReserved": {"cpu": 1}}, {"systemReserved": "cpu"}, {"streamingConnectionIdleTimeout": "4h0m0s"}, {"cpuCFSQuotaPeriod": "1d"}, {"logging": {"format": "json"}}, {"logging": {"verbosity": "x"}}, {"memorySwap": {"swapBehavior": "LimitedSwap"}}, {"maxPods": None}, {"containerLogMaxSize": "10Mi"}, {"containerLogMaxSize": 10}),
    "kubernetes.kubeProxy.mode": ("iptables", "ipvs", "nftables", "userspace"),
    "kubernetes.kubeProxy.config": ({}, {"conntrack": {"maxPerCore": 0}}, {"conntrack": {"maxPerCore": "0"}}, {"conntrack": []}, {"ipvs": {"strictARP": True}}, {"ipvs": {"strictARP": "true"}}, {"metricsBindAddress": "0.0.0.0:10249"}, {"metricsBindAddress": 1}, {"iptables": {"syncPeriod": "30s"}}, {"iptables": {"syncPeriod": 30}}, {"nodePortAddresses": ["10.0.0.0/8"]}, {"nodePortAddresses": "10.0.0.0/8"}, {"clusterCIDR": "10.244.0.0/16"}, {"featureGates": {"A": True}}, {"mode": "ipvs"}, {"configSyncPeriod": "15m0s"}, {"configSyncPeriod": "x"}, {"hostnameOverride": "x"}, {"oomScoreAdj": "x"}, {"bindAddress": "::"}, {"portRange": 1}, {"clientConnection": {"qps": 5}}, {"clientConnection": {"qps": 5.5}}, {"clientConnection": {"qps": "5"}}, {"detectLocal": {"bridgeInterface": ""}}, {"logging": {"flushFrequency": "5s"}}, {"winkernel": None}),
    "kubernetes.encryptionAtRest": (True, False, "f", "F", "0", 1),
    "networking.podSubnet": NETWORKS,
    "networking.serviceSubnet": NETWORKS,
    "networking.dnsDomain": ("cluster.local", "k8s", "a.b.c.d", "Cluster.local", "cluster.local.", "a_b", "1.2", "x" * 63, "x" * 64, ".".join(["x" * 60] * 4), "10.0.0.1", "123", "localhost"),
    "controlPlaneEndpoint.vip": ADDRESSES,
    "controlPlaneEndpoint.host": HOSTS,
    "controlPlaneEndpoint.port": (6443, 443, 8443, 1, 65535, 0, 65536, True, "8443", 8443.5, 2379),
    "controlPlaneEndpoint.interface": ("auto", "eth0", "ens33", "a b"),
    "controlPlaneEndpoint.virtualRouterId": (1, 255, 0, True, "51"),
    "controlPlaneEndpoint.vrrp": ("unicast", "multicast", "x"),
    "etcd.topology": ("stacked", "external"),
    "etcd.dataDir": ("/var/lib/etcd", "/data/etcd", "/", "/etc", "/var/lib/etcd/", "//data//etcd", "/a/../b", "/data/./etcd", "/data/e:tcd", "/var/lib", "relative", "/d@ta/e+tcd", "/x" * 200, "/run/etcd"),
    "etcd.extraArgs": (*FLAGS, {"quota-backend-bytes": "8589934592"}, {"snapshot-count": 10000}, {"data-dir": "/x"}),
    "etcd.imageTag": ("3.5.12-0", "latest", "v3", "a b", "_x", "-x", "3.5", "X" * 128, 3),
    "pki.algorithm": ("ECDSA-P256", "ECDSA-P384", "RSA-2048"),
    "pki.caKeys": ("control-plane", "offline"),
    "pki.caValidity": DURATIONS,
    "pki.certificateValidity": DURATIONS,
    "pki.nodeIdentityValidity": DURATIONS,
    "pki.backdate": DURATIONS,
    "pki.bootWindow": DURATIONS,
    "bootstrapToken.ttl": DURATIONS,
    "os.family": ("debian", "ubuntu", "rhel"),
    "os.release": ("12", "13", "22.04", "24.04", "9", "9.4", 9),
    "os.timezone": ("Asia/Shanghai", "UTC", "x y"),
    "os.timeSync.program": ("chrony", "timesyncd", "unmanaged"),
    "os.timeSync.pools": ([], ["pool.ntp.org"], ["10.0.0.256"]),
    "os.timeSync.servers": ([], ["10.0.0.2"], ["a:b"]),
    "os.sysctl.profile": ("kubernetes", "tuned"),
    "os.sysctl.extra": ({}, {"vm.swappiness": 10}, {"net.netfilter.nf_conntrack_max": 1}),
    "os.blockMetadata": (True, False, "yes"),
    "os.swap": ("off", "unmanaged"),
    "os.selinux": ("unmanaged", "permissive"),
    "os.firewall": ("unmanaged", "disabled"),
    "os.hosts": ([], [{"address": "10.0.0.4", "names": ["registry.lan"]}]),
    "os.packageMirror": ("https://mirror.example.com", "mirror"),
    "os.sshAuthorizedKeys": ([], ["ssh-ed25519 AAAA me"]),
    "containerd.version": ("1.6", "1.7", "2.x", "2.0.1", "3"),
    "containerd.sandboxImage": ("registry.k8s.io/pause:3.9", "pause", "A/b:c", "a/b@sha256:" + "0" * 64),
    "containerd.registryMirrors": ([], [{"registry": "docker.io", "endpoints": ["https://m"]}]),
    "containerd.restrictOomScoreAdj": (True, False),
    "containerd.nerdctl": (True, False),
    "containerd.buildkit": (True, False),
    "install.kubernetes": ("packages", "binaries", "image"),
    "install.containerd": ("docker", "distribution", "tarball", "image"),
    "install.kubernetesRepository": ("https://example.com/k8s", "x"),
    "install.dockerRepository": ("https://example.com/docker", "x"),
    **{
        f"install.{owner}RepositoryKey.{field}": values
        for owner in ("kubernetes", "docker")
        for field, values in (
            ("sha256", ("0" * 64, "0" * 63, "x")),
            ("path", ("key.asc", "", "/nowhere/key.asc")),
            ("text", ("x", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n")),
        )
    },
    "install.packageVersions.kubeadm": ("1.29.6", "1.30.1", "1.28.0"),
    "install.packageVersions.kubelet": ("1.29.6", "1.29.0", "1.28.0", "1.26.0", "1.25.0"),
    "install.packageVersions.kubectl": ("1.29.6", "1.28.0", "1.30.0"),
    "install.artifacts": ({}, dict.fromkeys(("containerd", "runc", "cniPlugins"), PIN)),
    "install.architecture": ("amd64", "arm64"),
    "image.base": ({"url": "x.qcow2", "checksum": "sha256:" + "0" * 64},),
    "image.diskSize": ("8G", "8"),
    "image.preload": (True, False),
    "image.preloadImages": ([], ["a/b:c"], ["A/B"]),
    "image.preloadArchives": ([], ["x.tar"]),
    "addons.calico": (PIN, {}),
    "addons.manifests": ([], [{"name": "a"} | PIN]),
    "updates.pull": (True, False, "no"),
    "updates.paused": (True, False, 1),
    "updates.maxUnavailable": (1, 5, 0, 1001, True, "3"),
    "updates.drainTimeout": (*DURATIONS, "10s"),
    "updates.window": ({"start": "22:00", "length": "4h"}, {"days": ["Sat", "Sun"], "start": "00:00", "length": "24h"}, {"days": [], "start": "22:00", "length": "4h"}, {"start": "24:00", "length": "4h"}, {"start": "22:00", "length": "25h"}, {"start": "22:00"}, {"days": ["Mon", "Mon"], "start": "1:00", "length": "90s"}, {"days": ["Saturday"], "start": 22, "length": "1h"}),
    "userData.datasource": ("nocloud", "ec2", "gce"),
    "userData.gzip": (True, False),
    "userData.maxBytes": (16384, 1000, True, 1000000),
    "userData.extra": ({}, {"package_update": True}, {"users": ["default"]}),
}  # fmt: skip
"""Values of each field by its dotted path; `kubernetes.version` stays that of the kubeadm."""
NODE_FIELDS: dict[str, tuple[object, ...]] = {
    "name": NAMES,
    "role": ("control-plane", "worker", "etcd", "load-balancer"),
    "address": ADDRESSES,
    "additionalAddresses": ([], *([address] for address in ADDRESSES)),
    "interface": ("eth0", "x" * 16),
    "network.prefixLength": (24, 16, 0, 129, True, "24", 32, 31),
    "network.gateway": ("192.168.10.1", *ADDRESSES),
    "network.nameservers": ([], *([address] for address in ADDRESSES)),
    "network.search": ([], ["example.com"], ["10.0.0.256"]),
    "network.interface": ("eth0", "a b"),
    "network.macAddress": ("52:54:00:12:34:56", "x"),
    "network.raw": ({"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}, {"x": 1}),
    "labels": ({}, {"a": "b"}, {"node.kubernetes.io/x": "y"}, {"kubernetes.io/x": "y"}, {"a/b/c": "d"}, {"a": ""}, {"A.b_c-d": "E_f"}, {"example.com/rack": "x" * 63}, {"example.com/rack": "x" * 64}, {"node-role.kubernetes.io/control-plane": ""}, {"a": "-b"}, {"x" * 64: "y"}),
    "taints": ([], [{"key": "a", "effect": "NoSchedule"}], [{"key": "a", "value": "b", "effect": "NoExecute"}], [{"key": "a/b", "value": "-", "effect": "NoExecute"}], [{"key": "a", "effect": "x"}], [{"key": "node.kubernetes.io/x", "value": "x" * 63, "effect": "PreferNoSchedule"}], None),
    "kubeletExtraArgs": (*FLAGS, {"node-ip": "x"}, {"max-pods": "200"}, {"root-dir": "/data/kubelet"}),
    "certSANs": ([], *([host] for host in HOSTS)),
}  # fmt: skip

UNTOUCHED = frozenset({"kubernetes.version", "nodes"})
"""Fields that are not changed as a whole."""

Document = dict[str, Any]


def fields_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The dotted path of every field, but what is below a list."""
    found = set()
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _model_in(field.annotation)
        found |= fields_of(inner, f"{path}.") if inner else {path}
    return found


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) is tuple:
        return None
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def put(document: Document, dotted: str, value: object) -> None:
    """Set a value by its dotted path, making the mappings on the way."""
    *parents, last = dotted.split(".")
    for step in parents:
        inner = document.get(step)
        document = document.setdefault(step, {}) if isinstance(inner, dict | None) else inner
    document[last] = deepcopy(value)


def plausible(chance: random.Random, version: str) -> Document:
    """A spec with one to six fields changed; three in four of the changes are to one field only."""
    document = deepcopy(SOUND)
    document["kubernetes"] = {"version": version}
    shape = chance.randrange(6)
    if shape == 0:
        document["controlPlaneEndpoint"] = {"host": "api.example.com"}
    elif shape == 1:
        document["etcd"] = {"topology": "external"}
        document["nodes"] += [{"name": "e1", "role": "etcd", "address": "192.168.10.31"}]
    elif shape == 2:
        document["networking"] = {
            "podSubnet": "10.244.0.0/16,fd00:1::/56",
            "serviceSubnet": "10.96.0.0/16,fd00:2::/112",
        }
        for number, node in enumerate(document["nodes"]):
            node["additionalAddresses"] = [f"fd00:70::{number + 1}"]
    elif shape == 3:
        document["nodes"] = document["nodes"][:1]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if chance.random() < 0.7:
            path = chance.choice(sorted(FIELDS))
            put(document, path, chance.choice(FIELDS[path]))
        else:
            path = chance.choice(sorted(NODE_FIELDS))
            node = chance.choice(document["nodes"])
            if path.startswith("network."):
                node["network"] = {"prefixLength": 24}
            put(node, path, chance.choice(NODE_FIELDS[path]))
    return document


ALL_FIELDS = fields_of(ClusterSpec)
