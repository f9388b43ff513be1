"""Bake and boot a golden image with the real programs, and measure each part.

    sudo .venv/bin/python benchmarks/image.py [--work FOLDER]

As root, with mmdebstrap, grub-pc-bin, packer, QEMU and xorriso. The base image is Debian 12 with the
distribution's cloud kernel and cloud-init. Kubernetes' own package repositories need not be reached:
kubeadm, kubelet and kubectl are downloaded from a web server here, the real ones where KHGEN_KUBE_BIN
names their folder, otherwise stand-ins that only print a version. crictl is such a stand-in
always. Everything else comes from Debian. Then a machine of the image boots with the rendered seed of
a worker and nothing else, until `khgen-boot status` reports that it waits at its first network gate.
Prints a Markdown table.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from khgen.bake.packer import Hypervisor, qemu_cpu, working_qemu
from khgen.rehearse.cached_images import PAUSE, Image, mirror, write_archive

SUITE = "bookworm"
PACKAGES = (
    "linux-image-cloud-amd64", "initramfs-tools", "grub-pc-bin", "grub2-common", "systemd-sysv", "dbus",
    "udev", "kmod", "procps", "e2fsprogs", "fdisk", "cloud-init", "cloud-guest-utils", "netplan.io",
    "iproute2", "openssh-server", "sudo", "curl", "ca-certificates", "python3", "locales",
)  # fmt: skip
"""The packages of Debian's own cloud image that a node needs."""
GRUB = """\
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=ttyS0"
"""
SPEC = """\
apiVersion: khgen/v1alpha1
kind: Cluster
metadata: {{name: baked}}
kubernetes: {{version: {version}}}
controlPlaneEndpoint: {{vip: 10.88.0.10, port: 8443}}
os:
  family: debian
  release: "12"
  sshAuthorizedKeys: ["{key}"]
containerd: {{version: "1.6"}}
install:
  kubernetes: binaries
  containerd: distribution
  artifacts:
{artifacts}
image:
  base: {{url: base.qcow2, checksum: "sha256:{checksum}"}}
  diskSize: 6G
  preload: false
  preloadArchives: [pause.tar]
nodes:
  - {{name: cp1, role: control-plane, address: 10.88.0.11}}
  - {{name: cp2, role: control-plane, address: 10.88.0.12}}
  - {{name: cp3, role: control-plane, address: 10.88.0.13}}
  - {{name: w1, role: worker, address: 10.88.0.21}}
"""
HOST = "10.0.2.2"
"""This machine, as a guest of QEMU's user network sees it."""
STAND_INS = {
    "kubeadm": "echo v{version}",
    "kubelet": "echo Kubernetes v{version}",
    "kubectl": "echo Client Version: v{version}",
    "crictl": "echo crictl version v{version}",
}
GATE = "endpoint"
LIMIT = 3600.0
QUESTIONS = (
    "sha256sum -c --quiet /etc/khgen/image.sha256 && echo every baked file is as it was",
    "systemctl is-enabled containerd haproxy keepalived kubelet",
    "sudo ctr -n k8s.io images ls -q",
    "sudo cat /etc/khgen/image.json",
)
"""The commands that are run on a machine of the image, for the log."""
LINE = re.compile(r"^ *(?P<seconds>\d+\.\d) s  (?P<text>.*)$")
MARKS = (
    (r"Starting VM", "base image: boot, until Packer is logged in"),
    (r"script: .*/wait\.sh", "base image: its own first boot ends"),
    (r"Uploading .*payload\.tar", "upload of the payload"),
    (r"script: .*/unpack\.sh", "unpack.sh"),
    (r"qemu\.node: step (?P<name>[a-z0-9-]+): ", "steps.sh: {name}"),
    (r"script: .*/preload\.sh", "preload.sh: one archive of container images"),
    (r"script: .*/record\.sh", "record.sh"),
    (r"script: .*/clean\.sh", "clean.sh"),
    (r"Gracefully halting", "shutdown"),
    (r"Converting hard drive", "compression of the disk"),
)
"""Packer's output at the start of each part."""


@dataclass(slots=True)
class Parts:
    """The rows of the table, as they come."""

    rows: list[tuple[str, float]] = field(default_factory=list)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time the block as one part."""
        started = time.monotonic()
        yield
        self.add(name, time.monotonic() - started)

    def add(self, name: str, seconds: float) -> None:
        """Add a part, and print it at once."""
        self.rows.append((name, seconds))
        print(f"{seconds:8.1f} s  {name}", file=sys.stderr, flush=True)

    def table(self) -> str:
        """All parts as Markdown."""
        rows = [f"| {name} | {seconds:,.1f} |" for name, seconds in self.rows]
        return "\n".join(("| part | seconds |", "| --- | ---: |", *rows))


def run(*command: str | Path, **options: object) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )
    return str(done.stdout)


def base_image(target: Path, work: Path) -> None:
    """Debian on a disk: GPT, grub for BIOS, ext4, as Debian's own cloud image is laid out."""
    root, disk = work / "root", work / "disk.raw"
    included = f"--include={','.join(PACKAGES)}"
    recommends = '--aptopt=APT::Install-Recommends "false"'
    run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", included, recommends,
        SUITE, root, mirror())  # fmt: skip
    (root / "etc/fstab").write_text("LABEL=root / ext4 defaults 0 1\n")
    (root / "etc/default/grub").write_text(GRUB)
    (root / "etc/cloud/cloud.cfg.d/10_locale.cfg").write_text("locale: C.UTF-8\n")
    (root / "etc/machine-id").write_text("")
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    with disk.open("wb") as file:
        file.truncate(4 << 30)
    table = "label: gpt\nsize=1MiB,type=21686148-6449-6E6F-744E-656564454649\ntype=linux\n"
    run("sfdisk", "-q", disk, input=table)
    with loop_device(disk) as loop:
        run("mkfs.ext4", "-q", "-L", "root", "-d", root, f"{loop}p2")
        install_grub(loop, work / "mount")
    run("qemu-img", "convert", "-O", "qcow2", disk, target)
    disk.unlink()
    shutil.rmtree(root)


@contextmanager
def loop_device(disk: Path) -> Iterator[str]:
    """A loop device with the disk's partitions; some kernels do not read them by themselves."""
    loop = run("losetup", "--find", "--show", disk).strip()
    subprocess.run(["partx", "-a", loop], check=False, capture_output=True)
    try:
        yield loop
    finally:
        subprocess.run(["partx", "-d", loop], check=False, capture_output=True)
        run("losetup", "--detach", loop)


def install_grub(loop: str, mount: Path) -> None:
    """grub for BIOS, which finds the root file system by its label."""
    mount.mkdir()
    run("mount", f"{loop}p2", mount)
    try:
        for folder in ("dev", "proc", "sys"):
            run("mount", "--rbind", "--make-rslave", f"/{folder}", mount / folder)
        run("chroot", mount, "grub-install", "--target=i386-pc", loop, stderr=subprocess.DEVNULL)
        run("chroot", mount, "update-grub", stderr=subprocess.DEVNULL)
        config = mount / "boot/grub/grub.cfg"
        config.write_text(re.sub(rf"root={loop}p2", "root=LABEL=root", config.read_text()))
    finally:
        run("umount", "--recursive", mount)


def served_programs(folder: Path, version: str) -> dict[str, Path]:
    """What the bake downloads, by the name that the spec gives it."""
    real = os.environ.get("KHGEN_KUBE_BIN")
    programs = {}
    for name, text in STAND_INS.items():
        programs[name] = folder / name
        if real and (Path(real) / name).is_file():
            shutil.copyfile(Path(real) / name, programs[name])
        else:
            programs[name].write_text(f"#!/bin/sh\n{text.format(version=version)}\n")
    programs["crictl"] = archive(folder / "crictl.tar", programs["crictl"])
    programs["cniPlugins"] = archive(folder / "cni.tar", *cni_plugins(folder))
    return programs


def archive(target: Path, *files: Path) -> Path:
    """An archive of programs, all at its top."""
    with tarfile.open(target, "w") as tar:
        for file in files:
            file.chmod(0o755)
            tar.add(file, arcname=file.name)
    return target


def unpacked(package: str, folder: Path) -> Path:
    """A package of Debian's, unpacked and not installed."""
    run("apt-get", "download", "-qq", package, cwd=folder)
    (deb,) = folder.glob(f"{package}_*.deb")
    run("dpkg", "-x", deb, folder / package)
    return folder / package


def cni_plugins(folder: Path) -> list[Path]:
    """The CNI plugins, from Debian's package."""
    return sorted((unpacked("containernetworking-plugins", folder) / "usr/lib/cni").iterdir())


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    """A server of that folder's files on the loopback interface; yields its port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


def spec_text(folder: Path, port: int, key: str, version: str) -> str:
    """The spec of the cluster; what it downloads comes from that port of this machine."""
    served = folder / "served"
    served.mkdir()
    lines = [
        f"    {name}: {{url: http://{HOST}:{port}/served/{path.name}, sha256: {digest(path)}}}"
        for name, path in served_programs(served, version).items()
    ]
    busybox = unpacked("busybox-static", served) / "bin/busybox"
    pause = Image(
        name="registry.k8s.io/pause:3.9", files={"/bin/busybox": busybox}, entrypoint=PAUSE
    )
    write_archive(pause, folder / "pause.tar")
    checksum = digest(folder / "base.qcow2")
    return SPEC.format(version=version, key=key, artifacts="\n".join(lines), checksum=checksum)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def khgen(folder: Path, *arguments: str) -> str:
    """A run of khgen in that folder that must succeed."""
    return run(sys.executable, "-m", "khgen", *arguments, cwd=folder)


def bake(folder: Path, parts: Parts) -> None:
    """`khgen image build`, with a row for each part, by the times of Packer's output."""
    command = [sys.executable, "-m", "khgen", "image", "build", "cluster.yaml"]
    part, began, seconds = "check and copy of the base image", 0.0, 0.0
    started = time.monotonic()
    with (
        (folder / "bake.log").open("w", buffering=1) as log,
        subprocess.Popen(
            command,
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"NO_COLOR": "1"},
        ) as process,
    ):
        for line in process.stderr or ():
            log.write(line)
            found = LINE.match(line)
            if found is None:
                continue
            seconds = float(found["seconds"])
            name = next(filter(None, (begun(mark, found["text"]) for mark in MARKS)), None)
            if name is not None:
                parts.add(part, seconds - began)
                part, began = name, seconds
    total = time.monotonic() - started
    if process.returncode:
        sys.exit(f"khgen image build ended with {process.returncode}: {folder}/bake.log")
    parts.add(part, seconds - began)
    parts.add("digest of the image", total - seconds)
    parts.add("**khgen image build, all of it**", total)


def begun(mark: tuple[str, str], text: str) -> str | None:
    """The name of the part that begins with that text."""
    pattern, name = mark
    found = re.search(pattern, text)
    return name.format(**found.groupdict()) if found else None


@contextmanager
def machine(folder: Path, qemu: Hypervisor) -> Iterator[int]:
    """A machine of the image with the worker's seed; yields the port of its SSH server."""
    (disk,) = (folder / "images").glob("*.qcow2")
    port = free_port()
    network = f"user,id=n,net=10.88.0.0/24,host=10.88.0.254,dhcpstart=10.88.0.21,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"
    command = [
        *(qemu.program, "-machine", f"q35,accel={qemu.accelerator}"),
        *("-cpu", qemu_cpu(qemu.accelerator), "-smp", "2", "-m", "2048", "-nodefaults"),
        *("-vga", "std", "-display", "none", "-serial", f"file:{folder / 'console.log'}"),
        *("-drive", f"file={disk},if=virtio,snapshot=on"),
        *("-drive", f"file={folder / 'seeds/w1.iso'},if=virtio,format=raw,readonly=on"),
        *("-netdev", network, "-device", "virtio-net-pci,netdev=n", "-device", "virtio-rng-pci"),
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


def free_port() -> int:
    """A port of the loopback interface that nothing listens on."""
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        return server.server_port


def first_boot(folder: Path, parts: Parts, qemu: Hypervisor) -> None:
    """Boot a worker of the image until it waits at its first network gate."""
    with machine(folder, qemu) as port:
        started = time.monotonic()
        while GATE not in (status := ask(folder, port, "sudo khgen-boot status --json")):
            if time.monotonic() - started > LIMIT:
                sys.exit(f"the gate was not reached: {folder}/console.log\n{status}")
            time.sleep(1)
        parts.add("**boot of the image with a worker's seed, until its first network gate**",
                  time.monotonic() - started)  # fmt: skip
        for command in ("sudo khgen-boot status", *QUESTIONS):
            print(f"\n$ {command}\n{ask(folder, port, command)}")


def ask(folder: Path, port: int, command: str) -> str:
    """The output of a command on the machine; empty while it cannot be reached."""
    options = (
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "LogLevel=ERROR",
        "ConnectTimeout=10",
    )
    words = [
        "ssh",
        "-i",
        str(folder / "key"),
        "-p",
        str(port),
        *(f"-o{option}" for option in options),
    ]
    done = subprocess.run(
        [*words, "debian@127.0.0.1", command],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout


def measure(work: Path, version: str) -> None:
    """All parts, one after another, and the table."""
    parts = Parts()
    work.mkdir(parents=True, exist_ok=True)
    qemu = working_qemu(None, work)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", work / "key")
    if not (work / "base.qcow2").exists():
        with parts.timed("base image: Debian by mmdebstrap"):
            base_image(work / "base.qcow2", work)
    with web_server(work) as port:
        key = (work / "key.pub").read_text().strip()
        (work / "cluster.yaml").write_text(spec_text(work, port, key, version))
        bake(work, parts)
    with parts.timed("khgen render, khgen seed"):
        khgen(work, "render", "cluster.yaml")
        khgen(work, "seed", "out")
    first_boot(work, parts, qemu)
    print(khgen(work, "image", "list"))
    print(f"Accelerator: {qemu.accelerator}. Image: {sizes(work)}.\n\n{parts.table()}")


def sizes(folder: Path) -> str:
    """The sizes of the image and of its base image."""
    (disk,) = (folder / "images").glob("*.qcow2")
    base = folder / "base.qcow2"
    return f"{disk.stat().st_size / 2**20:,.0f} MiB (base: {base.stat().st_size / 2**20:,.0f} MiB)"


def main() -> None:
    """Bake, boot, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--work", type=Path, help="folder to work in and keep")
    arguments.add_argument("--version", default="1.29.6", help="version of Kubernetes")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="khgen-bench-") as temporary:
        measure(given.work or Path(temporary), given.version)


if __name__ == "__main__":
    main()
