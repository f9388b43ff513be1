"""keepalived: the hosts that share the VIP agree by VRRP which one holds it."""

from pathlib import PurePosixPath

from khgen.files.templates import filled, verbatim
from khgen.plan.installation import balances_load
from khgen.plan.model import NodeKind, NodePlan, Plan
from khgen.plan.node_file import NodeFile
from khgen.plan.virtual_ip import HAPROXY_WEIGHT, SILENT_ADVERTS, vrrp_address, vrrp_addresses
from khgen.spec.model.values import IPAddress

AUTO_INTERFACE = "auto"
INTERFACE_PLACEHOLDER = "@INTERFACE@"
"""What khgen-vip replaces on a host that finds its interface by its address."""
SCRIPTS = PurePosixPath("/usr/libexec/keepalived")
"""The folder from which SELinux lets keepalived run scripts (keepalived_selinux(8))."""
CHECK_HAPROXY = SCRIPTS / "check-haproxy"
CHECK_VIP_HOSTS = SCRIPTS / "check-vip-hosts"
KHGEN_VIP = PurePosixPath("/usr/local/sbin/khgen-vip")
KHGEN_VIP_UNIT = PurePosixPath("/etc/systemd/system/khgen-vip.service")


VIP_SCRIPTS = tuple(
    NodeFile(path=path, content=verbatim(path.name), mode=0o755)
    for path in (KHGEN_VIP, CHECK_HAPROXY, CHECK_VIP_HOSTS)
)
"""What every host of the VIP runs."""


def vip_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """khgen-vip, and the scripts by which keepalived knows whether its host may hold the VIP."""
    if not balances_load(plan, kind):
        return ()
    if kind is NodeKind.LOAD_BALANCER:
        return (
            VIP_SCRIPTS  # It has no identity to ask the API with: its files alone say who is there.
        )
    return (*VIP_SCRIPTS, NodeFile(path=KHGEN_VIP_UNIT, content=verbatim(KHGEN_VIP_UNIT.name)))


def keepalived_files(plan: Plan, node: NodePlan, vrrp_password: str) -> tuple[NodeFile, ...]:
    """keepalived.conf of a host that shares the VIP; khgen-vip puts it into force."""
    vip = plan.endpoint.vip
    if vip is None or node not in plan.load_balancers:
        return ()
    content = _keepalived_conf(plan, node, vip, vrrp_password)
    path = PurePosixPath("/etc/khgen/keepalived.conf")
    return (NodeFile(path=path, content=content, mode=0o600),)


def load_balancer_environment(plan: Plan, node: NodePlan) -> dict[str, str]:
    """What khgen-vip wants to know of its host; empty where it is not."""
    if node not in plan.load_balancers:
        return {}
    return {
        "VIP_INTERFACE": node.interface,
        "VIP_SOURCE": str(vrrp_address(plan, node)),
        "VIP_HOSTS": " ".join(map(str, vrrp_addresses(plan))),
        "VIP_PORT": str(plan.endpoint.port),
    }


def _keepalived_conf(plan: Plan, node: NodePlan, vip: IPAddress, vrrp_password: str) -> str:
    endpoint = plan.spec.control_plane_endpoint
    unicast = endpoint.vrrp == "unicast"
    others = tuple(peer for peer in plan.load_balancers if peer.name != node.name)
    auto = node.interface == AUTO_INTERFACE
    return filled(
        "keepalived.conf.j2",
        check=CHECK_HAPROXY,
        check_vip_hosts=CHECK_VIP_HOSTS,
        weight=HAPROXY_WEIGHT,
        interface=INTERFACE_PLACEHOLDER if auto else node.interface,
        router_id=endpoint.virtual_router_id,
        silent_adverts=SILENT_ADVERTS,
        source=vrrp_address(plan, node),
        unicast=unicast,
        # keepalived takes no peers at all for multicast, and coming from there to unicast, once there
        # are peers, it would drop the VIP for three seconds. So a host alone speaks to the VIP: while
        # it holds that, nothing of it leaves the machine. (What it sends to 127.0.0.1 does: its
        # socket is bound to the interface.)
        peers=tuple(vrrp_address(plan, peer) for peer in others) or (vip,),
        # VRRP version 3, which IPv6 needs, has no authentication (RFC 5798, 9).
        password=vrrp_password if vip.version == 4 else "",
        vip=_vip_line(vip),
    )


def _vip_line(vip: IPAddress) -> str:
    # A deprecated IPv6 address is not chosen as source of the host's own connections (RFC 6724, 5).
    return f"{vip}/32" if vip.version == 4 else f"{vip}/128 preferred_lft 0"
