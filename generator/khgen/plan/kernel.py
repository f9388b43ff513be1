"""Kernel modules and settings of each kind of node."""

from collections.abc import Mapping
from types import MappingProxyType

from khgen.plan.cluster_plan import NodeKind, Plan
from khgen.plan.installation import hosts_kubernetes
from khgen.spec.model.cluster import ProxyMode
from khgen.spec.model.machine import SysctlProfile

CONTAINER_MODULES = ("overlay", "br_netfilter")
"""containerd's snapshotter; bridged pod traffic through iptables (kubeadm preflight checks.go)."""

IPVS_MODULES = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "nf_conntrack")
"""Required by kube-proxy's ipvs mode (pkg/proxy/ipvs README)."""

KUBERNETES_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "net.bridge.bridge-nf-call-iptables": "1",  # kubeadm preflight
        "net.bridge.bridge-nf-call-ip6tables": "1",  # kubeadm preflight, with IPv6
        "net.ipv4.ip_forward": "1",  # kubeadm preflight
        # The default is 128 per node; the kubelet and log tailers use one per container.
        "fs.inotify.max_user_instances": "8192",
    }
)

IPV6_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "net.ipv6.conf.all.forwarding": "1",
        "net.ipv6.conf.default.forwarding": "1",  # kubeadm preflight checks_linux.go
    }
)

PROTECTED_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "vm.overcommit_memory": "1",
        "vm.panic_on_oom": "0",
        "kernel.panic": "10",
        "kernel.panic_on_oops": "1",
        "kernel.keys.root_maxkeys": "1000000",
        "kernel.keys.root_maxbytes": "25000000",
    }
)
"""The kubelet sets these, or with protectKernelDefaults refuses to start without them
(component-helpers node/util/sysctl/sysctl.go)."""

TUNED_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "fs.inotify.max_user_watches": "1048576",
        "net.core.netdev_max_backlog": "16384",
        "net.core.somaxconn": "16384",
        "net.ipv4.tcp_keepalive_time": "600",
        "net.ipv4.tcp_keepalive_intvl": "15",
        "net.ipv4.tcp_keepalive_probes": "3",
        "net.ipv4.tcp_max_orphans": "327680",
        "net.ipv4.tcp_max_syn_backlog": "16384",
        "net.ipv4.tcp_max_tw_buckets": "36000",
        "net.ipv4.tcp_orphan_retries": "3",
        "net.ipv4.tcp_syncookies": "1",
        "net.ipv4.tcp_tw_reuse": "1",
        "vm.max_map_count": "262144",
        "vm.swappiness": "0",
    }
)
"""The usual list in guides to kubeadm on Rocky and CentOS, without:

- net.ipv4.tcp_tw_recycle: removed in Linux 4.12;
- net.ipv4.tcp_timestamps=0: tcp_tw_reuse=1 has no effect without timestamps;
- net.ipv4.ip_conntrack_max: removed from Linux, and it contradicted nf_conntrack_max;
- net.netfilter.nf_conntrack_max: kube-proxy sets it (cmd/kube-proxy/app/conntrack.go), from
  kubeProxy.config.conntrack;
- fs.file-max, fs.nr_open: systemd already sets the largest file-max; a huge nr_open slows
  programs that loop over all descriptors;
- fs.may_detach_mounts: RHEL 7 only;
- net.ipv4.conf.all.route_localnet: exposes services that listen only on loopback (CVE-2020-8558);
- vm.overcommit_memory, vm.panic_on_oom, kernel.panic*: the kubelet sets them;
- net.ipv6.conf.*.disable_ipv6: 0 is the default, and 1 breaks components that listen on ::1;
- fs.inotify.max_user_watches=89100: less than today's default.
"""


def kernel_modules(plan: Plan, kind: NodeKind) -> tuple[str, ...]:
    """Modules that nodes of that kind load at every boot."""
    if not hosts_kubernetes(kind):
        return ()
    ipvs = plan.spec.kubernetes.kube_proxy.mode is ProxyMode.IPVS
    return (*CONTAINER_MODULES, *(IPVS_MODULES if ipvs else ()))


def kernel_settings(plan: Plan, kind: NodeKind) -> Mapping[str, str]:
    """Settings of nodes of that kind; the spec's own settings take precedence."""
    sysctl = plan.spec.os.sysctl
    settings: dict[str, str] = {}
    if sysctl.profile is SysctlProfile.TUNED:
        settings |= TUNED_SETTINGS
    if hosts_kubernetes(kind):
        settings |= KUBERNETES_SETTINGS
        settings |= IPV6_SETTINGS if any(n.version == 6 for n in plan.networks.pods) else {}
        protected = plan.spec.kubernetes.kubelet.config.get("protectKernelDefaults")
        settings |= PROTECTED_SETTINGS if protected else {}
    return settings | {key.replace("/", "."): value for key, value in sysctl.extra.items()}
