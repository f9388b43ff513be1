"""What an export comes to: files, or what the platform would not take."""

from dataclasses import dataclass

from khgen.export.model import ExportFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A node whose user-data the platform would not take."""

    node: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The files for one platform; with a refusal among it, they are not to be written."""

    files: tuple[ExportFile, ...]
    refusals: tuple[Refusal, ...] = ()
