"""The secrets file on disk: created once, whole or not at all, private, never replaced."""

import io
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from khgen.disk import secrets_file
from khgen.disk.secrets_file import LoadedSecrets
from khgen.pki.secrets import EVERYONE, renewed
from khgen.pki.secrets_decode import SealCheck
from khgen.pki.secrets_encode import encode_secrets
from khgen.problems import Severity
from support.fixed import FIXED_NOW, fixed_secrets, known_entropy
from support.topologies import topology

SPEC = topology("single")
NAME = "tested.secrets.yaml"


def load_or_make(path: Path, entropy: str = "a") -> LoadedSecrets:
    return secrets_file.load_or_make(path, SPEC, now=FIXED_NOW, random_bytes=known_entropy(entropy))


def load_or_create(path: Path, entropy: str = "a") -> str:
    """The text of the secrets after a render: of two that make the file at once, one is made to load."""
    loaded = load_or_make(path, entropy)
    assert loaded.secrets is not None, loaded.problems
    assert not loaded.problems
    if loaded.fresh and not secrets_file.create(path, loaded.secrets):
        return load_or_create(path, entropy)
    return encode_secrets(loaded.secrets)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_it_is_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load_or_create(tmp_path / NAME)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_it_is_created_once_and_loaded_ever_after(tmp_path: Path) -> None:
    first = load_or_create(tmp_path / NAME, "a")
    content = (tmp_path / NAME).read_bytes()
    assert load_or_create(tmp_path / NAME, "b") == first
    assert (tmp_path / NAME).read_bytes() == content == first.encode()


def test_a_check_writes_nothing(tmp_path: Path) -> None:
    assert load_or_make(tmp_path / NAME).fresh
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_one_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_text("kind: Secrets\n")
    path.chmod(0o600)
    loaded = load_or_make(path)
    assert loaded.secrets is None
    assert loaded.problems.errors
    assert path.read_text() == "kind: Secrets\n"


def test_an_empty_one_is_damaged_too(tmp_path: Path) -> None:
    (tmp_path / NAME).touch(mode=0o600)
    loaded = load_or_make(tmp_path / NAME)
    assert [p.message for p in loaded.problems] == ["the secrets file is empty"]


def test_binary_and_huge_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    for content in (b"\xff\xfe\x00", b"#" * (secrets_file.MAX_BYTES + 1)):
        path.write_bytes(content)
        path.chmod(0o600)
        assert secrets_file.load(path).problems.errors


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        load_or_create(tmp_path / NAME)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o602])
def test_others_rights_are_warned_of(tmp_path: Path, mode: int) -> None:
    load_or_create(tmp_path / NAME)
    (tmp_path / NAME).chmod(mode)
    loaded = secrets_file.load(tmp_path / NAME)
    assert loaded.secrets is not None
    (warning,) = loaded.problems
    assert warning.severity is Severity.WARNING
    assert f"(its mode is {mode:04o})" in warning.message
    assert warning.hint == f"chmod 600 {tmp_path / NAME}"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = encode_secrets(fixed_secrets(SPEC))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert load_or_create(Path("-")) == text
    loaded = load_or_make(Path("-"))
    (problem,) = loaded.problems
    assert (problem.message, problem.place.file) == ("the secrets file is empty", "<stdin>")


def _create_in_turn(path: Path, entropy: str, results: "multiprocessing.Queue[str]") -> None:
    results.put(load_or_create(path, entropy))


def test_renders_at_once_agree_on_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        path = tmp_path / f"{attempt}.yaml"
        results: multiprocessing.Queue[str] = context.Queue()
        processes = [
            context.Process(target=_create_in_turn, args=(path, str(number), results))
            for number in range(6)
        ]
        for process in processes:
            process.start()
        texts = {results.get(timeout=30) for _ in processes}
        for process in processes:
            process.join()
        assert texts == {path.read_text()}
    assert len(list(tmp_path.iterdir())) == 5


def test_only_one_of_two_creations_wins(tmp_path: Path) -> None:
    first, second = fixed_secrets(SPEC), fixed_secrets(topology("p384"))
    assert secrets_file.create(tmp_path / NAME, first)
    assert not secrets_file.create(tmp_path / NAME, second)
    assert (tmp_path / NAME).read_text() == encode_secrets(first)
    assert len(list(tmp_path.iterdir())) == 1


ENDLESS = """
import os, sys
from pathlib import Path
from khgen.disk import secrets_file
from support.fixed import FIXED_NOW, known_entropy
from support.topologies import topology
secrets = fixed = None
from support.fixed import fixed_secrets
secrets = fixed_secrets(topology("single"))
print("ready", flush=True)
number = 0
while True:
    path = Path(sys.argv[1]) / f"{number}.yaml"
    secrets_file.create(path, secrets)
    secrets_file.extend(path, lambda s: s)
    number += 1
"""


def test_a_kill_leaves_nothing_half(tmp_path: Path) -> None:
    whole = encode_secrets(fixed_secrets(SPEC))
    tests = str(Path(__file__).resolve().parents[1])
    for delay in (0.005, 0.012, 0.021, 0.033):
        folder = tmp_path / str(delay)
        folder.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", ENDLESS, folder],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": tests},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
        for path in folder.glob("*.yaml"):
            assert path.read_text() == whole
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, "leftovers are private too"


def test_an_extension_adds(tmp_path: Path) -> None:
    path = tmp_path / NAME
    before = load_or_create(path)
    later = FIXED_NOW + timedelta(days=30)
    secrets_file.extend(path, lambda secrets: renewed(secrets, (EVERYONE,), later))
    secrets_file.extend(path, lambda secrets: renewed(secrets, (EVERYONE, "cp1"), later))
    loaded = secrets_file.load(path)
    assert loaded.secrets is not None
    assert loaded.secrets.generations == {EVERYONE: 2, "cp1": 1}
    assert loaded.secrets.renewed_at == {EVERYONE: later, "cp1": later}
    lost = set(before.splitlines()) - set(path.read_text().splitlines())
    assert {line.partition(":")[0] for line in lost} == {"generations", "digest"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list(tmp_path.iterdir())) == 1


def test_an_extension_that_loses_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    before = load_or_create(path)
    for change in (lambda _: fixed_secrets(SPEC), lambda _: fixed_secrets(topology("p384"))):
        with pytest.raises(ValueError, match="only ever added to"):
            secrets_file.extend(path, change)
    assert path.read_text() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_an_extension_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    load_or_create(tmp_path / "vault" / NAME)
    (tmp_path / NAME).symlink_to(tmp_path / "vault" / NAME)
    secrets_file.extend(tmp_path / NAME, lambda s: renewed(s, ("cp1",), FIXED_NOW))
    assert (tmp_path / NAME).is_symlink()
    assert "cp1:" in (tmp_path / "vault" / NAME).read_text()


def _extend_often(path: Path, scope: str) -> None:
    for _ in range(10):
        secrets_file.extend(path, lambda secrets: renewed(secrets, (scope,), FIXED_NOW))


def test_extensions_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / NAME
    load_or_create(path)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_extend_often, args=(path, f"w{n % 2}")) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    loaded = secrets_file.load(path)
    assert loaded.secrets is not None
    assert loaded.secrets.generations == {"w0": 20, "w1": 20}


def refusal(path: Path) -> str:
    loaded = secrets_file.load(path)
    assert loaded.secrets is None
    (problem,) = loaded.problems
    assert problem.place.file == str(path)
    return f"{problem.message}; {problem.hint}"


def test_a_path_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    assert refusal(tmp_path / NAME).startswith("a named pipe, not a file; read it through standard")
    assert refusal(tmp_path).startswith("a folder, not a file; ")
    assert refusal(Path("/dev/zero")).startswith("a device, not a file; ")
    with pytest.raises(FileNotFoundError):
        secrets_file.load(tmp_path / "missing")


def test_a_pipe_of_the_shell_is_read_to_its_end() -> None:
    text = encode_secrets(fixed_secrets(SPEC))
    reading, writing = os.pipe()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=writing) as cat:
        os.close(writing)
        assert cat.stdin is not None
        cat.stdin.write(text.encode())
        cat.stdin.close()
        loaded = secrets_file.load(Path(f"/dev/fd/{reading}"))
    os.close(reading)
    assert loaded.secrets is not None, loaded.problems
    assert encode_secrets(loaded.secrets) == text
    assert not loaded.problems


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user takes root")
def test_another_users_file_is_refused_unless_a_key_seals_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, key = tmp_path / NAME, b"a key that only this test knows"
    load_or_create(path)
    os.chown(path, 12345, -1)
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert refusal(path) == (
        "it belongs to another user (uid 12345), who can change it at any time;"
        f" chown 0 {path}; where that user is trusted: --secrets - < {path}"
    )
    monkeypatch.setenv("SUDO_UID", "12345")
    assert secrets_file.load(path).secrets is not None
    monkeypatch.setenv("SUDO_UID", "12346")
    refusal(path)
    path.unlink()
    assert secrets_file.create(path, fixed_secrets(SPEC), key)
    os.chown(path, 12345, -1)
    assert secrets_file.load(path, seal=SealCheck(key=key)).secrets is not None
