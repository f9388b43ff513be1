"""keepalived: the hosts that share the VIP agree by VRRP which one holds it."""

from functools import lru_cache
from pathlib import PurePosixPath

from khgen.files.haproxy import CHECK_HAPROXY
from khgen.files.node_file import NodeFile
from khgen.files.templates import filled
from khgen.plan.model import NodePlan, Plan
from khgen.plan.virtual_ip import HAPROXY_WEIGHT, SILENT_ADVERTS, prove, vrrp_address, vrrp_hosts
from khgen.spec.model.values import IPAddress

AUTO_INTERFACE = "auto"
INTERFACE_PLACEHOLDER = "@INTERFACE@"
"""What steps/load-balancer.sh replaces on a host that finds its interface by its address."""

_proved = lru_cache(maxsize=8)(prove)


def keepalived_files(plan: Plan, node: NodePlan, vrrp_password: str) -> tuple[NodeFile, ...]:
    """keepalived.conf of a host that shares the VIP; steps/load-balancer.sh puts it in place."""
    vip = plan.endpoint.vip
    if vip is None or node not in plan.load_balancers:
        return ()
    _proved(vrrp_hosts(plan))
    content = _keepalived_conf(plan, node, vip, vrrp_password)
    path = PurePosixPath("/etc/khgen/keepalived.conf")
    return (NodeFile(path=path, content=content, mode=0o600),)


def load_balancer_environment(plan: Plan, node: NodePlan) -> dict[str, str]:
    """What steps/load-balancer.sh wants to know of its host; empty where the step does not run."""
    if node not in plan.load_balancers:
        return {}
    return {"VIP_INTERFACE": node.interface, "VIP_SOURCE": str(vrrp_address(plan, node))}


def _keepalived_conf(plan: Plan, node: NodePlan, vip: IPAddress, vrrp_password: str) -> str:
    endpoint = plan.spec.control_plane_endpoint
    unicast = endpoint.vrrp == "unicast"
    others = tuple(peer for peer in plan.load_balancers if peer.name != node.name)
    auto = node.interface == AUTO_INTERFACE
    return filled(
        "keepalived.conf.j2",
        check=CHECK_HAPROXY,
        weight=HAPROXY_WEIGHT,
        interface=INTERFACE_PLACEHOLDER if auto else node.interface,
        router_id=endpoint.virtual_router_id,
        silent_adverts=SILENT_ADVERTS,
        source=vrrp_address(plan, node),
        peers=tuple(vrrp_address(plan, peer) for peer in others) if unicast else (),
        # VRRP version 3, which IPv6 needs, has no authentication (RFC 5798, 9).
        password=vrrp_password if vip.version == 4 else "",
        vip=_vip_line(vip),
    )


def _vip_line(vip: IPAddress) -> str:
    # A deprecated IPv6 address is not chosen as source of the host's own connections (RFC 6724, 5).
    return f"{vip}/32" if vip.version == 4 else f"{vip}/128 preferred_lft 0"
