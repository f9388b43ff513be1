"""Packer as a subprocess, and the builders that it bakes with.

Packer's first process ignores SIGINT and starts a second one that does not (panicwrap). Both, the
plugins and QEMU must get the signal at once, as they do from a terminal. So they have their own
process group, and the whole group ends when a run ends.

There is one builder for each source in packer/sources.pkr.hcl.

A line of the machine-readable output is timestamp,target,type,data…
(https://developer.hashicorp.com/packer/docs/commands#machine-readable-output); commas inside data
are %!(PACKER_COMMA), line ends are a backslash with n or r (packer/ui.go, the same from 1.6 to 1.16).
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import FrameType, MappingProxyType

from khgen.disk.system_calls import ENDING
from khgen.facts.distributions import Family
from khgen.facts.version import Version

COMMA = "%!(PACKER_COMMA)"
OLDEST = Version((1, 6, 6))
"""The oldest version that reads these templates; Debian 12 has it."""
PLUGINS = Version((1, 7, 0))
"""From this version on, builders are plugins and `packer init` installs them."""
GET_PACKER = "install it: https://developer.hashicorp.com/packer/install, or apt-get install packer"


class BakeError(Exception):
    """An external program failed, is missing or is too old; with a hint for the user."""

    def __init__(self, message: str, hint: str = "") -> None:
        """The message and the hint are for the user."""
        super().__init__(message)
        self.hint = hint


class BakeInterruptedError(BakeError):
    """A signal ended the bake; Packer has removed what it made."""

    def __init__(self, number: int) -> None:
        """With the signal's number."""
        super().__init__("interrupted")
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerLine:
    """One line of output: its time (seconds of Unix time), its build and its text."""

    time: int
    target: str
    kind: str
    data: tuple[str, ...]

    @property
    def shown(self) -> str | None:
        """The text that Packer prints for people; None if the line is only for programs."""
        return self.data[1] if self.kind == "ui" and len(self.data) == 2 else None

    @property
    def artifact(self) -> tuple[str, tuple[str, ...]] | None:
        """A fact about what was built, like ("id", ("ami-1",))."""
        if self.kind != "artifact" or len(self.data) < 3:
            return None
        return self.data[1], self.data[2:]


def packer_line(text: str) -> PackerLine | None:
    """The parts of a line; None if it has another form, like a line of a crash report."""
    parts = text.rstrip("\n").split(",")
    if len(parts) < 3 or not parts[0].isdecimal():
        return None
    time, target, kind, *data = parts
    return PackerLine(time=int(time), target=target, kind=kind, data=tuple(map(_plain, data)))


def _plain(text: str) -> str:
    return text.replace(COMMA, ",").replace(r"\r", "\r").replace(r"\n", "\n")


OnLine = Callable[[str, PackerLine | None], None]
"""Called with each line unchanged, and with its parts if it has the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """An installed Packer, and the environment of its processes."""

    program: str
    version: Version
    environment: Mapping[str, str]

    @property
    def takes_plugins(self) -> bool:
        """Whether it reads the block that pins plugins."""
        return self.version >= PLUGINS

    def run(self, arguments: Sequence[str], on_line: OnLine) -> int:
        """Run to the end, with a call for each line as it comes; returns the exit code.

        After a first signal that ends a program, Packer removes what it made and reports that. A
        further signal stops it at once. Then this raises BakeInterruptedError.
        """
        with subprocess.Popen(  # noqa: S603 - a program that the user put on the PATH
            [self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=dict(self.environment),
            start_new_session=True,
        ) as process:
            end = threading.Thread(target=_end_group_after, args=(process,))
            end.start()
            try:
                with _passing_on(process) as interrupted:
                    for line in process.stdout or ():
                        on_line(line.rstrip("\n"), packer_line(line))
                    code = process.wait()
            finally:
                _signal_group(process, signal.SIGKILL)
                end.join()
        if interrupted:
            raise BakeInterruptedError(interrupted[0])
        return code


def _end_group_after(process: "subprocess.Popen[str]") -> None:
    """End processes that Packer left: while one has the pipe open, reading it does not end."""
    process.wait()
    _signal_group(process, signal.SIGKILL)


@contextmanager
def _passing_on(process: "subprocess.Popen[str]") -> Iterator[list[int]]:
    """Pass signals on to the whole group as ^C does; yields the signals that came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        came.append(number)
        _signal_group(process, signal.SIGINT if len(came) < 3 else signal.SIGKILL)

    before = {number: signal.signal(number, pass_on) for number in ENDING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_group(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def installed_packer(temporary: Path, cache: Path) -> Packer:
    """The Packer on the PATH; raises BakeError if there is none, another program, or an old one."""
    program = shutil.which("packer")
    if program is None:
        raise BakeError("there is no program 'packer' on this machine", GET_PACKER)  # noqa: EM101
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",  # otherwise it asks HashiCorp for the newest version
        "PACKER_CACHE_DIR": str(cache),
        "TMPDIR": str(temporary),
    }
    version = _version(program, environment)
    if version < OLDEST:
        message = f"{program} is Packer {version}, too old: {OLDEST} or newer is needed"
        raise BakeError(message, GET_PACKER)
    return Packer(program=program, version=version, environment=environment)


def _version(program: str, environment: Mapping[str, str]) -> Version:
    try:
        done = subprocess.run(  # noqa: S603 - a program that the user put on the PATH
            [program, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=dict(environment),
            timeout=60,
        )
    except subprocess.TimeoutExpired:
        raise BakeError(f"{program} does not print its version", GET_PACKER) from None  # noqa: EM102
    version = Version.leading(done.stdout.partition("Packer v")[2])
    if version is None:
        message = f"{program} is not HashiCorp's Packer (cracklib has a program of that name)"
        raise BakeError(message, GET_PACKER)
    return version


class Builder(StrEnum):
    """A Packer builder."""

    QEMU = "qemu"
    AMAZON = "amazon-ebs"
    OPENSTACK = "openstack"


class Accelerator(StrEnum):
    """QEMU's accelerator."""

    KVM = "kvm"
    HVF = "hvf"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """QEMU's program and its accelerator."""

    program: str = "qemu-system-x86_64"
    accelerator: Accelerator = Accelerator.TCG


PROGRAMS = (Hypervisor().program, "/usr/libexec/qemu-kvm")
"""QEMU's program on Debian and on Red Hat."""
OLDEST_QEMU = Version((4, 2))
"""Ubuntu 20.04's; every distribution that is still maintained has a newer one."""
CD_PROGRAMS = ("xorriso", "mkisofs", "hdiutil")
"""Packer makes the login's CD with the first of them that it finds."""
QEMU_HINT = "apt-get install qemu-system-x86 qemu-utils, or dnf install qemu-kvm-core qemu-img"
CD_HINT = "apt-get install xorriso, or dnf install xorriso"

BOOT_TIMEOUTS: Mapping[Accelerator, str] = MappingProxyType(
    {Accelerator.KVM: "10m", Accelerator.HVF: "10m", Accelerator.TCG: "40m"}
)


def login_user(builder: Builder, family: Family) -> str:
    """The user that can log in to a base image of that builder."""
    if builder is Builder.QEMU:
        return "root"
    return family.ec2_login if builder is Builder.AMAZON else family.openstack_login


def working_qemu(accelerator: Accelerator | None, folder: Path) -> Hypervisor:
    """QEMU with that accelerator, or the fastest that works, tried in that folder.

    Raises BakeError unless the programs that Packer's qemu builder runs are there.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        message = f"there is no program '{PROGRAMS[0]}' on this machine"
        raise BakeError(message, QEMU_HINT)
    _refuse_old(program, folder)
    if shutil.which("qemu-img") is None:
        raise BakeError("there is no program 'qemu-img' on this machine", QEMU_HINT)  # noqa: EM101
    if not any(map(shutil.which, CD_PROGRAMS)):
        message = f"none of {', '.join(CD_PROGRAMS)} is on this machine; Packer makes a CD with one"
        raise BakeError(message, CD_HINT)
    return Hypervisor(program=program, accelerator=accelerator or _fastest(program, folder))


def _fastest(program: str, folder: Path) -> Accelerator:
    if sys.platform == "darwin":
        return Accelerator.HVF
    if os.access("/dev/kvm", os.R_OK | os.W_OK) and _starts(program, Accelerator.KVM, folder):
        return Accelerator.KVM
    return Accelerator.TCG


def _refuse_old(program: str, folder: Path) -> None:
    said = _said(program, "--version", folder=folder).stdout
    version = Version.leading(said.partition("version ")[2])
    if version is not None and version < OLDEST_QEMU:
        message = f"{program} is QEMU {version.minor}, too old: {OLDEST_QEMU} or newer is needed"
        raise BakeError(message, QEMU_HINT)


def _starts(program: str, accelerator: Accelerator, folder: Path) -> bool:
    """Whether a machine starts; /dev/kvm can exist and still not work (nested, emulated)."""
    words = ("-machine", f"q35,accel={accelerator}", "-cpu", qemu_cpu(accelerator))
    quiet = ("-nodefaults", "-display", "none", "-S", "-monitor", "stdio")
    return _said(program, *words, *quiet, folder=folder, monitor="quit\n").returncode == 0


def _said(
    program: str, *words: str, folder: Path, monitor: str = ""
) -> "subprocess.CompletedProcess[str]":
    command = [program, *words]
    try:
        return subprocess.run(  # noqa: S603
            command,
            input=monitor,
            text=True,
            capture_output=True,
            check=False,
            cwd=folder,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr="")


def qemu_cpu(accelerator: Accelerator) -> str:
    """The processor that the machine sees: the host's, or the best that QEMU emulates."""
    return "max" if accelerator is Accelerator.TCG else "host"
