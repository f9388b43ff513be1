"""haproxy: every host that shares the VIP hands connections to an API server that is ready."""

from pathlib import PurePosixPath

from khgen.files.templates import filled
from khgen.plan.installation import balances_load
from khgen.plan.model import API_SERVER_PORT, NodeKind, Plan, host_port
from khgen.plan.node_file import NodeFile
from khgen.plan.virtual_ip import vrrp_addresses


def haproxy_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """haproxy.cfg, which khgen-vip puts into force."""
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
    # A host whose kernel has IPv6 switched off cannot bind [::], so it needs a reason.
    if any(address is not None and address.version == 6 for address in addresses):
        return f"[::]:{plan.endpoint.port} v4v6"
    return f"0.0.0.0:{plan.endpoint.port}"
