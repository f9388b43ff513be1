"""Damaged secrets files: a clear problem each, never a traceback, and never a key in the message."""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from damage.cases import Damage, all_damages
from damage.judge import Judge, Outcome
from damage.subject import KEY, other_text, whole_text
from khgen.pki.secrets import EVERYONE, renewed
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_encode import encode_secrets, seal_fault, seal_of, sealed_text
from khgen.pki.secrets_reader import RESTORE_HINT
from khgen.problems import Problems
from support.fixed import FIXED_NOW, fixed_secrets
from support.issued import issued_to
from support.sealing import sealed
from support.topologies import cluster, plan_with_joiner, topology

SPEC = topology("stacked")
TEXT = encode_secrets(renewed(fixed_secrets(SPEC), (EVERYONE, "w1"), FIXED_NOW))
OTHER = yaml.safe_load(encode_secrets(fixed_secrets(cluster({"cp": 1}, pki={"backdate": "1h"}))))
P384 = yaml.safe_load(encode_secrets(fixed_secrets(topology("p384"))))
PARTS = (
    ("apiVersion",), ("kind",), ("cluster",), ("issuedAt",), ("founders",), ("generations",),
    ("seed",), ("vrrpPassword",), ("encryptionKey",), ("authorities",), ("serviceAccount",),
    ("authorities", "kubernetes"), ("authorities", "etcd"), ("authorities", "front-proxy"),
    ("authorities", "kubernetes", "certificate"), ("authorities", "etcd", "key"),
    ("serviceAccount", "key"), ("generations", "w1", "number"),
    ("generations", EVERYONE, "renewedAt"),
)  # fmt: skip

Document = dict[str, Any]


def problems_of(document: object) -> Problems:
    secrets, problems = decode_secrets(sealed(document), "s.yaml", cluster="tested", now=FIXED_NOW)
    assert (secrets is None) is bool(problems.errors)
    assert_says_nothing_secret(problems)
    return problems


def assert_says_nothing_secret(problems: Problems) -> None:
    for problem in problems:
        assert not re.search(r"[A-Za-z0-9+/]{24}", problem.message), problem.message
        assert "PRIVATE" not in problem.message


def damaged(change: Callable[[Document], None]) -> Problems:
    document = yaml.safe_load(TEXT)
    change(document)
    return problems_of(document)


def test_an_undamaged_one_has_no_problem() -> None:
    secrets, problems = decode_secrets(TEXT, "s.yaml", cluster="tested", now=FIXED_NOW)
    assert secrets is not None
    assert len(problems) == 0
    assert encode_secrets(secrets) == TEXT
    assert secrets.generations == {EVERYONE: 1, "w1": 1}


@pytest.mark.parametrize("path", PARTS, ids=".".join)
def test_a_missing_part(path: tuple[str, ...]) -> None:
    document = yaml.safe_load(TEXT)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    problems = problems_of(document)
    assert [p.message for p in problems] == [f"missing part '{'.'.join(path)}'"]
    assert problems.items[0].hint.startswith("restore the file from a copy")


@pytest.mark.parametrize("path", PARTS, ids=".".join)
@pytest.mark.parametrize("value", [None, "", "garbage", 7, [], {}, ["a", {"b": []}]], ids=repr)
def test_garbage_in_place_of_a_part(path: tuple[str, ...], value: object) -> None:
    document = yaml.safe_load(TEXT)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    harmless = (path == ("founders",) and value == []) or (
        path == ("generations",) and value == {}
    ) or (path[-1] == "number" and value == 7)  # fmt: skip
    assert bool(problems_of(document)) is not harmless


def _swap_key(document: Document) -> None:
    document["authorities"]["etcd"]["key"] = document["authorities"]["kubernetes"]["key"]


def _leaf_for_ca(document: Document) -> None:
    plan = plan_with_joiner(SPEC)
    leaf = issued_to(plan, plan.nodes[0], fixed_secrets(SPEC))[0]
    document["authorities"]["kubernetes"] = {
        "certificate": leaf.certificate_pem,
        "key": leaf.key_pem,
    }


def _swap_authorities(document: Document) -> None:
    authorities = document["authorities"]
    authorities["etcd"], authorities["front-proxy"] = (
        authorities["front-proxy"],
        authorities["etcd"],
    )


def _two_certificates(document: Document) -> None:
    etcd = document["authorities"]["etcd"]
    etcd["certificate"] += document["authorities"]["kubernetes"]["certificate"]


MISTAKES: list[tuple[Callable[[Document], None], str]] = [
    (_swap_key, "authorities.etcd: the key does not belong to the certificate"),
    (_leaf_for_ca, "authorities.kubernetes: not a CA certificate"),
    (_two_certificates, "authorities.etcd: 2 certificates where one is expected"),
    (lambda d: d.update(seed="AAAA"), "seed: 32 bytes in base64 are expected"),
    (lambda d: d.update(cluster="other"),
     "cluster: these are the secrets of cluster 'other', not of 'tested'"),
    (lambda d: d.update(vrrpPassword="short"), "vrrpPassword: 8 letters and digits are expected"),
    (lambda d: d.update(issuedAt="today"),
     "issuedAt: a time like 2026-01-31T12:00:00Z is expected"),
    (lambda d: d.update(kind="Cluster"), "kind: must be Secrets"),
    (lambda d: d.update(apiVersion="khgen/v9"), "apiVersion: must be khgen/v1alpha1"),
]  # fmt: skip


def test_swapped_authorities_are_refused_even_when_sealed() -> None:
    swapped = "the certificate belongs to the {} CA: are two of them swapped?"
    assert [p.message for p in damaged(_swap_authorities)] == [
        f"authorities.etcd: {swapped.format('front-proxy')}",
        f"authorities.front-proxy: {swapped.format('etcd')}",
    ]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_a_mistake_is_named(change: Callable[[Document], None], message: str) -> None:
    assert [p.message for p in damaged(change)] == [message]


RECORDS: list[tuple[str, object, str]] = [
    ("podSubnet", "10.244.0.0/33", "a network like 10.244.0.0/16 is expected"),
    ("serviceSubnet", "", "a network like 10.96.0.0/12 is expected"),
    ("dnsDomain", "A b", "a DNS domain is expected"),
    ("endpoint", "10.0.0.1", "host:port is expected"),
    ("endpoint", ":6443", "host:port is expected"),
    ("etcdTopology", "elsewhere", "stacked or external is expected"),
    ("etcdDataDir", "etcd", "an absolute path is expected"),
    ("algorithm", "RSA", "ECDSA-P256 or ECDSA-P384 is expected"),
    ("clusterName", "two words", "a word is expected"),
    ("encryptionAtRest", "yes", "true or false is expected"),
]


@pytest.mark.parametrize(("key", "value", "message"), RECORDS)
def test_a_damaged_record_of_the_identity_is_named(key: str, value: object, message: str) -> None:
    (problem,) = damaged(lambda d: d["identity"].update({key: value}))
    assert problem.message == f"identity.{key}: {message}"
    assert problem.place.path == f"identity.{key}"
    assert problem.place.line > 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identity": []}, "a mapping is expected here"),
        ({"identity": {"podSubnet": ["10.244.0.0/16"]}}, "a text is expected here"),
        ({"identity": {"vip": "10.0.0.1"}}, "unknown key; known are: podSubnet, "),
        ({"kubernetes": "1.29"}, "kubernetes: a version like 1.29.6 is expected"),
        ({"kubernetes": []}, "a text is expected here"),
        ({"refounded": "often"}, "refounded: a number is expected"),
    ],
)
def test_a_record_that_is_none(change: Document, message: str) -> None:
    (problem,) = damaged(lambda d: d.update(change))
    assert problem.message.startswith(message)


def test_an_unknown_key_is_a_problem_and_not_quoted() -> None:
    (problem,) = damaged(lambda d: d.update({"A" * 40: 1}))
    assert problem.message.startswith("unknown key; known are: apiVersion, kind, ")


def test_an_expired_authority() -> None:
    late = FIXED_NOW + timedelta(days=3651)
    secrets, problems = decode_secrets(TEXT, "s.yaml", now=late)
    assert secrets is None
    assert [p.message for p in problems] == [
        f"authorities.{name}: the CA expired on 2035-12-30"
        for name in ("kubernetes", "etcd", "front-proxy")
    ]


def test_places_are_where_the_part_is() -> None:
    (problem,) = damaged(lambda d: d.update(seed="AAAA"))
    lines = yaml.safe_dump({**yaml.safe_load(TEXT), "seed": "AAAA"}, sort_keys=False).splitlines()
    assert lines[problem.place.line - 1] == "seed: AAAA"
    assert problem.place.column == len("seed: ") + 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the secrets file is empty"),
        ("# only a comment", "the secrets file is empty"),
        ("age-encryption.org/v1\n-> X25519 abc", "the secrets file is encrypted"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n", "the secrets file is encrypted"),
        (TEXT + "sops: {version: 3.8}\n", "the secrets file is encrypted by SOPS"),
        ("- a\n", "a mapping is expected here"),
        ("just text", "a mapping is expected here"),
        ("a: [", "not YAML: "),
        ("a: b\n---\nc: d\n", "not YAML: "),
        ("\x00\x01", "not YAML: "),
        ("a: &x [*x]\n", "unknown key"),
        ("- " * 100, "not YAML: nested more than 64 levels deep"),
        (TEXT.replace("seed:", "seed: AAAA\nseed:"), "duplicate key 'seed'"),
    ],
    ids=range(13),
)
def test_what_is_no_secrets_file(text: str, words: str) -> None:
    secrets, problems = decode_secrets(text, "s.yaml")
    assert secrets is None
    assert problems.items[0].message.startswith(words) or words in str(problems)
    assert_says_nothing_secret(problems)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    secrets, problems = decode_secrets(text, "s.yaml")
    assert secrets is None
    assert problems.errors


@example(position=673, character="0")  # a serial that is not positive: only warned about, once
@given(
    position=st.integers(min_value=0, max_value=len(TEXT) - 1),
    character=st.characters(codec="utf-8"),
)
def test_any_changed_character_is_harmless_or_refused(position: int, character: str) -> None:
    changed = TEXT[:position] + character + TEXT[position + 1 :]
    secrets, problems = decode_secrets(changed, "s.yaml", cluster="tested", now=FIXED_NOW)
    assert (secrets is None) is bool(problems.errors)
    assert_says_nothing_secret(problems)


def test_other_authorities_are_told_apart() -> None:
    document = yaml.safe_load(TEXT)
    document["authorities"]["etcd"]["certificate"] = P384["authorities"]["etcd"]["certificate"]
    (problem,) = problems_of(document)
    assert problem.message == "authorities.etcd: the key does not belong to the certificate"
    document["authorities"]["etcd"] = OTHER["authorities"]["etcd"]
    assert not problems_of(document)


def test_a_ca_that_was_signed_anew_with_its_own_key_is_taken() -> None:
    document = yaml.safe_load(TEXT)
    spec = cluster({"cp": 3, "w": 2}, pki={"caValidity": "20y"})
    longer = yaml.safe_load(encode_secrets(fixed_secrets(spec)))
    for name in ("kubernetes", "etcd", "front-proxy"):
        assert longer["authorities"][name]["key"] == document["authorities"][name]["key"]
        document["authorities"][name]["certificate"] = longer["authorities"][name]["certificate"]
    later = FIXED_NOW + timedelta(days=3651)
    secrets, problems = decode_secrets(sealed(document), "s.yaml", now=later)
    assert secrets is not None, problems


@pytest.mark.parametrize("key", [None, KEY], ids=["digest", "key"])
def test_damages_of_every_kind_are_refused_or_change_nothing(
    tmp_path: Path, key: bytes | None
) -> None:
    """A part of them: `python -m damage` judges all."""
    text = whole_text(key)
    step = {"a line lost": 7, "CAs swapped": 1, "fields swapped": 11, "concatenated": 1}
    kinds: Counter[str] = Counter()
    chosen = []
    for damage in all_damages(text, other_text(key)):
        rare = damage.kind.startswith("another ") and damage.kind != "another character"
        if kinds[damage.kind] % (1 if rare else step.get(damage.kind, 97)) == 0:
            chosen.append(damage)
        kinds[damage.kind] += 1
    outcomes = list(Judge(text, tmp_path, key).outcomes(chosen))
    assert {damage.kind for damage, _ in outcomes} == set(kinds)
    assert len(outcomes) > 300
    bad = {Outcome.ACCEPTED, Outcome.UNCLEAR}
    assert [(d.kind, d.where, outcome) for d, outcome in outcomes if outcome in bad] == []
    assert {outcome for _, outcome in outcomes} == {Outcome.REFUSED, Outcome.SAME}


def test_the_judge_knows_an_accepted_damage(tmp_path: Path) -> None:
    text = whole_text()
    document = yaml.safe_load(text)
    document["founders"][0] = "cp9"
    accepted = Damage(kind="sealed", where="founders", content=sealed(document).encode())
    assert Judge(text, tmp_path).outcome(accepted) is Outcome.ACCEPTED


GENERATIONS: tuple[tuple[object, str, str], ...] = (
    ([], "generations", "a mapping is expected here"),
    ({"w1": []}, "generations.w1", "a mapping is expected here"),
    ({"w1": {"number": 1}}, "generations.w1.renewedAt", "missing part 'generations.w1.renewedAt'"),
    (
        {"w1": {"renewedAt": "2026-01-01T00:00:00Z"}},
        "generations.w1.number",
        "missing part 'generations.w1.number'",
    ),
    (
        {"w1": {"number": "many", "renewedAt": "2026-01-01T00:00:00Z"}},
        "generations.w1.number",
        "generations.w1.number: a number is expected",
    ),
    (
        {"w1": {"number": "1234567890", "renewedAt": "2026-01-01T00:00:00Z"}},
        "generations.w1.number",
        "generations.w1.number: a number is expected",
    ),
    (
        {"w1": {"number": 1, "renewedAt": "2026-01-01"}},
        "generations.w1.renewedAt",
        "generations.w1.renewedAt: a time like 2026-01-31T12:00:00Z is expected",
    ),
    (
        {"w1": {"number": 1, "renewedAt": "2026-01-01T00:00:00Z", "why": "x"}},
        "generations.w1",
        "unknown key; known are: number, renewedAt",
    ),
)


@pytest.mark.parametrize(("value", "path", "message"), GENERATIONS)
def test_a_damaged_generation_is_named(value: object, path: str, message: str) -> None:
    (problem,) = damaged(lambda d: d.update(generations=value))
    assert (problem.message, problem.place.path) == (message, path)
    assert problem.hint == RESTORE_HINT


def test_every_renewal_is_read_back_with_its_date() -> None:
    later = FIXED_NOW + timedelta(days=3, seconds=7)
    made = renewed(renewed(fixed_secrets(SPEC), (EVERYONE, "w1"), FIXED_NOW), ("w1",), later)
    read, problems = decode_secrets(encode_secrets(made), "s.yaml")
    assert read is not None, problems
    assert read.generations == {EVERYONE: 1, "w1": 2}
    assert read.renewed_at == {EVERYONE: FIXED_NOW, "w1": later}
    assert read.issued_at == FIXED_NOW


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "a\tb", "a\x07"])
def test_the_name_of_the_spec_is_that_of_a_file_beside_it(name: str) -> None:
    (problem,) = damaged(lambda d: d.update(spec=name))
    assert problem.message == "spec: the name of a file is expected"
    assert problem.place.path == "spec"


def test_the_name_of_the_spec_is_read_back() -> None:
    made = replace(fixed_secrets(SPEC), spec_file="my cluster.yaml")
    read, problems = decode_secrets(encode_secrets(made), "s.yaml")
    assert read is not None, problems
    assert read.spec_file == "my cluster.yaml"
    read, _ = decode_secrets(TEXT, "s.yaml")
    assert read is not None
    assert read.spec_file is None


KEYS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("authorities",), "unknown key; known are: kubernetes, etcd, front-proxy"),
    (("authorities", "etcd"), "unknown key; known are: certificate, key"),
    (("serviceAccount",), "unknown key; known are: key"),
)


@pytest.mark.parametrize(("path", "message"), KEYS)
def test_an_unknown_key_of_a_part_is_a_problem(path: tuple[str, ...], message: str) -> None:
    document = yaml.safe_load(TEXT)
    parent = document
    for key in path:
        parent = parent[key]
    parent["colour"] = "red"
    (problem,) = problems_of(document)
    assert (problem.message, problem.place.path) == (message, ".".join(path))


LISTS: tuple[tuple[object, list[str]], ...] = (
    ("cp1", ["a list is expected here"]),
    ({"cp1": 1}, ["a list is expected here"]),
    (["cp1", []], ["a text is expected here"]),
    ([["cp1"], {}], ["a text is expected here"] * 2),
)


@pytest.mark.parametrize("key", ["founders", "replaced"])
@pytest.mark.parametrize(("value", "messages"), LISTS)
def test_a_damaged_list_of_names_is_named(key: str, value: object, messages: list[str]) -> None:
    problems = damaged(lambda d: d.update({key: value}))
    assert [(p.message, p.place.path) for p in problems] == [(m, key) for m in messages]


def test_an_unreadable_file_is_refused_with_a_hint() -> None:
    for text, message, hint in (
        ("", "the secrets file is empty", RESTORE_HINT),
        ("a: b\n---\nc: d\n", "not YAML: a second document starts here", RESTORE_HINT),
        ("age-encryption.org/v1\n", "the secrets file is encrypted",
         "age -d FILE | khgen render --secrets - …"),
        ("-----BEGIN AGE ENCRYPTED FILE-----\n", "the secrets file is encrypted",
         "age -d FILE | khgen render --secrets - …"),
        (f"{TEXT}sops: {{version: 3.8}}\n", "the secrets file is encrypted by SOPS",
         "sops -d FILE | khgen render --secrets - …"),
    ):  # fmt: skip
        secrets, problems = decode_secrets(text, "s.yaml")
        assert secrets is None
        assert [(p.message, p.hint, p.place.file) for p in problems] == [(message, hint, "s.yaml")]
    assert (decode_secrets("", "s.yaml")[1].items[0].place.line) == 1
    assert (decode_secrets("", "s.yaml")[1].items[0].place.column) == 1


EDITED = (
    "restore the file from a copy; if you changed it by hand and its content is right:"
    " khgen secrets seal"
)
SEALS: tuple[tuple[bytes | None, bytes | None, tuple[str, str] | None], ...] = (
    (None, None, None),
    (KEY, KEY, None),
    (KEY, None,
     ("the secrets file is sealed with a key, but none is given",
      "set KHGEN_SECRETS_KEY_FILE to the file that holds the key")),
    (None, KEY, ("the secrets file is not sealed with a key, but one is given", EDITED)),
    (KEY, KEY + b"x",
     (("the secrets file is damaged: its content does not match its digest, or it is sealed with"
      " another key"), EDITED)),
)  # fmt: skip


@pytest.mark.parametrize(("sealed_by", "read_by", "fault"), SEALS)
def test_a_seal_holds_for_the_key_that_made_it(
    sealed_by: bytes | None, read_by: bytes | None, fault: tuple[str, str] | None
) -> None:
    root = yaml.compose(TEXT, Loader=yaml.SafeLoader)
    assert root is not None
    assert seal_fault(root, seal_of(root, sealed_by), read_by) == fault
    assert seal_fault(root, None, read_by) == (
        "the secrets file may be damaged: it has no digest", EDITED,
    )  # fmt: skip


def test_a_changed_value_breaks_the_seal_and_its_layout_does_not() -> None:
    made = sealed_text("b: [1, x]\na: {c: d}\n")
    digest = yaml.safe_load(made)["digest"]
    content = b'{"a":{"c":"d"},"b":["1","x"]}'
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    with_key = yaml.safe_load(sealed_text("b: [1, x]\na: {c: d}\n", KEY))["digest"]
    assert with_key == f"hmac-sha256:{hmac.digest(KEY, content, 'sha256').hex()}"
    root = yaml.compose("{a: {c: 'd'}, 'b': ['1', x]} # another layout", Loader=yaml.SafeLoader)
    assert root is not None
    assert seal_fault(root, digest, None) is None
    other = yaml.compose("{a: {c: d}, b: [2, x]}", Loader=yaml.SafeLoader)
    assert other is not None
    assert seal_fault(other, digest, None) == (
        "the secrets file is damaged: its content does not match its digest", EDITED,
    )  # fmt: skip
    with pytest.raises(ValueError, match="an empty document has nothing to seal"):
        sealed_text("")
