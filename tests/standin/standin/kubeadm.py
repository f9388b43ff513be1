"""In place of kubeadm: what its phases do to the node's files and the cluster's objects."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import yaml

from standin.client import ApiError, Client, ending
from standin.etcd import LABEL, join_etcd
from standin.manifests import MANIFESTS, PKI, apiserver_command, etcd_command, write_pod
from standin.node import Document, arguments, documents, wanted_version
from standin.upgrade import upgrade

KUBELET = Path("/var/lib/kubelet")
SYSTEM = "/api/v1/namespaces/kube-system"
CRI_SOCKET = "kubeadm.alpha.kubernetes.io/cri-socket"
IGNORED = ("--skip-token-print", "--ignore-preflight-errors=")
"""Options that change nothing of what the stand-in does."""
Documents = Mapping[str, Document]


def main() -> None:
    """Do what the command line says, or say that the stand-in cannot."""
    words = [word for word in sys.argv[1:] if not word.startswith(IGNORED)]
    if words[:1] == ["version"]:
        print(wanted_version("kubeadm"))
        return
    if words[:1] == ["upgrade"]:
        with ending("kubeadm"):
            upgrade(words[1:])
        return
    config = documents(words[words.index("--config") + 1])
    command = " ".join(words[: words.index("--config")])
    if command not in COMMANDS:
        sys.exit(f"kubeadm (stand-in): knows no '{command}'")
    with ending("kubeadm"):
        print(f"[{command}] by the stand-in")
        COMMANDS[command](config)


def preflight(config: Documents) -> None:
    """What must and what must not be there (preflight/checks.go, some of it)."""
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        _must(not (MANIFESTS / f"{name}.yaml").exists(), f"FileAvailable {name}.yaml")
    cluster = config["ClusterConfiguration"]
    needed = ["ca.crt", "apiserver.crt", "apiserver.key", "sa.key", "front-proxy-client.crt"]
    needed += ["apiserver-etcd-client.crt"]
    needed += ["etcd/server.crt", "etcd/peer.crt"] if "local" in cluster["etcd"] else []
    for name in needed:
        _must(Path(PKI, name).exists(), f"no {PKI}/{name}")
    ignored = config["InitConfiguration"]["nodeRegistration"].get("ignorePreflightErrors", [])
    if "external" in cluster["etcd"] and "ExternalEtcdVersion" not in ignored:
        for endpoint in cluster["etcd"]["external"]["endpoints"]:
            who = ["-E", f"{PKI}/apiserver-etcd-client.crt"]
            who += ["--key", f"{PKI}/apiserver-etcd-client.key"]
            asked = ["curl", "-sfk", "-m", "3", *who, f"{endpoint}/version"]
            done = subprocess.run(asked, check=False, capture_output=True)
            _must(done.returncode == 0, f"ExternalEtcdVersion: no answer from {endpoint}")
    done = subprocess.run(["crictl", "info"], check=False, capture_output=True)
    _must(done.returncode == 0, "containerd does not answer")


def etcd_local(config: Documents) -> None:
    """etcd's static pod."""
    init, cluster = config["InitConfiguration"], config["ClusterConfiguration"]
    write_pod("etcd", etcd_command(init, cluster), init, cluster)


def control_plane(component: str) -> Callable[[Documents], None]:
    """The static pod of a component."""

    def phase(config: Documents) -> None:
        init, cluster = config["InitConfiguration"], config["ClusterConfiguration"]
        name = f"kube-{component}"
        command = apiserver_command(init, cluster) if component == "apiserver" else [name]
        write_pod(name, command, init, cluster)

    return phase


def kubelet_start(config: Documents) -> None:
    """The kubelet's configuration, and the kubelet."""
    own = config.get("InitConfiguration") or config["JoinConfiguration"]
    registration = own["nodeRegistration"]
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "staticPodPath": str(MANIFESTS),
        **config.get("KubeletConfiguration", {}),
    }
    KUBELET.mkdir(parents=True, exist_ok=True)
    (KUBELET / "config.yaml").write_text(yaml.safe_dump(kubelet), encoding="utf-8")
    given = {**arguments(registration.get("kubeletExtraArgs"))}
    given["hostname-override"] = registration["name"]
    words = " ".join(f"--{name}={value}" for name, value in given.items())
    flags_file = KUBELET / "kubeadm-flags.env"
    flags_file.write_text(f'KUBELET_KUBEADM_ARGS="{words}"\n', encoding="utf-8")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "restart", "kubelet"], check=True)


def upload_config(config: Documents) -> None:
    """The ConfigMaps that joins and upgrades read, this Node's socket, admin.conf's rights."""
    binding = {"kind": "ClusterRoleBinding", "metadata": {"name": "kubeadm:cluster-admins"}}
    _admin().put("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    cluster = yaml.safe_dump(config["ClusterConfiguration"])
    kubelet = yaml.safe_dump(config.get("KubeletConfiguration", {}))
    _config_map("kubeadm-config", {"ClusterConfiguration": cluster})
    _config_map("kubelet-config", {"kubelet": kubelet})
    _annotate(config["InitConfiguration"]["nodeRegistration"])


def bootstrap_token(config: Documents) -> None:
    """The Secret of each token."""
    for token in config["InitConfiguration"]["bootstrapTokens"]:
        name = f"bootstrap-token-{token['token'].partition('.')[0]}"
        _admin().put(f"{SYSTEM}/secrets", {"kind": "Secret", "metadata": {"name": name}})


def addon(config: Documents) -> None:
    """CoreDNS and kube-proxy."""
    coredns(config)
    kube_proxy(config)


def coredns(_: Documents) -> None:
    """coredns, as names."""
    _config_map("coredns", {"Corefile": ""})
    _put_workload("deployments", "coredns")


def kube_proxy(config: Documents) -> None:
    """kube-proxy, as names, with its configuration."""
    proxy = config.get("KubeProxyConfiguration", {})
    _config_map("kube-proxy", {"config.conf": yaml.safe_dump(proxy)})
    _put_workload("daemonsets", "kube-proxy")


def _put_workload(kind: str, name: str) -> None:
    collection = f"/apis/apps/v1/namespaces/kube-system/{kind}"
    _admin().put(collection, {"kind": kind, "metadata": {"name": name}})


def mark_control_plane(config: Documents) -> None:
    """This Node's label."""
    _mark(config["InitConfiguration"])


def _mark(own: Document) -> None:
    name = own["nodeRegistration"]["name"]
    node = _admin().ask("GET", f"/api/v1/nodes/{name}")
    node["metadata"].setdefault("labels", {})[LABEL] = ""
    _admin().put("/api/v1/nodes", node)


def super_admin(_: Documents) -> None:
    """Where the CA's key is, another administrator."""
    _must(Path(PKI, "ca.key").exists(), "no ca.key to sign super-admin.conf with")
    shutil.copy("/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf")


def join(config: Documents) -> None:
    """Discovery by the node's own kubelet.conf, then the kubelet; of a control plane, kubeadm 1.29's
    order: static pods, kubelet, member of etcd (a learner first), label."""
    own = config["JoinConfiguration"]
    client = Client(own["discovery"]["file"]["kubeConfigPath"])
    kubelet = _found(client, "kubelet-config", "kubelet")
    control_plane = own.get("controlPlane")
    cluster = _found(client, "kubeadm-config", "ClusterConfiguration") if control_plane else {}
    init = {**own, **(control_plane or {})}
    if control_plane:
        write_pod("kube-apiserver", apiserver_command(init, cluster), init, cluster)
        for component in ("controller-manager", "scheduler"):
            write_pod(f"kube-{component}", [f"kube-{component}"], init, cluster)
    kubelet_start({**config, "KubeletConfiguration": kubelet})
    if control_plane and "local" in cluster["etcd"]:
        join_etcd(init, cluster)
    name = own["nodeRegistration"]["name"]
    for _ in range(60):
        if client.get(f"/api/v1/nodes/{name}"):
            _annotate(own["nodeRegistration"], client)
            break
        time.sleep(0.5)
    else:
        _must(False, f"Node {name} did not register")
    if control_plane:
        _mark(own)


def _found(client: Client, name: str, key: str) -> Document:
    found = client.ask("GET", f"{SYSTEM}/configmaps/{name}")["data"][key]
    return dict(yaml.safe_load(found))


def mark_joined(config: Documents) -> None:
    """This Node's label, after its join."""
    _mark(config["JoinConfiguration"])


def _admin() -> Client:
    return Client(os.environ.get("KUBECONFIG", "/etc/kubernetes/admin.conf"))


def _config_map(name: str, data: Mapping[str, str]) -> None:
    body = {"kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}
    _admin().put(f"{SYSTEM}/configmaps", body)


def _annotate(registration: Document, client: Client | None = None) -> None:
    client = client or _admin()
    node = client.ask("GET", f"/api/v1/nodes/{registration['name']}")
    node["metadata"].setdefault("annotations", {})[CRI_SOCKET] = registration["criSocket"]
    client.put("/api/v1/nodes", node)


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise ApiError(0, otherwise)


def renew_certificates(config: Documents) -> None:
    """New certificates from the authorities whose keys are here."""
    # Not every host of the tests has what it takes.
    from standin.renewal import VALIDITY, renew_all  # noqa: PLC0415

    etcd = "local" in config["ClusterConfiguration"]["etcd"]
    end = datetime.now(UTC) + VALIDITY
    for line in renew_all(Path("/etc/kubernetes"), etcd=etcd, begin=None, end=end):
        print(line)


COMMANDS: Mapping[str, Callable[[Documents], None]] = {
    "certs renew all": renew_certificates,
    "init phase preflight": preflight,
    "init phase etcd local": etcd_local,
    "init phase kubelet-start": kubelet_start,
    "init phase control-plane apiserver": control_plane("apiserver"),
    "init phase control-plane controller-manager": control_plane("controller-manager"),
    "init phase control-plane scheduler": control_plane("scheduler"),
    "init phase upload-config all": upload_config,
    "init phase bootstrap-token": bootstrap_token,
    "init phase addon all": addon,
    "init phase addon coredns": coredns,
    "init phase addon kube-proxy": kube_proxy,
    "init phase mark-control-plane": mark_control_plane,
    "init phase kubeconfig super-admin": super_admin,
    "join": join,
    "join phase control-plane-join mark-control-plane": mark_joined,
}
