"""Kubeconfigs, in the shapes that kubeadm and the kubelet write them."""

from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache

from khgen.pki.issue import Leaf
from khgen.yaml_text import YamlValue, dump_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the parts of a kubeconfig are called."""

    cluster: str
    context: str
    user: str


KUBELET_NAMES = Names(cluster="kubernetes", context="kubernetes", user="kubernetes")
"""On a worker nothing looks at them: the certificate says who it is."""


def kubeadm_names(cluster: str, user: str) -> Names:
    """What kubeadm calls them (kubeadm 1.29 app/util/kubeconfig CreateBasic)."""
    return Names(cluster=cluster, context=f"{user}@{cluster}", user=user)


def client_kubeconfig(names: Names, server: str, authority_pem: str, leaf: Leaf) -> str:
    """A kubeconfig with the client's certificate and key inside."""
    identity = {
        "client-certificate-data": _encoded(leaf.certificate),
        "client-key-data": _encoded(leaf.key),
    }
    return dump_yaml(_kubeconfig(names, server, _embedded(authority_pem), identity))


@lru_cache(maxsize=256)
def rotating_kubeconfig(names: Names, server: str, authority_pem: str, identity_path: str) -> str:
    """A kubeconfig whose client certificate and key are in one file, which may change."""
    identity = {"client-certificate": identity_path, "client-key": identity_path}
    return dump_yaml(_kubeconfig(names, server, _embedded(authority_pem), identity))


@lru_cache(maxsize=8)
def kubelet_kubeconfig(server: str, authority_path: str, identity_path: str) -> str:
    """kubelet.conf of a worker: the same bytes on all of them, and the CA is not there twice.

    kubeadm's file discovery embeds what it refers to (1.29 app/discovery/file/file.go).
    """
    identity = {"client-certificate": identity_path, "client-key": identity_path}
    authority = {"certificate-authority": authority_path}
    document = _kubeconfig(KUBELET_NAMES, server, authority, identity)
    del document["preferences"]  # empty, and nothing reads it
    return dump_yaml(document)


def _kubeconfig(
    names: Names, server: str, authority: dict[str, str], identity: dict[str, str]
) -> dict[str, YamlValue]:
    context: YamlValue = {"cluster": names.cluster, "user": names.user}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"cluster": {**authority, "server": server}, "name": names.cluster}],
        "contexts": [{"context": context, "name": names.context}],
        "current-context": names.context,
        "preferences": {},
        "users": [{"name": names.user, "user": identity}],
    }


@lru_cache(maxsize=8)
def _embedded(authority_pem: str) -> dict[str, str]:
    return {"certificate-authority-data": _encoded(authority_pem)}


def _encoded(pem: str) -> str:
    return b64encode(pem.encode("ascii")).decode("ascii")
