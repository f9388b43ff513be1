"""Where an image can be baked: one entry for each source in packer/sources.pkr.hcl."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from khgen.bake.packer import BakeError
from khgen.facts.distributions import Family
from khgen.facts.version import Version


class Builder(StrEnum):
    """A Packer builder."""

    QEMU = "qemu"
    AMAZON = "amazon-ebs"
    OPENSTACK = "openstack"


class Accelerator(StrEnum):
    """What runs the machine that bakes, with QEMU."""

    KVM = "kvm"
    HVF = "hvf"
    TCG = "tcg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypervisor:
    """QEMU's program, and what runs its machine."""

    program: str = "qemu-system-x86_64"
    accelerator: Accelerator = Accelerator.TCG


PROGRAMS = (Hypervisor().program, "/usr/libexec/qemu-kvm")
"""QEMU, where Debian and where Red Hat put it."""
OLDEST_QEMU = Version((4, 2))
"""Ubuntu 20.04's, older than what any distribution has that is still cared for."""
CD_PROGRAMS = ("xorriso", "mkisofs", "hdiutil")
"""Packer makes the login's CD with the first of them that it finds."""
QEMU_HINT = "apt-get install qemu-system-x86 qemu-utils, or dnf install qemu-kvm-core qemu-img"
CD_HINT = "apt-get install xorriso, or dnf install xorriso"

BOOT_TIMEOUTS: Mapping[Accelerator, str] = MappingProxyType(
    {Accelerator.KVM: "10m", Accelerator.HVF: "10m", Accelerator.TCG: "40m"}
)


def login_user(builder: Builder, family: Family) -> str:
    """The user whom a base image of that builder lets in."""
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
        message = f"there is none of {', '.join(CD_PROGRAMS)} on this machine, to make a CD with"
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
    """Whether a machine starts: /dev/kvm may be there and still not carry one (nested, emulated)."""
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
    """The processor to show: this machine's own, or all that QEMU can emulate."""
    return "max" if accelerator is Accelerator.TCG else "host"
