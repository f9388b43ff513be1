"""Reading back what a node was given of the PKI, as the programs on it would."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
)

from khgen.pki.certificates import AuthorityName
from khgen.pki.credentials import NodeCredentials, node_credentials
from khgen.pki.secrets import Secrets
from khgen.plan.cluster_plan import NodePlan, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A leaf certificate with its key, by the path (for kubeconfigs: the file) it was in."""

    path: str
    certificate: x509.Certificate
    certificate_pem: str
    key_pem: str
    issuer: AuthorityName

    @property
    def is_server(self) -> bool:
        """Whether it may serve."""
        return x509.OID_SERVER_AUTH in self.usages

    @property
    def is_client(self) -> bool:
        """Whether it may be a client."""
        return x509.OID_CLIENT_AUTH in self.usages

    @property
    def usages(self) -> set[x509.ObjectIdentifier]:
        """Its extended key usages."""
        extension = self.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        return set(extension.value)


def issued_to(plan: Plan, node: NodePlan, secrets: Secrets) -> list[Issued]:
    """Every leaf that a node holds."""
    return list(_leaves(node_credentials(plan, node, secrets)))


def contents(credentials: NodeCredentials) -> Mapping[str, str]:
    """Each file's content by path."""
    return {str(file.path): file.content for file in credentials.files}


def identity_in(kubeconfig: str) -> tuple[str, str]:
    """The certificate and key embedded in a kubeconfig."""
    user = yaml.safe_load(kubeconfig)["users"][0]["user"]
    certificate, key = user["client-certificate-data"], user["client-key-data"]
    return b64decode(certificate).decode(), b64decode(key).decode()


def server_of(kubeconfig: str) -> str:
    """The API server that a kubeconfig points at."""
    server = yaml.safe_load(kubeconfig)["clusters"][0]["cluster"]["server"]
    return str(server)


def chain_verifier(authority: x509.Certificate, moment: datetime) -> ClientVerifier:
    """A verifier by the web's strict rules, except for names: a client of Kubernetes has none."""
    end_entity = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    builder = PolicyBuilder().store(Store([authority])).time(moment)
    return builder.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=end_entity
    ).build_client_verifier()


def _leaves(credentials: NodeCredentials) -> Iterator[Issued]:
    files = contents(credentials)
    for path, text in files.items():
        key_path = f"{path.removesuffix('.crt')}.key"
        if path.endswith("/kubelet-client-khgen.pem"):
            certificate, key = text.split("-----BEGIN EC PRIVATE", 1)
            yield _issued(path, certificate, f"-----BEGIN EC PRIVATE{key}")
        elif path.endswith(".conf") and "client-key-data" in text:
            yield _issued(path, *identity_in(text))
        elif path.endswith(".crt") and not path.endswith("ca.crt"):
            yield _issued(path, text, files[key_path])


def _issued(path: str, certificate_pem: str, key_pem: str) -> Issued:
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    key = load_pem_private_key(key_pem.encode(), None)
    assert key.public_key() == certificate.public_key(), f"{path}: another key's certificate"
    issuer = AuthorityName.KUBERNETES
    if "/etcd/" in path or path.endswith("etcd-client.crt"):
        issuer = AuthorityName.ETCD
    elif "front-proxy" in path:
        issuer = AuthorityName.FRONT_PROXY
    return Issued(
        path=path,
        certificate=certificate,
        certificate_pem=certificate_pem,
        key_pem=key_pem,
        issuer=issuer,
    )
