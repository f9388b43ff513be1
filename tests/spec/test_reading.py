"""YAML as khgen reads it: plain words only, places that are exact, nothing that ends the process."""

from typing import get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from khgen.problems import Place, ValuePath, problem_text
from khgen.spec.check import EVERY
from khgen.spec.load import FREE_FORM, Places, load_spec
from khgen.spec.model import ClusterSpec
from khgen.spec.model.texts import ACCEPTED
from khgen.spec.model.values import Passthrough
from khgen.yaml_reader import PlainNumber, PlainValue, YamlReader
from support.spec_texts import Changes, loaded


def value_of(text: str) -> PlainValue:
    reader = YamlReader("x")
    reader.read(text)
    assert not reader.faults, reader.faults
    return reader.value


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.29.6", "1.29.6"), ("1.30", "1.30"), ("0644", "0644"), ("52:54:00:12:34:56",) * 2,
        ("12", 12), ("-3", -3), ("true", True), ("false", False), ("yes", "yes"), ("~", None),
        ("null", None), ("", None), ('"true"', "true"), ("'12'", "12"), ("0x10", "0x10"),
        ("2026-01-01", "2026-01-01"), ("1_000", "1_000"), ("!!str 12", "12"), ("1e999", "1e999"),
        (".inf", ".inf"), ("9" * 5000, "9" * 5000), ("No", "No"), ("+5", "+5"), ("=", "="),
    ],
)  # fmt: skip
def test_only_the_plainest_words_are_resolved(written: str, meant: PlainValue) -> None:
    document = value_of(f"key: {written}")
    assert document == {"key": meant}


def test_a_fraction_stays_as_it_was_written_but_is_known_for_a_number() -> None:
    document = value_of("a: 1.30\nb: '1.30'")
    assert isinstance(document, dict)
    assert isinstance(document["a"], PlainNumber)
    assert not isinstance(document["b"], PlainNumber)


TEXT = "os: {family: debian}\nnodes:\n  - name: cp1\n    labels:\n      a: b\n  - empty:\n"


@pytest.mark.parametrize(
    ("path", "at_key", "line", "column", "width"),
    [
        (("os", "family"), False, 1, 14, 6), (("os", "family"), True, 1, 6, 6),
        (("os",), False, 1, 5, 1), (("nodes", 0, "name"), False, 3, 11, 3),
        (("nodes", 0, "labels", "a"), False, 5, 10, 1), (("nodes", 1, "empty"), False, 6, 5, 5),
        (("nodes", 1), False, 6, 5, 1), (("nodes", 0, "missing"), False, 3, 5, 1),
        (("absent", "deeper"), False, 1, 1, 1),
    ],
)  # fmt: skip
def test_places(path: ValuePath, at_key: bool, line: int, column: int, width: int) -> None:
    found = Places("f", TEXT).place(path, at_key=at_key)
    assert (found.line, found.column, found.width) == (line, column, width)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [63, 200, 200_000])
def test_deep_nesting_is_a_problem_and_not_the_end_of_the_process(opening: str, depth: int) -> None:
    assert load_spec(opening * depth, "x").problems.errors


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    problem = load_spec("\ufeffkind: Clusterr\n", "x").problems.items[0]
    assert (problem.place.line, problem.place.column) == (1, 1)


def test_places_of_an_empty_text() -> None:
    assert Places("f", "").place(("a",)) == Place(file="f", line=1, column=1, path="a")


def test_no_two_text_types_share_a_pattern() -> None:
    assert len(ACCEPTED) == 33


def test_one_mistake_in_many_nodes_is_reported_once_for_each() -> None:
    nodes = "".join(f"  - {{name: n{i}, role: x, address: 10.1.0.{i}}}\n" for i in range(200))
    found = load_spec(f"nodes:\n{nodes}", "x").problems
    assert sum("'x' is not one of" in p.message for p in found) == 200


def free_form_fields(model: type[BaseModel], path: ValuePath = ()) -> set[ValuePath]:
    """The path of every Passthrough of a model."""
    found: set[ValuePath] = set()
    for name, hint in get_type_hints(model, include_extras=True).items():
        if name in model.model_fields:
            at = (*path, model.model_fields[name].alias or name)
            found |= {at} if Passthrough in {hint, *get_args(hint)} else set()
            for part in (hint, *get_args(hint)):
                below = (*at, EVERY) if get_origin(hint) is tuple else at
                if isinstance(part, type) and issubclass(part, BaseModel):
                    found |= free_form_fields(part, below)
    return found


def test_every_free_form_mapping_is_looked_through_for_unclear_words() -> None:
    assert free_form_fields(ClusterSpec) == set(FREE_FORM)


@pytest.mark.parametrize("port", [True, False, 8443.0, "8443.0", "8_443", " 8443", "0x20"])
def test_a_value_that_is_no_whole_number_is_refused(port: object) -> None:
    (problem,) = loaded({"controlPlaneEndpoint.port": port}).problems
    assert problem.place.path == "controlPlaneEndpoint.port"
    assert problem.message.startswith("expected a whole number, found ")


@pytest.mark.parametrize(
    "changes",
    [
        {"os.hosts": [{"address": "10.0.0.4", "names": ["10.0.0.256"]}]},
        {"os.timeSync.servers": ["a:b"]},
        {"os.timeSync.pools": ["1.2.3"]},
        {"nodes.0.network": {"prefixLength": 24, "search": ["10.0.0.256"]}},
    ],
)
def test_what_looks_like_an_address_is_one(changes: Changes) -> None:
    (problem,) = loaded(changes).problems
    assert "is not an IP address" in problem.message


def test_the_caret_after_a_byte_order_mark_stands_under_its_value() -> None:
    text = "\ufeffapiVersion: khgen/v2\n"
    (problem,) = [p for p in load_spec(text, "c.yaml").problems if "not one of" in p.message]
    assert problem_text(problem, text).splitlines()[:3] == [
        "c.yaml:1:13: error: 'khgen/v2' is not one of: khgen/v1alpha1",
        "  apiVersion: khgen/v2",
        "              ^^^^^^^^",
    ]


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('"a\\0"', "U+0000"),
        ('"\\0"', "U+0000"),
        ('"\\0 not kept"', "U+0000"),
        ('"\\e[1m"', "U+001B"),
        ('"\\x7f"', "U+007F"),
        ('"\\uFEFFa"', "U+FEFF"),
    ],
)
def test_an_escape_brings_no_character_that_yaml_forbids(written: str, code: str) -> None:
    for text in (f"a: {written}", f"a: {{{written}: b}}", f"a:\n  - [{written}]"):
        reader = YamlReader("c.yaml")
        reader.read(text)
        (fault,) = reader.faults
        assert fault.message == f"character {code} is not allowed in a text"
        assert fault.place.line == text.count("\n") + 1
        assert fault.place.column == text.split("\n")[-1].index(written) + 1


LONG = "9" * 6000


@pytest.mark.parametrize(
    "changes",
    [
        {"controlPlaneEndpoint.port": LONG},
        {"controlPlaneEndpoint.port": int("9" * 40)},
        {"kubernetes.controllerManager.extraArgs": {"node-cidr-mask-size-ipv4": LONG}},
        {"kubernetes.controllerManager.extraArgs": {"node-cidr-mask-size-ipv4": "\u0663" * 9}},
        {"kubernetes.controllerManager.extraArgs": {"node-cidr-mask-size-ipv4": "9" * 15}},
        {"kubernetes.apiServer.extraArgs": {"secure-port": LONG}},
        {"pki.caValidity": LONG + "y"},
        {"os.release": LONG},
        {"kubernetes.version": f"1.29.{LONG}"},
        {"networking.podSubnet": f"10.0.0.0/{LONG}"},
        {"nodes.3.network": {"prefixLength": LONG}},
        {"nodes.3.address": LONG},
    ],
)
def test_a_number_of_thousands_of_digits_is_refused_in_its_place(changes: Changes) -> None:
    problems = loaded(changes).problems
    assert problems.errors
    assert all(len(p.message) < 300 for p in problems)
