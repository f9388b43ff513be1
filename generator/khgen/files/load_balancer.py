"""Who may hold the virtual IP: VRRP's constants, and the hosts that share the address.

All hosts have the same priority, and keepalived may preempt. Tried on keepalived 2.2.7 and 2.3.3:

- a host of equal priority does not preempt, so the VIP stays where it is when a host comes (back);
- when the holder's haproxy dies, its priority drops below the others' and one of them takes over;
- when every haproxy is dead, all drop alike, and there is still exactly one holder.

What else was tried: with `nopreempt` a backup never takes over from a master that still advertises,
however low its priority (so weights do nothing); a check of haproxy without weight (FAULT) leaves no
holder when all haproxies are dead; different priorities move the VIP back each time a host returns.

A cluster grows, so hosts with files of two generations are up at once. An older host does not speak
to a newer one, which would take it for gone: two hold the VIP. So a host may hold it only while each
other host that it knows, and that answers, knows it too (check-vip-hosts, asked of the other's
haproxy). Control planes learn of later ones from the API (khgen-vip); load balancers from new files.
Keepalived changes its peers on reload without giving the VIP up, but not from multicast to unicast:
a host alone is unicast too, with the VIP as its peer. tests/plan/test_virtual_ip.py has the proof, over both generations.
"""

from pathlib import PurePosixPath

from khgen.plan.cluster_plan import API_SERVER_PORT, NodeFile, NodeKind, NodePlan, Plan, host_port
from khgen.plan.installation import balances_load
from khgen.resources import filled, verbatim
from khgen.spec.model.values import IPAddress

SILENT_ADVERTS = 2
"""So many seconds + (256 - priority) / 256 s, 2.6 s in all, a backup waits for a silent holder.

One lost advertisement does no harm: the next comes 0.6 s before that. RFC 5798 (6.1) has three,
which take the API away for up to 3.6 s. keepalived takes another number since 2.2.3.
"""

HAPROXY_WEIGHT = -50
"""A host's priority is lower by this while its haproxy does not answer; more than any spread."""
AUTO_INTERFACE = "auto"
INTERFACE_PLACEHOLDER = "@INTERFACE@"
"""khgen-vip replaces it on a host that finds its interface by its address."""
SCRIPTS = PurePosixPath("/usr/libexec/keepalived")
"""SELinux lets keepalived run scripts from this folder (keepalived_selinux(8))."""
CHECK_HAPROXY = SCRIPTS / "check-haproxy"
CHECK_VIP_HOSTS = SCRIPTS / "check-vip-hosts"
KHGEN_VIP = PurePosixPath("/usr/local/sbin/khgen-vip")
KHGEN_VIP_UNIT = PurePosixPath("/etc/systemd/system/khgen-vip.service")
VIP_SCRIPTS = tuple(
    NodeFile(path=path, content=verbatim(path.name), mode=0o755)
    for path in (KHGEN_VIP, CHECK_HAPROXY, CHECK_VIP_HOSTS)
)
"""The programs and units of every host of the VIP."""


def vrrp_addresses(plan: Plan) -> tuple[IPAddress, ...]:
    """The addresses of the hosts that share the VIP."""
    return tuple(vrrp_address(plan, node) for node in plan.load_balancers)


def vrrp_address(plan: Plan, node: NodePlan) -> IPAddress:
    """The host's address of the VIP's family, which is the source of its VRRP packets."""
    vip = plan.endpoint.vip
    for address in node.addresses:
        if vip is not None and address.version == vip.version:
            return address
    message = f"{node.name} has no address of the family of the virtual IP {vip}"
    raise ValueError(message)


def vip_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """khgen-vip, and the scripts by which keepalived checks that its host may hold the VIP."""
    if not balances_load(plan, kind):
        return ()
    if kind is NodeKind.LOAD_BALANCER:
        # Without an identity it cannot ask the API: only its files list the control planes.
        return VIP_SCRIPTS
    return (*VIP_SCRIPTS, NodeFile(path=KHGEN_VIP_UNIT, content=verbatim(KHGEN_VIP_UNIT.name)))


def keepalived_files(plan: Plan, node: NodePlan, vrrp_password: str) -> tuple[NodeFile, ...]:
    """keepalived.conf of a host that shares the VIP; khgen-vip applies it."""
    vip = plan.endpoint.vip
    if vip is None or node not in plan.load_balancers:
        return ()
    content = _keepalived_conf(plan, node, vip, vrrp_password)
    path = PurePosixPath("/etc/khgen/keepalived.conf")
    return (NodeFile(path=path, content=content, mode=0o600),)


def load_balancer_environment(plan: Plan, node: NodePlan) -> dict[str, str]:
    """The values that khgen-vip reads; empty for a node without it."""
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
        # Without peers keepalived uses multicast. A later change to unicast, when there are peers,
        # would drop the VIP for three seconds. So a host that is alone sends to the VIP: while it
        # holds the VIP, no packet leaves the machine. (Packets to 127.0.0.1 do leave it, because
        # the socket is bound to the interface.)
        peers=tuple(vrrp_address(plan, peer) for peer in others) or (vip,),
        # VRRP version 3, which IPv6 needs, has no authentication (RFC 5798, 9).
        password=vrrp_password if vip.version == 4 else "",
        vip=_vip_line(vip),
    )


def _vip_line(vip: IPAddress) -> str:
    # A deprecated IPv6 address is not chosen as source of the host's own connections (RFC 6724, 5).
    return f"{vip}/32" if vip.version == 4 else f"{vip}/128 preferred_lft 0"


def haproxy_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """haproxy.cfg, which khgen-vip applies."""
    if not balances_load(plan, kind):
        return ()
    return (NodeFile(path=PurePosixPath("/etc/khgen/haproxy.cfg"), content=_haproxy_cfg(plan)),)


def _haproxy_cfg(plan: Plan) -> str:
    return filled(
        "haproxy.cfg.j2",
        bind=_bind(plan),
        api_servers=tuple(
            (node.name, host_port(node.address, API_SERVER_PORT)) for node in plan.control_planes
        ),
        vip_hosts=vrrp_addresses(plan),
    )


def _bind(plan: Plan) -> str:
    addresses = {plan.endpoint.vip, *(a for node in plan.load_balancers for a in node.addresses)}
    # A host whose kernel has IPv6 disabled cannot bind [::], so it is bound only where it is needed.
    if any(address is not None and address.version == 6 for address in addresses):
        return f"[::]:{plan.endpoint.port} v4v6"
    return f"0.0.0.0:{plan.endpoint.port}"
