"""The catalogue as kubeadm has it, and what each kind of node gets, literally."""

import pytest

from khgen.pki.catalog import AUTHORITIES, CERTIFICATES, HOLDERS, KUBECONFIGS, Holder
from khgen.pki.certificates import COMMON_NAMES, AuthorityName
from khgen.pki.credentials import node_credentials
from khgen.plan.cluster_plan import KINDS, NodeKind, build_plan, founders_of
from support.fixed import fixed_secrets
from support.topologies import plan_with_joiner, topology

CP_LEAVES = """
    pki/apiserver.crt pki/apiserver.key
    pki/apiserver-etcd-client.crt pki/apiserver-etcd-client.key
    pki/apiserver-kubelet-client.crt pki/apiserver-kubelet-client.key
    pki/front-proxy-client.crt pki/front-proxy-client.key
    pki/ca.crt pki/etcd/ca.crt pki/front-proxy-ca.crt pki/sa.key pki/sa.pub
    admin.conf controller-manager.conf scheduler.conf kubelet.conf kubelet-client-khgen.pem
"""
ETCD_LEAVES = """
    pki/etcd/ca.crt pki/etcd/server.crt pki/etcd/server.key pki/etcd/peer.crt pki/etcd/peer.key
    pki/etcd/healthcheck-client.crt pki/etcd/healthcheck-client.key
"""
WORKER = "pki/ca.crt kubelet.conf kubelet-client-khgen.pem"
EXPECTED = [
    (
        "stacked",
        "cp1",
        (f"{CP_LEAVES} {ETCD_LEAVES} pki/ca.key pki/front-proxy-ca.key pki/etcd/ca.key"),
    ),
    (
        "stacked",
        "cp3",
        f"{CP_LEAVES} {ETCD_LEAVES} pki/ca.key pki/front-proxy-ca.key pki/etcd/ca.key",
    ),
    ("stacked", "w1", WORKER),
    (
        "external-etcd",
        "cp1",
        f"{CP_LEAVES} pki/ca.key pki/front-proxy-ca.key",
    ),
    ("external-etcd", "cp3", f"{CP_LEAVES} pki/ca.key pki/front-proxy-ca.key"),
    ("external-etcd", "etcd1", ETCD_LEAVES),
    ("external-etcd", "w1", WORKER),
    ("dedicated-lb", "lb1", ""),
    ("dedicated-lb", "w2", WORKER),
    ("offline", "cp1", f"{CP_LEAVES} {ETCD_LEAVES} super-admin.conf"),
    ("offline", "cp2", f"{CP_LEAVES} {ETCD_LEAVES}"),
    ("offline", "cp3", f"{CP_LEAVES} {ETCD_LEAVES}"),
    ("offline", "w2", WORKER),
    ("offline-external-etcd", "cp1", f"{CP_LEAVES} super-admin.conf"),
    ("offline-external-etcd", "cp2", CP_LEAVES),
    ("offline-external-etcd", "etcd3", ETCD_LEAVES),
]


@pytest.mark.parametrize(("shape", "name", "expected"), EXPECTED)
def test_a_node_is_given_exactly_this(shape: str, name: str, expected: str) -> None:
    spec = topology(shape)
    plan = plan_with_joiner(spec)
    files = node_credentials(plan, plan.by_name[name], fixed_secrets(spec)).files
    paths = [
        str(file.path).removeprefix("/etc/kubernetes/").removeprefix("/var/lib/kubelet/pki/")
        for file in files
    ]
    assert sorted(paths) == sorted(set(expected.split()))


def test_every_issuer_is_an_authority_of_the_table() -> None:
    authorities = [entry.name for entry in AUTHORITIES]
    assert sorted(authorities) == sorted(AuthorityName)
    assert {entry.issuer for entry in CERTIFICATES} == set(authorities)
    assert set(COMMON_NAMES) == set(authorities)


def test_names_and_paths_are_unique() -> None:
    paths = [*(e.path for e in AUTHORITIES), *(e.path for e in CERTIFICATES)]
    names = [*(e.name for e in CERTIFICATES), *(e.name for e in KUBECONFIGS)]
    assert len(set(paths)) == len(paths)
    assert len(set(names)) == len(names)


def test_whoever_holds_a_leaf_trusts_its_authority() -> None:
    trusted = {entry.name: entry.trusted_by for entry in AUTHORITIES}
    for kind, holders in HOLDERS.items():
        for entry in CERTIFICATES:
            if entry.held_by in holders:
                assert trusted[entry.issuer] & holders, (kind, entry.name)


def test_whoever_holds_an_authoritys_key_has_its_certificate() -> None:
    for holders in HOLDERS.values():
        for entry in AUTHORITIES:
            assert entry.key_held_by not in holders or entry.trusted_by & holders


def test_every_kind_of_node_has_a_row() -> None:
    assert {kind for kind, _ in HOLDERS} == set(NodeKind) == set(KINDS.values())
    for kind in {NodeKind.WORKER, NodeKind.LOAD_BALANCER}:
        assert HOLDERS[kind, True] == HOLDERS[kind, False] <= {Holder.KUBERNETES_NODE}


def test_modes_are_kubeadms() -> None:
    spec = topology("stacked")
    plan = plan_with_joiner(spec)
    for node in plan.nodes:
        for file in node_credentials(plan, node, fixed_secrets(spec)).files:
            assert file.mode == (0o644 if file.path.suffix == ".crt" else 0o600), file.path


@pytest.mark.parametrize("replaced", [(), ("cp1",)])
def test_system_masters_goes_to_one_founder_and_to_no_other_in_its_place(
    replaced: tuple[str, ...],
) -> None:
    spec = topology("offline")
    plan = build_plan(spec, founders_of(spec), replaced)
    given = [
        node.name
        for node in plan.nodes
        for file in node_credentials(plan, node, fixed_secrets(spec)).files
        if file.path.name == "super-admin.conf"
    ]
    assert given == ([] if replaced else ["cp1"])
