"""Paths on the machine: etcd's data directory, and files that flags name."""

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from types import MappingProxyType

from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.check.components import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    SCHEDULER,
    component_flags,
)
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

DATA_DIR = ("etcd", "dataDir")
ENCRYPTION = "encryption-provider-config"
PKI = "/etc/kubernetes/pki"
CA_CERTIFICATES = (
    "/etc/ssl/certs",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
)
"""kubeadm mounts those of them that the machine has."""
IN_EVERY_CONTAINER = ("/dev", "/proc/self")
MOUNTED: Mapping[ValuePath, tuple[str, ...]] = MappingProxyType(
    {
        API_SERVER: (PKI, *CA_CERTIFICATES),
        CONTROLLER_MANAGER: (PKI, *CA_CERTIFICATES, "/etc/kubernetes/controller-manager.conf"),
        SCHEDULER: ("/etc/kubernetes/scheduler.conf",),
        ETCD: (f"{PKI}/etcd",),
    }
)
"""The folders and files of the machine that each component's static pod sees.

Source: kubeadm 1.29 app/phases/controlplane/volumes.go and app/phases/etcd/local.go. The real
kube-apiserver ends at once where such a file is missing, and so does the founding.
"""
SPOKEN: Mapping[ValuePath, str] = MappingProxyType(
    {
        API_SERVER: "the API server",
        CONTROLLER_MANAGER: "the controller manager",
        SCHEDULER: "the scheduler",
        ETCD: "etcd",
    }
)
NO_FILES = frozenset(
    {
        "allow-metric-labels",
        "authorization-always-allow-paths",
        "cors-allowed-origins",
        "etcd-prefix",
        "flex-volume-plugin-dir",
        "oidc-groups-prefix",
        "oidc-username-prefix",
    }
)
"""Flags whose values may begin with / but name no file, and the one that kubeadm mounts itself."""
FILE_FLAG = re.compile(
    r".*-files?|(audit-log-path|authentication-config|authorization-config|cloud-config|config"
    r"|encryption-provider-config|kubeconfig)"
)
"""Flags whose values name a file even without a leading /."""
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


def unmounted_files(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags that name a file of the machine which is not in the container."""
    for path, given in component_flags(spec):
        seen = MOUNTED[path] + ((spec.etcd.data_dir,) if path == ETCD else ())
        for flag, value in given.items():
            if spec.kubernetes.encryption_at_rest and flag == ENCRYPTION:
                continue  # refused already, and that one is mounted
            for file in files_in(flag, value):
                if not _within(file, (*seen, *IN_EVERY_CONTAINER)):
                    yield _finding((*path, flag), file, seen)


def files_in(flag: str, value: str) -> Iterator[str]:
    """The files that a flag's value names, as in /a, pub-key=/a and /a.crt,/a.key:example.com."""
    names_files = FILE_FLAG.fullmatch(flag) is not None
    for part in () if flag in NO_FILES else re.split("[,=]", value):
        if part.startswith("/") or (names_files and part not in {"", "-"}):
            yield part.partition(":")[0]


def _within(file: str, folders: tuple[str, ...]) -> bool:
    path = normpath(file)
    return any(f"{path}/".startswith(f"{normpath(folder)}/") for folder in folders)


def _finding(path: ValuePath, file: str, seen: tuple[str, ...]) -> Finding:
    container = f"{SPOKEN[path[:-1]]}'s container"
    message = f"file {quoted(file)} is not in {container}: nothing mounts it there"
    folders = " or ".join(seen if path[:-1] == ETCD else seen[:1])
    hint = f"put it (by the image or runcmd) below {folders}"
    if path[-1] == "audit-log-path":
        hint = "write -, for the container's log"
    elif path[:-1] == SCHEDULER:
        hint = "leave it out: nothing of the machine is mounted but scheduler.conf"
    elif path[-1] == ENCRYPTION:
        hint = "use kubernetes.encryptionAtRest, which mounts its own"
    return Finding(path=path, message=message, hint=hint)


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


CHECKS = (
    Check(
        find=unmounted_files,
        reads=(API_SERVER, CONTROLLER_MANAGER, SCHEDULER, ETCD, DATA_DIR),
    ),
    Check(find=shared_data_directory, reads=(DATA_DIR,)),
)
