"""Mutants of khgen's own code: how many of them the fast tests notice, and which they do not.

.venv/bin/pip install mutmut==3.8.1
PYTHONPATH=tests .venv/bin/python -m support.mutated_code --mutants 400

mutmut changes one expression at a time, in a copy of the checkout. Its processes are forks of one
that has run all tests, where cached results and values of test modules hide mutants. So this module
is also a pytest plugin that empties caches, and each survivor is tried once more in a new process.
"""

import argparse
import functools
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.rendering import ROOT

PACKAGES = ("pki", "plan", "bundle")
TESTS = ("pki", "plan", "bundle", "files", "golden")
LEFT_OUT = ("tests/files/test_machine_scripts.py", "tests/files/test_metadata.py")
"""They run scripts of nodes, and none of the mutated code."""
PYTEST = (
    "-m", "not tools and not boot and not kubernetes and not slow", "-p", "no:cacheprovider",
    "-p", "support.mutated_code", *(f"--ignore={path}" for path in LEFT_OUT),
)  # fmt: skip
SOURCES = "src"
"""In the copy, the name of the folder `generator`: mutmut knows modules below no other."""
_OURS = ("khgen.", "support.")
_caches: "list[functools._lru_cache_wrapper[object]]" = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Empty the caches of khgen's and the tests' functions, all of which are imported by now."""
    if not _caches:
        objects = (o for o in gc.get_objects() if isinstance(o, functools._lru_cache_wrapper))
        _caches.extend(o for o in objects if (o.__module__ or "").startswith(_OURS))
    for cached in _caches:
        cached.cache_clear()


def make_copy(folder: Path) -> None:
    """Copy what git knows of the checkout, and configure mutmut there."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, names):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    (folder / "generator").rename(folder / SOURCES)
    kept = {"tests", SOURCES, "pyproject.toml"}
    settings = {
        "source_paths": [SOURCES],
        "only_mutate": [f"{SOURCES}/khgen/{package}/*" for package in PACKAGES],
        "also_copy": sorted(path.name for path in folder.iterdir() if path.name not in kept),
        "pytest_add_cli_args_test_selection": [f"tests/{name}" for name in TESTS],
        "pytest_add_cli_args": list(PYTEST),
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as config:
        config.write("\n[tool.mutmut]\n")
        config.writelines(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def mutmut(folder: Path, *names: str) -> None:
    """Run mutmut on these mutants; it fails where a mutant survives."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "2", *names]
    subprocess.run(command, cwd=folder, check=False, stdout=subprocess.DEVNULL)


def exit_codes(folder: Path) -> Iterator[tuple[str, int | None]]:
    """Each mutant with the exit code of its tests; None if they did not run."""
    for path in sorted((folder / "mutants").rglob("*.meta")):
        yield from json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"].items()


def survives(folder: Path, name: str) -> bool:
    """Whether the tests pass in a new process with this mutant."""
    environment = {**os.environ, "PYTHONPATH": f"{SOURCES}:tests", "MUTANT_UNDER_TEST": name}
    order = sorted(TESTS, key=lambda test: test != name.split(".")[1])
    command = [str(Path(sys.executable).with_name("pytest")), "-x", "-q", "-p", "no:xdist", *PYTEST]
    done = subprocess.run(
        [*command, *(f"tests/{test}" for test in order)],
        cwd=folder / "mutants", env=environment, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode == 0


def play(folder: Path, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """How many of that many random mutants were killed, and those that survive."""
    make_copy(folder)
    mutmut(folder, "khgen.none*")  # It makes all mutants, and runs none of them.
    names = sorted(name for name, _ in exit_codes(folder))
    chosen = random.Random(seed).sample(names, min(count, len(names)))  # noqa: S311
    mutmut(folder, *chosen)
    codes = dict(exit_codes(folder))
    first = sorted(name for name in chosen if codes[name] in {0, 33, None})
    with ThreadPoolExecutor(2) as pool:
        lives = list(pool.map(functools.partial(survives, folder), first))
    alive = [name for name, alive in zip(first, lives, strict=True) if alive]
    counts = Counter(all=len(names), tried=len(chosen), killed=len(chosen) - len(alive))
    return counts, alive


def main() -> int:
    """Play a sample; 1 if one of its mutants survives."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=400)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--keep", type=Path, help="a new folder for the copy, for mutmut show NAME")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "copy" if given.keep is None else given.keep
        folder.mkdir()
        counts, alive = play(folder, given.mutants, given.seed)
    sys.stdout.writelines(f"{name}\n" for name in alive)
    sys.stdout.write(f"{dict(counts)}\n")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
