"""What the node's own files contain: versions, kubeadm's configuration, flags."""

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
ENVIRONMENT = Path("/etc/khgen/node.env")


def wanted_version(program: str) -> str:
    """The version that khgen expects of a program: the stand-in is every version."""
    words = shlex.split(ENVIRONMENT.read_text(encoding="utf-8"))
    programs = next((word for word in words if word.startswith("PROGRAMS=")), "")
    found = re.search(rf"\b{program}=([0-9.]+)", programs)
    return f"v{found[1] if found else '0.0.0'}"


def documents(path: str | Path) -> Mapping[str, Document]:
    """The documents of a YAML file by their kind."""
    text = Path(path).read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text) if document}


def arguments(given: Mapping[str, str] | Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """extraArgs as v1beta3 writes them (a mapping) or v1beta4 (a list of name and value)."""
    if given is None or isinstance(given, Mapping):
        return dict(given or {})
    return {argument["name"]: argument["value"] for argument in given}


def flags(words: Iterable[str]) -> dict[str, str]:
    """--name=value of a command line; of a flag that stands twice, the last counts."""
    pairs = (word[2:].partition("=") for word in words if word.startswith("--"))
    return {name: value for name, _, value in pairs}
