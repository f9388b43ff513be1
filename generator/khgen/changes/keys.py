"""Which keys differ between two specs, each with what its change means."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from khgen.changes.key_table import KEYS
from khgen.changes.rules import KeyRule, strongest
from khgen.spec.model import ClusterSpec

NODES = "nodes"

SpecValues = Mapping[str, Any]
"""A spec as JSON has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """A key whose value differs between two specs; `node` is whose it is, or empty."""

    key: str
    """As in the table, or what several rows begin with where a whole part came or went."""
    node: str
    rule: KeyRule

    @property
    def path(self) -> str:
        """The key as a person writes it: a node's with the node's name."""
        return self.key.replace(f"{NODES}[]", f"{NODES}[{self.node}]") if self.node else self.key


def spec_values(spec: ClusterSpec) -> SpecValues:
    """A spec with all defaults, for the next comparison.

    What is handed on as it is may hold passwords: there are digests instead.
    """
    values: dict[str, Any] = spec.model_dump(mode="json", by_alias=True)
    values["userData"]["extra"] = {k: _digest(v) for k, v in values["userData"]["extra"].items()}
    for node in values[NODES]:
        if node["network"] is not None and node["network"]["raw"] is not None:
            node["network"]["raw"] = _digest(node["network"]["raw"])
    return values


def changed_keys(old: SpecValues, new: SpecValues) -> tuple[KeyChange, ...]:
    """The keys that differ; those of nodes that came or went are not among them."""
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
    """Paths below which the two differ. A key that an older khgen did not know is no difference."""
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
