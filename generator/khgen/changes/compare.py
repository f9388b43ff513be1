"""Two renders compared: the keys of their specs, and each node's files."""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from enum import StrEnum
from typing import Any

from khgen.changes.file_rules import META_DATA, SECRET_MARKS, FileRule, file_rule
from khgen.changes.key_rules import KEYS, Effect, KeyRule, concerns, strongest
from khgen.spec.model import ClusterSpec, NodeRole

NODES = "nodes"

SpecValues = Mapping[str, Any]
"""A spec as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """A key whose value differs between two specs; `node` is empty for a key of the cluster."""

    key: str
    """A key of the table, or the common part of several keys if a whole section came or went."""
    node: str
    rule: KeyRule

    @property
    def path(self) -> str:
        """The key for a person: with the node's name if it is a key of a node."""
        return self.key.replace(f"{NODES}[]", f"{NODES}[{self.node}]") if self.node else self.key


def spec_values(spec: ClusterSpec) -> SpecValues:
    """A spec with all defaults, for the next comparison.

    Free-form parts may contain passwords, so they are replaced by digests.
    """
    values: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    values["userData"]["extra"] = {k: _digest(v) for k, v in values["userData"]["extra"].items()}
    for node in values[NODES]:
        if node["network"] is not None and node["network"]["raw"] is not None:
            node["network"]["raw"] = _digest(node["network"]["raw"])
    return values


def changed_keys(old: SpecValues, new: SpecValues) -> tuple[KeyChange, ...]:
    """The keys that differ, without those of nodes that were added or removed."""
    found = [
        _change(path, "")
        for name in new
        if name != NODES and name in old
        for path in _differing(old[name], new[name], name)
    ]
    before = {node["name"]: node for node in old.get(NODES, ())}
    for node in new[NODES]:
        name = node["name"]
        if name in before:
            found += [_change(p, name) for p in _differing(before[name], node, f"{NODES}[]")]
    return tuple(found)


def rule_of(key: str) -> KeyRule:
    """The rule of a key; of a part of the spec, the rule of its most disruptive key."""
    if key in KEYS:
        return KEYS[key]
    below = [r for k, r in KEYS.items() if k.startswith((f"{key}.", f"{key}[]."))]
    most = strongest(rule.effect for rule in below)
    return next(rule for rule in below if rule.effect is most)


def _differing(old: object, new: object, path: str) -> Iterator[str]:
    """Paths below which the two differ. A key that an older release lacks is no difference."""
    if old == new:
        return
    if path in KEYS or not (isinstance(old, dict) and isinstance(new, dict)):
        yield path
        return
    for name in new:
        if name in old:
            yield from _differing(old[name], new[name], f"{path}.{name}")


def _change(key: str, node: str) -> KeyChange:
    return KeyChange(key=key, node=node, rule=rule_of(key))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Change(StrEnum):
    """The change of a file or a node."""

    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFile:
    """A file of one render; `closed` if only root may read it on the node."""

    content: bytes
    closed: bool


NodeTree = Mapping[str, TreeFile]
"""A node's files by path on the node, and its user-data, meta-data and network-config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that differs between two renders of a node."""

    path: str
    change: Change
    effect: Effect
    rule: FileRule
    before: TreeFile | None
    after: TreeFile | None

    @property
    def private(self) -> bool:
        """Whether either version may contain a secret: if so, its content is never shown."""
        return self.rule.private or any(
            file.closed or SECRET_MARKS.search(file.content)
            for file in (self.before, self.after)
            if file is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """A node that differs between two renders; for one that is gone the effect is NOTHING."""

    name: str
    role: str
    change: Change
    effect: Effect
    keys: tuple[KeyChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    replaced: bool = False
    """Whether khgen node replace gave it a new machine."""


def new_node(name: str, role: str) -> NodeChange:
    """A node that the earlier render did not have."""
    return NodeChange(name=name, role=role, change=Change.NEW, effect=Effect.NEW_MACHINE)


def gone_node(name: str, role: str) -> NodeChange:
    """A node that the spec no longer has."""
    return NodeChange(name=name, role=role, change=Change.GONE, effect=Effect.NOTHING)


def changed_node(  # noqa: PLR0913 - a node, its two renders, and the known causes
    name: str,
    role: NodeRole,
    before: NodeTree,
    after: NodeTree,
    keys: tuple[KeyChange, ...],
    *,
    replaced: bool,
) -> NodeChange:
    """A node that is in both renders; `keys` are those that concern it."""
    files = tuple(
        _file_change(path, before.get(path), after.get(path), keys)
        for path in sorted(before.keys() | after.keys())
        if _content(before, path) != _content(after, path)
    )
    if replaced or any(file.path != META_DATA for file in files):
        # The instance-id is a digest of the other files, so it is not reported beside them.
        files = tuple(file for file in files if file.path != META_DATA)
    effects = [file.effect for file in files] + [key.rule.effect for key in keys]
    if replaced:
        effects.append(Effect.REPLACE)
    return NodeChange(
        name=name,
        role=role.value,
        change=Change.CHANGED,
        effect=strongest(effects),
        keys=keys,
        files=files,
        replaced=replaced,
    )


def concerning(
    keys: Iterable[KeyChange], name: str, role: NodeRole, present: Collection[NodeRole]
) -> tuple[KeyChange, ...]:
    """The keys that concern this node, in a cluster with nodes of the roles `present`."""
    return tuple(
        key
        for key in keys
        if key.node == name or (not key.node and concerns(key.rule.concerned, role, present))
    )


def _content(tree: NodeTree, path: str) -> bytes | None:
    return tree[path].content if path in tree else None


def _file_change(
    path: str, before: TreeFile | None, after: TreeFile | None, keys: tuple[KeyChange, ...]
) -> FileChange:
    rule = file_rule(path)
    change = Change.NEW if before is None else Change.GONE if after is None else Change.CHANGED
    return FileChange(
        path=path,
        change=change,
        effect=_file_effect(rule, before, after, keys),
        rule=rule,
        before=before,
        after=after,
    )


def _file_effect(
    rule: FileRule, before: TreeFile | None, after: TreeFile | None, keys: tuple[KeyChange, ...]
) -> Effect:
    if before is not None and after is not None:
        lasting = [rule.passing.sub(b"", file.content) for file in (before, after)]
        if lasting[0] == lasting[1]:
            return Effect.NOTHING
    if rule.by_keys and keys:
        return strongest(key.rule.effect for key in keys)
    return rule.effect


def patch_lines(node: str, file: FileChange) -> Iterator[str]:
    """The lines of the diff, without line ends."""
    before, after = _text(file.before), _text(file.after)
    if file.private:
        yield f"{file.change} (private: not shown)"
    elif before is None or after is None:
        yield f"{file.change} (not text)"
    else:
        name = f"{node}{file.path}" if file.path.startswith("/") else f"{node}/{file.path}"
        yield from unified_diff(
            before.splitlines(),
            after.splitlines(),
            "/dev/null" if file.before is None else f"before/{name}",
            "/dev/null" if file.after is None else f"after/{name}",
            lineterm="",
        )


def _text(file: TreeFile | None) -> str | None:
    try:
        return "" if file is None else file.content.decode("utf-8")
    except UnicodeDecodeError:
        return None
