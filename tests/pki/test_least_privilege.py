"""A node holds what its role needs: no CA key where it need not be, no other node's key ever."""

import pytest

from khgen.pki.certificates import authority_key_pem, private_key_pem
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, NodePlan, Plan
from support.fixed import fixed_secrets
from support.issued import identity_in, issued_to
from support.topologies import TOPOLOGIES, plan_with_joiner, topology


def given_text(plan: Plan, node: NodePlan, secrets: Secrets) -> str:
    """All that a node is given, with what kubeconfigs embed decoded."""
    texts = [file.content for file in node_credentials(plan, node, secrets).files]
    embedded = [text for text in texts if "client-key-data" in text]
    return "\n".join([*texts, *(part for text in embedded for part in identity_in(text))])


def body(pem: str) -> str:
    """The part of a PEM that nothing else has in common with it."""
    return pem.splitlines()[1]


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_authority_keys_are_on_control_planes_alone(shape: str) -> None:
    spec = topology(shape)
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    keys = {name: body(authority_key_pem(a)) for name, a in secrets.authorities.items()}
    wanted = set() if shape.startswith("offline") else {"kubernetes", "front-proxy"}
    if wanted and plan.stacked:
        wanted.add("etcd")
    for node in plan.nodes:
        given = given_text(plan, node, secrets)
        held = {str(name) for name, key in keys.items() if key in given}
        assert held == (wanted if node.kind in CONTROL_PLANE_KINDS else set()), node.name


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_service_account_key_is_on_control_planes_alone(shape: str) -> None:
    spec = topology(shape)
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    key = body(private_key_pem(secrets.service_account))
    for node in plan.nodes:
        held = key in given_text(plan, node, secrets)
        assert held is (node.kind in CONTROL_PLANE_KINDS), node.name


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_no_node_holds_another_nodes_key(shape: str) -> None:
    spec = topology(shape)
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    own = {n.name: {body(i.key_pem) for i in issued_to(plan, n, secrets)} for n in plan.nodes}
    for node in plan.nodes:
        given = given_text(plan, node, secrets)
        for other, keys in own.items():
            if other != node.name:
                assert not any(key in given for key in keys), (node.name, other)


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_what_is_never_needed_on_a_node_is_on_none(shape: str) -> None:
    spec = topology(shape)
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    for node in plan.nodes:
        given = given_text(plan, node, secrets)
        assert secrets.seed.hex() not in given
        assert secrets.vrrp_password not in given
