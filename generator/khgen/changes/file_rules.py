"""What a changed file of a node means for a running machine, and the page of all such rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from khgen.changes.key_rules import KEYS, MEANINGS, Effect

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
_RESTART, _DRAIN = Effect.RESTART, Effect.DRAIN
_REPLACE, _NEVER = Effect.REPLACE, Effect.NOT_POSSIBLE
_CERTIFICATE, _CA, _RUNNER = "certificate", "the cluster's CA", "how the boot steps run"
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
    _rule("/etc/khgen/kubeadm.yaml", _NOTHING, "for a first boot only", _PRIVATE),
    _rule("/etc/khgen/patches/*", _NOTHING, "for a founding only"),
    _rule("/etc/khgen/cluster.yaml", _RESTART, "configuration of the cluster", _BY_KEYS),
    _rule("/etc/khgen/kubelet.yaml", _RESTART, "configuration of the kubelets", _BY_KEYS),
    _rule("/etc/khgen/kubelet-flags", _RESTART, "flags of the kubelet", _BY_KEYS),
    _rule("/etc/khgen/nodes.json", _RELOAD, "labels and taints"),
    _rule("/etc/khgen/programs", _DRAIN, "versions of Kubernetes' programs", _BY_KEYS),
    _rule("/etc/khgen/etcd.yaml", _RESTART, "static pod", _BY_KEYS),
    _rule("/etc/khgen/etcd-kubelet.yaml", _RESTART, "kubelet of an etcd host"),
    _rule("/etc/khgen/manifests/*", _NOTHING, "applied once by the founders", _PRIVATE),
    _rule("/etc/khgen/node.env", _RELOAD, "what the boot steps read", _BY_KEYS, _FOUNDING_LINES),
    _rule("/etc/khgen/image.wanted", _REPLACE, "the image to boot from"),
    _rule("/etc/khgen/downloads", _DRAIN, "what is downloaded", _BY_KEYS),
    _rule("/etc/khgen/roll.json", _NOTHING, "how the node takes its turn"),
    _rule("/etc/khgen/update.pub", _NEVER, "the key that updates are checked with"),
    _rule("/etc/khgen/update.key", _NOTHING, "the key that opens updates from the API", _PRIVATE),
    _rule("/etc/khgen/*", _RESTART, "boot step: it runs again", _BY_KEYS),
    _rule("/usr/local/sbin/khgen-boot", _NOTHING, _RUNNER),
    _rule("/usr/local/sbin/khgen-place", _NOTHING, _RUNNER),
    _rule("/usr/local/sbin/khgen-update", _NOTHING, _UPDATER),
    _rule("/usr/local/sbin/khgen-roll", _NOTHING, _UPDATER),
    _rule("/usr/local/sbin/khgen-metadata", _RELOAD, "rule against the metadata service"),
    _rule("/usr/local/sbin/*", _RESTART, "program of a service"),
    _rule("/etc/systemd/system/khgen-boot.service", _NOTHING, _RUNNER),
    _rule("/etc/systemd/system/khgen-place.service", _NOTHING, _RUNNER),
    _rule("/etc/systemd/system/khgen-update.*", _RELOAD, _UPDATER),
    _rule("/etc/systemd/system/khgen-roll.service", _RELOAD, _UPDATER),
    _rule("/etc/systemd/system/khgen-keep.service", _RELOAD, _UPDATER),
    _rule("/etc/systemd/system/khgen-renew.*", _RELOAD, _UPDATER),
    _rule("/etc/kubernetes/pki/*ca.crt", _NEVER, _CA),
    _rule("/etc/kubernetes/pki/sa.*", _NEVER, "key of the service accounts", _PRIVATE),
    _rule("/etc/kubernetes/pki/*ca.key", _REPLACE, "key of a CA", _BY_KEYS, _PRIVATE),
    _rule("/etc/kubernetes/pki/*.key", _RESTART, "key of a certificate", _PRIVATE),
    _rule("/etc/kubernetes/pki/*", _RESTART, _CERTIFICATE),
    _rule("/etc/kubernetes/super-admin.conf", _NOTHING, "for founding only", _PRIVATE),
    _rule("/etc/kubernetes/encryption-config.yaml", _NEVER, "encryption at rest", _PRIVATE),
    _rule("/etc/kubernetes/*", _RESTART, "kubeconfig", _PRIVATE),
    _rule("/var/lib/kubelet/pki/*", _RESTART, "the kubelet's identity", _PRIVATE),
    _rule("/etc/containerd/*", _RESTART, "container runtime"),
    _rule("/etc/buildkit/*", _RESTART, "image builder"),
    _rule("/etc/nerdctl/*", _RELOAD, "command line of the container runtime"),
    _rule("/etc/crictl.yaml", _RELOAD, "command line of the container runtime"),
    _rule("/etc/sysctl.d/*", _RELOAD, "kernel settings"),
    _rule("/etc/modules-load.d/*", _RELOAD, "kernel modules"),
    _rule("/etc/chrony*", _RESTART, "time"),
    _rule("/etc/systemd/timesyncd*", _RESTART, "time"),
    _rule("/etc/apt/*", _RELOAD, "package repositories"),
    _rule("/etc/yum.repos.d/*", _RELOAD, "package repositories"),
    _rule("/etc/pki/rpm-gpg/*", _RELOAD, "package repositories"),
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


_INTRODUCTION = """# Changes of a running cluster

What a change of each key of [cluster.yaml](spec.md) means for running machines. The page is generated from
the tables that `khgen diff` uses (`khgen schema --changes`).

```
khgen diff cluster.yaml -o out/        # before the render: what it would change, node by node, file by file
khgen diff cluster.yaml -o out/ -p     # with the lines; private files are never shown
```

The exit code is 0 if nothing changes and 2 if something does ([exit codes](commands.md#exit-codes)).

A render changes nothing on running machines. They get most changes by their [update](updates.md), in turn:
after `kubectl apply -f out/update.yaml`, or by `khgen-boot apply` or an update seed. [Day two](day-two.md)
has the commands. Where a key below says that only cloud-init does it, a machine needs its new user-data and
meta-data (its first seed, `khgen seed`) and a reboot.

A machine that booted from a [golden image](images.md) takes no update that changes what is in the image, for
instance kernel settings or a version: khgen shows `/etc/khgen/image.wanted` as changed. Bake the new image, and
replace the machines one by one.

One thing needs neither: control planes with the virtual IP ask the API for the list of control planes,
and add new ones to haproxy and to keepalived's peers. Load-balancer hosts need their update for this
([growth](boot-order.md)).

## Effects

| effect | what it takes |
|---|---|
"""

_KEYS = """
A node's effect is the strongest of its changed keys and files.

## Keys

| key | effect | concerns | what happens, what to do |
|---|---|---|---|
"""

_FILES = """
## Files

What a change of each file means. If a file holds many things, the changed keys decide.

| file on the node | effect | what it is |
|---|---|---|
"""


def changes_text() -> str:
    """The whole page."""
    effects = "".join(f"| {effect} | {meaning} |\n" for effect, meaning in MEANINGS.items())
    return _INTRODUCTION + effects + _KEYS + "".join(_key_rows()) + _FILES + "".join(_file_rows())


def _key_rows() -> Iterator[str]:
    for key, rule in KEYS.items():
        yield f"| `{key}` | {rule.effect} | {rule.concerned} | {rule.means} |\n"


def _file_rows() -> Iterator[str]:
    for rule in FILES:
        effect = f"{rule.effect}, or as the keys" if rule.by_keys else rule.effect
        yield f"| `{rule.pattern}` | {effect} | {rule.what} |\n"
