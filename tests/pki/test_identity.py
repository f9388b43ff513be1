"""What a running cluster cannot change: the table, the secrets file's record, and specs that contradict it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from ipaddress import ip_address
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from khgen.facts.version import KubernetesVersion
from khgen.pki.continuity import founder_findings
from khgen.pki.identity import FACTS, contradictions, identity_of, may_follow, version_findings
from khgen.pki.secrets import (
    EVERYONE,
    Secrets,
    generation,
    incarnation,
    is_recorded,
    issue_date,
    only_extends,
    only_refounds,
    plan_with,
    recorded,
    refounded,
    renewed,
    with_removed,
    with_replaced,
)
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import NodeKind
from khgen.problems import Severity
from khgen.spec.model import ClusterSpec, NodeRole
from support.fixed import FIXED_NOW, fixed_secrets
from support.rendering import ROOT, spec_of
from support.sealing import sealed
from support.spec_strategy import SpecData, spec_data, spec_text
from support.spec_texts import loaded
from support.topologies import TOPOLOGIES, cluster, topology

SPEC = topology("stacked")
OTHERS: Mapping[str, Mapping[str, object]] = {
    "podSubnet": {"networking.podSubnet": "10.245.0.0/16"},
    "serviceSubnet": {"networking.serviceSubnet": "10.97.0.0/16"},
    "dnsDomain": {"networking.dnsDomain": "example.internal"},
    "endpoint": {"controlPlaneEndpoint.port": 9443},
    "etcdTopology": {
        "etcd.topology": "external",
        "nodes.4": {"name": "e1", "role": "etcd", "address": "192.168.10.31"},
    },
    "etcdDataDir": {"etcd.dataDir": "/data/etcd"},
    "algorithm": {"pki.algorithm": "ECDSA-P384"},
    "clusterName": {"kubernetes.clusterName": "prod"},
    "encryptionAtRest": {"kubernetes.encryptionAtRest": True},
}
"""A change of each fact, to the sound spec of support.spec_texts."""


def of(changes: Mapping[str, object]) -> ClusterSpec:
    found = loaded(dict(changes))
    assert found.spec is not None, found.problems
    return found.spec


def decoded(text: str) -> Secrets:
    secrets, problems = decode_secrets(text, "s.yaml", now=FIXED_NOW)
    assert secrets is not None, problems
    return secrets


def without_record(text: str) -> str:
    """A secrets file as it was before there was a record."""
    document = yaml.safe_load(text)
    for key in ("identity", "kubernetes", "refounded"):
        del document[key]
    return sealed(document)


def test_every_fact_has_a_change_and_a_name_of_its_own() -> None:
    assert [fact.key for fact in FACTS] == list(OTHERS)


def test_the_security_page_has_every_fact() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `identity\.(\w+)` \| `([\w.]+)`", page, re.MULTILINE)
    assert rows == [(fact.key, ".".join(map(str, fact.path))) for fact in FACTS]


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_identity_of_a_spec_is_that_of_the_table(name: str) -> None:
    spec = topology(name)
    identity = identity_of(spec)
    assert list(identity) == [fact.key for fact in FACTS]
    assert not list(contradictions(spec, identity))


@pytest.mark.parametrize("key", OTHERS)
def test_a_contradiction_has_both_values_and_the_place(key: str) -> None:
    before = identity_of(of({}))
    found = loaded(dict(OTHERS[key]))
    assert found.spec is not None
    (finding,) = contradictions(found.spec, before)
    fact = next(fact for fact in FACTS if fact.key == key)
    wanted = identity_of(found.spec)[key]
    assert finding.message == f"{fact.what} is {wanted} here, but {before[key]} in the secrets file"
    assert finding.severity is Severity.ERROR
    assert finding.hint.endswith("if no machine has booted yet: khgen secrets refound SPEC")
    place = found.problem(finding).place
    line = found.places.text.splitlines()[place.line - 1]
    assert line[place.column - 1 :].startswith(f"{fact.path[-1]}:" if fact.has_parts else wanted)


@pytest.mark.parametrize("key", [key for key in OTHERS if key != "endpoint"])
def test_a_key_that_was_deleted_points_at_what_held_it(key: str) -> None:
    found = loaded({})
    assert found.spec is not None
    (finding,) = contradictions(found.spec, {**identity_of(of(OTHERS[key]))})
    place = found.problem(finding).place
    assert (place.path, place.line, place.column) == (".".join(map(str, finding.path)), 1, 1)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("podSubnet", "10.244.0.0/16", "10.244.0.0/16 "),
        ("podSubnet", "10.244.0.0/16,FD00:10:244::/56", "10.244.0.0/16, fd00:10:244:0::/56"),
        ("endpoint", "[FD00::1]:6443", "[fd00:0::1]:6443"),
        ("endpoint", "API.example.net:6443", "api.example.net:6443"),
        ("etcdDataDir", "/var/lib/etcd/", "/var/lib//etcd"),
    ],
)
def test_two_ways_to_write_one_value_are_no_contradiction(key: str, one: str, other: str) -> None:
    fact = next(fact for fact in FACTS if fact.key == key)
    assert fact.meaning(one) == fact.meaning(other)


def test_the_order_of_families_is_part_of_the_network() -> None:
    (fact,) = (fact for fact in FACTS if fact.key == "podSubnet")
    one, other = "10.244.0.0/16,fd00:10:244::/56", "fd00:10:244::/56,10.244.0.0/16"
    assert fact.meaning(one) != fact.meaning(other)


def test_all_contradictions_come_at_once() -> None:
    before = identity_of(of({}))
    changes: dict[str, object] = {}
    for change in OTHERS.values():
        changes |= change
    assert len(list(contradictions(of(changes), before))) == len(FACTS)


VERSIONS = [
    ("1.29.6", "1.29.6", None, ""),
    ("1.29.6", "1.29.7", Severity.WARNING, "running machines change by their next update"),
    ("1.29.6", "1.29.0", Severity.WARNING, "machines that join from now on get 1.29.0"),
    ("1.29.6", "1.30.0", Severity.WARNING, "running machines change by their next update"),
    ("1.29.6", "1.31.1", Severity.ERROR, "is more than one minor above 1.29.6"),
    ("1.29.6", "1.34.0", Severity.ERROR, "is more than one minor above 1.29.6"),
    ("1.30.2", "1.29.6", Severity.ERROR, "is below 1.30.2"),
]


@pytest.mark.parametrize(("last", "wanted", "severity", "words"), VERSIONS)
def test_another_version(last: str, wanted: str, severity: Severity | None, words: str) -> None:
    spec = of({"kubernetes.version": wanted})
    findings = list(version_findings(spec, KubernetesVersion.parse(last)))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    for finding in findings:
        assert words in finding.message
        assert finding.path == ("kubernetes", "version")
        if severity is Severity.WARNING:
            assert "khgen upgrade plan SPEC" in finding.hint
            assert "kubectl apply -f update.yaml" in finding.hint


def test_the_next_major_does_not_follow() -> None:
    one, two = KubernetesVersion((1, 36, 0)), KubernetesVersion((2, 36, 0))
    assert not may_follow(two, one)
    assert not may_follow(one, two)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec_data())
def test_the_record_comes_back_as_it_was_written(data: SpecData) -> None:
    spec = spec_of(spec_text(data))
    secrets = fixed_secrets(spec)
    again = decoded(encode_secrets(secrets))
    assert again.identity == secrets.identity == identity_of(spec)
    assert str(again.kubernetes) == spec.kubernetes.version
    assert again.refounded == 0
    assert not list(contradictions(spec, again.identity))
    assert is_recorded(again, spec)
    assert decoded(encode_secrets(refounded(again, spec))).refounded == 1


def test_a_file_from_before_there_was_a_record_is_extended() -> None:
    old = decoded(without_record(encode_secrets(fixed_secrets(SPEC))))
    assert (dict(old.identity), old.kubernetes, old.refounded) == ({}, None, 0)
    assert not list(contradictions(SPEC, old.identity))
    assert not list(version_findings(SPEC, old.kubernetes))
    assert not is_recorded(old, SPEC)
    new = recorded(old, SPEC)
    assert only_extends(new, old)
    assert is_recorded(new, SPEC)
    assert encode_secrets(new) == encode_secrets(fixed_secrets(SPEC))


def test_a_record_with_only_some_facts_gets_the_others() -> None:
    secrets = fixed_secrets(SPEC)
    document = yaml.safe_load(encode_secrets(secrets))
    del document["identity"]["encryptionAtRest"]
    old = decoded(sealed(document))
    assert not is_recorded(old, SPEC)
    assert only_extends(recorded(old, SPEC), old)
    assert recorded(old, SPEC).identity == secrets.identity


def test_a_record_only_grows() -> None:
    secrets = fixed_secrets(SPEC)
    moved = recorded(secrets, cluster({"cp": 3}, networking={"podSubnet": "10.9.0.0/16"}))
    assert moved.identity == secrets.identity, "what is recorded stays"
    for version, follows in (("1.30.0", True), ("1.29.1", True), ("1.31.0", False)):
        spec = cluster({"cp": 3}, kubernetes={"version": version})
        after = recorded(secrets, spec)
        assert (str(after.kubernetes) == version) is follows
        assert only_extends(after, secrets)
    assert not only_extends(decoded(without_record(encode_secrets(secrets))), secrets)
    later = recorded(secrets, cluster({"cp": 3}, kubernetes={"version": "1.30.0"}))
    assert not only_extends(secrets, later)


def test_refounding_keeps_the_keys_and_nothing_of_the_record() -> None:
    renamed = cluster({"etcd": 3, "cp": 1}, etcd={"topology": "external"})
    old = with_replaced(fixed_secrets(SPEC), "cp2", FIXED_NOW)
    left = SPEC.nodes[0]
    old = with_removed(old, left.name, left.role, left.address, FIXED_NOW)
    new = refounded(old, renamed)
    assert only_refounds(new, old)
    assert not only_extends(new, old)
    assert not only_refounds(old, old)
    assert not only_refounds(refounded(fixed_secrets(topology("p384")), renamed), old)
    assert new.founders == ("etcd1", "etcd2", "etcd3", "cp1")
    assert (new.replaced, new.removed) == ((), ())
    assert new.identity == identity_of(renamed)
    assert new.seed == old.seed
    assert new.authorities == old.authorities


def test_refounding_changes_every_instance_each_time() -> None:
    secrets = fixed_secrets(SPEC)
    lives = [secrets, with_replaced(secrets, "cp1", FIXED_NOW)]
    lives += [refounded(lives[-1], SPEC)]
    lives += [with_replaced(lives[-1], "cp1", FIXED_NOW), refounded(lives[-1], SPEC)]
    assert len({incarnation(life, "cp1") for life in lives}) == len(lives)


def test_nobody_founds_a_cluster_whose_founders_were_renamed() -> None:
    renamed = cluster({"w": 1, "cp": 3})
    renamed = renamed.model_copy(
        update={
            "nodes": tuple(
                n.model_copy(update={"name": n.name.replace("cp", "mn")}) for n in renamed.nodes
            )
        }
    )
    (finding,) = founder_findings(renamed, fixed_secrets(SPEC))
    assert finding.message == (
        "the cluster has no founder: the secrets file lists cp1, cp2, cp3, and none of"
        " them is a control-plane node here"
    )
    assert finding.hint == (
        "if no machine has booted yet: khgen secrets refound SPEC; if the cluster runs, record with"
        " khgen node remove that cp1, cp2, cp3 left it"
    )
    assert (finding.path, finding.at_key) == (("nodes",), True)
    assert finding.severity is Severity.ERROR


def replaced(secrets: Secrets, *names: str) -> Secrets:
    for name in names:
        secrets = with_replaced(secrets, name, FIXED_NOW)
    return secrets


EXTERNAL = topology("external-etcd")
FOUNDING = [
    ("one founder is left", SPEC, ("cp1", "w1"), (), 0),
    ("every founder was replaced", SPEC, ("cp1", "cp2", "cp3"), ("cp1", "cp2", "cp3"), 0),
    ("the others left after they were replaced", SPEC, ("cp4",), ("cp1", "cp2", "cp3"), 0),
    ("one of them left without a record", SPEC, ("cp2",), ("cp2", "cp3"), 1),
    ("a founder is a worker now", SPEC, ("cp4",), (), 1),
    ("no etcd host is left", EXTERNAL, ("cp1", "etcd4"), (), 1),
    ("no control plane is left", EXTERNAL, ("cp4", "etcd1"), (), 1),
    ("nobody is left", EXTERNAL, ("cp4", "etcd4"), (), 2),
    ("control planes were replaced", EXTERNAL, ("cp1", "etcd1", "etcd2", "etcd3"),
     ("cp1", "cp2", "cp3"), 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "names", "gone", "errors"),
    [case[1:] for case in FOUNDING],
    ids=[c[0] for c in FOUNDING],
)
def test_who_is_left_to_found(
    spec: ClusterSpec, names: tuple[str, ...], gone: tuple[str, ...], errors: int
) -> None:
    secrets = replaced(fixed_secrets(spec), *gone)
    grown = {"cp": 4, "w": 1} if spec is SPEC else {"cp": 4, "etcd": 4}
    fields = {} if spec is SPEC else {"etcd": {"topology": "external"}}
    nodes = tuple(node for node in cluster(grown, **fields).nodes if node.name in names)
    now = spec.model_copy(update={"nodes": nodes})
    assert len(list(founder_findings(now, secrets))) == errors


def test_certificates_renewed_keep_the_record() -> None:
    secrets = fixed_secrets(SPEC)
    assert renewed(secrets, ("cp1",), FIXED_NOW).identity == secrets.identity


def test_a_version_that_cannot_follow_has_a_hint_that_says_why() -> None:
    boot = "if no machine has booted yet: khgen secrets refound SPEC"
    for last, wanted, message, hint in (
        ("1.30.2", "1.29.6", "Kubernetes 1.29.6 is below 1.30.2, the last rendered version",
         "a control plane cannot return to an older minor"),
        ("1.29.6", "1.31.1",
         "Kubernetes 1.31.1 is more than one minor above 1.29.6, the last rendered version",
         "kubeadm upgrades one minor at a time: khgen upgrade plan SPEC shows the way"),
    ):  # fmt: skip
        (finding,) = version_findings(
            of({"kubernetes.version": wanted}), KubernetesVersion.parse(last)
        )
        assert (finding.message, finding.hint) == (message, f"{hint}; {boot}")


ADDRESS = ip_address("10.2.0.9")
LATER = FIXED_NOW + timedelta(days=9)


def longer(secrets: Secrets) -> Secrets:
    """The secrets with something of every kind."""
    more = with_removed(secrets, "w2", NodeRole.WORKER, ADDRESS, FIXED_NOW)
    return renewed(with_replaced(more, "cp2", FIXED_NOW), (EVERYONE,), LATER)


LOSSES: tuple[dict[str, object], ...] = (
    {"founders": ("cp1", "cp2")},
    {"founders": ("cp2", "cp1", "cp3")},
    {"replaced": ("w2",)},
    {"replaced": ("cp2", "w2")},
    {"removed": ()},
    {"identity": {}},
    {"kubernetes": None},
    {"refounded": 1},
    {"generations": {"w2": 1, "cp2": 1}},
    {"generations": {EVERYONE: 0, "w2": 1, "cp2": 1}},
    {"renewed_at": {EVERYONE: FIXED_NOW, "w2": FIXED_NOW, "cp2": FIXED_NOW}},
    {"renewed_at": {"w2": FIXED_NOW, "cp2": FIXED_NOW}},
    {"cluster": "other"},
    {"issued_at": LATER},
    {"seed": b"0" * 32},
    {"vrrp_password": "12345678"},
    {"encryption_key": b"0" * 32},
    {"service_account": fixed_secrets(topology("p384")).service_account},
    {"authorities": fixed_secrets(topology("p384")).authorities},
)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{next(iter(loss))}")
def test_secrets_that_lose_something_are_no_extension(loss: dict[str, Any]) -> None:
    first = fixed_secrets(SPEC)
    full = longer(first)
    assert only_extends(full, first)
    assert only_extends(full, full)
    assert not only_extends(replace(full, **loss), full)
    again = refounded(full, SPEC)
    of_keys = not {"founders", "replaced", "removed", "identity", "kubernetes", "refounded"} & set(
        loss
    )
    assert only_refounds(replace(again, **loss), full) is (not of_keys)


def test_a_renewal_counts_for_its_scope_from_its_date() -> None:
    secrets = fixed_secrets(SPEC)
    assert (generation(secrets, "w1"), issue_date(secrets, "w1")) == ("0.0", FIXED_NOW)
    own = renewed(secrets, ("w1", "cp1"), LATER)
    assert (generation(own, "w1"), issue_date(own, "w1")) == ("0.1", LATER)
    assert (generation(own, "w2"), issue_date(own, "w2")) == ("0.0", FIXED_NOW)
    local = (LATER + timedelta(microseconds=5)).astimezone(timezone(timedelta(hours=8)))
    every = renewed(own, (EVERYONE,), local)
    assert (generation(every, "w1"), generation(every, "w2")) == ("1.1", "1.0")
    assert every.renewed_at[EVERYONE] == LATER
    assert every.renewed_at[EVERYONE].tzinfo is UTC
    twice = renewed(every, ("w1",), FIXED_NOW)
    assert (generation(twice, "w1"), issue_date(twice, "w1")) == ("1.2", LATER)
    ahead = renewed(fixed_secrets(SPEC), ("w1",), FIXED_NOW - timedelta(days=9))
    assert issue_date(ahead, "w1") == FIXED_NOW - timedelta(days=9)


def test_a_life_of_a_machine_is_named_by_its_founding_and_replacements() -> None:
    date = "2026-01-01T00:00:00+00:00"
    secrets = fixed_secrets(SPEC)
    assert incarnation(secrets, "cp1") == date
    gone = with_replaced(with_replaced(secrets, "cp1", LATER), "cp1", LATER)
    assert (incarnation(gone, "cp1"), incarnation(gone, "cp2")) == (f"{date}/2", date)
    again = with_replaced(refounded(gone, SPEC), "w1", LATER)
    assert (incarnation(again, "cp1"), incarnation(again, "w1")) == (f"{date}#1", f"{date}#1/1")


def test_the_plan_has_what_the_secrets_record() -> None:
    full = longer(fixed_secrets(cluster({"cp": 3, "w": 3})))
    plan = plan_with(SPEC, full)
    assert plan.by_name["cp2"].kind is NodeKind.CONTROL_PLANE_JOINER
    assert plan.by_name["cp1"].kind is NodeKind.FOUNDER
    assert plan.removed == full.removed
    (left,) = full.removed
    assert (left.name, left.role, left.address) == ("w2", NodeRole.WORKER, ADDRESS)
    assert (left.removed_at, left.machines) == (FIXED_NOW, 1)


def test_no_key_is_in_the_text_of_secrets() -> None:
    assert repr(fixed_secrets(SPEC)) == "Secrets(cluster='tested')"
