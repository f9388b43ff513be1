"""No command creates a file with a key other than 0600, not even for a moment."""

import base64
import gzip
import os
import re
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.command import SMALL_SPEC
from support.programs import require_program, unavailable

COMMANDS = (
    ("init", "air-gap", "-o", "new/cluster.yaml"),
    ("render", "cluster.yaml", "--rootfs"),
    ("render", "cluster.yaml", "--rootfs", "--node", "w1"),
    ("show", "cp1", "--write", "cp1"),
    ("render", "cluster.yaml", "--check", "--format", "json"),
    ("diff", "cluster.yaml", "--patch"),
    ("seed", "out"),
    ("seed", "out", "-o", "folders", "--format", "dir"),
    ("export", "terraform", "out"),
    ("export", "libvirt", "out"),
    ("export", "proxmox", "out"),
    ("export", "incus", "out"),
    ("export", "aws", "out"),
    ("certs", "list", "cluster.yaml"),
    ("certs", "renew", "cluster.yaml"),
    ("node", "replace", "cluster.yaml", "cp1"),
    ("secrets", "refound", "cluster.yaml", "--no-machine-has-booted"),
    ("secrets", "import", "cluster.yaml", "out/nodes/cp1/rootfs/etc/kubernetes/pki", "--secrets", "s.yaml"),
    ("node", "remove", "cluster.yaml", "w1"),
    ("image", "validate", "new/cluster.yaml"),
    ("render", "cluster.yaml"),
)  # fmt: skip
NO_KEYS = re.compile(
    r"^/dev/|(^|/)(cluster|network-policy)\.yaml$"
    r"|/\.khgen-bake-[^/]+/(packer/.*|payload\.tar|khgen\.pkrvars\.json)$"
)
"""What init writes, and what a bake's private folder holds besides its login."""
PEM_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----(\n|\\n)")
CALL = re.compile(r"(\d+) +(umask|open|openat|creat)\((?:AT_FDCWD, )?(.*)\) += (\d+)")
CREATION = re.compile(r'"(.*)", .*O_CREAT.*, (0[0-7]*)$')


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_every_file_with_a_key_is_private_from_its_first_moment(tmp_path: Path, umask: int) -> None:
    work = tmp_path / "work"
    for name in ("work/new", "home", "tmp"):
        (tmp_path / name).mkdir(parents=True)
    (work / "cluster.yaml").write_text(SMALL_SPEC)
    keys: set[bytes] = set()
    for number, command in enumerate(COMMANDS):
        trace = tmp_path / f"{number}.trace"
        traced(trace, command, work, umask)
        wide = [
            line for path, mode, line in creations(trace.read_text(), umask)
            if mode != 0o600 and not NO_KEYS.search(path)
        ]  # fmt: skip
        assert wide == [], command
        keys |= secret_values(work)
        for folder in (work, tmp_path / "home", tmp_path / "tmp"):
            assert list(open_keys(folder, keys)) == [], command
    assert len(keys) > 3


def traced(trace: Path, command: tuple[str, ...], work: Path, umask: int) -> None:
    done = subprocess.run(
        [require_program("strace"), "-f", "-qq", "-s", "4096", "-o", trace,
         "-e", "trace=openat,open,creat,umask", sys.executable, "-B", "-m", "khgen", *command],
        cwd=work, capture_output=True, text=True, check=False, timeout=120, umask=umask,
        env={**os.environ, "NO_COLOR": "1", "HOME": str(work.parent / "home"),
             "XDG_CACHE_HOME": str(work.parent / "home"), "TMPDIR": str(work.parent / "tmp")},
    )  # fmt: skip
    if "ptrace" in done.stderr.lower():
        unavailable(f"strace cannot trace here: {done.stderr.strip()}")
    expected = {"image": (0, 4), "diff": (0, 2)}.get(command[0], (0,))
    assert done.returncode in expected, (command, done.stderr)


def creations(trace: str, umask: int) -> Iterator[tuple[str, int, str]]:
    """Each file that was created: its path, its mode, and the call."""
    umasks: dict[str, int] = {}
    for line in trace.splitlines():
        if not (call := CALL.match(line)):
            continue
        process, name, arguments, _ = call.groups()
        if name == "umask":
            umasks[process] = int(arguments, 8)
        elif created := CREATION.match(arguments):
            mode = int(created[2], 8) & ~umasks.get(process, umask)
            yield created[1], mode, line


def secret_values(work: Path) -> set[bytes]:
    """The secrets of the file that cannot be known by their look, in the forms they are written."""
    path = work / "small.secrets.yaml"
    if not path.exists():
        return set()
    document = yaml.safe_load(path.read_text())
    raw = [base64.b64decode(document[name]) for name in ("seed", "encryptionKey")]
    return {form for key in raw for form in (key, key.hex().encode(), base64.b64encode(key))}


def open_keys(folder: Path, keys: set[bytes]) -> Iterator[Path]:
    """Files with a key that are not 0600, and their folders that are not 0700."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file() or not holds_key(path.read_bytes(), keys):
            continue
        if stat.S_IMODE(path.stat().st_mode) != 0o600:
            yield path
        if path.parent != folder and stat.S_IMODE(path.parent.stat().st_mode) != 0o700:
            yield path.parent


def holds_key(content: bytes, keys: set[bytes]) -> bool:
    if PEM_KEY.search(content) or any(key in content for key in keys):
        return True
    packed = [content[m.start() :] for m in re.finditer(rb"\x1f\x8b\x08", content)]
    encoded = re.findall(rb"[A-Za-z0-9+/]{64,}={0,2}", content)
    inner = [base64.b64decode(text[: len(text) // 4 * 4]) for text in encoded]
    return any(holds_key(text, keys) for text in (*inner, *filter(None, map(unpacked, packed))))


def unpacked(content: bytes) -> bytes:
    """What a gzip member at the beginning of these bytes holds; nothing if it is none."""
    with_rest = zlib.decompressobj(wbits=31)
    try:
        return with_rest.decompress(content)
    except zlib.error:
        return b""


@pytest.mark.parametrize("wrap", [bytes, base64.b64encode, gzip.compress])
def test_a_key_is_found_in_what_wraps_it(wrap: type[bytes]) -> None:
    key = b"-----BEGIN EC PRIVATE KEY-----\n" + b"x" * 60
    assert holds_key(b"before " + wrap(key), set())
    assert not holds_key(b"before " + wrap(b"-----BEGIN CERTIFICATE-----" * 5), set())
