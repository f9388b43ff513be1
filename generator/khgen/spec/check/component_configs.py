"""Fields of KubeletConfiguration and KubeProxyConfiguration: their names, and what they hold.

Source: Kubernetes 1.29.6, types.go of k8s.io/kubelet/config/v1beta1, kube-proxy/config/v1alpha1 and
component-base. kubeadm decodes both strictly: an unknown field or another type ends every step.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from khgen.facts.version import KubernetesVersion
from khgen.problems import Finding, ValuePath
from khgen.spec.check import Check
from khgen.spec.check.components import VERSION
from khgen.spec.model import ClusterSpec
from khgen.spec.schema_errors import shown

KUBELET = ("kubernetes", "kubelet", "config")
KUBE_PROXY = ("kubernetes", "kubeProxy", "config")
GO_DURATION = re.compile(
    r"[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)"
)
FIELDS_OF_MINOR = "1.29"
"""Later minors have more fields, with the same types."""
FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "KubeletConfiguration": {
            "boolean": (
                "cgroupsPerQOS cpuCFSQuota enableContentionProfiling "
                "enableControllerAttachDetach enableDebugFlagsHandler enableDebuggingHandlers "
                "enableProfilingHandler enableServer enableSystemLogHandler "
                "enableSystemLogQuery failSwapOn kernelMemcgNotification "
                "localStorageCapacityIsolation makeIPTablesUtilChains protectKernelDefaults "
                "registerNode rotateCertificates runOnce seccompDefault serializeImagePulls "
                "serverTLSBootstrap"
            ),
            "duration": (
                "cpuCFSQuotaPeriod cpuManagerReconcilePeriod evictionPressureTransitionPeriod "
                "fileCheckFrequency httpCheckFrequency imageMaximumGCAge imageMinimumGCAge "
                "nodeStatusReportFrequency nodeStatusUpdateFrequency runtimeRequestTimeout "
                "shutdownGracePeriod shutdownGracePeriodCriticalPods "
                "streamingConnectionIdleTimeout syncFrequency volumeStatsAggPeriod"
            ),
            "integer": (
                "containerLogMaxFiles eventBurst eventRecordQPS evictionMaxPodGracePeriod "
                "healthzPort imageGCHighThresholdPercent imageGCLowThresholdPercent "
                "iptablesDropBit iptablesMasqueradeBit kubeAPIBurst kubeAPIQPS maxOpenFiles "
                "maxParallelImagePulls maxPods nodeLeaseDurationSeconds nodeStatusMaxImages "
                "oomScoreAdj podPidsLimit podsPerCore port readOnlyPort registryBurst "
                "registryPullQPS"
            ),
            "list": "registerWithTaints reservedMemory shutdownGracePeriodByPodPriority",
            "list of text": (
                "allowedUnsafeSysctls clusterDNS enforceNodeAllocatable tlsCipherSuites"
            ),
            "mapping": "staticPodURLHeader",
            "mapping of booleans": "featureGates",
            "mapping of text": (
                "cpuManagerPolicyOptions evictionHard evictionMinimumReclaim evictionSoft "
                "evictionSoftGracePeriod kubeReserved qosReserved systemReserved "
                "topologyManagerPolicyOptions"
            ),
            "number": "memoryThrottlingFactor",
            "text": (
                "address apiVersion cgroupDriver cgroupRoot clusterDomain "
                "configMapAndSecretChangeDetectionStrategy containerLogMaxSize "
                "containerRuntimeEndpoint contentType cpuManagerPolicy hairpinMode "
                "healthzBindAddress imageServiceEndpoint kind kubeReservedCgroup kubeletCgroups "
                "memoryManagerPolicy podCIDR providerID reservedSystemCPUs resolvConf "
                "showHiddenMetricsForVersion staticPodPath staticPodURL systemCgroups "
                "systemReservedCgroup tlsCertFile tlsMinVersion tlsPrivateKeyFile "
                "topologyManagerPolicy topologyManagerScope volumePluginDir"
            ),
            "KubeletAuthentication": "authentication",
            "KubeletAuthorization": "authorization",
            "LoggingConfiguration": "logging",
            "MemorySwapConfiguration": "memorySwap",
            "TracingConfiguration": "tracing",
        },
        "KubeProxyConfiguration": {
            "boolean": "bindAddressHardFail enableProfiling",
            "duration": "configSyncPeriod",
            "integer": "oomScoreAdj",
            "list of text": "nodePortAddresses",
            "mapping of booleans": "featureGates",
            "text": (
                "apiVersion bindAddress clusterCIDR detectLocalMode healthzBindAddress "
                "hostnameOverride kind metricsBindAddress mode portRange "
                "showHiddenMetricsForVersion"
            ),
            "ClientConnectionConfiguration": "clientConnection",
            "DetectLocalConfiguration": "detectLocal",
            "KubeProxyConntrackConfiguration": "conntrack",
            "KubeProxyIPTablesConfiguration": "iptables",
            "KubeProxyIPVSConfiguration": "ipvs",
            "KubeProxyNFTablesConfiguration": "nftables",
            "KubeProxyWinkernelConfiguration": "winkernel",
            "LoggingConfiguration": "logging",
        },
        "KubeletAuthentication": {
            "KubeletAnonymousAuthentication": "anonymous",
            "KubeletWebhookAuthentication": "webhook",
            "KubeletX509Authentication": "x509",
        },
        "KubeletAuthorization": {
            "text": "mode",
            "KubeletWebhookAuthorization": "webhook",
        },
        "MemorySwapConfiguration": {
            "text": "swapBehavior",
        },
        "LoggingConfiguration": {
            "any": "flushFrequency",
            "integer": "verbosity",
            "list": "vmodule",
            "text": "format",
            "FormatOptions": "options",
        },
        "TracingConfiguration": {
            "integer": "samplingRatePerMillion",
            "text": "endpoint",
        },
        "ClientConnectionConfiguration": {
            "integer": "burst",
            "number": "qps",
            "text": "acceptContentTypes contentType kubeconfig",
        },
        "KubeProxyIPTablesConfiguration": {
            "boolean": "localhostNodePorts masqueradeAll",
            "duration": "minSyncPeriod syncPeriod",
            "integer": "masqueradeBit",
        },
        "KubeProxyIPVSConfiguration": {
            "boolean": "strictARP",
            "duration": "minSyncPeriod syncPeriod tcpFinTimeout tcpTimeout udpTimeout",
            "list of text": "excludeCIDRs",
            "text": "scheduler",
        },
        "KubeProxyNFTablesConfiguration": {
            "boolean": "masqueradeAll",
            "duration": "minSyncPeriod syncPeriod",
            "integer": "masqueradeBit",
        },
        "KubeProxyWinkernelConfiguration": {
            "boolean": "enableDSR forwardHealthCheckVip",
            "text": "networkName rootHnsEndpointName sourceVip",
        },
        "DetectLocalConfiguration": {
            "text": "bridgeInterface interfaceNamePrefix",
        },
        "KubeProxyConntrackConfiguration": {
            "boolean": "tcpBeLiberal",
            "duration": "tcpCloseWaitTimeout tcpEstablishedTimeout udpStreamTimeout udpTimeout",
            "integer": "maxPerCore min",
        },
        "KubeletX509Authentication": {
            "text": "clientCAFile",
        },
        "KubeletWebhookAuthentication": {
            "boolean": "enabled",
            "duration": "cacheTTL",
        },
        "KubeletAnonymousAuthentication": {
            "boolean": "enabled",
        },
        "KubeletWebhookAuthorization": {
            "duration": "cacheAuthorizedTTL cacheUnauthorizedTTL",
        },
        "FormatOptions": {
            "JSONOptions": "json",
        },
        "JSONOptions": {
            "any": "infoBufferSize",
            "boolean": "splitStream",
        },
    }
)
"""The field names of each struct, by the kind of value or the struct that they hold."""


def component_configs(spec: ClusterSpec) -> Iterator[Finding]:
    """Unknown fields of the two configurations, and values of the wrong type."""
    strict = KubernetesVersion.parse(spec.kubernetes.version).minor == FIELDS_OF_MINOR
    for path, struct, given in (
        (KUBELET, "KubeletConfiguration", spec.kubernetes.kubelet.config),
        (KUBE_PROXY, "KubeProxyConfiguration", spec.kubernetes.kube_proxy.config),
    ):
        yield from _struct_findings(path, struct, given, strict=strict)


def _struct_findings(
    path: ValuePath, struct: str, given: Mapping[str, object], *, strict: bool
) -> Iterator[Finding]:
    known = {name: kind for kind, names in FIELDS[struct].items() for name in names.split()}
    for name, value in given.items():
        kind = known.get(name)
        if kind is None:
            unknown = _unknown((*path, name), struct, known, strict=strict)
            if unknown is not None:
                yield unknown
        elif value is None:
            continue
        elif kind in FIELDS and isinstance(value, dict):
            yield from _struct_findings((*path, name), kind, value, strict=strict)
        else:
            wanted, fits = KINDS.get(kind, KINDS["mapping"])
            if not fits(value):
                message = f"{name} of {struct} must be {wanted}, found {shown(value)}"
                yield Finding(path=(*path, name), message=message, hint=_better(kind, value))


def _unknown(
    path: ValuePath, struct: str, known: Mapping[str, str], *, strict: bool
) -> Finding | None:
    name = str(path[-1])
    same = [field for field in known if field.lower() == name.lower()]
    if not (strict or same):
        return None
    close = same or get_close_matches(name[:64], known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else "remove it: kubeadm refuses it"
    message = f"{struct} has no field '{name[:64]}'"
    return Finding(path=path, message=message, hint=hint, at_key=True)


def _better(kind: str, value: object) -> str:
    if kind == "boolean" and str(value).lower() in {"true", "false"}:
        return f"write {str(value).lower()} without quotes"
    if kind == "integer" and str(value).isdecimal():
        return f"write {value} without quotes"
    if kind == "text" and isinstance(value, int | float):
        return "put it in quotes"
    if kind == "duration":
        return "write a duration like 30s, 15m0s or 4h"
    return ""


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_mapping_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: (
        isinstance(value, dict) and all(fits(v) for v in value.values() if v is not None)
    )


KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = MappingProxyType(
    {
        "any": ("anything", lambda _: True),
        "boolean": ("true or false", lambda value: isinstance(value, bool)),
        "duration": (
            "a duration in quotes or with a unit",
            lambda value: isinstance(value, str) and GO_DURATION.fullmatch(value) is not None,
        ),
        "integer": ("a whole number", _is_integer),
        "list": ("a list", lambda value: isinstance(value, list)),
        "list of text": (
            "a list of text",
            lambda value: isinstance(value, list) and all(map(_is_text, value)),
        ),
        "mapping": ("a mapping", lambda value: isinstance(value, dict)),
        "mapping of booleans": (
            "a mapping of true and false",
            _is_mapping_of(lambda value: isinstance(value, bool)),
        ),
        "mapping of text": ("a mapping of text (in quotes)", _is_mapping_of(_is_text)),
        "number": (
            "a number",
            lambda value: isinstance(value, int | float) and not isinstance(value, bool),
        ),
        "text": ("text", _is_text),
    }
)
"""Each kind of field, as text and as a test of a value."""


CHECKS = (Check(find=component_configs, reads=(VERSION, KUBELET, KUBE_PROXY)),)
