"""Derived keys: RFC 9180's own vectors, and bytes that depend on nothing but the secrets."""

import hashlib
import hmac
import re

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from khgen.pki.certificates import private_key_pem
from khgen.pki.credentials import (
    bootstrap_token,
    founding_token,
    node_credentials,
    operator_kubeconfig,
)
from khgen.pki.derive import KEY_FAMILIES, Identity, derive_key_pair, leaf_key, serial_number
from khgen.pki.secrets import EVERYONE, new_secrets, renewed
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import build_plan
from khgen.spec.model.cluster import KeyAlgorithm
from support.fixed import FIXED_NOW, fixed_secrets, known_entropy
from support.topologies import cluster, plan_with_joiner, topology

RFC_9180_A3 = [
    (
        "4270e54ffd08d79d5928020af4686d8f6b7d35dbe470265f1f5aa22816ce860e",
        "4995788ef4b9d6132b249ce59a77281493eb39af373d236a1fe415cb0c2d7beb",
    ),
    (
        "668b37171f1072f3cf12ea8a236a45df23fc13b82af3609ad1e354f6ef817550",
        "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
    ),
]
"""A.3.1: ikmE, skEm and ikmR, skRm of DHKEM(P-256, HKDF-SHA256)."""


@pytest.mark.parametrize(("material", "private"), RFC_9180_A3)
def test_the_rfcs_vectors(material: str, private: str) -> None:
    key = derive_key_pair(bytes.fromhex(material), KeyAlgorithm.ECDSA_P256)
    assert f"{key.private_numbers().private_value:064x}" == private


def test_p384_follows_the_same_text_of_the_rfc() -> None:
    """No published vectors: the steps of RFC 9180 (4, 7.1.3) written out with RFC 5869's."""
    material, suite = b"\x07" * 48, b"KEM\x00\x11"
    extracted = hmac.new(b"\0" * 48, b"HPKE-v1" + suite + b"dkp_prk" + material, hashlib.sha384)
    info = b"\x00\x30" + b"HPKE-v1" + suite + b"candidate" + b"\x00"
    expanded = hmac.new(extracted.digest(), info + b"\x01", hashlib.sha384).digest()
    key = derive_key_pair(material, KeyAlgorithm.ECDSA_P384)
    assert key.private_numbers().private_value.to_bytes(48, "big") == expanded
    assert isinstance(key.curve, ec.SECP384R1)


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_the_orders_are_the_curves(algorithm: KeyAlgorithm) -> None:
    family = KEY_FAMILIES[algorithm]
    minus_one = ec.derive_private_key(family.order - 1, family.curve).public_key()
    one = ec.derive_private_key(1, family.curve).public_key()
    assert minus_one.public_numbers().x == one.public_numbers().x, "(n-1)G is -G"


def test_identities_do_not_run_into_each_other() -> None:
    identities = [
        Identity("a", "bc", "d"), Identity("ab", "c", "d"), Identity("a", "b", "cd"),
        Identity("", "abc", "d"), Identity("a", "", "bcd"),
    ]  # fmt: skip
    values = {
        leaf_key(b"\1" * 32, identity, generation, algorithm).private_numbers().private_value
        for identity in identities
        for generation in ("0.0", "0.1", "1.0")
        for algorithm in KeyAlgorithm
    }
    assert len(values) == len(identities) * 3 * 2


def test_serials_are_as_kubeadms() -> None:
    serials = [serial_number(b"\1" * 32, str(n).encode()) for n in range(2000)]
    assert len(set(serials)) == len(serials)
    assert all(1 <= serial <= 2**63 - 2 for serial in serials)
    assert {(serial.bit_length() + 8) // 8 for serial in serials} == {8}, "DER of one length"


@pytest.mark.parametrize("shape", ["stacked", "external-etcd", "p384"])
def test_the_same_secrets_give_the_same_bytes(shape: str) -> None:
    spec = topology(shape)
    plan, first = plan_with_joiner(spec), fixed_secrets(spec)
    read_back, problems = decode_secrets(encode_secrets(first), "secrets.yaml")
    assert read_back is not None, problems
    for node in plan.nodes:
        assert node_credentials(plan, node, first) == node_credentials(plan, node, read_back)
    assert operator_kubeconfig(plan, first) == operator_kubeconfig(plan, read_back)


def test_other_nodes_change_nothing() -> None:
    small, large = cluster({"cp": 3, "w": 1}), cluster({"cp": 3, "w": 9})
    secrets = fixed_secrets(small)
    plans = [build_plan(spec, secrets.founders) for spec in (small, large)]
    for node in plans[0].nodes:
        before, after = (node_credentials(p, p.by_name[node.name], secrets) for p in plans)
        assert before == after


def test_a_renewed_node_alone_gets_new_keys() -> None:
    spec = topology("stacked")
    plan, before = plan_with_joiner(spec), fixed_secrets(spec)
    after = renewed(before, ("w1",), FIXED_NOW)
    changed = [
        node.name
        for node in plan.nodes
        if node_credentials(plan, node, before) != node_credentials(plan, node, after)
    ]
    assert changed == ["w1"]


def test_renewing_everyone_renews_the_operator_too() -> None:
    spec = topology("stacked")
    plan, before = plan_with_joiner(spec), fixed_secrets(spec)
    after = renewed(before, (EVERYONE,), FIXED_NOW)
    assert operator_kubeconfig(plan, before) != operator_kubeconfig(plan, after)
    for node in plan.nodes:
        assert node_credentials(plan, node, before) != node_credentials(plan, node, after)


def test_tokens_have_kubeadms_form_and_differ() -> None:
    secrets = fixed_secrets(topology("stacked"))
    tokens = {bootstrap_token(secrets), founding_token(secrets)}
    assert len(tokens) == 2
    for token in tokens:
        assert re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token)
    assert bootstrap_token(fixed_secrets(topology("stacked"))) in tokens
    assert bootstrap_token(renewed(secrets, (EVERYONE,), FIXED_NOW)) not in tokens


def test_entropy_is_not_used_twice() -> None:
    asked: list[int] = []
    entropy = known_entropy("counted")

    def counted(size: int) -> bytes:
        asked.append(size)
        return entropy(size)

    secrets = new_secrets(topology("single"), FIXED_NOW, counted)
    keys = {private_key_pem(authority.key) for authority in secrets.authorities.values()}
    assert len(keys) == 3
    assert sum(asked) >= 4 * 64 + 2 * 32
