"""Programs that only record how they were called, instead of making machines."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_RECORDER = """\
#!{python}
import json, os, sys
name = os.path.basename(sys.argv[0])
said, code = json.loads({answers!r}).get(" ".join([name, *sys.argv[1:]]), ["", 0])
given = "" if sys.stdin.isatty() else sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
    if given:
        log.write(json.dumps(["<", given]) + "\\n")
print(said, end="")
sys.exit(code)
"""


class Recorder:
    """A folder of such programs; `answers` holds what a call prints, and its code."""

    def __init__(
        self, folder: Path, programs: tuple[str, ...], answers: Mapping[str, tuple[str, int]]
    ) -> None:
        self.folder = folder / "recorded"
        self.log = folder / "calls.jsonl"
        self.folder.mkdir()
        wanted = {name: list(answer) for name, answer in answers.items()}
        text = _RECORDER.format(
            python=sys.executable, answers=json.dumps(wanted), log=str(self.log)
        )
        for program in programs:
            path = self.folder / program
            path.write_text(text)
            path.chmod(0o755)

    def run(self, script: Path, *names: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a script with these programs first on its path, and those settings."""
        path = f"{self.folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [script, *names],
            env={"PATH": path, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[list[str]]:
        """Every call so far; what one was given on standard input follows it after a '<'."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]
