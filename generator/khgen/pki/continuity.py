"""Continuity: whether a spec goes on with the cluster that the secrets file remembers."""

from collections.abc import Iterator
from dataclasses import replace

from khgen.pki.identity import BEFORE_BOOT
from khgen.pki.secrets import Secrets, founding_nodes, last_removal
from khgen.plan.cluster_plan import Plan
from khgen.problems import Finding, Severity
from khgen.spec.check.membership import even_members
from khgen.spec.check.rule import NODES
from khgen.spec.model import ClusterSpec, NodeRole
from khgen.spec.model.cluster import EtcdTopology


def continuity_findings(plan: Plan, secrets: Secrets) -> tuple[Finding, ...]:
    """What is wrong with who is in the spec, given who founded the cluster and who left it."""
    even = founding_findings(plan.spec) if _all_found(plan, secrets) else ()
    return (*even, *_removed_but_listed(plan, secrets), *_lost_founders(plan, secrets))


def founding_findings(spec: ClusterSpec) -> tuple[Finding, ...]:
    """An even number of etcd members, where all of them found the cluster."""
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
                " it is rendered as a new machine of that name, which joins",
                hint="take it out of the spec; for a new machine of that name:"
                f" khgen node replace SPEC {node.name}",
                severity=Severity.WARNING,
            )


def _lost_founders(plan: Plan, secrets: Secrets) -> Iterator[Finding]:
    removed = {node.name for node in secrets.removed}
    if not any(name in plan.by_name for name in secrets.founders):
        return  # Another cluster's spec, or one whose control planes were all renamed.
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
    """An error for each role that has lost all its founders, some of them without a record of it.

    Where all left on record, each replaced or removed in its turn, the cluster lives, and nodes
    that only join are right.
    """
    names = {role: {n.name for n in spec.nodes if n.role is role} for role in _founding_roles(spec)}
    founders = founding_nodes(secrets)
    gone = [name for name in founders if not any(name in nodes for nodes in names.values())]
    for role, nodes in names.items():
        if nodes and gone and nodes.isdisjoint(founders):
            yield Finding(
                path=("nodes",),
                message="nobody founds the cluster: the secrets file has the founders"
                f" {', '.join(founders)}, and none of them is a {role} node here",
                hint=f"{BEFORE_BOOT}; in a living cluster, record with khgen node remove that"
                f" {', '.join(gone)} left it",
                at_key=True,
            )


def _founding_roles(spec: ClusterSpec) -> tuple[NodeRole, ...]:
    if spec.etcd.topology is EtcdTopology.EXTERNAL:
        return (NodeRole.CONTROL_PLANE, NodeRole.ETCD)
    return (NodeRole.CONTROL_PLANE,)
