"""khgen's certificates beside those of the real kubeadm: the same fields, and accepted by it."""

from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from khgen.pki.certificates import certificate_pem
from khgen.pki.credentials import node_credentials
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import NodePlan, Plan, build_plan
from khgen.spec.model import ClusterSpec
from khgen.spec.model.cluster import CaKeys
from support.kubernetes import fresh_secrets, kube_bin, kubeadm_version
from support.programs import run
from support.topologies import cluster

pytestmark = pytest.mark.kubernetes

LEAF_EXTENSIONS = (x509.KeyUsage, x509.ExtendedKeyUsage, x509.BasicConstraints)


@pytest.fixture(scope="module")
def kubeadm() -> Path:
    """The real kubeadm."""
    return kube_bin() / "kubeadm"


@pytest.fixture(scope="module")
def spec() -> ClusterSpec:
    """A cluster of that kubeadm's version."""
    base = cluster({"cp": 1, "w": 1}).model_dump(by_alias=True, mode="json")
    base["kubernetes"]["version"] = str(kubeadm_version())
    base["kubernetes"]["apiServer"]["certSANs"] = ["api.example.org"]
    return ClusterSpec.model_validate(base)


@pytest.fixture(scope="module")
def secrets(spec: ClusterSpec) -> Secrets:
    """Secrets of now, for kubeadm looks at the clock."""
    return fresh_secrets(spec)


def kubeadm_config(plan: Plan, node: NodePlan, pki: Path) -> str:
    """A configuration that makes kubeadm put this node's PKI into a folder."""
    version = f"kubeadm.k8s.io/{plan.facts.kubeadm_api.removeprefix('kubeadm.k8s.io/')}"
    ecdsa: dict[str, object] = (
        {"featureGates": {"PublicKeysECDSA": True}}
        if version.endswith("v1beta3")
        else {"encryptionAlgorithm": "ECDSA-P256"}
    )
    init = {
        "apiVersion": version,
        "kind": "InitConfiguration",
        "nodeRegistration": {"name": node.name, "criSocket": "unix:///run/none.sock"},
        "localAPIEndpoint": {"advertiseAddress": str(node.address)},
    }
    configuration = {
        "apiVersion": version,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": plan.version.tag,
        "controlPlaneEndpoint": plan.endpoint.authority,
        "certificatesDir": str(pki),
        "apiServer": {"certSANs": ["api.example.org"]},
        "networking": {"serviceSubnet": plan.spec.networking.service_subnet.text},
        **ecdsa,
    }
    return yaml.safe_dump_all([init, configuration])


def subject_of(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def names_of(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found.value}


def shape_of(certificate: x509.Certificate) -> dict[str, object]:
    """All fields of a certificate except keys, dates, serial and the signature's value."""
    extensions = {
        extension.oid.dotted_string: (
            extension.critical,
            extension.value if isinstance(extension.value, LEAF_EXTENSIONS) else None,
        )
        for extension in certificate.extensions
    }
    return {
        "subject": subject_of(certificate),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": names_of(certificate),
        "extensions": extensions,
        "order": [extension.oid.dotted_string for extension in certificate.extensions],
        "signature": certificate.signature_algorithm_oid.dotted_string,
        "version": certificate.version,
    }


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def written(plan: Plan, secrets: Secrets, node: NodePlan, folder: Path) -> None:
    """This node's files, with the root folder moved to `folder`."""
    for file in node_credentials(plan, node, secrets).files:
        path = folder / file.path.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
        path.chmod(file.mode)


def phase(kubeadm: Path, folder: Path, *words: str) -> str:
    done = run([kubeadm, "init", "phase", *words, "--config", folder / "config.yaml"])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_fields_are_kubeadms(
    kubeadm: Path, spec: ClusterSpec, secrets: Secrets, tmp_path: Path
) -> None:
    plan = build_plan(spec, secrets.founders)
    node = plan.control_planes[0]
    (tmp_path / "config.yaml").write_text(kubeadm_config(plan, node, tmp_path / "pki"))
    phase(kubeadm, tmp_path, "certs", "all")
    written(plan, secrets, node, tmp_path)
    ours, theirs = tmp_path / "etc/kubernetes/pki", tmp_path / "pki"
    paths = sorted(path.relative_to(theirs) for path in theirs.rglob("*") if path.is_file())
    assert paths == sorted(path.relative_to(ours) for path in ours.rglob("*") if path.is_file())
    assert len(paths) == 22
    for path in paths:
        assert (ours / path).stat().st_mode == (theirs / path).stat().st_mode, path
        if path.suffix == ".crt":
            assert shape_of(read(ours / path)) == shape_of(read(theirs / path)), path
        else:
            first_lines = [(side / path).read_text().splitlines()[0] for side in (ours, theirs)]
            assert first_lines[0] == first_lines[1], path


def test_kubeadm_uses_what_is_there(
    kubeadm: Path, spec: ClusterSpec, secrets: Secrets, tmp_path: Path
) -> None:
    plan = build_plan(spec, secrets.founders)
    node = plan.control_planes[0]
    written(plan, secrets, node, tmp_path)
    pki = tmp_path / "etc/kubernetes/pki"
    before = {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()}
    (tmp_path / "config.yaml").write_text(kubeadm_config(plan, node, pki))
    output = phase(kubeadm, tmp_path, "certs", "all")
    assert "Generating" not in output
    assert output.lower().count("using existing") == 10
    assert 'Using the existing "sa" key' in output
    assert {path: path.read_bytes() for path in pki.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["admin", "super-admin", "controller-manager", "scheduler"])
def test_the_kubeconfigs_are_kubeadms(
    kubeadm: Path, spec: ClusterSpec, secrets: Secrets, tmp_path: Path, name: str
) -> None:
    plan = build_plan(spec, secrets.founders)
    node = plan.control_planes[0]
    # Without the CA's key a founder is given super-admin.conf; with it, kubeadm makes it there.
    keyless = spec.pki.model_copy(update={"ca_keys": CaKeys.OFFLINE})
    offline = build_plan(spec.model_copy(update={"pki": keyless}), secrets.founders)
    written(offline, secrets, node, tmp_path)
    written(plan, secrets, node, tmp_path)
    kubernetes = tmp_path / "etc/kubernetes"
    (tmp_path / "config.yaml").write_text(kubeadm_config(plan, node, kubernetes / "pki"))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    phase(kubeadm, tmp_path, "kubeconfig", name, "--kubeconfig-dir", str(theirs))
    documents = [
        yaml.safe_load((folder / f"{name}.conf").read_text()) for folder in (kubernetes, theirs)
    ]
    shapes = []
    for document in documents:
        user = document["users"][0]["user"]
        certificate = x509.load_pem_x509_certificate(_decoded(user.pop("client-certificate-data")))
        user.pop("client-key-data")
        shapes.append((subject_of(certificate), _usages(certificate), document))
    assert shapes[0] == shapes[1]


def test_the_cluster_step_can_have_kubeadm_make_super_admin_conf(
    kubeadm: Path, spec: ClusterSpec, secrets: Secrets, tmp_path: Path
) -> None:
    plan = build_plan(spec, secrets.founders)
    node = plan.control_planes[0]
    written(plan, secrets, node, tmp_path)
    kubernetes = tmp_path / "etc/kubernetes"
    assert not (kubernetes / "super-admin.conf").exists()
    (tmp_path / "config.yaml").write_text(kubeadm_config(plan, node, kubernetes / "pki"))
    phase(kubeadm, tmp_path, "kubeconfig", "super-admin", "--kubeconfig-dir", str(kubernetes))
    document = yaml.safe_load((kubernetes / "super-admin.conf").read_text())
    user = document["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(_decoded(user["client-certificate-data"]))
    assert "system:masters" in certificate.subject.rfc4514_string()
    assert document["clusters"][0]["cluster"]["server"] == plan.endpoint.url


def test_authority_lookup_by_file_is_what_kubectl_reads(
    kubeadm: Path, spec: ClusterSpec, secrets: Secrets, tmp_path: Path
) -> None:
    """A worker's kubelet.conf refers to the CA and to its own PEM, as client-go loads them."""
    kubectl = kubeadm.parent / "kubectl"
    if not kubectl.exists():
        pytest.skip("no kubectl in KHGEN_KUBE_BIN")
    plan = build_plan(spec, secrets.founders)
    node = plan.workers[0]
    written(plan, secrets, node, tmp_path)
    config = tmp_path / "etc/kubernetes/kubelet.conf"
    config.write_text(config.read_text().replace("/etc/", f"{tmp_path}/etc/").replace(
        "/var/", f"{tmp_path}/var/").replace("-current.pem", "-khgen.pem"))  # fmt: skip
    done = run([kubectl, "--kubeconfig", config, "config", "view", "--flatten", "--raw"])
    assert done.returncode == 0, done.stderr
    flat = yaml.safe_load(done.stdout)
    authority = certificate_pem(secrets.authorities[next(iter(secrets.authorities))].certificate)
    assert _decoded(flat["clusters"][0]["cluster"]["certificate-authority-data"]) == (
        authority.encode()
    )
    pem = _decoded(flat["users"][0]["user"]["client-certificate-data"])
    assert (
        subject_of(x509.load_pem_x509_certificate(pem))
        == f"CN=system:node:{node.name},O=system:nodes"
    )


def _decoded(text: str) -> bytes:
    return b64decode(text)


def _usages(certificate: x509.Certificate) -> object:
    return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
