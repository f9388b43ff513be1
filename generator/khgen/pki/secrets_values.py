"""The values of a secrets file: each reads a text, and a ValueError says what is expected there."""

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime

from khgen.facts.version import KubernetesVersion
from khgen.pki.secrets import VRRP_PASSWORD_LENGTH


def only(wanted: str) -> Callable[[str], str]:
    """What takes that text alone."""

    def read(text: str) -> str:
        if text != wanted:
            message = f"only {wanted} is known"
            raise ValueError(message)
        return text

    return read


def own_cluster(wanted: str | None) -> Callable[[str], str]:
    """What takes the name of that cluster; any name, where none is given."""

    def read(text: str) -> str:
        if wanted is not None and text != wanted:
            message = f"these are the secrets of cluster '{text[:63]}', not of '{wanted}'"
            raise ValueError(message)
        return text

    return read


def file_name(text: str) -> str:
    """The name of a file in the same folder."""
    if not text.isprintable() or "/" in text or text in {"", ".", ".."}:
        message = "the name of a file is expected"
        raise ValueError(message)
    return text


def exact_bytes(size: int) -> Callable[[str], bytes]:
    """What takes so many bytes in base64."""

    def read(text: str) -> bytes:
        message = f"{size} bytes in base64 are expected"
        try:
            value = b64decode(text, validate=True)
        except ValueError:
            raise ValueError(message) from None
        if len(value) != size:
            raise ValueError(message)
        return value

    return read


def vrrp_password(text: str) -> str:
    """The password that keepalived's hosts share."""
    if not re.fullmatch(f"[A-Za-z0-9]{{{VRRP_PASSWORD_LENGTH}}}", text):
        message = f"{VRRP_PASSWORD_LENGTH} letters and digits are expected"
        raise ValueError(message)
    return text


def moment(text: str) -> datetime:
    """A moment in UTC, to the second."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        message = "a time like 2026-01-31T12:00:00Z is expected"
        raise ValueError(message) from None


def kubernetes_version(text: str) -> KubernetesVersion:
    """A released version of Kubernetes."""
    try:
        return KubernetesVersion.parse(text)
    except ValueError:
        message = "a version like 1.29.6 is expected"
        raise ValueError(message) from None


def count(text: str) -> int:
    """How often something happened."""
    if not re.fullmatch("[0-9]{1,9}", text):
        message = "a number is expected"
        raise ValueError(message)
    return int(text)
