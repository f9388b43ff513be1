"""The fields of KubeletConfiguration and KubeProxyConfiguration, by what they hold.

Source: Kubernetes 1.29.6, types.go of k8s.io/kubelet/config/v1beta1, kube-proxy/config/v1alpha1 and
component-base. kubeadm decodes both strictly: an unknown field or another type ends every step.
"""

from collections.abc import Mapping
from types import MappingProxyType

FIELDS_OF_MINOR = "1.29"
"""Later minors have more fields, and the same types."""
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
"""Of each struct the names of its fields, by kind of value or by the struct that they hold."""
