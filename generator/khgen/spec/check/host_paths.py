"""Paths on the machine: etcd's data directory, and files that flags name."""

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from types import MappingProxyType

from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.check import Check
from khgen.spec.check.components import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    SCHEDULER,
    component_flags,
)
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
"""kubeadm mounts those that exist on the machine."""
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
kube-apiserver exits at once if a file is missing, and the cluster does not start.
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
"""Flags whose values may begin with / but are no files, and one that kubeadm mounts."""
FILE_FLAG = re.compile(
    r".*-files?|(audit-log-path|authentication-config|authorization-config|cloud-config|config"
    r"|encryption-provider-config|kubeconfig)"
)
"""Flags whose values are files even without a leading /."""
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
"""Folders with other contents; a folder inside them is accepted."""
TAKEN_TREES: Mapping[str, str] = MappingProxyType(
    {
        "/dev": "it is not on a disk",
        "/proc": "it is not on a disk",
        "/run": "it is empty after every boot",
        "/sys": "it is not on a disk",
        "/tmp": "it is emptied by systemd-tmpfiles",  # noqa: S108 - refused
        "/var/run": "it is empty after every boot",
        "/var/tmp": "it is emptied by systemd-tmpfiles",  # noqa: S108 - refused
        "/etc/kubernetes": "kubeadm has its files there",
        "/etc/khgen": "khgen has its files there",
        "/usr/local/share/khgen": "khgen has its files there",
        "/var/lib/containerd": "containerd has its data there",
        "/var/lib/kubelet": "the kubelet has its data there",
    }
)


def unmounted_files(spec: ClusterSpec) -> Iterator[Finding]:
    """Flags with a file that does not exist in the component's container."""
    for path, given in component_flags(spec):
        seen = MOUNTED[path] + ((spec.etcd.data_dir,) if path == ETCD else ())
        for flag, value in given.items():
            if spec.kubernetes.encryption_at_rest and flag == ENCRYPTION:
                continue  # another check refuses it
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
    message = f"file {quoted(file)} is not in {container}: it is not mounted there"
    folders = " or ".join(seen if path[:-1] == ETCD else seen[:1])
    hint = f"put it in {folders} (in the image or with runcmd)"
    if path[-1] == "audit-log-path":
        hint = "write - for the container's log"
    elif path[:-1] == SCHEDULER:
        hint = "remove it: only scheduler.conf is mounted"
    elif path[-1] == ENCRYPTION:
        hint = "use kubernetes.encryptionAtRest instead"
    return Finding(path=path, message=message, hint=hint)


def shared_data_directory(spec: ClusterSpec) -> Iterator[Finding]:
    """A data directory that others use, or that is emptied at boot."""
    written = spec.etcd.data_dir
    folder = "/" + normpath(written).lstrip("/")
    reasons = [
        reason for tree, reason in TAKEN_TREES.items() if f"{folder}/".startswith(f"{tree}/")
    ]
    if ".." in written.split("/"):
        message = f"{quoted(written)} contains '..'"
        yield Finding(path=DATA_DIR, message=message, hint=f"write {quoted(folder)}")
    elif folder in SYSTEM_FOLDERS:
        message = f"{quoted(written)} is a system folder: etcd needs one for its data alone"
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
