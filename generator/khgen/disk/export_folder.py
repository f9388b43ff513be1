"""Writes seeds and exports: a folder that is swapped in whole, with a list of what is in it."""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from khgen import __version__
from khgen.disk.folder_lock import locked_folder
from khgen.disk.staging import OutputRefusedError, Staging, closed_umask, staged
from khgen.export.rendered_machines import ExportFile

BEGINNING = 4
"""A file of khgen's is known by its beginning: these bytes, and the rest of the line they end in."""


class FileEntry(TypedDict):
    """One file in the list."""

    node: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFolder:
    """Where an export goes; `listing` is the file by which the folder is known as khgen's."""

    path: Path
    listing: str
    cluster: str

    def publish(self, files: Iterable[ExportFile], keep: frozenset[str] = frozenset()) -> int:
        """Write the files and return how many; of what is there, the nodes in `keep` stay.

        Raises OSError, among them OutputRefusedError where the folder holds anything else.
        """
        with staged(self.path, keep=True, marker=self.listing) as staging:
            entries = self._kept(staging, keep)
            written = 0
            for file in files:
                self._write(staging, file)
                entries[file.path] = _entry(file)
                written += 1
            listing = {
                "khgen": __version__,
                "cluster": self.cluster,
                "files": dict(sorted(entries.items())),
            }
            (staging.path / self.listing).unlink(missing_ok=True)
            staging.write(self.listing, (json.dumps(listing, indent=2) + "\n").encode())
        return written

    def _kept(self, staging: Staging, keep: frozenset[str]) -> dict[str, FileEntry]:
        """The entries of what stays; all else that is listed is cleared away."""
        path = staging.path / self.listing
        if not path.is_file():
            return {}
        listed = self._listed(path)
        present = {
            str(path.relative_to(staging.path))
            for path in staging.path.rglob("*")
            if path.is_symlink() or not path.is_dir()
        }
        foreign = sorted(present - listed.keys() - {self.listing})
        if foreign:
            reason = (
                f"holds files that khgen did not write, like {foreign[0]}: name another with -o"
            )
            raise OutputRefusedError(errno.ENOTEMPTY, reason, str(self.path))
        kept = {name: entry for name, entry in listed.items() if entry["node"] in keep}
        for name in present - kept.keys():
            (staging.path / name).unlink()
        for folder in sorted(staging.path.rglob("*/"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return kept

    def _listed(self, path: Path) -> dict[str, FileEntry]:
        try:
            listing = json.loads(path.read_text(encoding="utf-8"))
            cluster, files = listing["cluster"], listing["files"]
            entries = {
                name: FileEntry(node=entry["node"], bytes=entry["bytes"], sha256=entry["sha256"])
                for name, entry in files.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            reason = f"its {self.listing} is damaged: name another folder with -o"
            raise OutputRefusedError(errno.EINVAL, reason, str(self.path)) from None
        if cluster != self.cluster:
            reason = f"holds files of another cluster, '{cluster}': name another with -o"
            raise OutputRefusedError(errno.ENOTEMPTY, reason, str(self.path))
        return entries

    def _write(self, staging: Staging, file: ExportFile) -> None:
        *folders, _ = file.path.split("/")
        for depth in range(1, len(folders) + 1):
            if not (staging.path / "/".join(folders[:depth])).is_dir():
                staging.make_folders(("/".join(folders[:depth]),))
        staging.write(file.path, file.content, file.mode)


def replace_files(folder: Path, files: Iterable[ExportFile]) -> None:
    """Write files beside those of the user, each whole or not at all.

    One that is there already is khgen's if it begins with the same line or two; any other stops
    all with OutputRefusedError.
    """
    files = tuple(files)
    with closed_umask():
        folder.mkdir(parents=True, exist_ok=True)
    with locked_folder(folder):
        for file in files:
            _refuse_foreign_file(folder / file.path, file.content)
        for file in files:
            descriptor, name = tempfile.mkstemp(prefix=f".{file.path}.", dir=folder)
            try:
                with os.fdopen(descriptor, "wb") as staged_file:
                    staged_file.write(file.content)
                Path(name).replace(folder / file.path)
            finally:
                Path(name).unlink(missing_ok=True)


def _refuse_foreign_file(path: Path, content: bytes) -> None:
    mark = content[: content.index(b"\n", BEGINNING)]
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_file():
        raise OutputRefusedError(
            errno.EEXIST, "is not a file: name another folder with -o", str(path)
        )
    with path.open("rb") as present:
        if present.read(len(mark)) != mark:
            reason = "was not written by khgen export: name another folder with -o"
            raise OutputRefusedError(errno.EEXIST, reason, str(path))


def _entry(file: ExportFile) -> FileEntry:
    digest = hashlib.sha256(file.content).hexdigest()
    return FileEntry(node=file.node, bytes=len(file.content), sha256=digest)
