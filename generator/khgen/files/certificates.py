"""Certificates, keys and kubeconfigs as files of a node."""

from khgen.files.node_file import NodeFile
from khgen.pki.credentials import NodeCredentials
from khgen.plan.model import NodePlan, Plan


def certificate_files(
    plan: Plan, node: NodePlan, credentials: NodeCredentials
) -> tuple[NodeFile, ...]:
    """What a node is given of the PKI."""
    del plan, node  # The credentials are this node's already.
    return tuple(
        NodeFile(path=file.path, content=file.content, mode=file.mode) for file in credentials.files
    )
