"""Two mistakes at once, one in a node and one that a check finds: both are reported in one run."""

from copy import deepcopy
from typing import Any

import pytest

from khgen.spec.check import ROLES
from khgen.spec.load import CHECKS, load_spec
from khgen.yaml_text import dump_yaml
from spec.test_checks import ERRORS, WARNINGS, Case
from support.spec_texts import changed

pytestmark = pytest.mark.slow

MARK = "MISTAKE"
"""Stands in the document where the text of the mistake goes."""
NodeMistake = tuple[str, dict[str, Any], str, str]
# (name, what is changed in the node, the text instead of the mark, a part of the message)
NODE_MISTAKES: tuple[NodeMistake, ...] = (
    ("name", {"name": "Upper"}, "", "is not a host name"),
    ("no name", {"name": None}, "", "missing key 'name'"),
    ("name is a list", {"name": ["a"]}, "", "expected text"),
    ("address", {"address": "192.168.10.300"}, "", "is not an IP address"),
    ("no address", {"address": None}, "", "missing key 'address'"),
    ("misspelt key", {"address": None, "addres": "192.168.10.99"}, "", "unknown key 'addres'"),
    ("unknown key", {"cpu": "4"}, "", "unknown key 'cpu'"),
    ("further address", {"additionalAddresses": ["x"]}, "", "is not an IP address"),
    ("label", {"labels": {"a b": "c"}}, "", "is not a label key"),
    ("labels", {"labels": ["a"]}, "", "expected a mapping"),
    ("taint", {"taints": [{"key": "a", "effect": "Never"}]}, "", "'Never' is not one of"),
    ("flag", {"kubeletExtraArgs": {"max-pods": "1 0"}}, "", "is not text without blanks"),
    ("certificate", {"certSANs": ["a_b"]}, "", "is not a DNS name"),
    ("interface", {"interface": "eth0/1"}, "", "is not the name of a network interface"),
    ("prefix", {"network": {"prefixLength": "x"}}, "", "expected a whole number"),
    ("no prefix", {"network": {"search": ["a"]}}, "", "missing key 'prefixLength'"),
    ("gateway", {"network": {"prefixLength": 24, "gateway": 1}}, "", "is not an IP address"),
    ("network", {"network": []}, "", "expected a mapping"),
    ("raw", {"network": {"prefixLength": 24, "raw": {"x": MARK}}}, "yes", "is text in khgen"),
    ("alias", {"certSANs": MARK}, "*names", "aliases (*name) are not supported"),
    ("tag", {"name": MARK}, "!!int 4", "tags like"),
    ("tagged mapping", {"labels": MARK}, "!x {}", "tags like"),
    ("merge key", {"labels": MARK}, "{<<: a}", "merge keys"),
    ("duplicate key", {"labels": MARK}, "{a: b, a: c}", "duplicate key 'a'"),
    ("mapping as key", {"labels": MARK}, "{[a]: b}", "a key must be plain text"),
    ("escaped NUL", {"name": MARK}, '"a\\0b"', "character U+0000 is not allowed"),
    ("NUL in a key", {"labels": MARK}, '{"a\\0": b}', "character U+0000 is not allowed"),
    ("control character", {"name": MARK}, "a\x07b", "control character U+0007"),
    ("not UTF-8", {"name": MARK}, "caf\udce9", "byte 0xe9 is not valid UTF-8"),
    ("comment", {"name": MARK}, "n9 # caf\udce9", "byte 0xe9 is not valid UTF-8"),
)  # fmt: skip
OF_UNKNOWN_ROLE: tuple[NodeMistake, ...] = (
    ("role", {"role": "wrker"}, "", "'wrker' is not one of"),
    ("no role", {"role": None}, "", "missing key 'role'"),
    ("role is an alias", {"role": MARK}, "*role", "aliases (*name) are not supported"),
)
"""Nobody knows what such a node is for, so checks that count roles cannot run."""
COUNT_ROLES = {check.find.__name__ for check in CHECKS if ROLES in check.reads}
NODE = {"name": "n9", "role": "worker", "address": "192.168.10.99"}
CASES = (*ERRORS, *WARNINGS)


def both(case: Case, mistake: NodeMistake) -> list[str]:
    """The messages about a spec with both; the faulty node comes last."""
    document = deepcopy(changed(case[1]))
    node: dict[str, Any] = NODE | mistake[1]
    document["nodes"].append({key: value for key, value in node.items() if value is not None})
    text = dump_yaml(document).replace(MARK, mistake[2])
    return [f"{p.place.path} {p.message}" for p in load_spec(text, "cluster.yaml").problems]


def hidden(cases: tuple[Case, ...], mistakes: tuple[NodeMistake, ...]) -> list[str]:
    """The pairs of which one is not reported."""
    lost = []
    for case in cases:
        fragment = case[3].partition(", but there are 4")[0]  # there is one more now
        for mistake in mistakes:
            found = both(case, mistake)
            seen = any(text.startswith(f"{case[2]} ") and fragment in text for text in found)
            if not seen or not any(mistake[3] in text for text in found):
                lost.append(f"{case[0]} at {case[2]} + {mistake[0]}: {found}")
    return lost


@pytest.mark.parametrize("mistake", NODE_MISTAKES, ids=lambda mistake: mistake[0])
def test_a_mistake_in_a_node_hides_no_other(mistake: NodeMistake) -> None:
    assert hidden(CASES, (mistake,)) == []


@pytest.mark.parametrize("mistake", OF_UNKNOWN_ROLE, ids=lambda mistake: mistake[0])
def test_an_unknown_role_hides_only_what_counts_roles(mistake: NodeMistake) -> None:
    cases = tuple(case for case in CASES if case[0] not in COUNT_ROLES)
    assert hidden(cases, (mistake,)) == []


def test_two_mistakes_in_one_node_are_reported() -> None:
    for mistake in NODE_MISTAKES:
        found = both(
            ("", {}, "", "", {}),
            (mistake[0], mistake[1] | {"kubeletExtraArgs": {"node-ip": "x"}}, *mistake[2:]),
        )
        if mistake[0] != "flag":
            assert any("kubelet flag 'node-ip' is set" in text for text in found), mistake[0]
