"""A file on a node: what the PKI and every program's module return."""

from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFile:
    """A file as the node will have it; the owner is always root, who alone exists that early."""

    path: PurePosixPath
    content: str
    mode: int = 0o644
