"""The flags of Kubernetes' components, minor by minor.

Sources: the packages whose flags each component registers (cmd/kube-apiserver/app/options,
pkg/kubeapiserver/options, apiserver/pkg/server/options, cmd/kube-controller-manager/app/options,
cmd/kube-scheduler/app/options, cmd/kubelet/app/options, pkg/kubelet/config, component-base and
cloud-provider), read in the trees of 1.29.6, 1.30.14, 1.31.14, 1.32.13, 1.33.13, 1.34.9, 1.35.6 and
1.36.3. From 1.30 on these are OpenShift's trees: flags that its 1.29 adds to upstream's are left out.
tests/kubernetes compares the table with what the components themselves accept; done for 1.29.6.
"""

from collections.abc import Mapping
from types import MappingProxyType

from khgen.facts.known_names import KnownNames, NameChange

FLAGS: Mapping[str, KnownNames] = MappingProxyType(
    {
        "kube-apiserver": KnownNames(
            first=(
                "admission-control admission-control-config-file advertise-address "
                "aggregator-reject-forwarding-redirect allow-metric-labels "
                "allow-metric-labels-manifest allow-privileged anonymous-auth api-audiences "
                "apiserver-count audit-log-batch-buffer-size audit-log-batch-max-size "
                "audit-log-batch-max-wait audit-log-batch-throttle-burst "
                "audit-log-batch-throttle-enable audit-log-batch-throttle-qps audit-log-compress "
                "audit-log-format audit-log-maxage audit-log-maxbackup audit-log-maxsize "
                "audit-log-mode audit-log-path audit-log-truncate-enabled "
                "audit-log-truncate-max-batch-size audit-log-truncate-max-event-size "
                "audit-log-version audit-policy-file audit-webhook-batch-buffer-size "
                "audit-webhook-batch-initial-backoff audit-webhook-batch-max-size "
                "audit-webhook-batch-max-wait audit-webhook-batch-throttle-burst "
                "audit-webhook-batch-throttle-enable audit-webhook-batch-throttle-qps "
                "audit-webhook-config-file audit-webhook-initial-backoff audit-webhook-mode "
                "audit-webhook-truncate-enabled audit-webhook-truncate-max-batch-size "
                "audit-webhook-truncate-max-event-size audit-webhook-version authentication-config "
                "authentication-token-webhook-cache-ttl authentication-token-webhook-config-file "
                "authentication-token-webhook-version authorization-config authorization-mode "
                "authorization-policy-file authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl authorization-webhook-config-file "
                "authorization-webhook-version bind-address cert-dir client-ca-file cloud-config "
                "cloud-provider cloud-provider-gce-l7lb-src-cidrs cloud-provider-gce-lb-src-cidrs "
                "contention-profiling cors-allowed-origins debug-socket-path "
                "default-not-ready-toleration-seconds default-unreachable-toleration-seconds "
                "default-watch-cache-size delete-collection-workers disable-admission-plugins "
                "disabled-metrics egress-selector-config-file enable-admission-plugins "
                "enable-aggregator-routing enable-bootstrap-token-auth enable-garbage-collector "
                "enable-logs-handler enable-priority-and-fairness encryption-provider-config "
                "encryption-provider-config-automatic-reload endpoint-reconciler-type etcd-cafile "
                "etcd-certfile etcd-compaction-interval etcd-count-metric-poll-period "
                "etcd-db-metric-poll-interval etcd-healthcheck-timeout etcd-keyfile etcd-prefix "
                "etcd-readycheck-timeout etcd-servers etcd-servers-overrides event-ttl "
                "external-hostname feature-gates goaway-chance help http2-max-streams-per-connection "
                "kubelet-certificate-authority kubelet-client-certificate kubelet-client-key "
                "kubelet-port kubelet-preferred-address-types kubelet-read-only-port kubelet-timeout "
                "kubernetes-service-node-port lease-reuse-duration-seconds livez-grace-period "
                "log-flush-frequency log-json-info-buffer-size log-json-split-stream logging-format "
                "max-connection-bytes-per-sec max-mutating-requests-inflight max-requests-inflight "
                "min-request-timeout oidc-ca-file oidc-client-id oidc-groups-claim "
                "oidc-groups-prefix oidc-issuer-url oidc-required-claim oidc-signing-algs "
                "oidc-username-claim oidc-username-prefix peer-advertise-ip peer-advertise-port "
                "peer-ca-file permit-address-sharing permit-port-sharing profiling "
                "proxy-client-cert-file proxy-client-key-file request-timeout "
                "requestheader-allowed-names requestheader-client-ca-file "
                "requestheader-extra-headers-prefix requestheader-group-headers "
                "requestheader-username-headers runtime-config secure-port "
                "service-account-extend-token-expiration service-account-issuer "
                "service-account-jwks-uri service-account-key-file service-account-lookup "
                "service-account-max-token-expiration service-account-signing-key-file "
                "service-cluster-ip-range service-node-port-range show-hidden-metrics-for-version "
                "shutdown-delay-duration shutdown-send-retry-after "
                "shutdown-watch-termination-grace-period storage-backend storage-media-type "
                "strict-transport-security-directives tls-cert-file tls-cipher-suites "
                "tls-min-version tls-private-key-file tls-sni-cert-key token-auth-file "
                "tracing-config-file v version vmodule watch-cache watch-cache-sizes"
            ),
            later={
                "1.30": NameChange(
                    added="log-text-info-buffer-size log-text-split-stream",
                ),
                "1.31": NameChange(
                    added="disable-http2-serving emulated-version storage-initialization-timeout",
                    removed="cloud-provider-gce-l7lb-src-cidrs cloud-provider-gce-lb-src-cidrs",
                ),
                "1.32": NameChange(
                    added="requestheader-uid-headers service-account-signing-endpoint",
                ),
                "1.33": NameChange(
                    added="emulation-forward-compatible runtime-config-emulation-forward-compatible",
                    removed="cloud-config cloud-provider",
                ),
                "1.34": NameChange(
                    added=(
                        "coordinated-leadership-lease-duration coordinated-leadership-renew-deadline "
                        "coordinated-leadership-retry-period"
                    ),
                ),
                "1.35": NameChange(
                    added="min-compatibility-version",
                ),
                "1.36": NameChange(
                    added="tls-curve-preferences",
                ),
            },
        ),
        "kube-controller-manager": KnownNames(
            first=(
                "allocate-node-cidrs allow-metric-labels allow-metric-labels-manifest "
                "allow-untagged-cloud attach-detach-reconcile-sync-period authentication-kubeconfig "
                "authentication-skip-lookup authentication-token-webhook-cache-ttl "
                "authentication-tolerate-lookup-failure authorization-always-allow-paths "
                "authorization-kubeconfig authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl bind-address cert-dir "
                "cidr-allocator-type client-ca-file cloud-config cloud-provider cluster-cidr "
                "cluster-name cluster-signing-cert-file cluster-signing-duration "
                "cluster-signing-key-file cluster-signing-kube-apiserver-client-cert-file "
                "cluster-signing-kube-apiserver-client-key-file "
                "cluster-signing-kubelet-client-cert-file cluster-signing-kubelet-client-key-file "
                "cluster-signing-kubelet-serving-cert-file cluster-signing-kubelet-serving-key-file "
                "cluster-signing-legacy-unknown-cert-file cluster-signing-legacy-unknown-key-file "
                "concurrent-cron-job-syncs concurrent-deployment-syncs concurrent-endpoint-syncs "
                "concurrent-ephemeralvolume-syncs concurrent-gc-syncs "
                "concurrent-horizontal-pod-autoscaler-syncs concurrent-job-syncs "
                "concurrent-namespace-syncs concurrent-rc-syncs concurrent-replicaset-syncs "
                "concurrent-resource-quota-syncs concurrent-service-endpoint-syncs "
                "concurrent-service-syncs concurrent-serviceaccount-token-syncs "
                "concurrent-statefulset-syncs concurrent-ttl-after-finished-syncs "
                "concurrent-validating-admission-policy-status-syncs configure-cloud-routes "
                "contention-profiling controller-start-interval controllers "
                "disable-attach-detach-reconcile-sync disabled-metrics enable-dynamic-provisioning "
                "enable-garbage-collector enable-hostpath-provisioner enable-leader-migration "
                "endpoint-updates-batch-period endpointslice-updates-batch-period "
                "external-cloud-volume-plugin feature-gates flex-volume-plugin-dir help "
                "horizontal-pod-autoscaler-cpu-initialization-period "
                "horizontal-pod-autoscaler-downscale-delay "
                "horizontal-pod-autoscaler-downscale-stabilization "
                "horizontal-pod-autoscaler-initial-readiness-delay "
                "horizontal-pod-autoscaler-sync-period horizontal-pod-autoscaler-tolerance "
                "horizontal-pod-autoscaler-upscale-delay http2-max-streams-per-connection "
                "kube-api-burst kube-api-content-type kube-api-qps kubeconfig "
                "large-cluster-size-threshold leader-elect leader-elect-lease-duration "
                "leader-elect-renew-deadline leader-elect-resource-lock leader-elect-resource-name "
                "leader-elect-resource-namespace leader-elect-retry-period leader-migration-config "
                "legacy-service-account-token-clean-up-period log-flush-frequency "
                "log-json-info-buffer-size log-json-split-stream logging-format master "
                "max-endpoints-per-slice min-resync-period "
                "mirroring-concurrent-service-endpoint-syncs "
                "mirroring-endpointslice-updates-batch-period mirroring-max-endpoints-per-subset "
                "namespace-sync-period node-cidr-mask-size node-cidr-mask-size-ipv4 "
                "node-cidr-mask-size-ipv6 node-eviction-rate node-monitor-grace-period "
                "node-monitor-period node-startup-grace-period node-sync-period "
                "permit-address-sharing permit-port-sharing profiling "
                "pv-recycler-increment-timeout-nfs "
                "pv-recycler-minimum-timeout-hostpath pv-recycler-minimum-timeout-nfs "
                "pv-recycler-pod-template-filepath-hostpath pv-recycler-pod-template-filepath-nfs "
                "pv-recycler-timeout-increment-hostpath pvclaimbinder-sync-period "
                "requestheader-allowed-names requestheader-client-ca-file "
                "requestheader-extra-headers-prefix requestheader-group-headers "
                "requestheader-username-headers resource-quota-sync-period root-ca-file "
                "route-reconciliation-period secondary-node-eviction-rate secure-port "
                "service-account-private-key-file service-cluster-ip-range "
                "show-hidden-metrics-for-version terminated-pod-gc-threshold tls-cert-file "
                "tls-cipher-suites tls-min-version tls-private-key-file tls-sni-cert-key "
                "unhealthy-zone-threshold use-service-account-credentials v version vmodule "
                "volume-host-allow-local-loopback volume-host-cidr-denylist"
            ),
            later={
                "1.30": NameChange(
                    added=(
                        "disable-force-detach-on-timeout log-text-info-buffer-size "
                        "log-text-split-stream"
                    ),
                ),
                "1.31": NameChange(
                    added="disable-http2-serving emulated-version",
                    removed=(
                        "horizontal-pod-autoscaler-downscale-delay "
                        "horizontal-pod-autoscaler-upscale-delay volume-host-allow-local-loopback "
                        "volume-host-cidr-denylist"
                    ),
                ),
                "1.32": NameChange(
                    added="concurrent-daemonset-syncs requestheader-uid-headers",
                ),
                "1.35": NameChange(
                    added=(
                        "concurrent-device-taint-eviction-syncs controller-shutdown-timeout "
                        "min-compatibility-version"
                    ),
                ),
                "1.36": NameChange(
                    added="concurrent-resourceclaim-syncs tls-curve-preferences",
                ),
            },
        ),
        "kube-scheduler": KnownNames(
            first=(
                "allow-metric-labels allow-metric-labels-manifest authentication-kubeconfig "
                "authentication-skip-lookup authentication-token-webhook-cache-ttl "
                "authentication-tolerate-lookup-failure authorization-always-allow-paths "
                "authorization-kubeconfig authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl bind-address cert-dir client-ca-file "
                "config contention-profiling disabled-metrics feature-gates help "
                "http2-max-streams-per-connection kube-api-burst kube-api-content-type kube-api-qps "
                "kubeconfig leader-elect leader-elect-lease-duration leader-elect-renew-deadline "
                "leader-elect-resource-lock leader-elect-resource-name "
                "leader-elect-resource-namespace leader-elect-retry-period log-flush-frequency "
                "log-json-info-buffer-size log-json-split-stream logging-format master "
                "permit-address-sharing permit-port-sharing pod-max-in-unschedulable-pods-duration "
                "profiling requestheader-allowed-names requestheader-client-ca-file "
                "requestheader-extra-headers-prefix requestheader-group-headers "
                "requestheader-username-headers secure-port show-hidden-metrics-for-version "
                "tls-cert-file tls-cipher-suites tls-min-version tls-private-key-file "
                "tls-sni-cert-key v version vmodule write-config-to"
            ),
            later={
                "1.30": NameChange(
                    added="log-text-info-buffer-size log-text-split-stream",
                ),
                "1.31": NameChange(
                    added="disable-http2-serving emulated-version",
                ),
                "1.32": NameChange(
                    added="requestheader-uid-headers",
                ),
                "1.35": NameChange(
                    added="min-compatibility-version",
                ),
                "1.36": NameChange(
                    added="tls-curve-preferences",
                ),
            },
        ),
        "kubelet": KnownNames(
            first=(
                "address allowed-unsafe-sysctls anonymous-auth application-metrics-count-limit "
                "authentication-token-webhook authentication-token-webhook-cache-ttl "
                "authorization-mode authorization-webhook-cache-authorized-ttl "
                "authorization-webhook-cache-unauthorized-ttl azure-container-registry-config "
                "boot-id-file bootstrap-kubeconfig cert-dir cgroup-driver cgroup-root "
                "cgroups-per-qos client-ca-file cloud-config cloud-provider cluster-dns "
                "cluster-domain config config-dir container-hints container-log-max-files "
                "container-log-max-size container-runtime-endpoint containerd containerd-namespace "
                "contention-profiling cpu-cfs-quota cpu-cfs-quota-period cpu-manager-policy "
                "cpu-manager-policy-options cpu-manager-reconcile-period "
                "enable-controller-attach-detach enable-debugging-handlers enable-load-reader "
                "enable-server enforce-node-allocatable event-burst event-qps "
                "event-storage-age-limit event-storage-event-limit eviction-hard "
                "eviction-max-pod-grace-period eviction-minimum-reclaim "
                "eviction-pressure-transition-period eviction-soft eviction-soft-grace-period "
                "exit-on-lock-contention experimental-allocatable-ignore-eviction "
                "experimental-mounter-path fail-swap-on feature-gates file-check-frequency "
                "global-housekeeping-interval hairpin-mode healthz-bind-address healthz-port help "
                "hostname-override housekeeping-interval http-check-frequency "
                "image-credential-provider-bin-dir image-credential-provider-config "
                "image-gc-high-threshold image-gc-low-threshold image-service-endpoint "
                "iptables-drop-bit iptables-masquerade-bit keep-terminated-pod-volumes "
                "kernel-memcg-notification kube-api-burst kube-api-content-type kube-api-qps "
                "kube-reserved kube-reserved-cgroup kubeconfig kubelet-cgroups "
                "local-storage-capacity-isolation lock-file log-cadvisor-usage log-flush-frequency "
                "log-json-info-buffer-size log-json-split-stream logging-format machine-id-file "
                "make-iptables-util-chains manifest-url manifest-url-header max-open-files max-pods "
                "maximum-dead-containers maximum-dead-containers-per-container memory-manager-policy "
                "minimum-container-ttl-duration minimum-image-ttl-duration node-ip node-labels "
                "node-status-max-images node-status-update-frequency oom-score-adj pod-cidr "
                "pod-infra-container-image pod-manifest-path pod-max-pids pods-per-core port "
                "protect-kernel-defaults provider-id qos-reserved read-only-port register-node "
                "register-schedulable register-with-taints registry-burst registry-qps reserved-cpus "
                "reserved-memory resolv-conf root-dir rotate-certificates rotate-server-certificates "
                "runonce runtime-cgroups runtime-request-timeout seccomp-default "
                "serialize-image-pulls storage-driver-buffer-duration storage-driver-db "
                "storage-driver-host storage-driver-password storage-driver-secure "
                "storage-driver-table storage-driver-user streaming-connection-idle-timeout "
                "sync-frequency system-cgroups system-reserved system-reserved-cgroup tls-cert-file "
                "tls-cipher-suites tls-min-version tls-private-key-file topology-manager-policy "
                "topology-manager-policy-options topology-manager-scope v version vmodule "
                "volume-plugin-dir volume-stats-agg-period"
            ),
            later={
                "1.30": NameChange(
                    added="log-text-info-buffer-size log-text-split-stream",
                    removed="azure-container-registry-config",
                ),
                "1.31": NameChange(
                    added="fail-cgroupv1",
                    removed="iptables-drop-bit iptables-masquerade-bit keep-terminated-pod-volumes",
                ),
                "1.34": NameChange(
                    removed="cloud-config register-schedulable",
                ),
                "1.35": NameChange(
                    removed="pod-infra-container-image",
                ),
            },
        ),
    }
)
"""By component; hidden and deprecated flags are in it too."""
