"""Certificates, keys and kubeconfigs as files of a node."""

from khgen.files.node_file import NodeFile
from khgen.pki.credentials import NodeCredentials


def certificate_files(credentials: NodeCredentials, *, shared: bool) -> tuple[NodeFile, ...]:
    """What a node is given of the PKI: what its kind shares, or what it alone has."""
    return tuple(
        NodeFile(path=file.path, content=file.content, mode=file.mode)
        for file in credentials.files
        if file.shared is shared
    )
