"""Adopting a kubeadm PKI directory, with RSA authorities as kubeadm makes by default."""

import base64
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from khgen.disk import secrets_file
from khgen.pki.certificates import (
    AuthorityName,
    authority_certificate_pem,
    authority_key_pem,
    private_key_pem,
    public_key_pem,
)
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import adopted_secrets
from khgen.pki.secrets_decode import decode_secrets
from khgen.pki.secrets_encode import encode_secrets
from support.fixed import FIXED_NOW, fixed_secrets, known_entropy
from support.issued import chain_verifier, issued_to
from support.programs import require_program, run
from support.topologies import plan_with_joiner, topology

PATHS = {
    AuthorityName.KUBERNETES: "ca",
    AuthorityName.FRONT_PROXY: "front-proxy-ca",
    AuthorityName.ETCD: "etcd/ca",
}
SPEC = topology("stacked")
NOW = datetime.now(UTC) + timedelta(hours=1)
"""Later than whatever openssl makes here, for a CA that begins in the future is refused."""


@pytest.fixture(scope="module")
def rsa_pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PKI directory as kubeadm makes it, made by openssl (test keys)."""
    openssl = require_program("openssl")
    folder = tmp_path_factory.mktemp("pki")
    (folder / "etcd").mkdir()
    for name, path in PATHS.items():
        done = run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
             "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,digitalSignature",
             "-keyout", folder / f"{path}.key", "-out", folder / f"{path}.crt"]
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    account = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "sa.key").write_text(private_key_pem(account))
    (folder / "sa.pub").write_text(public_key_pem(account))
    return folder


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    """A small valid PKI directory, to damage."""
    secrets = fixed_secrets(SPEC)
    (tmp_path / "etcd").mkdir()
    for name, path in PATHS.items():
        authority = secrets.authorities[name]
        (tmp_path / f"{path}.crt").write_text(authority_certificate_pem(authority))
        (tmp_path / f"{path}.key").write_text(authority_key_pem(authority))
    (tmp_path / "sa.key").write_text(private_key_pem(secrets.service_account))
    (tmp_path / "sa.pub").write_text(public_key_pem(secrets.service_account))
    return tmp_path


def test_leaves_of_rsa_authorities_verify_and_are_reproducible(rsa_pki: Path) -> None:
    adopted, problems = secrets_file.import_pki(rsa_pki, NOW)
    assert adopted is not None, problems
    secrets = adopted_secrets(
        SPEC, adopted.authorities, adopted.service_account, NOW, known_entropy("import")
    )
    read_back, problems = decode_secrets(encode_secrets(secrets), "s.yaml", cluster="tested")
    assert read_back is not None, problems
    plan = plan_with_joiner(SPEC)
    for node in plan.nodes:
        assert node_credentials(plan, node, secrets) == node_credentials(plan, node, read_back)
        for leaf in issued_to(plan, node, secrets):
            authority = secrets.authorities[leaf.issuer].certificate
            if leaf.is_client:
                chain_verifier(authority, NOW + timedelta(hours=1)).verify(leaf.certificate, [])
            # A leaf never begins before the CA that was made an instant ago.
            assert leaf.certificate.not_valid_before_utc >= authority.not_valid_before_utc


def test_the_imported_keys_reach_the_nodes_unchanged(rsa_pki: Path) -> None:
    adopted, _ = secrets_file.import_pki(rsa_pki, NOW)
    assert adopted is not None
    secrets = adopted_secrets(
        SPEC, adopted.authorities, adopted.service_account, NOW, known_entropy("import")
    )
    plan = plan_with_joiner(SPEC)
    files = {f.path.name: f for f in node_credentials(plan, plan.nodes[0], secrets).files}
    assert files["sa.key"].content == (rsa_pki / "sa.key").read_text()
    assert files["sa.pub"].content == (rsa_pki / "sa.pub").read_text()
    assert files["front-proxy-ca.crt"].content == (rsa_pki / "front-proxy-ca.crt").read_text()


def test_the_imported_secrets_are_written_once(rsa_pki: Path, tmp_path: Path) -> None:
    adopted, _ = secrets_file.import_pki(rsa_pki, NOW)
    assert adopted is not None
    path = tmp_path / "s.yaml"
    for wanted in (True, False):
        made = adopted_secrets(SPEC, adopted.authorities, adopted.service_account, NOW, os.urandom)
        assert secrets_file.create(path, made) is wanted
    loaded = secrets_file.load(path, "tested", now=NOW)
    assert loaded.secrets is not None, loaded.problems
    assert not loaded.problems


def messages(pki: Path, now: datetime = FIXED_NOW) -> dict[str, str]:
    adopted, problems = secrets_file.import_pki(pki, now)
    assert (adopted is None) is bool(problems)
    return {str(Path(p.place.file).relative_to(pki)): p.message for p in problems}


def test_a_good_directory_has_no_problem(pki: Path) -> None:
    assert messages(pki) == {}
    (pki / "sa.pub").unlink()
    assert messages(pki) == {}


@pytest.mark.parametrize(
    "name", ["ca.crt", "ca.key", "etcd/ca.key", "front-proxy-ca.crt", "sa.key"]
)
def test_a_missing_file(pki: Path, name: str) -> None:
    (pki / name).unlink()
    assert messages(pki) == {name: "missing"}


def test_a_missing_authority_key_says_why_it_is_needed(pki: Path) -> None:
    (pki / "ca.key").unlink()
    _, problems = secrets_file.import_pki(pki, FIXED_NOW)
    assert "with `pki.caKeys: offline` no node ever gets it" in problems.items[0].hint


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    assert len(messages(tmp_path)) == 7
    (tmp_path / "empty").mkdir()
    assert len(messages(tmp_path / "empty")) == 7


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("ca.key", "etcd/ca.key", "the key does not belong to the certificate"),
        ("ca.key", "sa.pub", "not a private key in PEM"),
        ("etcd/ca.crt", "sa.key", "not a certificate in PEM"),
        ("sa.key", "ca.crt", "not a private key in PEM"),
        ("sa.key", "ca.key", "does not match sa.key"),
    ],
)
def test_a_wrong_file(pki: Path, name: str, source: str, message: str) -> None:
    (pki / name).write_text((pki / source).read_text())
    assert list(messages(pki).values()) == [message]


def test_an_expired_authority(pki: Path) -> None:
    late = FIXED_NOW + timedelta(days=4000)
    assert messages(pki, late) == {
        f"{path}.crt": "the CA expired on 2035-12-30" for path in PATHS.values()
    }


def test_an_authority_of_the_future(pki: Path) -> None:
    assert messages(pki, FIXED_NOW - timedelta(days=30)) == {
        f"{path}.crt": "the CA is not valid before 2025-12-31" for path in PATHS.values()
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("ed25519",), "neither ECDSA"),
        (("rsa:1024",), "neither ECDSA"),
        (("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "neither ECDSA"),
    ],
)
def test_keys_that_kubeadm_does_not_load(pki: Path, options: tuple[str, ...], message: str) -> None:
    done = run(
        [require_program("openssl"), "req", "-x509", "-nodes", "-subj", "/CN=kubernetes",
         "-newkey", *options, "-keyout", pki / "ca.key", "-out", pki / "ca.crt"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert message in messages(pki)["ca.crt"]


def test_an_encrypted_key(pki: Path) -> None:
    openssl = require_program("openssl")
    done = run(
        [openssl, "ec", "-in", pki / "ca.key", "-aes256", "-passout", "pass:x", "-out",
         pki / "ca.key"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert messages(pki) == {"ca.crt": "the key is encrypted with a password"}


def test_swapped_authorities_are_refused(pki: Path) -> None:
    for end in (".crt", ".key"):
        one, other = pki / f"ca{end}", pki / f"etcd/ca{end}"
        first, second = one.read_text(), other.read_text()
        one.write_text(second)
        other.write_text(first)
    swapped = "the certificate belongs to the {} CA: are two of them swapped?"
    assert messages(pki) == {
        "ca.crt": swapped.format("etcd"),
        "etcd/ca.crt": swapped.format("kubernetes"),
    }


def test_a_certificate_that_its_own_key_did_not_sign_is_refused(pki: Path) -> None:
    lines = (pki / "ca.crt").read_text().splitlines()
    body = base64.b64decode("".join(lines[1:-1]))
    at = body.index(b"351230")  # the last day of the CA
    changed = base64.b64encode(body[:at] + b"491230" + body[at + 6 :]).decode()
    (pki / "ca.crt").write_text(
        f"-----BEGIN CERTIFICATE-----\n{changed}\n-----END CERTIFICATE-----\n"
    )
    assert messages(pki) == {
        "ca.crt": "the certificate's signature does not match its own key: it was changed"
    }


def test_an_intermediate_authority_is_taken(pki: Path, tmp_path: Path) -> None:
    openssl = require_program("openssl")
    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n")
    root = ("-CA", pki / "etcd/ca.crt", "-CAkey", pki / "etcd/ca.key", "-set_serial", "7")
    for command in (
        ("req", "-new", "-key", pki / "ca.key", "-subj", "/CN=kubernetes", "-out", "ca.csr"),
        ("x509", "-req", "-in", "ca.csr", *root, "-days", "3650", "-extfile", "ca.ext",
         "-out", pki / "ca.crt"),
    ):  # fmt: skip
        done = subprocess.run(
            [openssl, *map(str, command)], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    adopted, problems = secrets_file.import_pki(pki, NOW)
    assert adopted is not None, problems
    kubernetes = adopted.authorities[AuthorityName.KUBERNETES].certificate
    assert kubernetes.issuer != kubernetes.subject


def test_a_pipe_in_place_of_a_file_does_not_hang(pki: Path) -> None:
    (pki / "ca.crt").unlink()
    os.mkfifo(pki / "ca.crt")
    assert messages(pki) == {"ca.crt": "not a certificate in PEM"}


COPY_HINT = "copy the whole of /etc/kubernetes/pki from a control plane"


def test_a_problem_is_at_the_beginning_of_its_file_and_has_a_hint(pki: Path) -> None:
    (pki / "ca.crt").write_text("nothing")
    (pki / "sa.pub").write_text("nothing")
    (pki / "etcd/ca.key").write_text("nothing")
    _, problems = secrets_file.import_pki(pki, FIXED_NOW)
    assert [(p.place.file, p.place.line, p.place.column, p.message, p.hint) for p in problems] == [
        (f"{pki}/ca.crt", 1, 1, "not a certificate in PEM", COPY_HINT),
        (f"{pki}/etcd/ca.crt", 1, 1, "not a private key in PEM", COPY_HINT),
        (f"{pki}/sa.pub", 1, 1, "does not match sa.key", ""),
    ]
    (pki / "sa.key").write_text("nothing")
    _, problems = secrets_file.import_pki(pki, FIXED_NOW)
    assert (f"{pki}/sa.key", "not a private key in PEM", COPY_HINT) in [
        (p.place.file, p.message, p.hint) for p in problems
    ]
    (pki / "sa.key").unlink()
    _, problems = secrets_file.import_pki(pki, FIXED_NOW)
    assert [(p.place.file, p.message, p.hint) for p in problems] == [
        (f"{pki}/sa.key", "missing", COPY_HINT)
    ]


@pytest.mark.parametrize(
    ("extensions", "message"),
    [
        ((), "not a CA certificate"),
        (("basicConstraints=critical,CA:false",), "not a CA certificate"),
        (
            ("basicConstraints=critical,CA:true", "keyUsage=critical,digitalSignature"),
            "the certificate may not sign others (no keyCertSign)",
        ),
        (("basicConstraints=CA:true",), None),
    ],
)
def test_a_certificate_must_be_one_that_signs_others(
    pki: Path, tmp_path: Path, extensions: tuple[str, ...], message: str | None
) -> None:
    (tmp_path / "openssl.cnf").write_text("[req]\ndistinguished_name=dn\n[dn]\n")
    added = [word for extension in extensions for word in ("-addext", extension)]
    done = run(
        [require_program("openssl"), "req", "-x509", "-config", tmp_path / "openssl.cnf", "-key",
         pki / "ca.key", "-subj", "/CN=kubernetes", "-days", "900", *added, "-out", pki / "ca.crt"]
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert messages(pki, NOW) == ({} if message is None else {"ca.crt": message})


def test_an_authority_is_valid_up_to_its_last_second(pki: Path) -> None:
    certificate = fixed_secrets(SPEC).authorities[AuthorityName.KUBERNETES].certificate
    second = timedelta(seconds=1)
    assert messages(pki, certificate.not_valid_before_utc) == {}
    assert len(messages(pki, certificate.not_valid_before_utc - second)) == 3
    assert messages(pki, certificate.not_valid_after_utc - second) == {}
    assert len(messages(pki, certificate.not_valid_after_utc)) == 3
