"""Updates of nodes, and folders that khgen-update and khgen-roll take for machines."""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from khgen.resources import verbatim
from support.boot_machine import LONG_SECONDS
from support.programs import SYSTEM_PATH, require_program

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1")
PROGRAMS = ("khgen-update", "khgen-boot")
"""What a machine has from its first user-data."""
MOUNTS = ("etc", "run", "var/lib", "usr/local/sbin")
SCRIPT = f"""\
set -e
for folder in {" ".join(MOUNTS)}; do mount --bind "$0/$folder" /$folder; done
exec "$@"
"""
SYSTEMCTL = """\
#!/bin/bash
echo "$*" >>{root}/systemctl.log
case "$*" in
"stop khgen-boot" | "restart khgen-boot")
  [ ! -e /run/boot.pid ] || kill -9 -- "-$(cat /run/boot.pid)" 2>/dev/null
  [ "$1" = restart ] || exit 0
  before=$(sed -n 's/^ExecStartPre=//p' /etc/systemd/system/khgen-boot.service.d/*.conf 2>/dev/null)
  setsid bash -c "${{before:+$before &&}} exec khgen-boot" </dev/null >>{root}/boot.log 2>&1 &
  echo $! >/run/boot.pid
  ;;
esac
"""
"""In place of systemd's: it runs khgen-boot, and keeps what it was asked for."""
Content = Mapping[str, tuple[int, str]]


def step(body: str, *headers: str) -> tuple[int, str]:
    """A boot step's mode and script."""
    lines = ("#!/bin/bash", "#: a step", *headers, "set -euo pipefail", body, "")
    return 0o644, "\n".join(lines)


def archive(files: Content) -> bytes:
    """Files as tar and xz."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:xz") as tar:
        for path, (mode, text) in sorted(files.items()):
            content = text.encode()
            about = tarfile.TarInfo(path.removeprefix("/"))
            about.mode, about.size = mode, len(content)
            tar.addfile(about, io.BytesIO(content))
    return target.getvalue()


@cache
def roll_files() -> Content:
    """What puts an update into force comes with it."""
    names = ("roll.service", "keep.service", "renew.service", "renew.timer")
    units = [f"khgen-{name}" for name in names] + ["khgen-boot.service.d/khgen-keep.conf"]
    return {
        "/usr/local/sbin/khgen-roll": (0o755, verbatim("khgen-roll")),
        **{f"/etc/systemd/system/{name}": (0o644, verbatim(Path(name).name)) for name in units},
    }


def update_files(
    about: Mapping[str, object], files: Content, *, key: Ed25519PrivateKey = KEY
) -> dict[str, bytes]:
    """The four files of an update, by name."""
    archives = {"kind.tar.xz": archive(roll_files()), "node.tar.xz": archive(files)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in archives.items()}
    whole = {"kind": "khgen/update", "version": 1, "archives": digests, **about}
    text = (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode()
    return {"bundle.json": text, "bundle.sig": key.sign(text), **archives}


class UpdatedMachine:
    """A folder that khgen-update and khgen-roll take for a machine."""

    def __init__(
        self, root: Path, name: str, role: str, values: str = "", **settings: object
    ) -> None:
        """Its values are those of a rendered node.env, or a few."""
        self.root, self.name, self.role = root, name, role
        self.values = values or f"CLUSTER=prod\nMACHINE=ab12cd34\nNODE_NAME={name}\n"
        self.settings: dict[str, object] = {
            "node": name,
            "role": role,
            "slots": "none",
            "endpoint": None,
            "apiServers": {},
            "etcd": {},
            "drainSeconds": 5,
            **settings,
        }
        for folder in (*MOUNTS, "bin", "etc/khgen/steps.d", "etc/systemd/system"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            self.place(f"/usr/local/sbin/{program}", verbatim(program), 0o755)
        public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.place("/etc/khgen/update.pub", public.decode())
        self.program("systemctl", SYSTEMCTL.format(root=root))
        self.program("cloud-init", "#!/bin/sh\n")
        self.environment = {"PAUSE": "0.2", "PATIENCE": "60"}

    def place(self, path: str, text: str, mode: int = 0o644) -> Path:
        """A file on it."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return file

    def path(self, path: str) -> Path:
        """Where a file of it is."""
        return self.root / path.removeprefix("/")

    def program(self, name: str, text: str) -> None:
        """A program that comes first in its PATH."""
        self.place(f"/bin/{name}", text, 0o755)

    def boots_with(self, files: Content) -> None:
        """Its first boot placed these files and did its steps."""
        for path, (mode, text) in self.whole(files).items():
            self.place(path, text, mode)
        done = self.run("khgen-boot")
        assert done.returncode == 0, done.stdout + done.stderr

    def whole(self, files: Content) -> Content:
        """These files, with what every update of this node has."""
        steps = sorted(Path(path).name for path in files if "/steps.d/" in path)
        return {
            "/etc/khgen/node.env": (0o644, self.values),
            "/etc/khgen/steps": (0o644, "".join(f"{name}\n" for name in steps)),
            "/etc/khgen/roll.json": (0o644, json.dumps(self.settings)),
            **files,
        }

    def about(self, generation: int, **other: object) -> dict[str, object]:
        """What bundle.json has about an update of it."""
        own = dict(line.split("=", 1) for line in self.values.splitlines() if "=" in line)
        named = {"cluster": own["CLUSTER"], "machine": own["MACHINE"]}
        named |= {"node": self.name, "role": self.role}
        return {**named, "generation": generation, "kubernetes": "1.29.6", **other}

    def update(self, generation: int, files: Content, **other: object) -> Path:
        """A folder with an update of it."""
        made = update_files(self.about(generation, **other), self.whole(files))
        return self.write_update(made)

    def write_update(self, files: Mapping[str, bytes]) -> Path:
        """A folder with these files."""
        digest = hashlib.sha256(b"".join(files.values())).hexdigest()
        folder = self.root / "given" / digest[:12]
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    def command(self, *words: str | Path) -> list[str]:
        """A program on it; all that it starts ends with it, as in a power cut."""
        names = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        return [
            require_program("unshare"),
            *(*names, "bash", "-c", SCRIPT, str(self.root)),
            *map(str, words),
        ]

    def whole_environment(self) -> dict[str, str]:
        """Its programs' environment."""
        path = f"{self.root}/bin:{self.root}/usr/local/sbin:/usr/bin:/bin:{SYSTEM_PATH}"
        return {**os.environ, "PATH": path, **self.environment}

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """A program to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.whole_environment(),
            capture_output=True,
            text=True,
            timeout=2 * LONG_SECONDS,
            check=False,
        )

    @contextlib.contextmanager
    def running(self, *words: str | Path) -> Generator[subprocess.Popen[str]]:
        """A program that goes on; a power cut at the end."""
        with (
            (self.root / "roll.log").open("ab") as log,
            subprocess.Popen(
                self.command(*words),
                env=self.whole_environment(),
                stdout=log,
                stderr=log,
                text=True,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()

    def accepts(self, folder: Path | str, *flags: str) -> None:
        """It takes an update."""
        done = self.run("khgen-update", "apply", folder, *flags)
        assert done.returncode == 0, done.stdout + done.stderr

    def refuses(self, folder: Path | str) -> str:
        """Why it does not."""
        done = self.run("khgen-update", "apply", folder)
        assert done.returncode == 4, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        refused = self.path("/var/lib/khgen/update/refused").read_text()
        assert done.stdout == f"update refused: {refused}\n"
        return refused

    def rolls(self) -> str:
        """What khgen-roll prints when it puts an update into force."""
        done = self.run("khgen-roll")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def linked(self, name: str) -> int | None:
        """The generation of the update that a link points to."""
        file = self.path(f"/var/lib/khgen/update/{name}/bundle.json")
        return json.loads(file.read_text())["generation"] if file.exists() else None

    def status(self) -> dict[str, object]:
        """What khgen-roll reports."""
        file = self.path("/run/khgen/roll.json")
        with contextlib.suppress(OSError):
            return dict(json.loads(file.read_text()))
        return {"state": None, "line": None}

    def until(self, state: str, line: str = "") -> str:
        """Its line once it is in that state and has these words in its line."""
        return str(eventually(lambda: self._line(state, line), lambda: str(self.status())))

    def _line(self, state: str, words: str) -> object:
        status = self.status()
        return status["state"] == state and words in str(status["line"]) and status["line"]

    def asked_systemctl(self) -> list[str]:
        """What systemctl was asked for, and forgets it."""
        log = self.root / "systemctl.log"
        asked = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return asked

    def tree(self, folders: Iterable[str] = ("etc", "usr/local/sbin")) -> dict[str, str]:
        """The text of each file of khgen's, by path; what is beside its place too."""
        files = [path for folder in folders for path in (self.root / folder).rglob("*")]
        return {
            f"/{file.relative_to(self.root)}": file.read_text() for file in files if file.is_file()
        }


def eventually(seen: Callable[[], object], about: Callable[[], str] = str) -> object:
    """What `seen` returns, once that is something."""
    deadline = time.monotonic() + LONG_SECONDS
    while time.monotonic() < deadline:
        if found := seen():
            return found
        time.sleep(0.05)
    pytest.fail(f"it never came: {about()}")
