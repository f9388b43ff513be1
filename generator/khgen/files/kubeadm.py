"""kubeadm and the kubelet: the configuration on each node, the cluster's own as kubeadm uploads it, its
patches, the EncryptionConfiguration that its API server reads, and the kubelet's units.

Fields: kubeadm 1.29 app/apis/kubeadm/v1beta3/types.go, 1.31 app/apis/kubeadm/v1beta4/types.go.
Unit and drop-in: kubernetes/release, the kubelet and kubeadm packages' own; etcd's service manager:
kubernetes.io, "Set up a High Availability etcd Cluster with kubeadm".

The founding members of etcd stand in a patch and nowhere else: in the uploaded ClusterConfiguration
they would override what every later join computes.
"""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from khgen.files.etcd_manifest import founding_arguments
from khgen.plan.cluster_plan import (
    API_SERVER_PORT,
    CONTROL_PLANE_KINDS,
    ETCD_KINDS,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
)
from khgen.resources import filled, verbatim
from khgen.spec.model.cluster import ProxyMode
from khgen.spec.model.machine import KubernetesSource
from khgen.spec.model.values import duration_text
from khgen.yaml_text import YamlValue, dump_yaml

KUBEADM_CONFIG = PurePosixPath("/etc/khgen/kubeadm.yaml")
KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
CRI_SOCKET = "unix:///var/run/containerd/containerd.sock"
"""constants_unix.go CRISocketContainerd. With two runtimes on a host, kubeadm asks for a name."""
FOUNDING_TOKEN_TTL = "30m0s"  # noqa: S105 - a lifetime
COMPONENT_TIMEOUT = "10m0s"
"""kubeadm's own four minutes are too short on slow disks; etcd's startup probe grows with it."""
WRITTEN_BEFORE_JOIN = (
    "FileAvailable--etc-kubernetes-kubelet.conf",
    "FileAvailable--etc-kubernetes-pki-ca.crt",
)
"""preflight/checks.go: files that a join expects to write itself, and that khgen wrote already."""
ASKS_EVERY_MEMBER = "ExternalEtcdVersion"
"""preflight/checks.go: fails unless every member of external etcd answers; a quorum is enough."""
DEFAULT_REPOSITORY = "registry.k8s.io"
DEFAULT_CLUSTER_NAME = "kubernetes"
EXTERNAL_ETCD_FILES: Mapping[str, str] = MappingProxyType(
    {
        "caFile": "/etc/kubernetes/pki/etcd/ca.crt",
        "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
    }
)
PATCHES = PurePosixPath("/etc/khgen/patches")
ENCRYPTION_PATH = PurePosixPath("/etc/kubernetes/encryption-config.yaml")
KUBELET_UNIT = PurePosixPath("/etc/systemd/system/kubelet.service")
KUBELET_DROP_INS = PurePosixPath("/etc/systemd/system/kubelet.service.d")
ETCD_KUBELET = PurePosixPath("/etc/khgen/etcd-kubelet.yaml")
"""kubeadm's page has it among the drop-ins, where systemd would read it as one."""
AFTER_CONTAINERD = "[Unit]\nWants=containerd.service\nAfter=containerd.service\n"


def kubeadm_config_files(plan: Plan, node: NodePlan, token: str) -> tuple[NodeFile, ...]:
    """kubeadm's configuration: init for a founder (`token`: its bootstrap token), or join."""
    if not node.joins_kubernetes:
        return ()
    if node.kind is NodeKind.FOUNDER:
        documents: tuple[YamlValue, ...] = (
            init_configuration(plan, node, token),
            cluster_configuration(plan),
            kubelet_configuration(plan),
            *kube_proxy_configuration(plan),
        )
    else:
        documents = (join_configuration(plan, node),)
    return (NodeFile(path=KUBEADM_CONFIG, content=dump_yaml(*documents), mode=0o600),)


def init_configuration(plan: Plan, node: NodePlan, token: str) -> dict[str, YamlValue]:
    """InitConfiguration of a founder; its one token is the same everywhere (trap: an empty list
    makes each founder invent another)."""
    kept = plan.spec.bootstrap_token
    ttl = FOUNDING_TOKEN_TTL if kept is None else go_duration(duration_text(kept.ttl))
    return {
        "apiVersion": kubeadm_api(plan),
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "ttl": ttl}],
        "localAPIEndpoint": local_api_endpoint(node),
        "nodeRegistration": {**node_registration(plan, node), **_ignored(plan, node)},
        **_patches(plan, node.kind),
        **kubeadm_timeouts(plan),
    }


def join_configuration(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    """JoinConfiguration: the node's own identity discovers the cluster, no token is needed."""
    control_plane: dict[str, YamlValue] = {}
    if node.kind in CONTROL_PLANE_KINDS:
        control_plane = {"controlPlane": {"localAPIEndpoint": local_api_endpoint(node)}}
    return {
        "apiVersion": kubeadm_api(plan),
        "kind": "JoinConfiguration",
        "discovery": {"file": {"kubeConfigPath": KUBELET_CONF}},
        **control_plane,
        "nodeRegistration": {
            **node_registration(plan, node),
            **_ignored(plan, node, *WRITTEN_BEFORE_JOIN),
        },
        **_patches(plan, node.kind),
        **(kubeadm_timeouts(plan) if control_plane else {}),
    }


def local_api_endpoint(node: NodePlan) -> dict[str, YamlValue]:
    """The address of this node's API server."""
    return {"advertiseAddress": str(node.address), "bindPort": API_SERVER_PORT}


def node_registration(plan: Plan, node: NodePlan) -> dict[str, YamlValue]:
    """How this node registers."""
    registration: dict[str, YamlValue] = {
        "name": node.name,
        "criSocket": CRI_SOCKET,
        "kubeletExtraArgs": extra_arguments(plan, kubelet_flags(node)),
    }
    if node.spec.taints is not None:
        registration["taints"] = node_taints(node)
    return registration


def kubelet_flags(node: NodePlan) -> dict[str, str]:
    """The flags of the kubelet that khgen or the spec sets on this node."""
    flags = {"node-ip": ",".join(str(address) for address in node.addresses)}
    if node.spec.labels:
        flags["node-labels"] = ",".join(f"{k}={v}" for k, v in sorted(node.spec.labels.items()))
    return {**flags, **node.spec.kubelet_extra_args}


def node_taints(node: NodePlan) -> list[YamlValue]:
    """The taints that the spec gives this node."""
    return [
        {"key": taint.key, "value": taint.value, "effect": taint.effect.value}
        for taint in node.spec.taints or ()
    ]


def _ignored(plan: Plan, node: NodePlan, *errors: str) -> dict[str, YamlValue]:
    """These preflight errors, and the one that control planes with external etcd have."""
    if not plan.stacked and node.kind in CONTROL_PLANE_KINDS:
        errors = (*errors, ASKS_EVERY_MEMBER)
    return {"ignorePreflightErrors": errors} if errors else {}


def go_duration(text: str) -> str:
    """A duration like 24h or 30d as Go reads it."""
    number, unit = int(text[:-1]), text[-1]
    hours = {"y": 365 * 24, "d": 24}
    return f"{number * hours[unit]}h" if unit in hours else text


def _patches(plan: Plan, kind: NodeKind) -> dict[str, YamlValue]:
    return {"patches": {"directory": str(PATCHES)}} if has_patches(plan, kind) else {}


def kubeadm_timeouts(plan: Plan) -> dict[str, YamlValue]:
    """How long a component may take to start, where a configuration of kubeadm's says that."""
    if not plan.facts.lists_arguments:
        return {}
    return {"timeouts": {"controlPlaneComponentHealthCheck": COMPONENT_TIMEOUT}}


def kubeadm_api(plan: Plan) -> str:
    """kubeadm's API group and version."""
    return f"kubeadm.k8s.io/{plan.facts.kubeadm_api}"


def extra_arguments(plan: Plan, flags: Mapping[str, str]) -> YamlValue:
    """Flags in the shape of the API version: a mapping, or from v1beta4 a list of name and value."""
    if plan.facts.lists_arguments:
        return [{"name": name, "value": value} for name, value in flags.items()]
    return dict(flags)


def cluster_configuration(plan: Plan) -> dict[str, YamlValue]:
    """ClusterConfiguration, as small as the spec allows: defaults stay kubeadm's."""
    kubernetes, networking = plan.spec.kubernetes, plan.spec.networking
    configuration: dict[str, YamlValue] = {
        "apiVersion": kubeadm_api(plan),
        "kind": "ClusterConfiguration",
        "kubernetesVersion": plan.version.tag,
        "controlPlaneEndpoint": plan.endpoint.authority,
        "networking": {
            "serviceSubnet": ",".join(str(network) for network in plan.networks.services),
            "podSubnet": ",".join(str(network) for network in plan.networks.pods),
            "dnsDomain": networking.dns_domain,
        },
        "apiServer": _api_server(plan),
        "etcd": _etcd(plan),
        **_key_algorithm(plan),
    }
    if kubernetes.image_repository != DEFAULT_REPOSITORY:
        configuration["imageRepository"] = kubernetes.image_repository
    if kubernetes.cluster_name != DEFAULT_CLUSTER_NAME:
        configuration["clusterName"] = kubernetes.cluster_name
    for key, component in (
        ("controllerManager", kubernetes.controller_manager),
        ("scheduler", kubernetes.scheduler),
    ):
        if component.extra_args:
            configuration[key] = {"extraArgs": extra_arguments(plan, component.extra_args)}
    return configuration


def kubelet_configuration(plan: Plan) -> dict[str, YamlValue]:
    """KubeletConfiguration, with the spec's fields over khgen's one."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "resolvConf": plan.distribution.family.resolv_conf,
        **plan.spec.kubernetes.kubelet.config,
    }


def kube_proxy_configuration(plan: Plan) -> tuple[dict[str, YamlValue], ...]:
    """KubeProxyConfiguration; none if the spec keeps kube-proxy's defaults (iptables)."""
    spec = plan.spec.kubernetes.kube_proxy
    mode = {} if spec.mode is ProxyMode.IPTABLES else {"mode": spec.mode.value}
    fields: dict[str, YamlValue] = {**mode, **spec.config}
    if not fields:
        return ()
    kind = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
    }
    return ({**kind, **fields},)


def _api_server(plan: Plan) -> dict[str, YamlValue]:
    spec = plan.spec.kubernetes
    # kubeadm init adds this flag when it uploads, but its phases do not (1.29).
    flags = {"authorization-mode": "Node,RBAC"}
    api_server: dict[str, YamlValue] = {}
    if spec.api_server.cert_sans:
        api_server["certSANs"] = spec.api_server.cert_sans
    if spec.encryption_at_rest:
        path = str(ENCRYPTION_PATH)
        flags["encryption-provider-config"] = path
        api_server["extraVolumes"] = [
            {
                "name": "encryption-config",
                "hostPath": path,
                "mountPath": path,
                "readOnly": True,
                "pathType": "File",
            }
        ]
    if not plan.facts.lists_arguments:
        api_server["timeoutForControlPlane"] = COMPONENT_TIMEOUT
    return {
        "extraArgs": extra_arguments(plan, {**flags, **spec.api_server.extra_args})
    } | api_server


def _etcd(plan: Plan) -> dict[str, YamlValue]:
    if not plan.stacked:
        return {"external": {"endpoints": plan.etcd_client_urls, **EXTERNAL_ETCD_FILES}}
    spec = plan.spec.etcd
    local: dict[str, YamlValue] = {"dataDir": spec.data_dir}
    if spec.image_tag is not None:
        local["imageTag"] = spec.image_tag
    if spec.extra_args:
        local["extraArgs"] = extra_arguments(plan, spec.extra_args)
    return {"local": local}


def _key_algorithm(plan: Plan) -> dict[str, YamlValue]:
    """The setting that keeps `kubeadm certs renew` with ECDSA, and the spec's feature gates."""
    gates: dict[str, YamlValue] = dict(plan.spec.kubernetes.feature_gates)
    if plan.facts.calls_ecdsa_feature_gate:
        return {"featureGates": {"PublicKeysECDSA": True, **gates}}
    wanted = plan.spec.pki.algorithm.value
    algorithm = wanted if wanted in plan.facts.encryption_algorithms else "ECDSA-P256"
    return {"encryptionAlgorithm": algorithm, **({"featureGates": gates} if gates else {})}


def has_patches(plan: Plan, kind: NodeKind) -> bool:
    """Whether nodes of that kind have a patches directory."""
    return plan.stacked and kind is NodeKind.FOUNDER


def patch_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The etcd patch of a founder; flags then appear twice, and etcd uses the last."""
    if not has_patches(plan, kind):
        return ()
    operations: list[YamlValue] = [
        {"op": "add", "path": "/spec/containers/0/command/-", "value": f"--{name}={value}"}
        for name, value in founding_arguments(plan)
    ]
    # The name's form is kubeadm's: target, +patch type, extension (util/patches/patches.go).
    path = PATCHES / "etcd+json.yaml"
    return (NodeFile(path=path, content=dump_yaml(operations)),)


def encryption_files(plan: Plan, kind: NodeKind, key: bytes) -> tuple[NodeFile, ...]:
    """The key that encrypts Secrets in etcd, if the spec enables encryption."""
    if kind not in CONTROL_PLANE_KINDS or not plan.spec.kubernetes.encryption_at_rest:
        return ()
    content = dump_yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [
                {
                    "resources": ["secrets"],
                    "providers": [
                        {
                            "secretbox": {
                                "keys": [{"name": "khgen", "secret": b64encode(key).decode()}]
                            }
                        },
                        # Reads Secrets that were stored before encryption was enabled.
                        {"identity": {}},
                    ],
                }
            ],
        }
    )
    return (NodeFile(path=ENCRYPTION_PATH, content=content, mode=0o600),)


def kubelet_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The kubelet's configuration on nodes of that kind, besides what kubeadm writes."""
    if kind is NodeKind.LOAD_BALANCER:
        return ()
    # Without the socket the kubelet ends, and systemd waits RestartSec (10 s) before the next try.
    files = [NodeFile(path=KUBELET_DROP_INS / "10-containerd.conf", content=AFTER_CONTAINERD)]
    binaries = plan.spec.install.kubernetes is KubernetesSource.BINARIES
    if binaries:
        files.append(NodeFile(path=KUBELET_UNIT, content=verbatim("kubelet.service")))
    if kind in ETCD_KINDS:
        drop_in = filled("20-etcd-service-manager.conf.j2", config=ETCD_KUBELET)
        files += [
            NodeFile(path=ETCD_KUBELET, content=_etcd_kubelet()),
            NodeFile(path=KUBELET_DROP_INS / "20-etcd-service-manager.conf", content=drop_in),
        ]
    elif binaries:
        overrides = plan.distribution.family.kubelet_overrides
        drop_in = filled("10-kubeadm.conf.j2", overrides=overrides)
        files.append(NodeFile(path=KUBELET_DROP_INS / "10-kubeadm.conf", content=drop_in))
    return tuple(files)


def _etcd_kubelet() -> str:
    return dump_yaml(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "address": "127.0.0.1",
            "cgroupDriver": "systemd",
            "containerRuntimeEndpoint": CRI_SOCKET,
            "staticPodPath": "/etc/kubernetes/manifests",
        }
    )
