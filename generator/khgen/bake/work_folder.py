"""The folder in which a bake happens: private, beside its result, and gone afterwards."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from khgen.bake.login import Login
from khgen.bake.payload_archive import Preload, write_payload
from khgen.disk.folder_lock import locked_folder
from khgen.files.golden_image import ImagePayload
from khgen.resources import resource_folder

PREFIX = ".khgen-bake-"
TEMPORARY_PREFIX = "khgen-"
PLUGINS = "plugins.pkr.hcl"
LONGEST_SOCKET = 107
"""sun_path has 108 bytes, of which one ends it (unix(7)); Packer panics at a longer one."""
SOCKET_NAME = f"/{TEMPORARY_PREFIX}12345678/packer-plugin1234567890"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFolder:
    """Where everything of a bake is, by what it is."""

    path: Path
    temporary: Path
    """For Packer's own: its sockets' paths must be short (unix(7))."""

    @property
    def templates(self) -> Path:
        """The static templates, as this Packer can read them."""
        return self.path / "packer"

    @property
    def variables(self) -> Path:
        """What khgen says to them."""
        return self.path / "khgen.pkrvars.json"

    @property
    def payload(self) -> Path:
        """The archive for the image."""
        return self.path / "payload.tar"

    @property
    def key(self) -> Path:
        """The private key of the login."""
        return self.path / "key"

    @property
    def seed(self) -> tuple[Path, Path]:
        """user-data and meta-data of the login."""
        return self.path / "user-data", self.path / "meta-data"

    @property
    def output(self) -> Path:
        """Where Packer puts the disk."""
        return self.path / "output"

    @property
    def report(self) -> Path:
        """The image's own image.json."""
        return self.path / "image.json"

    @property
    def console(self) -> Path:
        """What the machine says on its serial console."""
        return self.path / "console.log"

    def place_templates(self, *, plugins: bool) -> None:
        """Copy the templates; without `plugins`, for a Packer that does not know that block."""
        left_out = shutil.ignore_patterns(*(() if plugins else (PLUGINS,)))
        shutil.copytree(resource_folder("packer"), self.templates, ignore=left_out)

    def place_login(self, login: Login) -> None:
        """Write the key and the seed."""
        texts = (login.private_key, login.user_data.encode(), login.meta_data.encode())
        for path, content in zip((self.key, *self.seed), texts, strict=True):
            path.write_bytes(content)
            path.chmod(0o600)

    def place_payload(self, payload: ImagePayload, preload: Preload) -> None:
        """Write the archive for the image."""
        write_payload(payload, preload, self.payload)

    def place_variables(self, values: Mapping[str, object]) -> None:
        """Write the variables."""
        text = json.dumps(dict(values), indent=1, sort_keys=True)
        self.variables.write_text(f"{text}\n", encoding="utf-8")


@contextmanager
def work_folder(out: Path) -> Iterator[WorkFolder]:
    """A work folder in `out`; only one bake at a time has one there, and what it leaves is cleared.

    A bake that was killed could not clear up after itself: the next one does.
    """
    out.mkdir(parents=True, exist_ok=True)
    with locked_folder(out):
        for leftover in out.glob(f"{PREFIX}*"):
            shutil.rmtree(leftover)
        with private_folders(out) as folder:
            yield folder


@contextmanager
def private_folders(parent: Path | None) -> Iterator[WorkFolder]:
    """A work folder in `parent`, or where temporary folders are; gone at the end."""
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True) as path,
        tempfile.TemporaryDirectory(
            prefix=TEMPORARY_PREFIX, dir=_sockets_folder(), ignore_cleanup_errors=True
        ) as temporary,
    ):
        yield WorkFolder(path=Path(os.path.realpath(path)), temporary=Path(temporary))


def _sockets_folder() -> str:
    """Where temporary folders are, or /tmp where a socket's path would be too long there."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual + SOCKET_NAME)) <= LONGEST_SOCKET else "/tmp"  # noqa: S108
