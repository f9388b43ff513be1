"""The work folder of a bake: private, beside the result, and removed at the end.

It holds the archive that is unpacked in the image, and the login of Packer to the base image.
"""

import io
import json
import os
import re
import shlex
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from khgen.disk.locks import locked_folder
from khgen.disk.system_calls import is_own
from khgen.files.golden_image import ImagePayload
from khgen.resources import resource_folder
from khgen.yaml_text import YamlValue, dump_yaml

PREFIX = ".khgen-bake-"
LEFTOVER = re.compile(re.escape(PREFIX) + "[a-z0-9_]{8}")
"""The names that tempfile makes from the prefix; a person would not choose one."""
TEMPORARY_PREFIX = "khgen-"
PLUGINS = "plugins.pkr.hcl"
LONGEST_SOCKET = 107
"""sun_path has 108 bytes, the last one zero (unix(7)); Packer panics at a longer path."""
SOCKET_NAME = f"/{TEMPORARY_PREFIX}12345678/packer-plugin1234567890"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A private key in OpenSSH's form, and the seed's files."""

    private_key: bytes
    user_data: str
    meta_data: str


def new_login(name: str) -> Login:
    """A login as root for the bake only: clean.sh removes its public key from the image."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    user_data: YamlValue = {
        "disable_root": False,
        "users": [{"name": "root", "lock_passwd": False, "ssh_authorized_keys": [public]}],
    }
    return Login(
        private_key=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        user_data=f"#cloud-config\n{dump_yaml(user_data)}",
        meta_data=dump_yaml({"instance-id": f"khgen-bake-{name}"}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preload:
    """The container images that a bake puts into containerd's store."""

    images: tuple[str, ...]
    """Pulled, unless an archive has them."""
    kubeadm: tuple[str, ...]
    """kubeadm's arguments that list its own images; empty if the image does not have them."""
    archives: tuple[Path, ...]


def write_payload(payload: ImagePayload, preload: Preload, target: Path) -> None:
    """Write the archive: rootfs/ is for the image, bake/ only for packer/provision."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(payload.files, key=lambda file: file.path):
            name = f"rootfs/{file.path.relative_to('/')}"
            _add(archive, name, file.content.encode(), file.mode)
        for name, text in _instructions(payload, preload):
            _add(archive, f"bake/{name}", text.encode(), 0o600)
        for number, path in enumerate(preload.archives):
            entry = _entry(f"bake/archives/{number:02}-{path.name}", 0o600)
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)


def _instructions(payload: ImagePayload, preload: Preload) -> Iterator[tuple[str, str]]:
    values = sorted(payload.environment.items())
    yield "environment", "".join(f"{name}={shlex.quote(value)}\n" for name, value in values)
    yield "steps", "".join(f"{name}\n" for name in payload.steps)
    yield "images", "".join(f"{name}\n" for name in preload.images)
    yield "kubeadm", "".join(f"{argument}\n" for argument in preload.kubeadm)
    yield "contract.json", json.dumps(dict(payload.contract), indent=1, sort_keys=True) + "\n"


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = _entry(name, mode)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    """An entry that root owns, without a time: unpacking sets the time."""
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uname, entry.gname = mode, "root", "root"
    return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFolder:
    """The paths of a bake."""

    path: Path
    temporary: Path
    """TMPDIR of Packer: the paths of its sockets must be short (unix(7))."""

    @property
    def templates(self) -> Path:
        """The static templates, as this Packer can read them."""
        return self.path / "packer"

    @property
    def variables(self) -> Path:
        """The variables that khgen passes to them."""
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
        """The output of the machine's serial console."""
        return self.path / "console.log"

    def place_templates(self, *, plugins: bool) -> None:
        """Copy the templates; without `plugins`, for a Packer that does not know that block."""
        left_out = shutil.ignore_patterns(*(() if plugins else (PLUGINS,)))
        shutil.copytree(resource_folder("packer"), self.templates, ignore=left_out)

    def place_login(self, login: Login) -> None:
        """Write the key and the seed."""
        texts = (login.private_key, login.user_data.encode(), login.meta_data.encode())
        for path, content in zip((self.key, *self.seed), texts, strict=True):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)

    def place_payload(self, payload: ImagePayload, preload: Preload) -> None:
        """Write the archive for the image."""
        write_payload(payload, preload, self.payload)

    def place_variables(self, values: Mapping[str, object]) -> None:
        """Write the variables."""
        text = json.dumps(dict(values), indent=1, sort_keys=True)
        self.variables.write_text(f"{text}\n", encoding="utf-8")


@contextmanager
def work_folder(out: Path) -> Iterator[WorkFolder]:
    """A work folder in `out`, for one bake at a time; it is removed at the end.

    The next bake removes the folder of one that was killed.
    """
    out.mkdir(parents=True, exist_ok=True)
    with locked_folder(out):
        for leftover in filter(_is_leftover, out.iterdir()):
            shutil.rmtree(leftover)
        with private_folders(out) as folder:
            yield folder


def _is_leftover(path: Path) -> bool:
    """Whether this user's khgen made it; links and other users' folders stay."""
    if not LEFTOVER.fullmatch(path.name):
        return False
    status = path.lstat()
    return stat.S_ISDIR(status.st_mode) and is_own(status)


@contextmanager
def private_folders(parent: Path | None) -> Iterator[WorkFolder]:
    """A work folder in `parent`, or else among temporary folders; removed at the end."""
    with (
        tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent, ignore_cleanup_errors=True) as path,
        tempfile.TemporaryDirectory(
            prefix=TEMPORARY_PREFIX, dir=_sockets_folder(), ignore_cleanup_errors=True
        ) as temporary,
    ):
        yield WorkFolder(path=Path(os.path.realpath(path)), temporary=Path(temporary))


def _sockets_folder() -> str:
    """The folder of temporary files, or /tmp if a socket's path would be too long there."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual + SOCKET_NAME)) <= LONGEST_SOCKET else "/tmp"  # noqa: S108
