"""khgen diff -p shows no key, password, token or seed of either generation, in any usual form."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from khgen.disk.secrets_file import load
from khgen.pki.credentials import bootstrap_token, founding_token
from support.command import SMALL_SPEC, khgen
from support.rendered_out import manifest_of, node_files
from support.secret_forms import forms

SECRETS = "small.secrets.yaml"
PASSWORD = "correct-horse-battery"  # noqa: S105 - what must not be shown
SPEC = (
    SMALL_SPEC.replace(
        "nodes:\n",
        "kubernetes: {encryptionAtRest: true}\n"
        f"userData: {{extra: {{chpasswd: {{list: 'root:{PASSWORD}'}}}}}}\n"
        "nodes:\n",
    )
    .replace("addons: {", "addons: {manifests: [{name: login, path: login.yaml}], ")
    .replace(
        "address: 10.9.0.21",
        f"address: 10.9.0.21, network: {{prefixLength: 24, raw: {{version: 2, wifis: {{w: {{access-points: {{home: {{password: {PASSWORD}}}}}}}}}}}}}",
    )
)
PRIVATE_KEY = re.compile(r"BEGIN ((?:EC )?)PRIVATE KEY-----\n(.*?)-----END", re.DOTALL)
SCALAR = {"EC ": 12, "": 48}
"""Where base64 of the secret number begins, in SEC 1 and in PKCS #8; a public half may follow."""
MANIFEST = (
    f"apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{login: {PASSWORD}}}\n"
)


@pytest.fixture(scope="module")
def generations(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two clusters of one spec with nothing in common: what one shows of the other is a leak."""
    folders = []
    for name in ("old", "new"):
        folder = tmp_path_factory.mktemp(name)
        (folder / "cluster.yaml").write_text(SPEC)
        (folder / "login.yaml").write_text(MANIFEST.replace("login:", f"{name}:"))
        assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
        folders.append(folder)
    old, new = folders
    return old, new


def secret_texts(folder: Path) -> Iterator[str]:
    """Every secret of a rendered cluster: those of its secrets file, and all that is made of them."""
    yield PASSWORD
    secrets = load(folder / SECRETS).secrets
    assert secrets is not None
    yield from (bootstrap_token(secrets), founding_token(secrets), secrets.vrrp_password)
    for raw in (secrets.seed, secrets.encryption_key):
        yield from (raw.hex(), base64.b64encode(raw).decode())
    written = [path for path in (folder / "out").rglob("*") if path.is_file()]
    # An update's archives have the files that are read below, compressed.
    texts = [path.read_text("utf-8", "replace") for path in (folder / SECRETS, *written)]
    for name in manifest_of(folder / "out")["nodes"]:
        texts += [content.decode() for content in node_files(folder / "out", name).values()]
    for text in texts:
        encoded = re.findall(r"client-key-data: (\S+)", text)
        for pem in (text, *(base64.b64decode(key).decode() for key in encoded)):
            for kind, body in PRIVATE_KEY.findall(pem):
                key, start = "".join(body.split()), SCALAR[kind]
                yield from (key[start : start + 16], key[start + 16 : start + 36])


def shown(folder: Path, *arguments: str | Path) -> str:
    texts = [
        khgen("diff", "cluster.yaml", "-p", *arguments, *form, cwd=folder)
        for form in ((), ("--format", "json"))
    ]
    assert {done.returncode for done in texts} == {2}, texts[0].stderr
    return "".join(done.stdout + done.stderr for done in texts)


@pytest.mark.parametrize("modes_lost", [False, True])
def test_no_secret_of_either_generation_is_shown(
    generations: tuple[Path, Path], tmp_path: Path, modes_lost: bool
) -> None:
    old, new = generations
    shutil.copytree(old / "out", tmp_path / "out")
    for name in ("cluster.yaml", SECRETS, "login.yaml"):
        shutil.copy2(new / name, tmp_path)
    if modes_lost:
        for path in (tmp_path / "out").rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
    said = shown(tmp_path)
    known = {
        chunk for folder in generations for text in secret_texts(folder) for chunk in forms(text)
    }
    assert len(known) > 200
    assert "+-----BEGIN CERTIFICATE-----" in said or "ca.crt" in said
    assert [chunk for chunk in known if chunk in said] == []
    # The search itself finds them where they are.
    files = b"".join(node_files(old / "out", "cp1").values()).decode()
    assert sum(chunk in files for chunk in known) > 20


def test_two_generations_of_one_cluster_share_no_key_either(
    generations: tuple[Path, Path], tmp_path: Path
) -> None:
    old, _ = generations
    folder = shutil.copytree(old, tmp_path / "cluster")
    before = {chunk for text in secret_texts(folder) for chunk in forms(text)}
    assert khgen("certs", "renew", "cluster.yaml", cwd=folder).returncode == 0
    (folder / "cluster.yaml").write_text(f"{SPEC}pki: {{caKeys: offline}}\n")
    said = shown(folder)
    assert khgen("render", "cluster.yaml", cwd=folder).returncode == 0
    after = {chunk for text in secret_texts(folder) for chunk in forms(text)}
    assert after - before
    assert [chunk for chunk in before | after if chunk in said] == []


def test_the_kept_spec_holds_no_secret(generations: tuple[Path, Path]) -> None:
    for folder in generations:
        path = folder / "out/spec.json"
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text(encoding="utf-8")
        values: dict[str, Any] = json.loads(text)
        assert values["metadata"]["name"] == "small"
        known = {chunk for secret in secret_texts(folder) for chunk in forms(secret)}
        assert [chunk for chunk in known if chunk in text] == []


def test_the_list_of_secrets_is_whole(generations: tuple[Path, Path]) -> None:
    kept = yaml.safe_load((generations[0] / SECRETS).read_text(encoding="utf-8"))
    texts = set(secret_texts(generations[0]))
    assert {kept["seed"], kept["vrrpPassword"], kept["encryptionKey"]} <= texts
