"""The step identity: which client certificate the kubelet has, after a boot and after a renewal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from khgen.resources import verbatim
from support.boot_machine import Machine
from support.programs import require_program

pytestmark = pytest.mark.tools
SYSTEMCTL = '#!/bin/sh\necho "$*" >>{log}\n'
RESTART = "try-restart kubelet"


def certificate(*, ends_in: timedelta) -> str:
    """A certificate of a kubelet that began two years ago."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "system:node:w1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=730)).not_valid_after(now + ends_in)
    pem = made.sign(key, hashes.SHA256()).public_bytes
    return pem(Encoding.PEM).decode()


VALID, EXPIRED = timedelta(days=30), timedelta(days=-1)


class Kubelet:
    """A machine with the step identity."""

    def __init__(self, machine: Machine) -> None:
        require_program("openssl")
        self.machine = machine
        self.pki = machine.root / "var/lib/kubelet/pki"
        (machine.root / "bin/systemctl").write_text(SYSTEMCTL.format(log=machine.log))
        (machine.root / "bin/systemctl").chmod(0o755)
        (machine.steps / "1-identity").write_text(verbatim("steps/identity.sh"))
        machine.has_steps("1-identity")

    def given(self, ends_in: timedelta) -> None:
        path = "/var/lib/kubelet/pki/kubelet-client-khgen.pem"
        self.machine.place(path, certificate(ends_in=ends_in))

    def rotates(self, ends_in: timedelta) -> None:
        """As its certificate manager stores a new one (client-go, certificate_store.go)."""
        (self.pki / "kubelet-client-2026.pem").write_text(certificate(ends_in=ends_in))
        self.current.unlink()
        self.current.symlink_to("/var/lib/kubelet/pki/kubelet-client-2026.pem")

    def boot(self) -> str:
        done = self.machine.run()
        assert done.returncode == 0, done.stderr
        return str(self.current.readlink())

    @property
    def current(self) -> Path:
        return self.pki / "kubelet-client-current.pem"


@pytest.fixture
def kubelet(machine: Machine) -> Kubelet:
    return Kubelet(machine)


def test_at_first_it_is_the_given_one(kubelet: Kubelet) -> None:
    kubelet.given(VALID)
    assert kubelet.boot() == "kubelet-client-khgen.pem"


def test_the_kubelets_own_stays_until_another_one_is_given(kubelet: Kubelet) -> None:
    kubelet.given(VALID)
    kubelet.boot()
    kubelet.rotates(VALID)
    assert kubelet.boot() == "/var/lib/kubelet/pki/kubelet-client-2026.pem"
    kubelet.given(VALID)
    assert kubelet.boot() == "kubelet-client-khgen.pem"
    assert kubelet.machine.logged() == [RESTART, RESTART]


def test_an_expired_one_of_the_kubelet_is_replaced(kubelet: Kubelet) -> None:
    kubelet.given(EXPIRED)
    kubelet.boot()
    kubelet.rotates(EXPIRED)
    kubelet.given(VALID)
    assert kubelet.boot() == "kubelet-client-khgen.pem"


def test_an_expired_one_that_is_given_replaces_none(kubelet: Kubelet) -> None:
    kubelet.given(VALID)
    kubelet.boot()
    kubelet.rotates(VALID)
    kubelet.given(EXPIRED)
    assert kubelet.boot() == "/var/lib/kubelet/pki/kubelet-client-2026.pem"
