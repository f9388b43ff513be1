"""Encryption at rest: the API server's EncryptionConfiguration."""

from base64 import b64encode
from pathlib import PurePosixPath

from khgen.plan.model import CONTROL_PLANE_KINDS, NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.yaml_text import dump_yaml

ENCRYPTION_PATH = PurePosixPath("/etc/kubernetes/encryption-config.yaml")


def encryption_files(plan: Plan, kind: NodeKind, key: bytes) -> tuple[NodeFile, ...]:
    """The key that Secrets are encrypted with in etcd, where the spec asks for it."""
    if kind not in CONTROL_PLANE_KINDS or not plan.spec.kubernetes.encryption_at_rest:
        return ()
    content = dump_yaml(
        {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "EncryptionConfiguration",
            "resources": [
                {
                    "resources": ["secrets"],
                    "providers": [
                        {
                            "secretbox": {
                                "keys": [{"name": "khgen", "secret": b64encode(key).decode()}]
                            }
                        },
                        # Reads what was stored before encryption was switched on.
                        {"identity": {}},
                    ],
                }
            ],
        }
    )
    return (NodeFile(path=ENCRYPTION_PATH, content=content, mode=0o600),)
