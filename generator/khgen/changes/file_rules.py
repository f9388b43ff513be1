"""What a changed file of a node means for a running machine."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from khgen.changes.key_rules import Effect

USER_DATA, META_DATA, NETWORK_CONFIG = "user-data", "meta-data", "network-config"


_NONE = re.compile(rb"(?!)")
_FOUNDING = re.compile(rb"^[ -]*token: .*$|^(NOT_BEFORE|FOUNDING_TOKEN)=.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule:
    """A kind of file: its paths on the node, the effect of a change, and what it is."""

    pattern: str
    effect: Effect
    what: str
    by_keys: bool = False
    """Whether it holds many things: if the changed keys are known, they decide."""
    private: bool = False
    """Whether it may contain a secret, whatever its mode."""
    passing: re.Pattern[bytes] = _NONE
    """Lines that matter only at a first boot: a change of them has no effect later."""


def _rule(pattern: str, effect: Effect, what: str, *marks: str) -> FileRule:
    return FileRule(
        pattern=pattern,
        effect=effect,
        what=what,
        by_keys=_BY_KEYS in marks,
        private=_PRIVATE in marks,
        passing=_FOUNDING if _FOUNDING_LINES in marks else _NONE,
    )


_BY_KEYS, _PRIVATE, _FOUNDING_LINES = "by keys", "private", "founding lines"
_NOTHING, _NEW, _RELOAD = Effect.NOTHING, Effect.NEW_MACHINE, Effect.RELOAD
_RESTART, _REPLACE, _NEVER = Effect.RESTART, Effect.REPLACE, Effect.NOT_POSSIBLE
_CERTIFICATE, _CA, _STEP = "certificate", "the cluster's CA", "boot step"
_UPDATER = "how updates come"

FILES: tuple[FileRule, ...] = (
    _rule(USER_DATA, _RELOAD, "cloud-init's own keys", _BY_KEYS, _PRIVATE),
    _rule(META_DATA, _NOTHING, "the instance-id follows what the machine is given"),
    _rule(NETWORK_CONFIG, _RESTART, "the machine's addresses"),
    _rule("/etc/hosts", _RELOAD, "names of the other nodes"),
    _rule("/etc/khgen/haproxy.cfg", _RELOAD, "load balancer"),
    _rule("/etc/khgen/keepalived.conf", _RELOAD, "virtual IP", _PRIVATE),
    _rule("/usr/libexec/keepalived/*", _RELOAD, "virtual IP"),
    _rule("/usr/local/sbin/khgen-vip", _RELOAD, "virtual IP"),
    _rule("/etc/systemd/system/khgen-vip.service", _RELOAD, "virtual IP"),
    _rule(
        "/etc/khgen/kubeadm.yaml",
        _REPLACE,
        "kubeadm read it once",
        _BY_KEYS,
        _PRIVATE,
        _FOUNDING_LINES,
    ),
    _rule("/etc/khgen/patches/*", _REPLACE, "kubeadm read it once", _BY_KEYS),
    _rule("/etc/khgen/etcd.yaml", _REPLACE, "static pod, placed once", _BY_KEYS),
    _rule("/etc/khgen/etcd-kubelet.yaml", _RESTART, "kubelet of an etcd host"),
    _rule("/etc/khgen/manifests/*", _NOTHING, "applied once by the founders", _PRIVATE),
    _rule("/etc/khgen/node.env", _NEW, "what the boot steps read", _BY_KEYS, _FOUNDING_LINES),
    _rule("/etc/khgen/image.wanted", _NEW, "the image to boot from", _BY_KEYS),
    _rule("/etc/khgen/downloads", _NEW, "what is downloaded", _BY_KEYS),
    _rule("/etc/khgen/roll.json", _NOTHING, "how the node takes its turn"),
    _rule("/etc/khgen/update.pub", _NEVER, "the key that updates are checked with"),
    _rule("/etc/khgen/steps.d/*-update-*", _NOTHING, "step of an update"),
    _rule("/etc/khgen/*", _NEW, _STEP),
    _rule("/usr/local/sbin/khgen-boot", _NEW, _STEP),
    _rule("/usr/local/sbin/khgen-place", _NEW, _STEP),
    _rule("/usr/local/sbin/khgen-update", _NOTHING, _UPDATER),
    _rule("/usr/local/sbin/khgen-roll", _NOTHING, _UPDATER),
    _rule("/usr/local/sbin/khgen-metadata", _RESTART, "rule against the metadata service"),
    _rule("/usr/local/sbin/*", _RESTART, "program of a service"),
    _rule("/etc/systemd/system/khgen-boot.service", _NEW, _STEP),
    _rule("/etc/systemd/system/khgen-place.service", _NEW, _STEP),
    _rule("/etc/systemd/system/khgen-update.*", _RELOAD, _UPDATER),
    _rule("/etc/systemd/system/khgen-roll.service", _RELOAD, _UPDATER),
    _rule("/etc/systemd/system/khgen-keep.service", _RELOAD, _UPDATER),
    _rule("/etc/kubernetes/pki/*ca.crt", _NEVER, _CA),
    _rule("/etc/kubernetes/pki/sa.*", _NEVER, "key of the service accounts", _PRIVATE),
    _rule("/etc/kubernetes/pki/*ca.key", _REPLACE, "key of a CA", _BY_KEYS, _PRIVATE),
    _rule("/etc/kubernetes/pki/*.key", _RESTART, "key of a certificate", _PRIVATE),
    _rule("/etc/kubernetes/pki/*", _RESTART, _CERTIFICATE),
    _rule("/etc/kubernetes/super-admin.conf", _NOTHING, "for founding only", _PRIVATE),
    _rule("/etc/kubernetes/encryption-config.yaml", _REPLACE, "encryption at rest", _PRIVATE),
    _rule("/etc/kubernetes/*", _RESTART, "kubeconfig", _PRIVATE),
    _rule("/var/lib/kubelet/pki/*", _RESTART, "the kubelet's identity", _PRIVATE),
    _rule("/etc/containerd/*", _RESTART, "container runtime"),
    _rule("/etc/buildkit/*", _RESTART, "image builder"),
    _rule("/etc/nerdctl/*", _RELOAD, "command line of the container runtime"),
    _rule("/etc/crictl.yaml", _RELOAD, "command line of the container runtime"),
    _rule("/etc/sysctl.d/*", _RESTART, "kernel settings"),
    _rule("/etc/modules-load.d/*", _RESTART, "kernel modules"),
    _rule("/etc/chrony*", _RESTART, "time"),
    _rule("/etc/systemd/timesyncd*", _RESTART, "time"),
    _rule("/etc/apt/*", _NEW, "package repositories"),
    _rule("/etc/yum.repos.d/*", _NEW, "package repositories"),
    _rule("/etc/pki/rpm-gpg/*", _NEW, "package repositories"),
    _rule("/etc/cloud/*", _NEW, "settings of cloud-init"),
    _rule("/etc/systemd/system/*", _RESTART, "service"),
    _rule("*", _RESTART, "file"),
)
"""The first matching pattern decides; `*` also matches slashes."""

SECRET_MARKS = re.compile(
    rb"PRIVATE KEY|-key-data|auth_pass|[Pp]assword|secretbox|LS0tLS1CRUdJTi|^\s*-?\s*token:",
    re.MULTILINE,
)
"""A file that matches is private, whatever its name and its mode."""


def cloud_config(user_data: bytes) -> bytes:
    """The part of user-data before its files."""
    return user_data.partition(b"\nwrite_files:\n")[0]


def file_rule(path: str) -> FileRule:
    """The rule of a file, by its path on the node."""
    return next(rule for rule in FILES if fnmatchcase(path, rule.pattern))
