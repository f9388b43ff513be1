"""Bootstrap tokens, derived from the seed."""

from khgen.pki.derive import derived_text
from khgen.pki.secrets import EVERYONE, Secrets


def bootstrap_token(secrets: Secrets) -> str:
    """The cluster's shared token, for joins by hand: id and secret joined by a dot."""
    return _token(secrets, "bootstrap-token", secrets.generations.get(EVERYONE, 0))


def founding_token(secrets: Secrets) -> str:
    """The short-lived token of the founding: the same on all founders, or each makes its own.

    No renewal changes it: it would change kubeadm.yaml, and a cluster that stands does not have it.
    """
    return _token(secrets, "founding-token", 0)


def _token(secrets: Secrets, purpose: str, generation: int) -> str:
    text = derived_text(secrets.seed, f"{purpose}/{secrets.cluster}/{generation}", 22)
    return f"{text[:6]}.{text[6:]}"
