"""Versions: read from texts, and compared by their numbers."""

import pytest

from khgen.facts.kubernetes import MINORS, SUPPORTED_MINORS, etcd_flags_for
from khgen.facts.version import KubernetesVersion, Version


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.29.6", (1, 29, 6)),
        ("v1.29.6", (1, 29, 6)),
        ("1.7", (1, 7)),
        ("2", (2,)),
        ("2.x", (2,)),
        ("2.1.x", (2, 1)),
        ("2.x.1", (2,)),
    ],
)
def test_a_version_is_read_up_to_what_is_left_open(text: str, numbers: tuple[int, ...]) -> None:
    assert Version.parse(text).numbers == numbers


@pytest.mark.parametrize("text", ["", "x", "1.", "1..2", "1.2-rc", "1.²", " 1.2", "1.2\n"])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


@pytest.mark.parametrize("text", ["1.29", "1.29.x", "1.29.6.1", "1.29.6-rc.0", "1.29.6666"])
def test_a_version_of_kubernetes_has_three_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes version"):
        KubernetesVersion.parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3.5.15-0", "3.5.15"),
        ("v3.6.0-rc.1", "3.6.0"),
        ("7.2.9 (Debian 1:7.2)", "7.2.9"),
        ("3", None),
        ("latest-3.6", None),
        ("", None),
    ],
)
def test_the_version_that_a_text_begins_with(text: str, found: str | None) -> None:
    version = Version.leading(text)
    assert (None if version is None else str(version)) == found


def test_versions_compare_by_number() -> None:
    assert KubernetesVersion.parse("1.30.0") > KubernetesVersion.parse("1.29.10")
    assert KubernetesVersion.parse("1.29.10") > KubernetesVersion.parse("1.29.9")
    assert KubernetesVersion.parse("v1.29.9") == KubernetesVersion.parse("1.29.9")
    assert Version((1, 10)) > Version((1, 9, 9))


def test_the_minors_stand_in_order_without_a_gap() -> None:
    numbers = [Version.parse(minor).numbers for minor in SUPPORTED_MINORS]
    first = numbers[0][1]
    assert numbers == [(1, first + row) for row in range(len(MINORS))]


@pytest.mark.parametrize(
    ("tag", "experimental"),
    [("3.5.15-0", True), ("3.6.0", False), ("3.10.0", False), ("own", True)],
)
def test_etcd_of_3_6_has_other_flags(tag: str, experimental: bool) -> None:
    assert any("experimental" in name for name, _ in etcd_flags_for(tag)) is experimental
