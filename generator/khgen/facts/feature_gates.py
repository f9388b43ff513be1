"""Feature gates, minor by minor: which exist, and which can no longer be changed.

Sources: pkg/features/kube_features.go with the tables that it includes (apiserver, apiextensions,
client-go, component-base, controller-manager), and cmd/kubeadm/app/features/features.go, read in the
trees of 1.29.6, 1.30.14, 1.31.14, 1.32.13, 1.33.13, 1.34.9, 1.35.6 and 1.36.3 (from 1.30 on
OpenShift's, without its own gates). kubeadm's gates of 1.30: pkg.go.dev, k8s.io/kubernetes@v1.30.1.
A component ends with an error for a gate that it does not know, and for a locked gate with the other
value (component-base/featuregate/feature_gate.go).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from khgen.facts.known_names import KnownNames, NameChange, is_before


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedGates:
    """The gates that a minor locks, in words: switched on forever, or off."""

    on: str = ""
    off: str = ""


GATES = KnownNames(
    first=(
        "APIListChunking APIPriorityAndFairness APIResponseCompression APISelfSubjectReview "
        "APIServerIdentity APIServerTracing AdmissionWebhookMatchConditions "
        "AggregatedDiscoveryEndpoint AllAlpha AllBeta AllowServiceLBStatusOnNonLB "
        "AnyVolumeDataSource AppArmor CPUManager CPUManagerPolicyAlphaOptions "
        "CPUManagerPolicyBetaOptions CPUManagerPolicyOptions CRDValidationRatcheting "
        "CSIMigrationAzureFile CSIMigrationPortworx CSIMigrationRBD CSINodeExpandSecret "
        "CSIVolumeHealth CloudControllerManagerWebhook CloudDualStackNodeIPs ClusterTrustBundle "
        "ClusterTrustBundleProjection ComponentSLIs ConsistentHTTPGetHandlers "
        "ConsistentListFromCache ContainerCheckpoint ContextualLogging CronJobsScheduledAnnotation "
        "CrossNamespaceVolumeDataSource CustomCPUCFSQuotaPeriod CustomResourceValidationExpressions "
        "DefaultHostNetworkHostPortsInPodTemplates DevicePluginCDIDevices DisableCloudProviders "
        "DisableKubeletCloudCredentialProviders DisableNodeKubeProxyVersion "
        "DynamicResourceAllocation EfficientWatchResumption ElasticIndexedJob EventedPLEG "
        "ExecProbeTimeout ExpandedDNSConfig ExperimentalHostUserNamespaceDefaulting "
        "GracefulNodeShutdown GracefulNodeShutdownBasedOnPodPriority HPAContainerMetrics "
        "HPAScaleToZero HonorPVReclaimPolicy IPTablesOwnershipCleanup ImageMaximumGCAge "
        "InPlacePodVerticalScaling InTreePluginAWSUnregister InTreePluginAzureDiskUnregister "
        "InTreePluginAzureFileUnregister InTreePluginGCEUnregister InTreePluginOpenStackUnregister "
        "InTreePluginPortworxUnregister InTreePluginRBDUnregister InTreePluginvSphereUnregister "
        "JobBackoffLimitPerIndex JobPodFailurePolicy JobPodReplacementPolicy JobReadyPods KMSv1 "
        "KMSv2 KMSv2KDF KubeProxyDrainingTerminatingNodes KubeletCgroupDriverFromCRI "
        "KubeletInUserNamespace KubeletPodResources KubeletPodResourcesDynamicResources "
        "KubeletPodResourcesGet KubeletPodResourcesGetAllocatable KubeletSeparateDiskGC "
        "KubeletTracing LegacyServiceAccountTokenCleanUp LegacyServiceAccountTokenTracking "
        "LoadBalancerIPMode LocalStorageCapacityIsolationFSQuotaMonitoring LogarithmicScaleDown "
        "LoggingAlphaOptions LoggingBetaOptions MatchLabelKeysInPodAffinity "
        "MatchLabelKeysInPodTopologySpread MaxUnavailableStatefulSet MemoryManager MemoryQoS "
        "MinDomainsInPodTopologySpread MinimizeIPTablesRestore MultiCIDRServiceAllocator "
        "NFTablesProxyMode NewVolumeManagerReconstruction NodeInclusionPolicyInPodTopologySpread "
        "NodeLogQuery NodeOutOfServiceVolumeDetach NodeSwap OpenAPIEnums "
        "PDBUnhealthyPodEvictionPolicy PersistentVolumeLastPhaseTransitionTime "
        "PodAndContainerStatsFromCRI PodDeletionCost PodDisruptionConditions PodHostIPs "
        "PodIndexLabel PodLifecycleSleepAction PodReadyToStartContainersCondition "
        "PodSchedulingReadiness ProcMountType ProxyTerminatingEndpoints QOSReserved ReadWriteOncePod "
        "RecoverVolumeExpansionFailure RemainingItemCount RemoveSelfLink "
        "RotateKubeletServerCertificate RuntimeClassInImageCriApi SELinuxMountReadWriteOncePod "
        "SchedulerQueueingHints SecurityContextDeny SeparateCacheWatchRPC "
        "SeparateTaintEvictionController ServerSideApply ServerSideFieldValidation "
        "ServiceAccountTokenJTI ServiceAccountTokenNodeBinding "
        "ServiceAccountTokenNodeBindingValidation ServiceAccountTokenPodNodeInfo "
        "ServiceNodePortStaticSubrange SidecarContainers SizeMemoryBackedVolumes "
        "SkipReadOnlyValidationGCE StableLoadBalancerNodeSet StatefulSetAutoDeletePVC "
        "StatefulSetStartOrdinal StorageVersionAPI StorageVersionHash "
        "StructuredAuthenticationConfiguration StructuredAuthorizationConfiguration "
        "TopologyAwareHints TopologyManagerPolicyAlphaOptions TopologyManagerPolicyBetaOptions "
        "TopologyManagerPolicyOptions TranslateStreamCloseWebsocketRequests "
        "UnauthenticatedHTTP2DOSMitigation UnknownVersionInteroperabilityProxy "
        "UserNamespacesPodSecurityStandards UserNamespacesSupport ValidatingAdmissionPolicy "
        "VolumeAttributesClass VolumeCapacityPriority WatchBookmark "
        "WatchFromStorageWithoutResourceVersion WatchList WinDSR WinOverlay WindowsHostNetwork "
        "ZeroLimitedNominalConcurrencyShares"
    ),
    later={
        "1.30": NameChange(
            added=(
                "APIServingWithRoutine AppArmorFields CustomResourceFieldSelectors "
                "InformerResourceVersion JobManagedBy JobSuccessPolicy MutatingAdmissionPolicy "
                "OrderedNamespaceDeletion PortForwardWebsockets RecursiveReadOnlyMounts "
                "RelaxedEnvironmentVariableValidation RetryGenerateName SELinuxMount "
                "ServiceTrafficDistribution StorageNamespaceIndex StorageVersionMigrator "
                "StrictCostEnforcementForVAP StrictCostEnforcementForWebhooks WatchListClient"
            ),
            removed=(
                "APISelfSubjectReview CSIMigrationAzureFile ExpandedDNSConfig "
                "ExperimentalHostUserNamespaceDefaulting IPTablesOwnershipCleanup "
                "KubeletPodResources KubeletPodResourcesGetAllocatable "
                "LegacyServiceAccountTokenTracking MinimizeIPTablesRestore ProxyTerminatingEndpoints "
                "RemoveSelfLink SecurityContextDeny"
            ),
        ),
        "1.31": NameChange(
            added=(
                "AllowDNSOnlyNodeCSR AllowInsecureKubeletCertificateSigningRequests "
                "AnonymousAuthConfigurableEndpoints AuthorizeNodeWithSelectors "
                "AuthorizeWithSelectors ConcurrentWatchObjectDecode CoordinatedLeaderElection "
                "DRAControlPlaneController DisableAllocatorDualWrite ImageVolume "
                "ReloadKubeletServerCertificateFile ResilientWatchCacheInitialization "
                "ResourceHealthStatus SupplementalGroupsPolicy WatchCacheInitializationPostStartHook"
            ),
            removed=(
                "APIPriorityAndFairness CSIMigrationRBD CSINodeExpandSecret "
                "ConsistentHTTPGetHandlers CustomResourceValidationExpressions "
                "DefaultHostNetworkHostPortsInPodTemplates InTreePluginAWSUnregister "
                "InTreePluginAzureDiskUnregister InTreePluginAzureFileUnregister "
                "InTreePluginGCEUnregister InTreePluginOpenStackUnregister InTreePluginRBDUnregister "
                "InTreePluginvSphereUnregister JobReadyPods ReadWriteOncePod "
                "ServiceNodePortStaticSubrange SkipReadOnlyValidationGCE"
            ),
        ),
        "1.32": NameChange(
            added=(
                "AllowOverwriteTerminationGracePeriodSeconds AllowUnsafeMalformedObjectDeletion "
                "BtreeWatchCache CBORServingAndStorage ClientsAllowCBOR ClientsPreferCBOR "
                "ComponentFlagz ComponentStatusz DRAAdminAccess DRAResourceClaimDeviceStatus "
                "ExternalServiceAccountTokenSigner InPlacePodVerticalScalingAllocatedStatus "
                "InPlacePodVerticalScalingExclusiveCPUs KubeletCrashLoopBackOffMax "
                "KubeletFineGrainedAuthz KubeletRegistrationGetOnExistsOnly PodLevelResources "
                "PodLifecycleSleepActionAllowZero PodLogsQuerySplitStreams "
                "RelaxedDNSSearchValidation RemoteRequestHeaderUID SELinuxChangePolicy "
                "SchedulerAsyncPreemption ServiceAccountNodeAudienceRestriction SystemdWatchdog "
                "WindowsCPUAndMemoryAffinity WindowsGracefulNodeShutdown"
            ),
            removed=(
                "CloudDualStackNodeIPs DRAControlPlaneController HPAContainerMetrics KMSv2 KMSv2KDF "
                "LegacyServiceAccountTokenCleanUp MinDomainsInPodTopologySpread "
                "NewVolumeManagerReconstruction NodeOutOfServiceVolumeDetach PodHostIPs "
                "ServerSideApply ServerSideFieldValidation StableLoadBalancerNodeSet "
                "ValidatingAdmissionPolicy ZeroLimitedNominalConcurrencyShares"
            ),
        ),
        "1.33": NameChange(
            added=(
                "AggregatedDiscoveryRemoveBetaType AllowParsingUserUIDFromCertAuth "
                "ContainerStopSignals DRADeviceTaints DRAPartitionableDevices DRAPrioritizedList "
                "DeclarativeValidation DeclarativeValidationTakeover "
                "DeploymentReplicaSetTerminatingReplicas DisableCPUQuotaWithExclusiveCPUs "
                "GitRepoVolumeDriver HPAConfigurableTolerance InOrderInformers "
                "KubeletEnsureSecretPulledImages KubeletPSI "
                "KubeletServiceAccountTokenForCredentialProviders LegacySidecarContainers "
                "ListFromCacheSnapshot MutableCSINodeAllocatableCount PodObservedGenerationTracking "
                "PodTopologyLabelsAdmission PreferSameTrafficDistribution "
                "ReduceDefaultCrashLoopBackOffDecay SchedulerPopFromBackoffQ StorageCapacityScoring "
                "StreamingCollectionEncodingToJSON StreamingCollectionEncodingToProtobuf "
                "StrictIPCIDRValidation"
            ),
            removed=(
                "APIListChunking AdmissionWebhookMatchConditions AggregatedDiscoveryEndpoint "
                "AppArmor AppArmorFields CPUManager DisableCloudProviders "
                "DisableKubeletCloudCredentialProviders EfficientWatchResumption JobPodFailurePolicy "
                "KubeProxyDrainingTerminatingNodes PDBUnhealthyPodEvictionPolicy "
                "PersistentVolumeLastPhaseTransitionTime RemainingItemCount VolumeCapacityPriority "
                "WatchBookmark"
            ),
        ),
        "1.34": NameChange(
            added=(
                "ClearingNominatedNodeNameAfterBinding ContainerRestartRules DRAConsumableCapacity "
                "DRADeviceBindingConditions DRAExtendedResource DRASchedulerFilterTimeout "
                "DetectCacheInconsistency EnvFiles HostnameOverride "
                "InPlacePodVerticalScalingExclusiveMemory KubeletPodResourcesListUseActivePods "
                "MatchLabelKeysInPodTopologySpreadSelectorMerge NominatedNodeNameForExpectation "
                "PodCertificateRequest PreventStaticPodAPIReferences ProbeHostPodSecurityStandards "
                "RelaxedServiceNameValidation SchedulerAsyncAPICalls SizeBasedListCostEstimate "
                "StatefulSetSemanticRevisionComparison "
                "StructuredAuthenticationConfigurationEgressSelector "
                "TokenRequestServiceAccountUIDValidation"
            ),
            removed=(
                "DevicePluginCDIDevices ElasticIndexedJob LegacySidecarContainers "
                "PodDisruptionConditions StatefulSetStartOrdinal"
            ),
        ),
        "1.35": NameChange(
            added=(
                "AuthorizePodWebsocketUpgradeCreatePermission CRDObservedGenerationTracking "
                "CSIServiceAccountTokenSecrets ChangeContainerStatusOnKubeletRestart "
                "CloudControllerManagerWatchBasedRoutesReconciliation ConstrainedImpersonation "
                "DRADeviceTaintRules GangScheduling GenericWorkload InOrderInformersBatchProcess "
                "InPlacePodLevelResourcesVerticalScaling MutablePVNodeAffinity "
                "MutablePodResourcesForSuspendedJobs MutableSchedulingDirectivesForSuspendedJobs "
                "NodeDeclaredFeatures OpportunisticBatching RestartAllContainersOnContainerExits "
                "StructuredAuthenticationConfigurationJWKSMetrics TaintTolerationComparisonOperators "
                "UserNamespacesHostNetworkSupport VolumeLimitScaling"
            ),
            removed=(
                "AllowServiceLBStatusOnNonLB ComponentSLIs CronJobsScheduledAnnotation "
                "LoadBalancerIPMode PodIndexLabel ProbeHostPodSecurityStandards "
                "SizeMemoryBackedVolumes StatefulSetAutoDeletePVC StrictCostEnforcementForVAP "
                "StrictCostEnforcementForWebhooks UserNamespacesPodSecurityStandards"
            ),
        ),
        "1.36": NameChange(
            added=(
                "AllowServiceExternalIPs AtomicFIFO CRIListStreaming ClientsAllowCARotation "
                "ClientsAllowTLSCacheGC ControllerManagerReleaseLeaderElectionLockOnExit "
                "DRAListTypeAttributes DRANodeAllocatableResources "
                "DRAResourceClaimGranularStatusAuthorization DRAResourcePoolStatus "
                "DRAWorkloadResourceClaims DeclarativeValidationBeta ExtendWebSocketsToKubelet "
                "ImageVolumeWithDigest InPlacePodVerticalScalingInitContainers "
                "ManifestBasedAdmissionControlConfig NativeHistograms PLEGOnDemandRelist "
                "PersistentVolumeClaimUnusedSinceTime PodLevelResourceManagers PodsAPI "
                "ReloadKubeletClientCAFile ResourceHealthStatusMessage ServiceCIDRStatusFieldWiping "
                "ShardedListAndWatch StaleControllerConsistencyDaemonSet "
                "StaleControllerConsistencyJob StaleControllerConsistencyReplicaSet "
                "StaleControllerConsistencyStatefulSet TopologyAwareWorkloadScheduling "
                "UnlockWhileProcessingFIFO WorkloadAwarePreemption WorkloadWithJob"
            ),
            removed=(
                "CSIMigrationPortworx HonorPVReclaimPolicy InPlacePodVerticalScalingAllocatedStatus "
                "InTreePluginPortworxUnregister MemoryManager ServiceTrafficDistribution "
                "StructuredAuthorizationConfiguration TopologyAwareHints "
                "WatchFromStorageWithoutResourceVersion"
            ),
        ),
    },
)
"""Of the API server, controller manager, scheduler, kubelet and kube-proxy, which share them."""
KUBEADM_GATES = KnownNames(
    first="EtcdLearnerMode PublicKeysECDSA RootlessControlPlane UpgradeAddonsBeforeControlPlane",
    later={
        "1.30": NameChange(added="WaitForAllControlPlaneComponents"),
        "1.31": NameChange(
            added="ControlPlaneKubeletLocalMode", removed="UpgradeAddonsBeforeControlPlane"
        ),
        "1.32": NameChange(added="NodeLocalCRISocket"),
        "1.33": NameChange(removed="EtcdLearnerMode"),
        "1.35": NameChange(removed="WaitForAllControlPlaneComponents"),
        "1.36": NameChange(removed="ControlPlaneKubeletLocalMode"),
    },
)
"""kubeadm's own; it does not enforce locks."""
LOCKED: Mapping[str, LockedGates] = MappingProxyType(
    {
        "1.29": LockedGates(
            on=(
                "APIListChunking APIPriorityAndFairness APISelfSubjectReview CPUManager "
                "CSIMigrationAzureFile CSINodeExpandSecret CustomResourceValidationExpressions "
                "EfficientWatchResumption ExpandedDNSConfig IPTablesOwnershipCleanup JobReadyPods "
                "KMSv2 KMSv2KDF KubeletPodResources KubeletPodResourcesGetAllocatable "
                "LegacyServiceAccountTokenTracking MinimizeIPTablesRestore "
                "NodeOutOfServiceVolumeDetach ProxyTerminatingEndpoints ReadWriteOncePod "
                "RemainingItemCount RemoveSelfLink ServerSideApply ServerSideFieldValidation "
                "ServiceNodePortStaticSubrange WatchBookmark"
            ),
            off="ExperimentalHostUserNamespaceDefaulting",
        ),
        "1.30": LockedGates(
            on=(
                "AdmissionWebhookMatchConditions AggregatedDiscoveryEndpoint CloudDualStackNodeIPs "
                "ConsistentHTTPGetHandlers HPAContainerMetrics LegacyServiceAccountTokenCleanUp "
                "MinDomainsInPodTopologySpread NewVolumeManagerReconstruction PodHostIPs "
                "PodSchedulingReadiness StableLoadBalancerNodeSet ValidatingAdmissionPolicy "
                "ZeroLimitedNominalConcurrencyShares"
            ),
        ),
        "1.31": LockedGates(
            on=(
                "AppArmor AppArmorFields DevicePluginCDIDevices DisableCloudProviders "
                "DisableKubeletCloudCredentialProviders ElasticIndexedJob JobPodFailurePolicy "
                "KubeProxyDrainingTerminatingNodes LogarithmicScaleDown "
                "PDBUnhealthyPodEvictionPolicy PersistentVolumeLastPhaseTransitionTime "
                "PodDisruptionConditions StatefulSetStartOrdinal"
            ),
        ),
        "1.32": LockedGates(
            on=(
                "ComponentSLIs CronJobsScheduledAnnotation CustomResourceFieldSelectors "
                "LoadBalancerIPMode MemoryManager PodIndexLabel RetryGenerateName "
                "ServiceAccountTokenJTI ServiceAccountTokenNodeBindingValidation "
                "ServiceAccountTokenPodNodeInfo SizeMemoryBackedVolumes StatefulSetAutoDeletePVC "
                "StrictCostEnforcementForVAP StrictCostEnforcementForWebhooks "
                "StructuredAuthorizationConfiguration"
            ),
            off="AllowServiceLBStatusOnNonLB",
        ),
        "1.33": LockedGates(
            on=(
                "AnyVolumeDataSource BtreeWatchCache CPUManagerPolicyOptions CRDValidationRatcheting "
                "CSIMigrationPortworx HonorPVReclaimPolicy JobBackoffLimitPerIndex JobSuccessPolicy "
                "MatchLabelKeysInPodAffinity NFTablesProxyMode "
                "NodeInclusionPolicyInPodTopologySpread RecursiveReadOnlyMounts "
                "ServiceAccountTokenNodeBinding ServiceTrafficDistribution SidecarContainers "
                "TopologyAwareHints"
            ),
            off="WatchFromStorageWithoutResourceVersion",
        ),
        "1.34": LockedGates(
            on=(
                "APIServerTracing AnonymousAuthConfigurableEndpoints AuthorizeNodeWithSelectors "
                "AuthorizeWithSelectors ConsistentListFromCache JobPodReplacementPolicy "
                "KubeletCgroupDriverFromCRI KubeletTracing MultiCIDRServiceAllocator NodeSwap "
                "OrderedNamespaceDeletion PodLifecycleSleepAction PodLifecycleSleepActionAllowZero "
                "ProbeHostPodSecurityStandards RecoverVolumeExpansionFailure "
                "RelaxedDNSSearchValidation RelaxedEnvironmentVariableValidation "
                "ResilientWatchCacheInitialization SchedulerQueueingHints "
                "SeparateTaintEvictionController StreamingCollectionEncodingToJSON "
                "StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration WinDSR "
                "WinOverlay"
            ),
        ),
        "1.35": LockedGates(
            on=(
                "AggregatedDiscoveryRemoveBetaType DisableAllocatorDualWrite "
                "DynamicResourceAllocation ExecProbeTimeout ImageMaximumGCAge "
                "InPlacePodVerticalScaling JobManagedBy PodObservedGenerationTracking "
                "PreferSameTrafficDistribution SupplementalGroupsPolicy SystemdWatchdog"
            ),
            off="AllowOverwriteTerminationGracePeriodSeconds",
        ),
        "1.36": LockedGates(
            on=(
                "CSIServiceAccountTokenSecrets DRAAdminAccess DeclarativeValidation "
                "DisableNodeKubeProxyVersion ExternalServiceAccountTokenSigner ImageVolume "
                "InOrderInformers KubeletFineGrainedAuthz KubeletPSI "
                "KubeletPodResourcesDynamicResources KubeletPodResourcesGet "
                "MutableCSINodeAllocatableCount NodeLogQuery ProcMountType SELinuxChangePolicy "
                "SELinuxMountReadWriteOncePod TopologyManagerPolicyOptions UserNamespacesSupport "
                "VolumeAttributesClass"
            ),
            off="GitRepoVolumeDriver SeparateCacheWatchRPC",
        ),
    }
)
"""By the minor that locks them; a lock lasts until the gate is removed."""


def locked_value(gate: str, minor: str) -> bool | None:
    """The only value that the gate can have in that minor; None if it can have both."""
    for first, gates in LOCKED.items():
        if gate in gates.on.split() or gate in gates.off.split():
            return gate in gates.on.split() if not is_before(minor, first) else None
    return None
