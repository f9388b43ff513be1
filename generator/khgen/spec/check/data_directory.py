"""etcd's data directory: a folder of its own, on a disk that is there after the next boot."""

from collections.abc import Iterator, Mapping
from posixpath import normpath
from types import MappingProxyType

from khgen.problems import Finding, quoted
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

DATA_DIR = ("etcd", "dataDir")
SYSTEM_FOLDERS = frozenset(
    [
        "/",
        "/bin",
        "/boot",
        "/etc",
        "/home",
        "/lib",
        "/lib64",
        "/media",
        "/mnt",
        "/opt",
        "/root",
        "/sbin",
        "/srv",
        "/usr",
        "/usr/lib",
        "/usr/local",
        "/usr/share",
        "/var",
        "/var/cache",
        "/var/lib",
        "/var/lib/cloud",
        "/var/lib/containers",
        "/var/log",
        "/var/spool",
    ]
)
"""Folders that hold other things; a folder in them is accepted."""
TAKEN_TREES: Mapping[str, str] = MappingProxyType(
    {
        "/dev": "it is not on a disk",
        "/proc": "it is not on a disk",
        "/run": "it is empty after every boot",
        "/sys": "it is not on a disk",
        "/tmp": "it is emptied by systemd-tmpfiles",  # noqa: S108 - refused
        "/var/run": "it is empty after every boot",
        "/var/tmp": "it is emptied by systemd-tmpfiles",  # noqa: S108 - refused
        "/etc/kubernetes": "kubeadm's files are there",
        "/etc/khgen": "khgen's files are there",
        "/usr/local/share/khgen": "khgen's files are there",
        "/var/lib/containerd": "containerd's data is there",
        "/var/lib/kubelet": "the kubelet's data is there",
    }
)


def shared_data_directory(spec: ClusterSpec) -> Iterator[Finding]:
    """A data directory that is somebody else's, or that a boot empties."""
    written = spec.etcd.data_dir
    folder = "/" + normpath(written).lstrip("/")
    reasons = [
        reason for tree, reason in TAKEN_TREES.items() if f"{folder}/".startswith(f"{tree}/")
    ]
    if ".." in written.split("/"):
        message = f"{quoted(written)} goes up by '..'"
        yield Finding(
            path=DATA_DIR, message=message, hint=f"write {quoted(folder)}, if it is meant"
        )
    elif folder in SYSTEM_FOLDERS:
        message = f"{quoted(written)} is a folder of the system, not one for etcd alone"
        below = f"{folder.rstrip('/')}/etcd" if folder != "/" else "/var/lib/etcd"
        yield Finding(path=DATA_DIR, message=message, hint=f"use a folder like {below}")
    elif reasons:
        message = f"{quoted(written)} cannot be etcd's data directory: {reasons[0]}"
        yield Finding(path=DATA_DIR, message=message, hint="use a folder like /var/lib/etcd")


CHECKS = (Check(find=shared_data_directory, reads=(DATA_DIR,)),)
