"""The seal of a secrets file: what is refused, and how an operator accepts a changed file."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from khgen.pki.secrets_encode import KEY_VARIABLE, SEAL
from support.command import SMALL_SPEC, khgen
from support.sealing import reseal, sealed

SECRETS = "small.secrets.yaml"
CONFIRMED = "--content-is-right"
KEY = {KEY_VARIABLE: "key"}
SEAL_IT = ("secrets", "seal", "cluster.yaml", CONFIRMED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a cluster that was rendered once, and a key that nothing was sealed with."""
    (tmp_path / "cluster.yaml").write_text(SMALL_SPEC)
    (tmp_path / "key").write_text("a key that only this test knows\n")
    (tmp_path / "key").chmod(0o600)
    done = khgen("render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def check(folder: Path, env: dict[str, str] | None = None) -> tuple[int, str]:
    done = khgen("render", "cluster.yaml", "--check", cwd=folder, env=env)
    return done.returncode, done.stderr


def refusal(folder: Path, env: dict[str, str] | None = None) -> str:
    """The error and the hint of a render that is refused."""
    code, said = check(folder, env)
    assert code == 1
    lines = said.splitlines()
    place, _, message = lines[0].partition(": error: ")
    assert re.fullmatch(rf"{SECRETS}:\d+:\d+", place), said
    return f"{message}; {lines[-2].strip()}"


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / SECRETS).read_text()
    assert old in text
    (folder / SECRETS).write_text(text.replace(old, new, 1))


def test_every_command_refuses_a_file_that_was_changed(folder: Path) -> None:
    change(folder, "\n- cp1\n", "\n- cp4\n")
    before = (folder / SECRETS).read_bytes()
    for words in (
        ("render", "cluster.yaml"), ("render", "cluster.yaml", "--check"), ("diff", "cluster.yaml"),
        ("certs", "list", "cluster.yaml"), ("certs", "renew", "cluster.yaml"),
        ("node", "replace", "cluster.yaml", "cp1"), ("node", "remove", "cluster.yaml", "w1"),
        ("secrets", "refound", "cluster.yaml", "--no-machine-has-booted"),
    ):  # fmt: skip
        done = khgen(*words, cwd=folder)
        assert done.returncode == 1, words
        assert "error: the secrets file is damaged: its content does not match" in done.stderr
        assert "hint: restore the file from a copy" in done.stderr
        assert "khgen secrets seal" in done.stderr
    assert (folder / SECRETS).read_bytes() == before


def test_deleting_the_digest_does_not_switch_the_check_off(folder: Path) -> None:
    text = (folder / SECRETS).read_text()
    (folder / SECRETS).write_text(re.sub(rf"^{SEAL}: .*\n", "", text, flags=re.MULTILINE))
    assert refusal(folder).startswith("the secrets file may be damaged: it has no digest; hint:")


def test_layout_order_and_comments_are_no_damage(folder: Path) -> None:
    document = yaml.safe_load((folder / SECRETS).read_text())
    text = "# mine\n" + yaml.safe_dump(document, sort_keys=True, indent=7, default_style='"')
    (folder / SECRETS).write_text(text.replace("\n", "\r\n"))
    assert check(folder) == (0, "")


def test_seal_accepts_a_change_and_shows_it_without_any_key(folder: Path) -> None:
    change(folder, "\n- cp1\n", "\n- cp4\n")
    document = yaml.safe_load((folder / SECRETS).read_text())
    done = khgen(*SEAL_IT, cwd=folder)
    assert (done.returncode, done.stdout) == (0, f"{SECRETS}: sealed with a digest\n")
    assert "founders: cp4, cp2, cp3\n" in done.stderr
    assert khgen("show", "cp1", "--write", "cp1", cwd=folder).returncode == 0
    certificate = folder / "cp1/rootfs/etc/kubernetes/pki/etcd/ca.crt"
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(certificate)]
    fingerprint = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert fingerprint.strip().partition("=")[2] in done.stderr
    keys = [part["key"] for part in document["authorities"].values()]
    keys += [document["serviceAccount"]["key"]]
    secret = [line for key in keys for line in key.splitlines() if "-----" not in line]
    secret += [document[name] for name in ("seed", "vrrpPassword", "encryptionKey")]
    assert [text for text in secret if text in done.stdout + done.stderr] == []
    assert "'cp4' founded the cluster, but the spec does not list it" in check(folder)[1]


def test_seal_accepts_no_damage_of_another_kind(folder: Path) -> None:
    change(folder, "seed: ", "seed: A")
    before = (folder / SECRETS).read_bytes()
    done = khgen(*SEAL_IT, cwd=folder)
    assert done.returncode == 1
    assert "seed: 32 bytes in base64 are expected" in done.stderr
    assert (folder / SECRETS).read_bytes() == before


def test_seal_asks_and_takes_only_the_clusters_name(folder: Path) -> None:
    change(folder, "\n- cp1\n", "\n- cp4\n")
    before = (folder / SECRETS).read_bytes()
    done = khgen(*SEAL_IT[:-1], cwd=folder)
    assert done.returncode == 2
    assert f"confirm with {CONFIRMED}" in done.stderr
    assert _typed(folder, "large\n") == 2
    assert (folder / SECRETS).read_bytes() == before
    assert _typed(folder, "small\n") == 0
    assert (folder / SECRETS).read_bytes() != before


def _typed(folder: Path, answer: str) -> int:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "khgen", *SEAL_IT[:-1]],
        cwd=folder, stdin=slave, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(slave)
    os.write(master, answer.encode())
    code = process.wait(timeout=60)
    os.close(master)
    return code


def test_a_file_with_a_digest_alone_is_refused_where_a_key_is_given(folder: Path) -> None:
    said = refusal(folder, KEY)
    assert said.startswith("the secrets file is not sealed with a key, but one is given; hint:")
    assert "khgen secrets seal" in said
    assert khgen(*SEAL_IT, cwd=folder, env=KEY).stdout.endswith(f"the key of {KEY_VARIABLE}\n")
    assert check(folder, KEY) == (0, "")


def test_a_sealed_file_cannot_be_changed_without_the_key(folder: Path) -> None:
    assert khgen(*SEAL_IT, cwd=folder, env=KEY).returncode == 0
    whole = (folder / SECRETS).read_text()
    assert refusal(folder).startswith("the secrets file is sealed with a key, but none is given;")
    (folder / "other").write_text("x" * 32)
    assert "or it is sealed with another key" in refusal(folder, {KEY_VARIABLE: "other"})
    change(folder, "\n- cp1\n", "\n- cp4\n")
    assert "damaged" in refusal(folder, KEY)
    # What somebody without the key can do: the digest of the changed content in the MAC's place.
    reseal(folder / SECRETS)
    assert "is not sealed with a key" in refusal(folder, KEY)
    document = yaml.safe_load((folder / SECRETS).read_text())
    (folder / SECRETS).write_text(sealed(document, b"a key that somebody made up"))
    assert "damaged" in refusal(folder, KEY)
    (folder / SECRETS).write_text(whole)
    assert check(folder, KEY) == (0, "")


def test_everything_that_writes_keeps_the_seal(folder: Path) -> None:
    (folder / SECRETS).unlink()
    made = khgen("render", "cluster.yaml", "-o", "new", cwd=folder, env=KEY)
    assert made.returncode == 0, made.stderr
    for words in (
        ("certs", "renew", "cluster.yaml"), ("node", "replace", "cluster.yaml", "w1"),
        ("node", "remove", "cluster.yaml", "w1"),
        ("secrets", "refound", "cluster.yaml", "--no-machine-has-booted"),
    ):  # fmt: skip
        done = khgen(*words, cwd=folder, env=KEY)
        assert done.returncode == 0, done.stderr
        assert f"\n{SEAL}: hmac-sha256:" in (folder / SECRETS).read_text()
        assert "secrets file" not in check(folder, KEY)[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "not 0"), ("short\n", "not 5"), ("x" * 5000, "of 16 to 4096 bytes is expected")],
)
def test_a_key_that_is_none(folder: Path, content: str, message: str) -> None:
    (folder / "key").write_text(content)
    code, said = check(folder, KEY)
    assert code == 1
    assert said.startswith("key:1:1: error: a key of 16 to 4096 bytes is expected")
    assert message in said
    assert content[:5] not in said or not content
    (folder / "key").unlink()
    assert check(folder, KEY)[0] == 3
