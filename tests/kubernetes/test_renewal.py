"""Real kubeadm renews the certificates of a rendered control plane, as khgen-roll asks it to."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from khgen.files.living_configuration import own_configuration
from khgen.plan.cluster_plan import NodeFile, build_plan
from khgen.resources import verbatim
from support.issued import identity_in
from support.kubernetes import (
    fresh_secrets,
    kube_bin,
    kubeadm_version,
    kubernetes_files,
    run_in,
    write_root,
)
from support.programs import run
from support.topologies import topology

pytestmark = pytest.mark.kubernetes
ROLL = "/etc/khgen/khgen-roll"
RENEWED = "var/lib/khgen/update/renewed"
RENEW = f"""
set -e
PATH={{bin}}:$PATH
mkdir -p /var/lib/khgen/update
exec python3 -B -c 'import runpy; runpy.run_path("{ROLL}")["renew"]()'
"""


def control_plane(tmp_path: Path, name: str, number: int) -> Path:
    """A folder with the files of a control plane that has taken an update."""
    spec = topology(name)
    kubernetes = spec.kubernetes.model_copy(update={"version": str(kubeadm_version())})
    spec = spec.model_copy(update={"kubernetes": kubernetes})
    plan = build_plan(spec, tuple(node.name for node in spec.nodes))
    node = plan.control_planes[number]
    root = tmp_path / node.name
    roll = NodeFile(path=PurePosixPath(ROLL), content=verbatim("khgen-roll"))
    files = kubernetes_files(plan, node, fresh_secrets(spec))
    write_root(root, (*files, *own_configuration(plan, node), roll))
    return root


def leaves(folder: Path) -> Mapping[str, x509.Certificate]:
    """The certificates that are not an authority's nor the kubelet's, by path."""
    found = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.crt")}
    for name in ("admin.conf", "controller-manager.conf", "scheduler.conf"):
        path = folder / "etc/kubernetes" / name
        found[path] = identity_in(path.read_text(encoding="utf-8"))[0]
    return {
        str(path.relative_to(folder / "etc/kubernetes")): x509.load_pem_x509_certificate(
            pem.encode()
        )
        for path, pem in found.items()
        if not path.stem.endswith("ca")
    }


def renew(root: Path) -> str:
    done = run_in(root, ["bash", "-c", RENEW.format(bin=kube_bin())], "--net")
    return "" if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("name", ["stacked", "external-etcd", "p384"])
def test_names_usages_and_algorithms_are_kept(tmp_path: Path, name: str, number: int) -> None:
    root = control_plane(tmp_path, name, number)
    before, began = leaves(root), datetime.now(UTC)
    untouched = {
        path: path.read_bytes() for path in (root / "etc/kubernetes").rglob("*.*") if path.is_file()
    }
    assert renew(root) == ""
    after = leaves(root / RENEWED)
    assert after.keys() == before.keys()
    for path, old in before.items():
        new = after[path]
        assert isinstance(new.public_key(), EllipticCurvePublicKey)
        assert new.subject == old.subject
        assert names(new) == names(old)
        assert usages(new) == usages(old)
        # The key of etcd's authority is on no control plane if etcd has hosts of its own.
        if name != "external-etcd" or path != "pki/apiserver-etcd-client.crt":
            assert new.serial_number != old.serial_number, path
            year = began + timedelta(days=365) - timedelta(minutes=1)
            assert new.not_valid_after_utc >= year
    assert {path: path.read_bytes() for path in untouched} == untouched, "only a copy is renewed"
    kept = {str(path.relative_to(root / RENEWED)) for path in (root / RENEWED).rglob("*.*")}
    assert not {
        path for path in kept if "super-admin" in path or path.endswith(("ca.key", "ca.crt"))
    }


def names(certificate: x509.Certificate) -> set[x509.GeneralName]:
    """Its subject alternative names."""
    try:
        return set(
            certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        )
    except x509.ExtensionNotFound:
        return set()


def usages(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    """Its extended key usages."""
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_kubelets_rotate_their_own_certificates() -> None:
    """No update touches them, and khgen sets nothing about it: it is kubeadm's default."""
    words = "config print init-defaults --component-configs KubeletConfiguration"
    printed = run([kube_bin() / "kubeadm", *words.split()]).stdout
    assert "\nrotateCertificates: true\n" in printed
