"""Specs with mistakes, and exactly what khgen prints about each."""

from pathlib import Path

import pytest

from khgen.disk.spec_file import find_spec, read_spec
from khgen.problems import problem_text, summary_text
from khgen.spec.load import load_spec

MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))


def printed(path: Path) -> str:
    text = read_spec(find_spec(path))
    loaded = load_spec(text, path.name)
    lines = [problem_text(problem, text) for problem in loaded.problems]
    return "\n".join(
        [*lines, summary_text(loaded.problems, None if loaded.spec is not None else ()), ""]
    )


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_reported_in_these_words(path: Path, pytestconfig: pytest.Config) -> None:
    expected = path.with_suffix(".txt")
    found = printed(path)
    if pytestconfig.getoption("--record"):
        expected.write_text(found, encoding="utf-8")
        pytest.fail(f"recorded {expected.name}: read the diff, then run without --record")
    assert found == expected.read_text(encoding="utf-8")


def test_there_are_mistakes_and_no_text_is_left_over() -> None:
    assert len(MISTAKES) >= 15
    texts = {path.stem for path in (Path(__file__).parent / "mistakes").glob("*.txt")}
    assert texts == {path.stem for path in MISTAKES}
