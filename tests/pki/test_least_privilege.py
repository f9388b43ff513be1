"""A node holds what its role needs: no CA key where it need not be, no other node's key ever.

Read from all files of a node, not only from those of its PKI.
"""

import lzma
from base64 import b64decode
from collections.abc import Mapping
from functools import cache

import pytest
import yaml

from khgen.files.node_files import update_key
from khgen.pki.certificates import authority_key_pem, private_key_pem, public_key_pem
from khgen.pki.credentials import founding_token
from khgen.pki.derive import update_signing_key
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, NodeKind
from khgen.rehearse.updating import objects_of
from khgen.render import ClusterRender, ClusterUpdates
from khgen.spec.model import ClusterSpec
from support.fixed import FIXED_NOW, fixed_secrets
from support.issued import identity_in, issued_to
from support.secret_forms import forms
from support.topologies import TOPOLOGIES, plan_with_joiner, topology


@cache
def render(shape: str) -> ClusterRender:
    """A cluster of that shape which encrypts its secrets at rest."""
    document = topology(shape).model_dump(by_alias=True, mode="json")
    document["kubernetes"]["encryptionAtRest"] = True
    spec = ClusterSpec.model_validate(document)
    return ClusterRender(plan_with_joiner(spec), fixed_secrets(spec), {})


@cache
def given_texts(shape: str) -> Mapping[str, str]:
    """All that each node is given, with what its kubeconfigs embed decoded."""
    cluster = render(shape)
    return {node.name: _given(cluster, number) for number, node in enumerate(cluster.plan.nodes)}


def _given(cluster: ClusterRender, number: int) -> str:
    rendered = cluster.node(cluster.plan.nodes[number])
    files = {*rendered.files, *rendered.living}
    texts = [*(file.content for file in files), rendered.meta_data]
    embedded = [text for text in texts if "client-key-data: " in text]
    return "\n".join([*texts, *(part for text in embedded for part in identity_in(text))])


def holders(shape: str, secret: bytes | str) -> set[str]:
    """The nodes that have that secret in any form."""
    wanted = tuple(forms(secret))
    return {name for name, text in given_texts(shape).items() if any(f in text for f in wanted)}


def names(shape: str, *kinds: NodeKind) -> set[str]:
    return {node.name for node in render(shape).plan.nodes if node.kind in kinds}


def body(pem: str) -> str:
    """The part of a PEM that nothing else has in common with it."""
    return pem.splitlines()[1]


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_authority_keys_are_on_control_planes_alone(shape: str) -> None:
    cluster = render(shape)
    wanted = set() if shape.startswith("offline") else {"kubernetes", "front-proxy"}
    if wanted and cluster.plan.stacked:
        wanted.add("etcd")
    control_planes = names(shape, *CONTROL_PLANE_KINDS)
    assert control_planes
    for name, authority in cluster.secrets.authorities.items():
        held = holders(shape, body(authority_key_pem(authority)))
        assert held == (control_planes if name in wanted else set()), name


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_service_account_key_is_on_control_planes_alone(shape: str) -> None:
    key = body(private_key_pem(render(shape).secrets.service_account))
    assert holders(shape, key) == names(shape, *CONTROL_PLANE_KINDS)


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_no_node_holds_another_nodes_key(shape: str) -> None:
    cluster = render(shape)
    for node in cluster.plan.nodes:
        issued = issued_to(cluster.plan, node, cluster.secrets)
        assert issued or node.kind is NodeKind.LOAD_BALANCER
        for leaf in issued:
            assert holders(shape, body(leaf.key_pem)) == {node.name}, leaf.path


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_seed_of_all_keys_is_on_no_node(shape: str) -> None:
    assert holders(shape, render(shape).secrets.seed) == set()


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_vrrp_password_is_on_hosts_of_the_virtual_ip_alone(shape: str) -> None:
    wanted = names(shape, *CONTROL_PLANE_KINDS)
    if shape == "external-lb":
        wanted = set()
    if shape == "dedicated-lb":
        wanted = names(shape, NodeKind.LOAD_BALANCER)
    assert holders(shape, render(shape).secrets.vrrp_password) == wanted


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_encryption_key_is_on_control_planes_alone(shape: str) -> None:
    key = render(shape).secrets.encryption_key
    assert holders(shape, key) == names(shape, *CONTROL_PLANE_KINDS)


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_the_founding_token_is_on_founders_alone(shape: str) -> None:
    token = founding_token(render(shape).secrets)
    assert holders(shape, token) == names(shape, NodeKind.FOUNDER)


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_every_node_can_check_an_update_and_none_can_sign_one(shape: str) -> None:
    secrets = render(shape).secrets
    key = update_signing_key(secrets.seed, secrets.cluster)
    assert holders(shape, key.private_bytes_raw()) == set()
    assert holders(shape, body(public_key_pem(key))) == set(given_texts(shape))


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_a_nodes_updates_are_opened_by_that_node_alone(shape: str) -> None:
    cluster = render(shape)
    for node in cluster.plan.nodes:
        wanted = {node.name} if node.joins_kubernetes else set()
        assert holders(shape, update_key(cluster.secrets, node)) == wanted


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_who_reads_update_yaml_learns_no_key(shape: str) -> None:
    """In none of the forms in which it could stand there, and no archive there can be unpacked."""
    cluster = render(shape)
    secrets, nodes = cluster.secrets, cluster.plan.nodes
    updates = ClusterUpdates(cluster, {}, FIXED_NOW)
    texts = [objects_of(cluster, {n.name: updates.bundle(cluster.node(n)) for n in nodes})]
    for one in yaml.safe_load_all(texts[0]):
        for name, text in one.get("data", {}).items() if one["kind"] == "Secret" else ():
            content = b64decode(text)
            texts.append(content.decode("latin-1"))
            assert name in {"bundle.json", "bundle.sig"} or content.startswith(b"Salted__")
            with pytest.raises(lzma.LZMAError):
                lzma.decompress(content)
    assert len(texts) == 1 + 4 * len([node for node in nodes if node.joins_kubernetes])
    private: list[bytes | str] = [
        secrets.encryption_key,
        secrets.seed,
        secrets.vrrp_password,
        founding_token(secrets),
    ]
    private += (body(authority_key_pem(one)) for one in secrets.authorities.values())
    private += (body(private_key_pem(secrets.service_account)), "PRIVATE KEY")
    for node in nodes:
        private.append(update_key(secrets, node))
        private += (body(leaf.key_pem) for leaf in issued_to(cluster.plan, node, secrets))
    whole = "\n".join(texts)
    assert [form for secret in private for form in forms(secret) if form in whole] == []
