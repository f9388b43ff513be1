"""YAML that khgen writes: every text is read back unchanged, at any place in a file."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from khgen.yaml_text import YamlValue, dump_yaml

LOADERS = (yaml.SafeLoader, yaml.CSafeLoader)
PLAIN_TO_SOME = (
    "...", "a...", "https://m.example/rocky...", "a\n...\n", "...\n", "---", "a\n\n", "\n", "", " ",
    "a\r\nb\r\n", "a\x85b", "a\u2028b", "\ufeffa", "a\ufeff", "0X1F", "-0b1", "1_0e2", ".1_0", "0o7",
    "12:30:45", "2001-1-1", "=", "<<", "~", "null", "yes", "y", "1e3", "0x10", "@a", "`a", "%a", "a #b",
    "a: b", "- a", "? a", "a ", "\ta", "'", '"', "\\", "x" * 3000, "{{ a }}", "\N{SNOWMAN}", "\U0001f600",
)  # fmt: skip


def assert_comes_back(text: str) -> None:
    for loader in LOADERS:
        values: tuple[YamlValue, ...] = (
            {text: text, "k": text},
            [text],
            text,
            {"a": [{"b": text}]},
        )
        for value in values:
            assert yaml.load(dump_yaml(value), Loader=loader) == value  # noqa: S506 - both are safe
        parts = dump_yaml({"first": text}) + dump_yaml({"last": [text]})
        assert yaml.load(parts, Loader=loader) == {"first": text, "last": [text]}  # noqa: S506
        several = dump_yaml({"a": text}, text, [text])
        assert list(yaml.load_all(several, Loader=loader)) == [{"a": text}, text, [text]]


@pytest.mark.parametrize("text", PLAIN_TO_SOME, ids=ascii)
def test_a_text_comes_back(text: str) -> None:
    assert_comes_back(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back(text: str) -> None:
    assert_comes_back(text)


@settings(max_examples=300, deadline=None)
@given(st.text("ab .:-#\n\t_0x1eE+~!&*'\"%@[]{}", max_size=12))
def test_any_text_of_yaml_s_own_characters_comes_back(text: str) -> None:
    assert_comes_back(text)


@pytest.mark.parametrize("text", ["0X1F", "-0x1f", "+0o7", "0B1", "1_0e2", ".1_0", "2001-1-1"])
def test_texts_that_go_reads_as_numbers_are_quoted(text: str) -> None:
    """kubeadm reads with gopkg.in/yaml.v2's rules (resolve.go), not with PyYAML's."""
    assert dump_yaml({"a": text}) == f'a: "{text}"\n'


@pytest.mark.parametrize("number", [1e16, 1e-7, 1.5e300, 0.1, 3.0, 10**17, -1])
def test_numbers_come_back(number: YamlValue) -> None:
    for loader in LOADERS:
        assert yaml.load(dump_yaml([number]), Loader=loader) == [number]  # noqa: S506
