"""The secrets file that is damaged, and another cluster's: with every field that there can be."""

from datetime import timedelta

from khgen.pki.secrets import EVERYONE, renewed, with_removed
from khgen.pki.secrets_encode import encode_secrets
from support.fixed import FIXED_NOW, fixed_secrets
from support.topologies import cluster, topology

KEY = b"a key that only the tests know"


def whole_text(key: bytes | None = None) -> str:
    """A secrets file (test keys) in which nothing is missing."""
    spec = topology("stacked")
    secrets = renewed(fixed_secrets(spec), (EVERYONE, "w1"), FIXED_NOW)
    left = spec.nodes[0]
    earlier = FIXED_NOW - timedelta(hours=1)
    removed = with_removed(secrets, left.name, left.role, left.address, earlier)
    return encode_secrets(removed, key)


def other_text(key: bytes | None = None) -> str:
    """A secrets file of other keys (test keys)."""
    return encode_secrets(fixed_secrets(cluster({"cp": 1}, pki={"algorithm": "ECDSA-P384"})), key)
