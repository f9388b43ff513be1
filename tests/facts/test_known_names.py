"""The tables of names: each minor adds only what was missing, and removes only what was there."""

import pytest

from khgen.facts.component_flags import FLAGS
from khgen.facts.feature_gates import GATES, KUBEADM_GATES, LOCKED, locked_value
from khgen.facts.known_names import KnownNames
from khgen.facts.kubernetes import SUPPORTED_MINORS

TABLES = {**FLAGS, "gates": GATES, "kubeadm's gates": KUBEADM_GATES}
FIRST = SUPPORTED_MINORS[0]
LOCKS = [
    (gate, minor, value)
    for minor, locked in LOCKED.items()
    for value, gates in ((True, locked.on), (False, locked.off))
    for gate in gates.split()
]


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())
def test_changes_follow_the_minors_and_change_something(table: KnownNames) -> None:
    minors = list(table.later)
    assert minors == [minor for minor in SUPPORTED_MINORS[1:] if minor in minors]
    before = table.of(FIRST)
    assert len(before) == len(table.first.split()), "a name stands twice"
    for minor, change in table.later.items():
        added, removed = set(change.added.split()), set(change.removed.split())
        assert added | removed
        assert removed <= before
        assert not added & before
        before = table.of(minor)
        assert added <= before
        assert not removed & before


def test_a_minor_knows_what_the_one_before_it_knows_if_nothing_changed() -> None:
    assert KUBEADM_GATES.of("1.34") == KUBEADM_GATES.of("1.33")
    assert KUBEADM_GATES.removed_in("EtcdLearnerMode") == "1.33"
    assert KUBEADM_GATES.added_in("NodeLocalCRISocket") == "1.32"
    assert KUBEADM_GATES.added_in("EtcdLearnerMode") is None


@pytest.mark.parametrize(("gate", "minor", "value"), LOCKS)
def test_a_gate_is_locked_once_and_while_it_exists(gate: str, minor: str, *, value: bool) -> None:
    assert [other for other, _, _ in LOCKS].count(gate) == 1
    assert gate in GATES.of(minor)
    assert locked_value(gate, minor) is value
    assert locked_value(gate, SUPPORTED_MINORS[-1]) is value
    if minor != FIRST:
        earlier = SUPPORTED_MINORS[SUPPORTED_MINORS.index(minor) - 1]
        assert locked_value(gate, earlier) is None


@pytest.mark.parametrize(
    ("component", "flag", "minors"),
    [
        ("kube-apiserver", "audit-log-maxage", SUPPORTED_MINORS),
        ("kube-apiserver", "cloud-provider", ("1.29", "1.30", "1.31", "1.32")),
        ("kube-apiserver", "emulated-version", SUPPORTED_MINORS[2:]),
        ("kube-controller-manager", "volume-host-cidr-denylist", ("1.29", "1.30")),
        ("kube-scheduler", "tls-curve-preferences", ("1.36",)),
        ("kubelet", "keep-terminated-pod-volumes", ("1.29", "1.30")),
        ("kubelet", "pod-infra-container-image", SUPPORTED_MINORS[:6]),
        ("kubelet", "emulated-version", ()),
    ],
)
def test_changelogs_agree(component: str, flag: str, minors: tuple[str, ...]) -> None:
    """CHANGELOG-1.31.md (#122082), CHANGELOG-1.35.md (#133779), CHANGELOG-1.36.md (#137115)."""
    assert tuple(m for m in SUPPORTED_MINORS if flag in FLAGS[component].of(m)) == minors
