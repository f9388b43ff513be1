"""The static pods that kubeadm's phases write (app/phases/etcd, app/phases/controlplane)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from standin.node import Document, arguments

MANIFESTS = Path("/etc/kubernetes/manifests")
PKI = "/etc/kubernetes/pki"


def etcd_command(init: Document, cluster: Document) -> list[str]:
    """etcd's command line (local.go getEtcdCommand), before any patch."""
    local = cluster["etcd"]["local"]
    name = init["nodeRegistration"]["name"]
    address = init["localAPIEndpoint"]["advertiseAddress"]
    host = f"[{address}]" if ":" in address else address
    peer = f"https://{host}:2380"
    given = {
        "name": name,
        "listen-client-urls": f"https://127.0.0.1:2379,https://{host}:2379",
        "advertise-client-urls": f"https://{host}:2379",
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"{name}={peer}",
        "data-dir": local.get("dataDir", "/var/lib/etcd"),
        "listen-metrics-urls": "http://127.0.0.1:2381",
        "client-cert-auth": "true",
        "peer-client-cert-auth": "true",
        **{f"{kind}cert-file": f"{PKI}/etcd/{of}.crt" for kind, of in ROLES},
        **{f"{kind}key-file": f"{PKI}/etcd/{of}.key" for kind, of in ROLES},
        **{f"{kind}trusted-ca-file": f"{PKI}/etcd/ca.crt" for kind, _ in ROLES},
        **arguments(local.get("extraArgs")),
    }
    return ["etcd", *_words(given)]


ROLES = (("", "server"), ("peer-", "peer"))


def apiserver_command(init: Document, cluster: Document) -> list[str]:
    """kube-apiserver's command line (manifests.go getAPIServerCommand), what the stand-in reads."""
    external = cluster.get("etcd", {}).get("external")
    etcd = {
        "etcd-servers": "https://127.0.0.1:2379",
        "etcd-cafile": f"{PKI}/etcd/ca.crt",
        "etcd-certfile": f"{PKI}/apiserver-etcd-client.crt",
        "etcd-keyfile": f"{PKI}/apiserver-etcd-client.key",
    }
    if external:
        etcd = {
            "etcd-servers": ",".join(external["endpoints"]),
            "etcd-cafile": external["caFile"],
            "etcd-certfile": external["certFile"],
            "etcd-keyfile": external["keyFile"],
        }
    given = {
        "advertise-address": init["localAPIEndpoint"]["advertiseAddress"],
        "secure-port": str(init["localAPIEndpoint"].get("bindPort", 6443)),
        "client-ca-file": f"{PKI}/ca.crt",
        "tls-cert-file": f"{PKI}/apiserver.crt",
        "tls-private-key-file": f"{PKI}/apiserver.key",
        **etcd,
        **arguments(cluster.get("apiServer", {}).get("extraArgs")),
    }
    return ["kube-apiserver", *_words(given)]


def write_pod(
    name: str,
    command: list[str],
    init: Document,
    cluster: Document,
    folder: Path = MANIFESTS,
) -> None:
    """Write the static pod, patched as the configuration says."""
    image = f"registry.k8s.io/{name}:{cluster['kubernetesVersion']}"
    container = {"name": name, "image": image, "command": command}
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"component": name, "tier": "control-plane"},
        },
        "spec": {"hostNetwork": True, "containers": [container]},
    }
    patches = init.get("patches", {}).get("directory")
    for patch in sorted(Path(patches).glob(f"{name}+json*")) if patches else ():
        for operation in yaml.safe_load(patch.read_text(encoding="utf-8")):
            _add(pod, operation)
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{name}"
    staged.write_text(yaml.safe_dump(pod), encoding="utf-8")
    staged.chmod(0o600)
    staged.replace(folder / f"{name}.yaml")


def _add(pod: Document, operation: Mapping[str, str]) -> None:
    """One operation of RFC 6902: an addition to the end of a list, khgen needs no other."""
    *parts, last = operation["path"].strip("/").split("/")
    if operation["op"] != "add" or last != "-":
        message = f"the stand-in knows no such patch: {operation}"
        raise OSError(message)
    target: Any = pod
    for part in parts:
        target = target[int(part)] if isinstance(target, list) else target[part]
    target.append(operation["value"])


def _words(given: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in sorted(given.items())]
