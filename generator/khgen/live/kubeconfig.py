"""The operator's kubeconfig: which one a command uses, and the CA in it."""

import os
from base64 import b64decode
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from khgen.disk.owned_folder import read_regular
from khgen.yaml_reader import YamlReader, text_fault

_ADMIN_CONF = "admin.conf"


class KubeconfigError(Exception):
    """There is no kubeconfig, or it names no CA; the text is for the user."""


def chosen_kubeconfig(named: Path | None, out: Path) -> Path | None:
    """The kubeconfig to use: the named one, else that of the output; None for KUBECONFIG's.

    Raises KubeconfigError if there is none, because kubectl would then ask localhost.
    """
    if named is not None:
        return named
    if (out / _ADMIN_CONF).exists():
        return out / _ADMIN_CONF
    if os.environ.get("KUBECONFIG"):
        return None
    message = (
        f"there is no {out / _ADMIN_CONF}, and KUBECONFIG is not set:"
        " name a kubeconfig with --kubeconfig"
    )
    raise KubeconfigError(message)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class _Cluster(_Part):
    data: str | None = Field(default=None, alias="certificate-authority-data")
    file: str | None = Field(default=None, alias="certificate-authority")


class _Context(_Part):
    cluster: str


class _NamedCluster(_Part):
    name: str
    cluster: _Cluster


class _NamedContext(_Part):
    name: str
    context: _Context


class _Kubeconfig(_Part):
    current: str = Field(alias="current-context")
    contexts: tuple[_NamedContext, ...]
    clusters: tuple[_NamedCluster, ...]


def kubeconfig_authority(path: Path) -> str:
    """The CA, as PEM, that the kubeconfig's current context trusts.

    Raises KubeconfigError where there is none, OSError where a file cannot be read.
    """
    kubeconfig = _read(path)
    context = _named(kubeconfig.contexts, kubeconfig.current, f"{path}: no context")
    name = context.context.cluster
    cluster = _named(kubeconfig.clusters, name, f"{path}: no cluster").cluster
    try:
        if cluster.data is not None:
            return b64decode(cluster.data, validate=True).decode("ascii")
        if cluster.file is not None:
            return read_regular(path.parent / cluster.file).decode("ascii")
    except ValueError:
        message = f"{path}: the CA of cluster '{name}' is not PEM"
        raise KubeconfigError(message) from None
    message = f"{path}: cluster '{name}' has no certificate-authority-data"
    raise KubeconfigError(message)


def _read(path: Path) -> _Kubeconfig:
    text = read_regular(path).decode("utf-8", errors="replace")
    reader = YamlReader(file=str(path))
    fault = text_fault(text, str(path))
    if fault is None:
        reader.read(text)
        fault = next(iter(reader.faults), None)
    if fault is not None:
        message = f"{path}:{fault.place.line}: {fault.message}"
        raise KubeconfigError(message)
    try:
        return _Kubeconfig.model_validate(reader.value)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "the document"
        message = f"{path}: not a kubeconfig with a current context: look at {place}"
        raise KubeconfigError(message) from None


_Named = TypeVar("_Named", _NamedCluster, _NamedContext)


def _named(items: tuple[_Named, ...], name: str, otherwise: str) -> _Named:
    for item in items:
        if item.name == name:
            return item
    message = f"{otherwise} '{name}'"
    raise KubeconfigError(message)
