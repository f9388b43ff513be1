"""Continuity: whether a spec continues the cluster that the secrets file records."""

from collections.abc import Iterator
from dataclasses import replace

from khgen.pki.identity import BEFORE_BOOT
from khgen.pki.secrets import Secrets, founding_nodes, last_removal
from khgen.plan.cluster_plan import Plan
from khgen.problems import Finding, Severity
from khgen.spec.check import NODES
from khgen.spec.check.membership import even_members
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology


def continuity_findings(plan: Plan, secrets: Secrets) -> tuple[Finding, ...]:
    """Errors and warnings for the nodes of a spec, given the recorded founders and removals."""
    even = founding_findings(plan.spec) if _all_found(plan, secrets) else ()
    return (*even, *_removed_but_listed(plan, secrets), *_lost_founders(plan, secrets))


def founding_findings(spec: ClusterSpec) -> tuple[Finding, ...]:
    """An error for an even number of etcd members if all of them are founders."""
    return tuple(
        replace(finding, severity=Severity.ERROR, hint=finding.hint.partition(";")[0])
        for finding in even_members(spec)
    )


def _all_found(plan: Plan, secrets: Secrets) -> bool:
    living = founding_nodes(secrets)
    role = NodeRole.CONTROL_PLANE if plan.stacked else NodeRole.ETCD
    return all(member.name in living for member in plan.etcd_members) and not any(
        node.role is role for node in secrets.removed
    )


def _removed_but_listed(plan: Plan, secrets: Secrets) -> Iterator[Finding]:
    for index, node in enumerate(plan.nodes):
        removal = last_removal(secrets, node.name)
        if removal is not None:
            yield Finding(
                path=("nodes", index, "name"),
                message=f"'{node.name}' was removed on {removal.removed_at:%Y-%m-%d}:"
                " this render makes a new machine of that name, which joins",
                hint="remove it from the spec; for a new machine of that name:"
                f" khgen node replace SPEC {node.name}",
                severity=Severity.WARNING,
            )


def _lost_founders(plan: Plan, secrets: Secrets) -> Iterator[Finding]:
    removed = {node.name for node in secrets.removed}
    if not any(name in plan.by_name for name in secrets.founders):
        return  # founder_findings reports a spec without any founder.
    trace = "etcd member and Node" if plan.stacked else "etcd member or Node"
    role = f" --role {NodeRole.CONTROL_PLANE}" if plan.stacked else " --role ROLE"
    for name in secrets.founders:
        if name not in plan.by_name and name not in removed:
            yield Finding(
                path=NODES,
                message=f"'{name}' founded the cluster, but the spec does not list it:"
                f" its {trace} stay until they are removed",
                hint=f"list it, or khgen node remove SPEC {name}{role} --address ADDRESS;"
                f" {BEFORE_BOOT}",
                severity=Severity.WARNING,
                at_key=True,
            )


def founder_findings(spec: ClusterSpec, secrets: Secrets) -> Iterator[Finding]:
    """An error for each role without founders in the spec, if the secrets do not record why.

    If each founder was replaced or removed on record, the cluster runs, and it is right that all
    nodes join.
    """
    names = {role: {n.name for n in spec.nodes if n.role is role} for role in _founding_roles(spec)}
    founders = founding_nodes(secrets)
    gone = [name for name in founders if not any(name in nodes for nodes in names.values())]
    for role, nodes in names.items():
        if nodes and gone and nodes.isdisjoint(founders):
            yield Finding(
                path=("nodes",),
                message="the cluster has no founder: the secrets file lists"
                f" {', '.join(founders)}, and none of them is a {role} node here",
                hint=f"{BEFORE_BOOT}; if the cluster runs, record with khgen node remove that"
                f" {', '.join(gone)} left it",
                at_key=True,
            )


def _founding_roles(spec: ClusterSpec) -> tuple[NodeRole, ...]:
    if spec.etcd.topology is EtcdTopology.EXTERNAL:
        return (NodeRole.CONTROL_PLANE, NodeRole.ETCD)
    return (NodeRole.CONTROL_PLANE,)
