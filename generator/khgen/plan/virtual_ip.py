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

from khgen.plan.model import NodePlan, Plan
from khgen.spec.model.values import IPAddress

SILENT_ADVERTS = 2
"""So many seconds + (256 - priority) / 256 s, 2.6 s in all, a backup waits for a silent holder.

One lost advertisement does no harm: the next comes 0.6 s before that. RFC 5798 (6.1) has three,
which take the API away for up to 3.6 s. keepalived takes another number since 2.2.3.
"""

HAPROXY_WEIGHT = -50
"""What a host's priority loses while its haproxy does not answer; more than any spread."""


def vrrp_addresses(plan: Plan) -> tuple[IPAddress, ...]:
    """The addresses of the hosts that share the VIP."""
    return tuple(vrrp_address(plan, node) for node in plan.load_balancers)


def vrrp_address(plan: Plan, node: NodePlan) -> IPAddress:
    """The host's address of the VIP's family: VRRP speaks from there."""
    vip = plan.endpoint.vip
    for address in node.addresses:
        if vip is not None and address.version == vip.version:
            return address
    message = f"{node.name} has no address of the family of the virtual IP {vip}"
    raise ValueError(message)
