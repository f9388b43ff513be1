"""Every issued certificate: verified by cryptography and by openssl, and its names."""

from base64 import b64encode
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.verification import VerificationError

from khgen.pki.certificates import AuthorityName, certificate_pem
from khgen.pki.credentials import node_credentials, operator_kubeconfig
from khgen.spec.model import ClusterSpec
from support.fixed import FIXED_NOW, fixed_secrets
from support.issued import Issued, chain_verifier, contents, identity_in, issued_to, server_of
from support.programs import require_program, run
from support.topologies import TOPOLOGIES, cluster, plan_with_joiner, topology

BOOT = FIXED_NOW + timedelta(days=3)


def all_issued(spec: ClusterSpec) -> list[Issued]:
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    return [leaf for node in plan.nodes for leaf in issued_to(plan, node, secrets)]


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_every_chain_verifies_and_only_to_its_own_authority(shape: str) -> None:
    spec = topology(shape)
    verifiers = {
        name: chain_verifier(authority.certificate, BOOT)
        for name, authority in fixed_secrets(spec).authorities.items()
    }
    for leaf in all_issued(spec):
        for name, verifier in verifiers.items():
            if not leaf.is_client:
                continue
            if name is leaf.issuer:
                chain = verifier.verify(leaf.certificate, []).chain
                assert len(chain) == 2
            else:
                with pytest.raises(VerificationError):
                    verifier.verify(leaf.certificate, [])


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_openssl_verifies_every_chain(shape: str, tmp_path: Path) -> None:
    openssl = require_program("openssl")
    spec = topology(shape)
    for name, authority in fixed_secrets(spec).authorities.items():
        (tmp_path / f"{name}.pem").write_text(certificate_pem(authority.certificate))
    commands: dict[tuple[str, str], list[Path]] = {}
    for number, leaf in enumerate(all_issued(spec)):
        path = tmp_path / f"{number}.crt"
        path.write_text(leaf.certificate_pem)
        for purpose, wanted in (("sslserver", leaf.is_server), ("sslclient", leaf.is_client)):
            if wanted:
                commands.setdefault((leaf.issuer, purpose), []).append(path)
    assert commands
    for (issuer, purpose), paths in commands.items():
        done = run(
            [openssl, "verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose,
             "-attime", str(int(BOOT.timestamp())), "-CAfile", tmp_path / f"{issuer}.pem", *paths]
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count(": OK") == len(paths)


def names_of(leaf: Issued) -> set[object]:
    extension = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return {name.value for name in extension.value}


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_servers_are_named_by_every_address(shape: str) -> None:
    spec = topology(shape)
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    host = plan.endpoint.vip or plan.endpoint.host
    servers = 0
    for node in plan.nodes:
        for leaf in issued_to(plan, node, secrets):
            if not leaf.is_server:
                continue
            servers += 1
            wanted = {node.name, *node.addresses}
            if leaf.path.endswith("apiserver.crt"):
                wanted |= {host, IPv4Address("10.96.0.1"), "kubernetes.default.svc.cluster.local"}
            else:
                wanted |= {"localhost", IPv4Address("127.0.0.1")}
            assert wanted <= names_of(leaf), leaf.path
    assert servers == len(plan.control_planes) + 2 * len(plan.etcd_members)


def test_own_names_of_the_spec_are_in_the_certificates() -> None:
    base = cluster({"cp": 1}).model_dump(by_alias=True, mode="json")
    base["kubernetes"]["apiServer"]["certSANs"] = ["api.example.org", "203.0.113.9"]
    base["nodes"][0]["certSANs"] = ["cp1.example.org"]
    base["nodes"][0]["additionalAddresses"] = ["fd00::1"]
    leaves = {leaf.path: leaf for leaf in all_issued(ClusterSpec.model_validate(base))}
    apiserver = names_of(leaves["/etc/kubernetes/pki/apiserver.crt"])
    peer = names_of(leaves["/etc/kubernetes/pki/etcd/peer.crt"])
    texts = {str(name) for name in apiserver}
    assert {"api.example.org", "203.0.113.9", "cp1.example.org", "fd00::1"} <= texts
    assert {"cp1.example.org", "fd00::1"} <= {str(name) for name in peer}


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_serials_and_keys_are_unique(shape: str) -> None:
    leaves = all_issued(topology(shape))
    assert len({leaf.key_pem for leaf in leaves}) == len(leaves)
    assert len({(leaf.issuer, leaf.certificate.serial_number) for leaf in leaves}) == len(leaves)


def test_another_content_has_another_serial() -> None:
    base = cluster({"cp": 1}).model_dump(by_alias=True, mode="json")
    before = {leaf.path: leaf for leaf in all_issued(ClusterSpec.model_validate(base))}
    base["kubernetes"]["apiServer"]["certSANs"] = ["api.example.org"]
    after = {leaf.path: leaf for leaf in all_issued(ClusterSpec.model_validate(base))}
    changed = [p for p in before if before[p].certificate_pem != after[p].certificate_pem]
    assert changed == ["/etc/kubernetes/pki/apiserver.crt"]
    first, second = (leaves[changed[0]].certificate for leaves in (before, after))
    assert first.serial_number != second.serial_number
    assert first.public_key() == second.public_key()


def test_kubeconfigs_point_where_kubeadms_do() -> None:
    spec = topology("stacked")
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    for node in plan.nodes:
        for file in node_credentials(plan, node, secrets).files:
            if file.path.suffix != ".conf":
                continue
            local = file.path.name in {"controller-manager.conf", "scheduler.conf"}
            wanted = f"https://{node.address}:6443" if local else "https://192.168.10.240:8443"
            assert server_of(file.content) == wanted
    assert server_of(operator_kubeconfig(plan, secrets)) == "https://192.168.10.240:8443"


def test_the_operators_identity_is_nobody_elses() -> None:
    spec = topology("stacked")
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    certificate, key = identity_in(operator_kubeconfig(plan, secrets))
    assert key not in {leaf.key_pem for leaf in all_issued(spec)}
    subject = x509.load_pem_x509_certificate(certificate.encode()).subject.rfc4514_string()
    assert subject == "CN=kubernetes-admin,O=kubeadm:cluster-admins"


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_long_node_name_is_issued_though_rfc_5280_bounds_it() -> None:
    base = cluster({"cp": 1, "w": 1}).model_dump(by_alias=True, mode="json")
    name = "worker." + "a" * 63 + ".example.org"
    base["nodes"][1]["name"] = name
    leaf = all_issued(ClusterSpec.model_validate(base))[-1]
    assert leaf.certificate.subject.rfc4514_string() == f"CN=system:node:{name},O=system:nodes"


@pytest.mark.parametrize("shape", TOPOLOGIES)
def test_leaves_live_within_their_authority(shape: str) -> None:
    spec = topology(shape)
    authorities = fixed_secrets(spec).authorities
    for leaf in all_issued(spec):
        authority = authorities[leaf.issuer].certificate
        assert authority.not_valid_before_utc <= leaf.certificate.not_valid_before_utc
        assert leaf.certificate.not_valid_after_utc <= authority.not_valid_after_utc
        assert leaf.certificate.not_valid_before_utc == FIXED_NOW - timedelta(hours=24)
        # system:masters lives for the founding: for one boot window.
        days = 30 if leaf.path.endswith("super-admin.conf") else 365
        assert leaf.certificate.not_valid_after_utc == FIXED_NOW + timedelta(days=days)


def test_authorities_are_made_like_client_gos() -> None:
    for authority in fixed_secrets(topology("single")).authorities.values():
        extensions = authority.certificate.extensions
        common_name = authority.certificate.subject.rfc4514_string().removeprefix("CN=")
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [common_name]
        constraints = extensions.get_extension_for_class(x509.BasicConstraints)
        # RFC 5280 (4.2.1.9): what does not know this extension must refuse the certificate.
        assert constraints.critical
        assert constraints.value.ca
        assert extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


USAGE_BITS = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign",
)  # fmt: skip


def usage_bits(certificate: x509.Certificate) -> set[str]:
    """The key usage of a certificate, which must be critical."""
    extension = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    return {bit for bit in USAGE_BITS if getattr(extension.value, bit)}


@pytest.mark.parametrize("shape", ["stacked", "external-etcd", "p384"])
def test_a_certificate_may_be_used_as_kubeadms_may(shape: str) -> None:
    """kubeadm 1.29 app/util/pkiutil NewSignedCert and client-go's NewSelfSignedCACert."""
    spec = topology(shape)
    for authority in fixed_secrets(spec).authorities.values():
        wanted = {"digital_signature", "key_encipherment", "key_cert_sign"}
        assert usage_bits(authority.certificate) == wanted
    servers = {"apiserver.crt", "server.crt", "peer.crt"}
    clients_too = {"server.crt", "peer.crt"}
    for leaf in all_issued(spec):
        assert usage_bits(leaf.certificate) == {"digital_signature", "key_encipherment"}
        name = leaf.path.rpartition("/")[2]
        assert (leaf.is_server, leaf.is_client) == (
            name in servers,
            name not in servers or name in clients_too,
        ), leaf.path
        constraints = leaf.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value == x509.BasicConstraints(ca=False, path_length=None)
        assert (x509.SubjectAlternativeName in extension_types(leaf)) is (name in servers)


def extension_types(leaf: Issued) -> set[type]:
    return {type(extension.value) for extension in leaf.certificate.extensions}


def test_names_of_servers_are_exactly_these_in_this_order() -> None:
    """Those of kubeadm (see khgen.pki.catalog), with each service network; texts before addresses."""
    base = cluster({"cp": 1}).model_dump(by_alias=True, mode="json")
    base["networking"].update(
        dnsDomain="k8s.lan",
        podSubnet="10.244.0.0/16,fd00:1::/56",
        serviceSubnet="10.97.0.0/16,fd00:2::/112",
    )
    base["controlPlaneEndpoint"] = {"host": "api.example.net", "port": 6443}
    base["kubernetes"]["apiServer"]["certSANs"] = ["other.example.org", "203.0.113.9", "cp1"]
    base["nodes"][0].update(additionalAddresses=["fd00::1"], certSANs=["own.example.org"])
    leaves = {leaf.path: leaf for leaf in all_issued(ClusterSpec.model_validate(base))}
    names = {
        path.removeprefix("/etc/kubernetes/pki/"): [
            str(name.value)
            for name in leaf.certificate.extensions.get_extension_for_class(
                x509.SubjectAlternativeName
            ).value
        ]
        for path, leaf in leaves.items()
        if leaf.is_server
    }
    of_etcd = [
        "cp1", "localhost", "own.example.org", "10.1.0.2", "fd00::1", "127.0.0.1", "::1",
    ]  # fmt: skip
    assert names == {
        "apiserver.crt": [
            "cp1", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
            "kubernetes.default.svc.k8s.lan", "api.example.net", "other.example.org",
            "own.example.org", "10.97.0.1", "fd00:2::1", "10.1.0.2", "fd00::1", "203.0.113.9",
        ],
        "etcd/server.crt": of_etcd,
        "etcd/peer.crt": of_etcd,
    }  # fmt: skip


SUBJECTS = {
    "pki/apiserver.crt": "CN=kube-apiserver",
    "pki/apiserver-kubelet-client.crt": "CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins",
    "pki/front-proxy-client.crt": "CN=front-proxy-client",
    "pki/etcd/server.crt": "CN=cp1",
    "pki/etcd/peer.crt": "CN=cp1",
    "pki/etcd/healthcheck-client.crt": "CN=kube-etcd-healthcheck-client",
    "pki/apiserver-etcd-client.crt": "CN=kube-apiserver-etcd-client",
    "admin.conf": "CN=kubernetes-admin,O=kubeadm:cluster-admins",
    "super-admin.conf": "CN=kubernetes-super-admin,O=system:masters",
    "controller-manager.conf": "CN=system:kube-controller-manager",
    "scheduler.conf": "CN=system:kube-scheduler",
    "kubelet-client-khgen.pem": "CN=system:node:cp1,O=system:nodes",
}


def test_subjects_are_exactly_these() -> None:
    spec = topology("offline")
    plan = plan_with_joiner(spec)
    subjects = {
        leaf.path.removeprefix("/etc/kubernetes/").removeprefix("/var/lib/kubelet/pki/"):
        leaf.certificate.subject.rfc4514_string()
        for leaf in issued_to(plan, plan.by_name["cp1"], fixed_secrets(spec))
    }  # fmt: skip
    assert subjects == SUBJECTS


def test_a_leaf_refers_to_the_key_of_its_authority() -> None:
    spec = topology("stacked")
    authorities = fixed_secrets(spec).authorities
    for leaf in all_issued(spec):
        authority = authorities[leaf.issuer].certificate
        own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        found = leaf.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert found.value.key_identifier == own.value.digest
        assert not own.critical
        assert not found.critical
        assert leaf.certificate.issuer == authority.subject


CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
ROTATED = {"client-certificate": CURRENT, "client-key": CURRENT}


@pytest.mark.parametrize(("version", "kubelets_server"), [
    ("1.29.6", "https://192.168.10.240:8443"), ("1.33.1", "https://10.1.0.2:6443"),
])  # fmt: skip
def test_kubeconfigs_are_exactly_kubeadms(version: str, kubelets_server: str) -> None:
    """kubeadm 1.29 app/util/kubeconfig CreateBasic; from 1.33 on, kubelets use their own server."""
    spec = cluster({"cp": 1, "w": 1}, kubernetes={"clusterName": "prod", "version": version})
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    endpoint, local = "https://192.168.10.240:8443", "https://10.1.0.2:6443"
    authority = secrets.authorities[AuthorityName.KUBERNETES].certificate
    data = b64encode(certificate_pem(authority).encode()).decode()
    files = contents(node_credentials(plan, plan.by_name["cp1"], secrets))
    for name, user, server in (
        ("admin.conf", "kubernetes-admin", endpoint),
        ("controller-manager.conf", "system:kube-controller-manager", local),
        ("scheduler.conf", "system:kube-scheduler", local),
        ("kubelet.conf", "system:node:cp1", kubelets_server),
    ):
        document = yaml.safe_load(files[f"/etc/kubernetes/{name}"])
        identity = document["users"][0].pop("user")
        if name == "kubelet.conf":
            assert identity == ROTATED
        else:
            assert sorted(identity) == ["client-certificate-data", "client-key-data"]
        assert document == {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"cluster": {"certificate-authority-data": data, "server": server}, "name": "prod"}
            ],
            "contexts": [{"context": {"cluster": "prod", "user": user}, "name": f"{user}@prod"}],
            "current-context": f"{user}@prod",
            "preferences": {},
            "users": [{"name": user}],
        }


def test_the_kubeconfig_of_a_worker_has_no_name_and_no_secret() -> None:
    spec = cluster({"cp": 1, "w": 1})
    plan, secrets = plan_with_joiner(spec), fixed_secrets(spec)
    files = contents(node_credentials(plan, plan.by_name["w1"], secrets))
    cluster_entry = {
        "certificate-authority": "/etc/kubernetes/pki/ca.crt",
        "server": "https://192.168.10.240:8443",
    }
    assert yaml.safe_load(files["/etc/kubernetes/kubelet.conf"]) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"cluster": cluster_entry, "name": "kubernetes"}],
        "contexts": [
            {"context": {"cluster": "kubernetes", "user": "kubernetes"}, "name": "kubernetes"}
        ],
        "current-context": "kubernetes",
        "users": [{"name": "kubernetes", "user": ROTATED}],
    }
