"""Every command that writes, on a disk that is full at every size.

unshare --mount .venv/bin/python tests/disk/full_disk.py --step 4
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from khgen.cli import main as khgen

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.command import SMALL_SPEC
from support.rendered_out import tree

PAGE = 4096
FULL = "No space left on device"
COMMANDS = {
    "init": ("init", "air-gap", "-o", "new.yaml"),
    "first": ("render", "cluster.yaml"),
    "again": ("render", "cluster.yaml", "--rootfs"),
    "node": ("render", "cluster.yaml", "--rootfs", "--node", "w1"),
    "renew": ("certs", "renew", "cluster.yaml"),
    "seed": ("seed", "out"),
    "terraform": ("export", "terraform", "out"),
}


def main() -> int:
    """Run every command at every size; 1 if one of them broke a promise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--step", type=int, default=64, help="KiB from one size to the next")
    step = parser.parse_args().step * 1024
    os.environ |= {"NO_COLOR": "1", "SOURCE_DATE_EPOCH": "1790000000"}
    runs = refused = 0
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in COMMANDS:
            for code, found in _tried(name, Path(folder), step):
                runs, refused = runs + 1, refused + (code != 0)
                faults += found
    sys.stdout.write("".join(f"{fault}\n" for fault in faults))
    sys.stdout.write(f"{runs} runs, {refused} on a full disk, {len(faults)} faults\n")
    return 1 if faults else 0


def _tried(name: str, disk: Path, step: int) -> Iterator[tuple[int, list[str]]]:
    """The command's exit code and what was wrong, at each size until there is room."""
    free = 0
    while True:
        _mount(disk)
        try:
            os.chdir(disk)
            _prepare(name)
            before = tree(disk)
            _leave_room(disk, free)
            code, said = _khgen(*COMMANDS[name])
            found = _faults(code, said, before, tree(disk)) if code else []
            subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
            if code and _khgen(*COMMANDS[name])[0] != 0:
                found.append("the next run, with room, fails")
            if left := sorted(str(path) for path in disk.rglob(".*")):
                found.append(f"left behind: {left}")
            yield code, [f"{name} with {free} bytes free: {text}" for text in found]
        finally:
            os.chdir("/")
            subprocess.run(["umount", disk], check=True)
        if code == 0:
            return
        free += step


def _mount(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "full", disk], check=True)


def _prepare(name: str) -> None:
    Path("cluster.yaml").write_text(SMALL_SPEC)
    if name not in {"init", "first"}:
        _khgen("render", "cluster.yaml")


def _leave_room(disk: Path, free: int) -> None:
    state = os.statvfs(disk)
    used = (state.f_blocks - state.f_bfree) * state.f_frsize
    size = max(used + free, PAGE)  # A size of 0 is no limit (tmpfs(5)).
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def _faults(code: int, said: str, before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    found = []
    if code != 3:
        found.append(f"exit {code}")
    if FULL not in said or f"error: {FULL}" in said or "hint: make room" not in said:
        found.append(f"the error names no file or no way out: {said!r}")
    if ".khgen-" in said:
        found.append(f"the error names a file that nobody knows: {said!r}")
    if changed := {
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    }:
        found.append(f"changed: {sorted(changed)[:3]}")
    return found


def _khgen(*arguments: str) -> tuple[int, str]:
    """One khgen, in a child: what it leaves in memory is its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os._exit(_in_child(writer, arguments))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as output:
        said = output.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _in_child(writer: int, arguments: tuple[str, ...]) -> int:
    sys.argv = ["khgen", *arguments]
    said = io.StringIO()
    code: object = 0
    with redirect_stderr(said), redirect_stdout(said):
        try:
            khgen()
        except SystemExit as end:
            code = end.code
    os.write(writer, said.getvalue().encode()[:60000])
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
