"""Subject alternative names, exactly those that kubeadm would compute, and the spec's own.

Source: kubeadm 1.29 app/util/pkiutil/pki_helpers.go, GetAPIServerAltNames and getAltNames.
kubeadm's join verifies a supplied certificate for each of them.
"""

from ipaddress import ip_address

from khgen.plan.model import NodePlan, Plan
from khgen.spec.model.values import IPAddress

SubjectAlternativeName = str | IPAddress


def apiserver_sans(plan: Plan, node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    """Names and addresses that clients may reach this node's API server by."""
    domain = plan.spec.networking.dns_domain
    return _unique(
        node.name,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{domain}",
        *plan.networks.api_service_addresses,
        *node.addresses,
        plan.endpoint.host,
        *plan.spec.kubernetes.api_server.cert_sans,
        *node.spec.certificate_sans,
    )


def etcd_sans(node: NodePlan) -> tuple[SubjectAlternativeName, ...]:
    """Names and addresses of this node's etcd member, as server and as peer."""
    return _unique(
        node.name, "localhost", *node.addresses, "127.0.0.1", "::1", *node.spec.certificate_sans
    )


def _unique(*names: str | IPAddress) -> tuple[SubjectAlternativeName, ...]:
    return tuple(dict.fromkeys(_typed(name) for name in names))


def _typed(name: str | IPAddress) -> SubjectAlternativeName:
    try:
        return ip_address(name)
    except ValueError:
        return str(name)
