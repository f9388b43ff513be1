"""The instance-id, for which cloud-init places files if it has not seen it; and network-config."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
import yaml

from khgen.bundle.meta_data import network_config
from khgen.pki.secrets import EVERYONE, Secrets, renewed, with_replaced
from khgen.plan.cluster_plan import NodePlan, build_plan, founders_of
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from support.fixed import FIXED_NOW, fixed_secrets
from support.topologies import cluster, topology

SPEC = topology("dedicated-lb")
SECRETS = fixed_secrets(SPEC)
LATER = FIXED_NOW + timedelta(days=1)


def instance_ids(spec: ClusterSpec = SPEC, secrets: Secrets = SECRETS) -> dict[str, str]:

    plan = build_plan(spec, secrets.founders, secrets.replaced)
    render = ClusterRender(plan, secrets, {})
    return {node.name: render.node(node).instance_id for node in plan.nodes}


def changed(other: dict[str, str]) -> set[str]:
    before = instance_ids()
    return {name for name, instance in before.items() if other.get(name) != instance}


def test_it_is_the_nodes_name_and_a_digest() -> None:
    for name, instance in instance_ids().items():
        assert re.fullmatch(rf"{name}-[0-9a-f]{{16}}", instance)


def test_two_clusters_have_other_ones() -> None:
    other = SPEC.model_copy(update={"metadata": SPEC.metadata.model_copy(update={"name": "b"})})
    assert changed(instance_ids(other)) == set(instance_ids())


def test_it_is_the_same_for_the_same_user_data() -> None:
    assert changed(instance_ids()) == set()


def test_renewed_certificates_make_a_new_one_on_each_node_that_has_some() -> None:
    ids = instance_ids(secrets=renewed(SECRETS, (EVERYONE,), LATER))
    with_certificates = {name for name in ids if not name.startswith("lb")}
    assert changed(ids) >= with_certificates
    assert changed(instance_ids(secrets=renewed(SECRETS, ("w1",), LATER))) == {"w1"}


def test_a_renewal_changes_nothing_that_is_used_once() -> None:
    before, after = (
        ClusterRender(build_plan(SPEC, SECRETS.founders), secrets, {})
        for secrets in (SECRETS, renewed(SECRETS, (EVERYONE,), LATER))
    )
    for node in before.plan.nodes:
        kept = {file.path: file for file in before.node(node).files}
        for file in after.node(after.plan.by_name[node.name]).files:
            if file.path.name in {"kubeadm.yaml", "etcd.yaml"}:
                assert file == kept[file.path]


def test_another_control_plane_makes_a_new_one_where_haproxy_is_to_know_it() -> None:
    spec = cluster({"cp": 4, "lb": 2, "w": 2}, controlPlaneEndpoint=SPEC.control_plane_endpoint)
    assert {"lb1", "lb2"} <= changed(instance_ids(spec))
    assert not changed(instance_ids(spec)) & {"w1", "w2"}


def test_another_worker_makes_none() -> None:
    spec = cluster({"cp": 3, "lb": 2, "w": 3}, controlPlaneEndpoint=SPEC.control_plane_endpoint)
    assert changed(instance_ids(spec)) == set()


def test_a_replaced_machine_has_a_new_one() -> None:
    assert changed(instance_ids(secrets=with_replaced(SECRETS, "w2", LATER))) == {"w2"}


def test_it_is_what_the_meta_data_says() -> None:
    render = ClusterRender(build_plan(SPEC, SECRETS.founders), replace(SECRETS), {})
    node = render.node(render.plan.nodes[0])
    meta = yaml.safe_load(node.meta_data)
    assert meta == {"instance-id": node.instance_id, "local-hostname": node.node.name}


ADDRESS_6 = "fd00:70::5"
FULL = {
    "prefixLength": 24,
    "gateway": "10.1.0.254",
    "nameservers": ["10.1.0.53", "fd00:70::53"],
    "search": ["example.com", "lan"],
}
NETWORKS: tuple[tuple[str, dict[str, object], dict[str, object] | None], ...] = (
    ("none", {}, None),
    (
        "only an address",
        {"network": {"prefixLength": 24}},
        {"primary": {"match": {"name": "e*"}, "addresses": ["10.1.0.2/24"]}},
    ),
    (
        "all of it",
        {"network": FULL},
        {
            "primary": {
                "match": {"name": "e*"},
                "addresses": ["10.1.0.2/24"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.1.0.254"}],
                "nameservers": {
                    "addresses": ["10.1.0.53", "fd00:70::53"],
                    "search": ["example.com", "lan"],
                },
            }
        },
    ),
    (
        "only a search domain",
        {"network": {"prefixLength": 24, "search": ["lan"]}},
        {
            "primary": {
                "match": {"name": "e*"},
                "addresses": ["10.1.0.2/24"],
                "nameservers": {"search": ["lan"]},
            }
        },
    ),
    (
        "the interface of the network, not that of the VIP",
        {"interface": "eth9", "network": {"prefixLength": 24, "interface": "eth1"}},
        {"eth1": {"addresses": ["10.1.0.2/24"]}},
    ),
    (
        "the interface of the VIP",
        {"interface": "eth9", "network": {"prefixLength": 24}},
        {"eth9": {"addresses": ["10.1.0.2/24"]}},
    ),
    (
        "an interface with a MAC address",
        {"network": {"prefixLength": 24, "interface": "eth1", "macAddress": "52:54:00:AB:CD:EF"}},
        {
            "eth1": {
                "match": {"macaddress": "52:54:00:ab:cd:ef"},
                "set-name": "eth1",
                "addresses": ["10.1.0.2/24"],
            }
        },
    ),
    (
        "a second address, with a prefix of its own family",
        {"additionalAddresses": [ADDRESS_6], "network": {"prefixLength": 25}},
        {"primary": {"match": {"name": "e*"}, "addresses": ["10.1.0.2/25", "fd00:70::5/64"]}},
    ),
    (
        "IPv6 first",
        {
            "address": ADDRESS_6,
            "additionalAddresses": ["10.1.0.2"],
            "network": {"prefixLength": 56, "gateway": "fe80::1"},
        },
        {
            "primary": {
                "match": {"name": "e*"},
                "addresses": ["fd00:70::5/56", "10.1.0.2/16"],
                "routes": [{"to": "::/0", "via": "fe80::1"}],
            }
        },
    ),
)
"""What the spec has of a node, and the interfaces of its network-config, or None."""


@pytest.mark.parametrize(
    ("fields", "ethernets"), [n[1:] for n in NETWORKS], ids=[n[0] for n in NETWORKS]
)
def test_network_config_has_what_the_spec_gives_the_node(
    fields: dict[str, object], ethernets: dict[str, object] | None
) -> None:
    config = network_config(node_with(fields))
    wanted = None if ethernets is None else {"version": 2, "ethernets": ethernets}
    assert (None if config is None else yaml.safe_load(config)) == wanted


def test_a_network_config_of_the_operator_stays_as_it_is() -> None:
    raw = {"version": 2, "bonds": {"bond0": {"interfaces": ["eth0", "eth1"], "dhcp4": True}}}
    config = network_config(node_with({"network": {"prefixLength": 24, "raw": raw}}))
    assert (
        config
        == "version: 2\nbonds:\n  bond0:\n    interfaces:\n    - eth0\n    - eth1\n    dhcp4: true\n"
    )


def node_with(fields: dict[str, object]) -> NodePlan:
    """The plan of a control plane with these fields in the spec."""
    node = {"name": "cp1", "role": "control-plane", "address": "10.1.0.2", **fields}
    spec = cluster({}, nodes=[node])
    return build_plan(spec, founders_of(spec)).nodes[0]
