"""The cluster's own configuration, as kubeadm uploads it: it knows nothing of the founding."""

from collections.abc import Mapping
from types import MappingProxyType

from khgen.files.encryption import ENCRYPTION_PATH
from khgen.plan.model import Plan
from khgen.spec.model.cluster import ProxyMode
from khgen.yaml_text import YamlValue

DEFAULT_REPOSITORY = "registry.k8s.io"
DEFAULT_CLUSTER_NAME = "kubernetes"
COMPONENT_TIMEOUT = "10m0s"
EXTERNAL_ETCD_FILES: Mapping[str, str] = MappingProxyType(
    {
        "caFile": "/etc/kubernetes/pki/etcd/ca.crt",
        "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
    }
)


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
    """KubeProxyConfiguration; none where kube-proxy's own defaults (iptables) are what is wanted."""
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
    # kubeadm init adds this flag to what it uploads, its phases do not (1.29): say it.
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
    """What keeps `kubeadm certs renew` with ECDSA, beside the spec's own feature gates."""
    gates: dict[str, YamlValue] = dict(plan.spec.kubernetes.feature_gates)
    if plan.facts.calls_ecdsa_feature_gate:
        return {"featureGates": {"PublicKeysECDSA": True, **gates}}
    wanted = plan.spec.pki.algorithm.value
    algorithm = wanted if wanted in plan.facts.encryption_algorithms else "ECDSA-P256"
    return {"encryptionAlgorithm": algorithm, **({"featureGates": gates} if gates else {})}
