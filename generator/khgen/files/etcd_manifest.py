"""etcd as a static pod, exactly as kubeadm's `init phase etcd local` would write it.

Source: kubeadm app/phases/etcd/local.go (GetEtcdPodSpec, getEtcdCommand) and
app/util/staticpod/utils.go, 1.29 to 1.36. External etcd hosts get it from khgen; on stacked
control planes kubeadm writes it, and khgen patches the founding members in.
"""

from math import ceil
from pathlib import PurePosixPath

from khgen.facts.kubernetes import EtcdProbes, etcd_flags_for
from khgen.plan.cluster_plan import (
    ETCD_CLIENT_PORT,
    ETCD_KINDS,
    ETCD_PEER_PORT,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
    host_port,
    loopback,
    url,
)
from khgen.spec.model.values import IPAddress
from khgen.yaml_text import YamlValue, dump_yaml

PATH = PurePosixPath("/etc/khgen/etcd.yaml")
"""The step `etcd` puts it under /etc/kubernetes/manifests, once the gates before it are passed."""
CERTIFICATES = "/etc/kubernetes/pki/etcd"
METRICS_PORT = 2381
STARTUP_SECONDS = 600
INITIAL_CLUSTER = "@INITIAL_CLUSTER@"
"""A joiner's step replaces it by the members that the running cluster lists."""


def etcd_manifest_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The static pod of a host that runs external etcd."""
    if node.kind not in ETCD_KINDS:
        return ()
    return (NodeFile(path=PATH, content=dump_yaml(etcd_pod(plan, node)), mode=0o600),)


def founding_arguments(plan: Plan) -> tuple[tuple[str, str], ...]:
    """The flags that let all founding members start at once, as one static cluster."""
    members = plan.founding_addresses.items()
    return (
        ("initial-cluster", ",".join(f"{name}={peer_url(address)}" for name, address in members)),
        ("initial-cluster-state", "new"),
        ("initial-cluster-token", plan.spec.metadata.name),
    )


def etcd_arguments(plan: Plan, node: NodePlan) -> tuple[str, ...]:
    """The command line of etcd on that node, without the program's name."""
    if node.kind in {NodeKind.FOUNDER, NodeKind.ETCD_FOUNDER}:
        founding = dict(founding_arguments(plan))
    else:
        founding = {"initial-cluster": INITIAL_CLUSTER, "initial-cluster-state": "existing"}
    flags = _flags(plan, node) | founding | dict(plan.spec.etcd.extra_args)
    return tuple(f"--{name}={value}" for name, value in sorted(flags.items()))


def peer_url(address: IPAddress) -> str:
    """The URL at which the other members reach the one at that address."""
    return url(address, ETCD_PEER_PORT)


def etcd_pod(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    """The Pod."""
    data = plan.spec.etcd.data_dir
    client = url(node.address, ETCD_CLIENT_PORT)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": {"kubeadm.kubernetes.io/etcd.advertise-client-urls": client},
            "labels": {"component": "etcd", "tier": "control-plane"},
            "name": "etcd",
            "namespace": "kube-system",
        },
        "spec": {
            "containers": [_container(plan, node)],
            "hostNetwork": True,
            "priority": 2000001000,
            "priorityClassName": "system-node-critical",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [_volume("etcd-certs", CERTIFICATES), _volume("etcd-data", data)],
        },
    }


def _flags(plan: Plan, node: NodePlan) -> dict[str, str]:
    local = loopback(node.address)
    client, peer = url(node.address, ETCD_CLIENT_PORT), peer_url(node.address)
    tag = plan.images.etcd.rpartition(":")[2]
    return {
        "name": node.name,
        "listen-client-urls": f"{url(local, ETCD_CLIENT_PORT)},{client}",
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "data-dir": plan.spec.etcd.data_dir,
        "cert-file": f"{CERTIFICATES}/server.crt",
        "key-file": f"{CERTIFICATES}/server.key",
        "trusted-ca-file": f"{CERTIFICATES}/ca.crt",
        "client-cert-auth": "true",
        "peer-cert-file": f"{CERTIFICATES}/peer.crt",
        "peer-key-file": f"{CERTIFICATES}/peer.key",
        "peer-trusted-ca-file": f"{CERTIFICATES}/ca.crt",
        "peer-client-cert-auth": "true",
        "snapshot-count": "10000",
        "listen-metrics-urls": f"http://{host_port(local, METRICS_PORT)}",
        **dict(etcd_flags_for(tag)),
    }


def _container(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    data = plan.spec.etcd.data_dir
    return {
        "command": ["etcd", *etcd_arguments(plan, node)],
        "image": plan.images.etcd,
        "imagePullPolicy": "IfNotPresent",
        "name": "etcd",
        **_probes(plan.facts.etcd_probes, loopback(node.address)),
        "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}},
        "volumeMounts": [
            {"mountPath": data, "name": "etcd-data"},
            {"mountPath": CERTIFICATES, "name": "etcd-certs"},
        ],
    }


def _probes(probes: EtcdProbes, host: str) -> dict[str, YamlValue]:
    startup = ceil(STARTUP_SECONDS / 10)
    if probes is EtcdProbes.HEALTH:
        live, started = "/health?exclude=NOSPACE&serializable=true", "/health?serializable=false"
        return {
            "livenessProbe": _probe(_get(host, live, METRICS_PORT), 10, 8, 10),
            "startupProbe": _probe(_get(host, started, METRICS_PORT), 10, startup, 10),
        }
    named = probes is EtcdProbes.READYZ_NAMED_PORT
    port: str | int = "probe-port" if named else METRICS_PORT
    ports: dict[str, YamlValue] = {
        "ports": [{"containerPort": METRICS_PORT, "name": "probe-port", "protocol": "TCP"}]
    }
    return {
        "livenessProbe": _probe(_get(host, "/livez", port), 10, 8, 10),
        **(ports if named else {}),
        "readinessProbe": _probe(_get(host, "/readyz", port), 0, 3, 1),
        "startupProbe": _probe(_get(host, "/readyz", port), 10, startup, 10),
    }


def _get(host: str, path: str, port: str | int) -> dict[str, YamlValue]:
    return {"host": host, "path": path, "port": port, "scheme": "HTTP"}


def _probe(
    get: dict[str, YamlValue], delay: int, failures: int, period: int
) -> dict[str, YamlValue]:
    return {
        "failureThreshold": failures,
        "httpGet": get,
        **({"initialDelaySeconds": delay} if delay else {}),
        "periodSeconds": period,
        "timeoutSeconds": 15,
    }


def _volume(name: str, path: str) -> dict[str, YamlValue]:
    return {"hostPath": {"path": path, "type": "DirectoryOrCreate"}, "name": name}
