"""Thousands of damaged specs: each gives problems or a spec, never an exception."""

import pytest

from support.mutants import check, play
from support.rendering import EXAMPLES, EXAMPLES_FOLDER

MUTANTS = 260
"""For each example; python -m support.mutants plays as many as are wanted."""


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_mutated_spec_gives_problems_or_a_spec(example: str) -> None:
    counts = play(example, MUTANTS)
    assert counts["refused"]
    assert counts["exported"]


@pytest.mark.parametrize("device", ["{match: null}", "{match: {}}", "{match: {macaddress: null}}"])
def test_a_network_without_a_match_is_exported(device: str) -> None:
    text = (EXAMPLES_FOLDER / "single" / "cluster.yaml").read_text(encoding="utf-8")
    raw = f"network: {{prefixLength: 24, raw: {{version: 2, ethernets: {{eth0: {device}}}}}}}"
    assert check(f"{text}    {raw}\n", export=True) is (device != "{match: null}")
