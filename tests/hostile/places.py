"""Every place of cluster.yaml that takes a text, each with a harmless one and what goes with it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from support.spec_texts import changed

MARK = "zq9mark"
"""A text that stands nowhere else in a render."""
PIN = {"url": "https://example.com/x", "sha256": "0" * 64}
BINARIES = {"install.kubernetes": "binaries", "install.containerd": "tarball"}
RPM = {"os": {"family": "rhel", "release": "9"}}
URL = f"https://{MARK}.example/x"
FLAG = "kubernetes.apiServer.extraArgs"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One place: the dotted path, what stands there (TEXT is the string), a harmless string."""

    path: str
    shape: Any = "TEXT"
    harmless: str = MARK
    with_it: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    compared: bool = True
    """Whether the string itself reaches the files."""

    def document(self, text: str) -> dict[str, Any]:
        """A spec with the text in that place."""
        return changed({**deepcopy(dict(self.with_it)), self.path: _filled(self.shape, text)})


def _filled(shape: Any, text: str) -> Any:  # noqa: ANN401 - a document's shape
    if shape == "TEXT":
        return text
    if isinstance(shape, dict):
        return {_filled(key, text): _filled(value, text) for key, value in shape.items()}
    return [_filled(item, text) for item in shape] if isinstance(shape, list) else shape


def _artifacts(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    names = ("containerd", "runc", "cniPlugins", "crictl", "kubeadm", "kubelet", "kubectl")
    return dict.fromkeys(names, PIN) | changes


def _f(path: str, shape: Any = "TEXT", harmless: str = MARK, **others: Any) -> Field:  # noqa: ANN401
    return Field(path=path, shape=shape, harmless=harmless, **others)


NODE = "nodes.3"
RAW = {"prefixLength": 24, "raw": {"version": 2, "ethernets": {"eth0": {"TEXT": 1}}}}
HOST = f"{MARK}.example.com"
FIELDS: tuple[Field, ...] = (
    _f("metadata.name", compared=False),
    _f("kubernetes.version", harmless="1.29.6", compared=False),
    _f("kubernetes.imageRepository", harmless=f"{MARK}.lan/k8s"),
    _f("kubernetes.clusterName"),
    _f("kubernetes.featureGates", {"TEXT": True}, "EtcdLearnerMode", compared=False),
    _f(FLAG, {"TEXT": "a"}, "vmodule", name="key", compared=False),
    _f(FLAG, {"v": "TEXT"}),
    _f("kubernetes.apiServer.certSANs", ["TEXT"], HOST),
    _f("kubernetes.controllerManager.extraArgs", {"v": "TEXT"}),
    _f("kubernetes.controllerManager.extraArgs", {"TEXT": "a"}, "vmodule", name="key", compared=False),
    _f("kubernetes.scheduler.extraArgs", {"v": "TEXT"}),
    _f("kubernetes.scheduler.extraArgs", {"TEXT": "a"}, "vmodule", name="key", compared=False),
    _f("kubernetes.kubelet.config", {"clusterDomain": "TEXT"}),
    _f("kubernetes.kubelet.config", {"evictionHard": {"TEXT": "1"}}, name="key"),
    _f("kubernetes.kubeProxy.config", {"bindAddress": "TEXT"}),
    _f("networking.dnsDomain", harmless=HOST),
    _f("networking.podSubnet", harmless="10.244.0.0/16", compared=False),
    _f("networking.serviceSubnet", harmless="10.96.0.0/16", compared=False),
    _f("controlPlaneEndpoint.vip", harmless="192.168.10.240", compared=False),
    _f("controlPlaneEndpoint", {"host": "TEXT"}, HOST),
    _f("controlPlaneEndpoint.interface", harmless="zq9"),
    _f("etcd.dataDir", harmless=f"/var/lib/{MARK}"),
    _f("etcd.extraArgs", {"log-level": "TEXT"}),
    _f("etcd.extraArgs", {"TEXT": "a"}, name="key"),
    _f("etcd.imageTag", harmless=f"3.5.12-{MARK}"),
    _f("pki.caValidity", harmless="10y", compared=False),
    _f("pki.certificateValidity", harmless="365d", compared=False),
    _f("pki.nodeIdentityValidity", harmless="365d", compared=False),
    _f("pki.backdate", harmless="24h", compared=False),
    _f("pki.bootWindow", harmless="30d", compared=False),
    _f("bootstrapToken.ttl", harmless="24h", compared=False),
    _f("updates.drainTimeout", harmless="5m", compared=False),
    _f("updates.window", {"start": "TEXT", "length": "4h"}, "22:00", name="start", compared=False),
    _f("updates.window", {"start": "22:00", "length": "TEXT"}, "4h", name="length", compared=False),
    _f("os.release", harmless="12", compared=False),
    _f("os.timezone"),
    _f("os.timeSync.pools", ["TEXT"], HOST),
    _f("os.timeSync.servers", ["TEXT"], HOST, with_it={"os.timeSync": {"program": "timesyncd"}}),
    _f("os.sysctl.extra", {"vm.x": "TEXT"}),
    _f("os.sysctl.extra", {"TEXT": "1"}, f"vm.{MARK}", name="key"),
    _f("os.hosts", [{"address": "10.0.0.4", "names": ["TEXT"]}], HOST),
    _f("os.packageMirror", harmless=URL),
    _f("os.packageMirror", harmless=URL, with_it=RPM, name="rpm"),
    _f("os.sshAuthorizedKeys", ["TEXT"], f"ssh-ed25519 AAAA {MARK}"),
    _f("containerd.version", harmless="1.7", compared=False),
    _f("containerd.sandboxImage", harmless=f"{MARK}/pause:3.9"),
    _f("containerd.registryMirrors", [{"registry": "TEXT", "endpoints": ["https://m.lan"]}], HOST,
       with_it={"containerd.buildkit": True, "install.artifacts": {"buildkit": PIN}}),
    _f("containerd.registryMirrors", [{"registry": "docker.io", "endpoints": ["TEXT"]}], URL, name="endpoint"),
    _f("containerd.registryMirrors", [{"registry": "docker.io", "endpoints": ["https://m.lan"], "caFile": "TEXT"}],
       f"/etc/{MARK}.crt", name="ca"),
    _f("install.kubernetesRepository", harmless=URL),
    _f("install.kubernetesRepository", harmless=URL, with_it=RPM, name="rpm"),
    _f("install.dockerRepository", harmless=URL),
    _f("install.dockerRepository", harmless=URL, with_it=RPM, name="rpm"),
    _f("install.kubernetesRepositoryKey", {"sha256": "TEXT"}, "9" * 64),
    _f("install.kubernetesRepositoryKey", {"text": "TEXT"},
       f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{MARK}\n-----END PGP PUBLIC KEY BLOCK-----\n", name="text"),
    _f("install.dockerRepositoryKey", {"sha256": "TEXT"}, "9" * 64),
    _f("install.packageVersions.kubeadm", harmless="1.29.5", compared=False),
    _f("install.packageVersions.kubelet", harmless="1.29.5", compared=False),
    _f("install.packageVersions.kubectl", harmless="1.29.5", compared=False),
    _f("install.artifacts", _artifacts(runc={"url": "TEXT", "sha256": "1" * 64}), URL, with_it=BINARIES, name="url"),
    _f("install.artifacts", _artifacts(runc={"url": PIN["url"], "sha256": "TEXT"}), "9" * 64, with_it=BINARIES, name="sha256"),
    _f("addons.calico", {"url": "TEXT", "sha256": "0" * 64}, URL, name="url"),
    _f("addons.calico", {"url": PIN["url"], "sha256": "TEXT"}, "9" * 64, name="sha256"),
    _f("addons.manifests", [{"name": "TEXT", **PIN}]),
    _f("addons.manifests", [{"name": "a", "path": "TEXT"}], name="path", compared=False),
    _f("image", {"base": {"url": "TEXT", "checksum": "sha256:" + "0" * 64}}, name="url", compared=False),
    _f("image", {"base": {"url": "x", "checksum": "TEXT"}}, "sha256:" + "9" * 64, name="checksum", compared=False),
    _f("image", {"diskSize": "TEXT"}, "8G", name="size", compared=False),
    _f("image", {"preloadImages": ["TEXT"]}, f"{MARK}/a:b", name="images", compared=False),
    _f("image", {"preloadArchives": ["TEXT"]}, name="archives", compared=False),
    _f("userData.extra", {"TEXT": 1}, name="key"),
    _f("userData.extra", {"motd": "TEXT"}),
    _f("userData.extra", {"a": [{"b": "TEXT"}]}, name="list"),
    _f("userData.extra", {"runcmd": ["TEXT", ["TEXT"]]}, name="runcmd"),
    _f(f"{NODE}.name", harmless=HOST),
    _f(f"{NODE}.address", harmless="192.168.10.77", compared=False),
    _f(f"{NODE}.additionalAddresses", ["TEXT"], "fd00::7", compared=False),
    _f("nodes.2.interface", harmless="zq9"),
    _f(f"{NODE}.labels", {"TEXT": "a"}, name="key"),
    _f(f"{NODE}.labels", {"a": "TEXT"}),
    _f(f"{NODE}.taints", [{"key": "TEXT", "effect": "NoSchedule"}], name="key"),
    _f(f"{NODE}.taints", [{"key": "a", "value": "TEXT", "effect": "NoSchedule"}]),
    _f(f"{NODE}.kubeletExtraArgs", {"TEXT": "a"}, "vmodule", name="key", compared=False),
    _f(f"{NODE}.kubeletExtraArgs", {"v": "TEXT"}),
    _f(f"{NODE}.certSANs", ["TEXT"], HOST, compared=False),
    _f(f"{NODE}.network", {"prefixLength": 24, "search": ["TEXT"]}, HOST),
    _f(f"{NODE}.network", {"prefixLength": 24, "gateway": "TEXT"}, "192.168.10.1", name="gateway", compared=False),
    _f(f"{NODE}.network", {"prefixLength": 24, "nameservers": ["TEXT"]}, "192.168.10.1", name="dns", compared=False),
    _f(f"{NODE}.network", {"prefixLength": 24, "interface": "TEXT"}, "zq9", name="interface"),
    _f(f"{NODE}.network", {"prefixLength": 24, "macAddress": "TEXT"}, "52:54:00:12:34:99", name="mac"),
    _f(f"{NODE}.network", RAW, name="raw key"),
    _f(f"{NODE}.network", {"prefixLength": 24, "raw": {"version": 2, "ethernets": {"TEXT": {"dhcp4": True}}}}, name="raw device"),
    _f(f"{NODE}.network", {"prefixLength": 24, "raw": {"version": 2, "ethernets": {"eth0": {"set-name": "TEXT"}}}}, name="raw"),
)  # fmt: skip
