"""The root directory that all local hosts share: Debian, built once and kept in a cache."""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from khgen.facts.distributions import OsFamily, distribution
from khgen.rehearse.processes import ProgramError, run
from khgen.resources import resource_folder

DISTRIBUTION = distribution(OsFamily.DEBIAN, "13")
"""What the hosts of a rehearsal run."""
PACKAGES = (
    "systemd", "systemd-sysv", "systemd-resolved", "dbus", "udev", "cloud-init", "netplan.io",
    "netbase", "openssh-server", "iproute2", "iputils-ping", "iptables", "nftables", "ethtool", "conntrack", "socat",
    "curl", "ca-certificates", "python3", "procps", "kmod", "jq", "sudo", "util-linux",
    "keepalived", "haproxy", "etcd-server", "etcd-client", "containerd", "runc", "busybox-static",
    "containernetworking-plugins",
)  # fmt: skip
"""A cloud image of Debian, and the programs that nodes run besides Kubernetes."""
DEFAULT_MIRROR = "http://deb.debian.org/debian"


def cache_folder() -> Path:
    """$KHGEN_CACHE, or khgen's folder among the user's caches."""
    named = os.environ.get("KHGEN_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "khgen"


def rootfs(suite: str = DISTRIBUTION.codename) -> Path:
    """The root directory of that suite of Debian; built if it is not there (a minute or two)."""
    prepare = resource_folder("templates") / "rehearse" / "prepare-rootfs.sh"
    recipe = f"{suite} {PACKAGES} {prepare.read_text(encoding='utf-8')}"
    folder = cache_folder() / f"rootfs-{suite}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not folder.is_dir():
            _build(suite, folder, prepare)
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time makes what goes to that folder of the cache."""
    with Path(f"{folder}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(suite: str, folder: Path, prepare: Path) -> None:
    if os.geteuid() != 0:
        raise ProgramError("building a root directory needs root")  # noqa: EM101
    staging = Path(f"{folder}.new")
    shutil.rmtree(staging, ignore_errors=True)
    excluded = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*")
    command = [
        *("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root"),
        *("--include", ",".join(PACKAGES), '--aptopt=APT::Install-Recommends "false"'),
        *(f"--dpkgopt=path-exclude={path}" for path in excluded),
        f"--customize-hook={prepare}",
        *(suite, str(staging), mirror()),
    ]
    run(command)
    staging.rename(folder)


def mirror() -> str:
    """The Debian mirror that this machine's apt is configured with."""
    for path in sorted(Path("/etc/apt").glob("sources.list*")):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            text = file.read_text(encoding="utf-8", errors="replace")
            pattern = r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S*/debian/?)(?:\s|$)"
            found = re.search(pattern, text, re.MULTILINE)
            if found:
                return found[1]
    return DEFAULT_MIRROR
