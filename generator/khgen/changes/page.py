"""docs/changes.md: what a change of each key means, from the tables."""

from collections.abc import Iterator

from khgen.changes.file_rules import FILES
from khgen.changes.key_rules import KEYS, MEANINGS

_INTRODUCTION = """# Changes of a running cluster

What a change of each key of [cluster.yaml](spec.md) means for running machines. The page is generated from
the tables that `khgen diff` uses (`khgen schema --changes`).

```
khgen diff cluster.yaml -o out/        # before the render: what it would change, node by node, file by file
khgen diff cluster.yaml -o out/ -p     # with the lines; private files are never shown
```

The exit code is 0 if nothing changes and 2 if something does ([exit codes](commands.md#exit-codes)).

A render changes nothing on running machines. A change reaches them when they get their new user-data and
meta-data (their seed) and reboot, or when they are replaced (`khgen node replace`). A new seed places files
and runs the boot steps again. It does not touch what kubeadm wrote once: static pods, kubelet configuration,
ConfigMaps, labels, taints and addons. It removes no file. Give machines their new seeds one at a time, and
wait until `khgen-boot status` reports that all is done.

One thing needs no new seed: control planes with the virtual IP ask the API for the list of control planes,
and add new ones to haproxy and to keepalived's peers. Load-balancer hosts need their own new seed for this
([growth](boot-order.md)).

## Effects

| effect | what it takes |
|---|---|
"""

_KEYS = """
A node's effect is the strongest of its changed keys and files.

## Keys

| key | effect | concerns | what happens, what to do today |
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
