"""Kernel settings of the spec that something else sets again."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from khgen.problems import Finding, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

EXTRA = ("os", "sysctl", "extra")
SET_BY_KUBE_PROXY: Mapping[str, str] = MappingProxyType(
    {
        "net.netfilter.nf_conntrack_max": "maxPerCore and min",
        "net.nf_conntrack_max": "maxPerCore and min",
        "net.netfilter.nf_conntrack_tcp_timeout_established": "tcpEstablishedTimeout",
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait": "tcpCloseWaitTimeout",
    }
)
"""cmd/kube-proxy/app/conntrack.go, with the fields of KubeProxyConfiguration.conntrack.

At boot systemd-sysctl only logs that they are not there: nothing has loaded nf_conntrack yet. Later
kube-proxy loads it, and writes values of its own.
"""


def set_by_kube_proxy(spec: ClusterSpec) -> Iterator[Finding]:
    """Settings that come too early at boot, and that kube-proxy overwrites."""
    for key in spec.os.sysctl.extra:
        name = key.removeprefix("-").replace("/", ".")
        fields = next((f for n, f in SET_BY_KUBE_PROXY.items() if fnmatchcase(n, name)), None)
        if fields is not None:
            message = f"{quoted(key)} has no effect: kube-proxy sets it at its start"
            hint = f"use {fields} of kubernetes.kubeProxy.config.conntrack"
            yield Finding(path=(*EXTRA, key), message=message, hint=hint, at_key=True)


CHECKS = (Check(find=set_by_kube_proxy, reads=(EXTRA,)),)
