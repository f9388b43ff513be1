"""What a render says about a spec that does not go on with the cluster that was recorded."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest

from khgen.pki.continuity import continuity_findings, founding_findings
from khgen.pki.identity import BEFORE_BOOT
from khgen.pki.secrets import Secrets, with_removed, with_replaced
from khgen.plan.cluster_plan import build_plan
from khgen.problems import Finding, Problems, Severity
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec, NodeRole
from support.command import SMALL_SPEC
from support.fixed import FIXED_NOW, fixed_secrets
from support.topologies import cluster

EXTERNAL = {"topology": "external"}
FOUNDED = fixed_secrets(cluster({"cp": 3, "w": 1}))
FOUNDED_OUTSIDE = fixed_secrets(cluster({"etcd": 3, "cp": 2}, etcd=EXTERNAL))


def without(spec: ClusterSpec, *names: str) -> ClusterSpec:
    nodes = tuple(node for node in spec.nodes if node.name not in names)
    return spec.model_copy(update={"nodes": nodes})


def findings(spec: ClusterSpec, secrets: Secrets) -> tuple[Finding, ...]:
    plan = build_plan(spec, secrets.founders, secrets.replaced, secrets.removed)
    return continuity_findings(plan, secrets)


def removed(secrets: Secrets, *names: str, role: NodeRole = NodeRole.CONTROL_PLANE) -> Secrets:
    for number, name in enumerate(names):
        address = ip_address(f"10.1.0.{number + 100}")
        secrets = with_removed(secrets, name, role, address, FIXED_NOW)
    return secrets


def messages(found: Sequence[Finding], severity: Severity) -> list[str]:
    return [finding.message for finding in found if finding.severity is severity]


@pytest.mark.parametrize(
    ("counts", "fields"), [({"cp": 2}, {}), ({"etcd": 4, "cp": 1}, {"etcd": EXTERNAL})]
)
def test_an_even_number_of_founders_is_an_error(
    counts: dict[str, int], fields: dict[str, object]
) -> None:
    spec = cluster(counts, **fields)
    (finding,) = founding_findings(spec)
    assert findings(spec, fixed_secrets(spec)) == (finding,)
    members = next(iter(counts.values()))
    assert finding.severity is Severity.ERROR
    assert finding.message.startswith(f"{members} etcd members (")
    assert finding.hint == f"use {members - 1} or {members + 1}"


def test_three_that_grow_to_five_pass_by_four() -> None:
    assert findings(cluster({"cp": 4, "w": 1}), FOUNDED) == ()
    grown = cluster({"etcd": 4, "cp": 2}, etcd=EXTERNAL)
    assert findings(grown, FOUNDED_OUTSIDE) == ()


def test_two_of_which_one_was_replaced_are_a_living_cluster() -> None:
    spec = cluster({"cp": 2})
    assert messages(findings(spec, fixed_secrets(spec)), Severity.ERROR)
    replaced = with_replaced(fixed_secrets(spec), "cp2", FIXED_NOW)
    assert findings(spec, replaced) == ()


def test_two_are_left_for_a_while_when_one_of_three_is_removed() -> None:
    spec = without(cluster({"cp": 3, "w": 1}), "cp2")
    assert findings(spec, removed(FOUNDED, "cp2")) == ()
    # Without the record nobody knows that the cluster lives.
    found = findings(spec, FOUNDED)
    assert messages(found, Severity.ERROR)
    assert messages(found, Severity.WARNING)


def test_a_removed_worker_makes_no_cluster_a_grown_one() -> None:
    spec = cluster({"cp": 2, "w": 1})
    secrets = removed(fixed_secrets(spec), "w9", role=NodeRole.WORKER)
    assert messages(findings(spec, secrets), Severity.ERROR)


def test_an_error_takes_the_place_of_the_spec_s_own_warning() -> None:
    text = SMALL_SPEC.replace("  - {name: cp3, role: control-plane, address: 10.9.0.13}\n", "")
    loaded = load_spec(text, "cluster.yaml")
    assert loaded.spec is not None
    (warning,) = loaded.problems
    assert warning.severity is Severity.WARNING
    assert warning.hint.startswith("use 1 or 3; ignore this while the cluster grows")
    errors = [loaded.problem(finding) for finding in founding_findings(loaded.spec)]
    for both in ((warning, *errors), (*errors, warning)):
        assert list(Problems.of(both)) == errors


def test_a_removed_node_that_the_spec_still_lists_is_warned_of() -> None:
    spec = cluster({"cp": 3, "w": 1})
    (finding,) = findings(spec, removed(FOUNDED, "cp2"))
    assert finding.severity is Severity.WARNING
    assert finding.path == ("nodes", 1, "name")
    assert finding.message == (
        "'cp2' was removed on 2026-01-01: this render makes a new machine of that name, which joins"
    )
    assert "remove it from the spec" in finding.hint
    assert "khgen node replace SPEC cp2" in finding.hint


def test_a_name_that_a_new_machine_was_given_is_not_warned_of_until_it_is_removed_again() -> None:
    spec = cluster({"cp": 3, "w": 1})
    again = with_replaced(removed(FOUNDED, "cp2"), "cp2", FIXED_NOW)
    assert findings(spec, again) == ()
    assert len(findings(spec, removed(again, "cp2"))) == 1


def test_a_founder_that_vanished_is_warned_of_with_the_command() -> None:
    spec = without(cluster({"cp": 4, "w": 1}), "cp2")
    (finding,) = findings(spec, FOUNDED)
    assert finding.severity is Severity.WARNING
    assert finding.message == (
        "'cp2' founded the cluster, but the spec does not list it:"
        " its etcd member and Node stay until they are removed"
    )
    command = "khgen node remove SPEC cp2 --role control-plane --address ADDRESS"
    assert finding.hint == f"list it, or {command}; {BEFORE_BOOT}"
    assert findings(spec, removed(FOUNDED, "cp2")) == ()
    # Another machine in its place does not take the member away either.
    assert findings(spec, with_replaced(FOUNDED, "cp2", FIXED_NOW)) == (finding,)


def test_with_external_etcd_a_vanished_founder_may_have_either_role() -> None:
    spec = without(cluster({"etcd": 4, "cp": 2}, etcd=EXTERNAL), "etcd2")
    (finding,) = findings(spec, FOUNDED_OUTSIDE)
    assert "its etcd member or Node stay" in finding.message
    assert "khgen node remove SPEC etcd2 --role ROLE --address ADDRESS;" in finding.hint


def test_of_a_spec_without_any_founder_nothing_is_said_of_each() -> None:
    spec = without(cluster({"cp": 6}), "cp1", "cp2", "cp3")
    assert findings(spec, FOUNDED) == ()


def test_findings_about_nodes_are_at_their_place() -> None:
    spec = without(cluster({"cp": 4, "w": 1}), "cp2")
    (finding,) = findings(spec, FOUNDED)
    assert (finding.path, finding.at_key) == (("nodes",), True)
    (error,) = founding_findings(cluster({"cp": 2}))
    assert error.severity is Severity.ERROR
    assert error.hint == "use 1 or 3"
