"""Writes seeds and exports: a folder that is swapped in whole, with a list of what is in it."""

import errno
import hashlib
import stat
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from khgen.disk.locks import clear_stale, locked_folder, temporary_file
from khgen.disk.owned_folder import (
    ELSEWHERE,
    Listing,
    ListingError,
    ListingPart,
    OutputRefusedError,
    RelativePath,
    Sha256,
    decoded_listing,
    listing_text,
    read_regular,
    refuse_listing,
    refuse_others,
)
from khgen.disk.staging import Staging, closed_umask, staged
from khgen.disk.system_calls import held_signals, take_signals
from khgen.export.rendered_machines import ExportFile
from khgen.spec.model.texts import NodeName, ShortName

BEGINNING = 4
"""How a file of khgen begins: these bytes, and the rest of the line in which they end."""


class FileEntry(ListingPart):
    """One file in the list; `node` is empty for a file of the whole cluster."""

    node: NodeName | Literal[""]
    bytes: int = Field(ge=0)
    sha256: Sha256


class ExportListing(Listing):
    """What an export's listing has: the cluster, and every file by its path in the folder."""

    cluster: ShortName
    files: Mapping[RelativePath, FileEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFolder:
    """The folder of an export; its listing has the export's name: seeds, incus and so on."""

    path: Path
    name: str
    cluster: str

    @property
    def listing(self) -> str:
        """The file that shows that the folder is khgen's."""
        return f"khgen-{self.name}.json"

    def publish(self, files: Iterable[ExportFile], keep: frozenset[str] = frozenset()) -> int:
        """Write the files and return their number; the files of the nodes in `keep` stay.

        Raises OSError, and OutputRefusedError if the folder holds anything else.
        """
        with staged(self.path, self._listed_files, keep=True) as staging:
            entries = self._kept(staging, keep)
            written = 0
            for file in files:
                take_signals()
                self._write(staging, file)
                entries[file.path] = _entry(file)
                written += 1
            (staging.path / self.listing).unlink(missing_ok=True)
            staging.write(self.listing, self._text(entries).encode())
        return written

    def _text(self, entries: Mapping[str, FileEntry]) -> str:
        files = {path: entry.model_dump() for path, entry in sorted(entries.items())}
        return listing_text(self._kind, {"cluster": self.cluster, "files": files})

    @property
    def _kind(self) -> str:
        return f"khgen/{self.name}"

    def _listed_files(self, folder: Path) -> frozenset[str]:
        """Every file that the listing in that folder accounts for."""
        return frozenset((self.listing, *self._listed(folder).files))

    def _kept(self, staging: Staging, keep: frozenset[str]) -> dict[str, FileEntry]:
        """The entries of what stays; all other listed files are removed."""
        try:
            listed = self._listed(staging.path)
        except FileNotFoundError:
            return {}
        kept = {
            name: entry
            for name, entry in listed.files.items()
            if entry.node in keep and self._is_whole(staging, name, entry)
        }
        for name in listed.files.keys() - kept.keys():
            (staging.path / name).unlink(missing_ok=True)
        for folder in sorted(staging.path.rglob("*/"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return kept

    def _is_whole(self, staging: Staging, name: str, entry: FileEntry) -> bool:
        """Whether a file is still there; refuses a changed one, because a machine would boot it."""
        try:
            content = (staging.path / name).read_bytes()
        except FileNotFoundError:
            return False  # The operator deletes seeds that are no longer needed.
        if hashlib.sha256(content).hexdigest() == entry.sha256:
            return True
        reason = f"changed since khgen wrote it: write the files of node '{entry.node}' anew"
        raise OutputRefusedError(errno.EINVAL, reason, str(self.path / name))

    def _listed(self, folder: Path) -> ExportListing:
        content = read_regular(folder / self.listing)
        try:
            listing = decoded_listing(content, ExportListing)
        except ListingError as error:
            refuse_listing(self.path, self.listing, str(error))
        if listing.kind != self._kind:
            refuse_listing(self.path, self.listing, f"of kind '{listing.kind}', not '{self._kind}'")
        if listing.cluster != self.cluster:
            reason = f"holds files of another cluster, '{listing.cluster}': {ELSEWHERE}"
            raise OutputRefusedError(errno.ENOTEMPTY, reason, str(self.path))
        return listing

    def _write(self, staging: Staging, file: ExportFile) -> None:
        *folders, _ = file.path.split("/")
        for depth in range(1, len(folders) + 1):
            if not (staging.path / "/".join(folders[:depth])).is_dir():
                staging.make_folders(("/".join(folders[:depth]),))
        staging.write(file.path, file.content, file.mode)


def replace_files(folder: Path, files: Iterable[ExportFile]) -> None:
    """Write files beside those of the user, each whole or not at all.

    An existing file is khgen's if it begins with the same line or two. Raises OutputRefusedError
    for any other, and then writes nothing.
    """
    files = tuple(files)
    with closed_umask():
        folder.mkdir(parents=True, exist_ok=True)
    refuse_others(folder)
    with locked_folder(folder), held_signals():
        clear_stale(folder)
        for file in files:
            _refuse_foreign_file(folder / file.path, file.content)
        with ExitStack() as stack:
            # All files are complete before the first one gets its name.
            staged_files = [
                (stack.enter_context(temporary_file(folder / file.path, file.content)), file.path)
                for file in files
            ]
            for path, name in staged_files:
                path.replace(folder / name)


def _refuse_foreign_file(path: Path, content: bytes) -> None:
    mark = content[: content.index(b"\n", BEGINNING)]
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise OutputRefusedError(errno.EEXIST, f"is not a file: {ELSEWHERE}", str(path))
    refuse_others(path)
    if not read_regular(path).startswith(mark):
        reason = f"was not written by khgen export: {ELSEWHERE}"
        raise OutputRefusedError(errno.EEXIST, reason, str(path))


def _entry(file: ExportFile) -> FileEntry:
    digest = hashlib.sha256(file.content).hexdigest()
    return FileEntry(node=file.node, bytes=len(file.content), sha256=digest)
