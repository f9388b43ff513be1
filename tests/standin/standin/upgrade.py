"""In place of `kubeadm upgrade`: what it does to static pods, to the kubelet's configuration and to
the ConfigMaps (app/phases/upgrade/staticpods.go and postupgrade.go of 1.29)."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import yaml

from standin.client import ApiError, Client
from standin.kubelet import unit
from standin.manifests import MANIFESTS, apiserver_command, etcd_command, write_pod
from standin.node import Document, documents, flags

KUBELET_CONFIG = Path("/var/lib/kubelet/config.yaml")
TEMPORARY = Path("/etc/kubernetes/tmp")
CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
RESTART_SECONDS = 60


def upgrade(words: list[str]) -> None:
    """`apply VERSION`, `node` or a phase of it."""
    given = flags(words)
    names = [word for word in words if not word.startswith("--")]
    if "--config" in words:
        names.remove(file := words[words.index("--config") + 1])
        configuration = documents(file)["UpgradeConfiguration"]
        etcd = configuration[names[0]]["etcdUpgrade"]
    else:
        etcd = given.get("etcd-upgrade") == "true"
    match names:
        case ["apply", version]:
            cluster = {**_configuration(), "kubernetesVersion": version}
            _control_plane(cluster, etcd=etcd)
            _put_configuration(cluster)
            kubelet_config()
        case ["node"] if given["skip-phases"] == "kubelet-config":
            _control_plane(_configuration(), etcd=etcd)
        case ["node", "phase", "kubelet-config"]:
            kubelet_config()
        case other:
            raise ApiError(0, f"knows no 'upgrade {' '.join(other)}'")


def kubelet_config() -> None:
    """The kubelet's configuration from the cluster, with a copy of the one before."""
    asked = Client("/etc/kubernetes/kubelet.conf").ask("GET", f"{CONFIG_MAPS}/kubelet-config")
    before = TEMPORARY / f"kubeadm-kubelet-config{os.getpid()}"
    before.mkdir(parents=True)
    shutil.copy(KUBELET_CONFIG, before)
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "staticPodPath": str(MANIFESTS),
        **yaml.safe_load(asked["data"]["kubelet"]),
    }
    KUBELET_CONFIG.write_text(yaml.safe_dump(kubelet), encoding="utf-8")


def _control_plane(cluster: Document, *, etcd: bool) -> None:
    now = time.strftime("%Y-%m-%d-%H-%M-%S")
    init = _init_configuration()
    if etcd and "local" in cluster["etcd"]:
        data = cluster["etcd"]["local"].get("dataDir", "/var/lib/etcd")
        shutil.copytree(data, TEMPORARY / f"kubeadm-backup-etcd-{now}")
        _bring("etcd", etcd_command(init, cluster), cluster, now)
    _bring("kube-apiserver", apiserver_command(init, cluster), cluster, now)
    for name in ("kube-controller-manager", "kube-scheduler"):
        _bring(name, [name], cluster, now)


def _bring(name: str, command: list[str], cluster: Document, now: str) -> None:
    """Move the manifest away and the new one to its place, and wait until that runs."""
    new, old = TEMPORARY / f"kubeadm-upgraded-manifests-{now}", MANIFESTS / f"{name}.yaml"
    write_pod(name, command, {}, cluster, new)
    if old.read_bytes() == (new / old.name).read_bytes():
        return
    kept = TEMPORARY / f"kubeadm-backup-manifests-{now}"
    kept.mkdir(parents=True, exist_ok=True)
    old.replace(kept / old.name)
    (new / old.name).replace(old)
    wanted, _ = unit(old)
    for _ in range(RESTART_SECONDS * 2):
        if subprocess.run(["systemctl", "is-active", "-q", wanted], check=False).returncode == 0:
            return
        time.sleep(0.5)
    raise ApiError(0, f"{wanted} does not run")


def _init_configuration() -> Document:
    """This node's name and address, as its running pods have them."""
    pod = yaml.safe_load((MANIFESTS / "kube-apiserver.yaml").read_text(encoding="utf-8"))
    given = flags(pod["spec"]["containers"][0]["command"])
    address, port = given["advertise-address"], int(given["secure-port"])
    return {
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": port},
        "nodeRegistration": {"name": Path("/etc/hostname").read_text(encoding="utf-8").strip()},
    }


def _configuration() -> Document:
    found = _admin().ask("GET", f"{CONFIG_MAPS}/kubeadm-config")
    return dict(yaml.safe_load(found["data"]["ClusterConfiguration"]))


def _put_configuration(cluster: Document) -> None:
    body = {
        "kind": "ConfigMap",
        "metadata": {"name": "kubeadm-config"},
        "data": {"ClusterConfiguration": yaml.safe_dump(cluster)},
    }
    _admin().put(CONFIG_MAPS, body)


def _admin() -> Client:
    return Client("/etc/kubernetes/admin.conf")
