"""What `khgen diff` prints: blocks of text, or one JSON object."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from khgen.changes.compare import Change, FileChange, KeyChange, NodeChange, patch_lines
from khgen.changes.key_rules import MEANINGS, Effect, KeyRule
from khgen.cli.summary import LISTED_NODES

SIGNS = {Change.CHANGED: "~", Change.NEW: "+", Change.GONE: "-"}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_STRONG = {Effect.REPLACE: "yellow", Effect.DRAIN: "yellow", Effect.NOT_POSSIBLE: "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that a render would change in an output folder."""

    out: Path
    nodes: tuple[NodeChange, ...]
    unchanged: tuple[str, ...]
    keys: tuple[KeyChange, ...]
    keys_known: bool
    """Whether the output says which spec it was rendered from."""
    admin_conf: Change | None

    @property
    def any(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.nodes or self.keys or self.admin_conf)

    @property
    def rules(self) -> Mapping[str, KeyRule]:
        """What each changed key means, once."""
        return {key.key: key.rule for key in self.keys}


def changes_lines(changes: Changes, *, patch: bool) -> Iterator[str]:
    """The report for people: a block for each node, then what the keys and effects mean."""
    for node in changes.nodes:
        yield from _node_lines(node, patch=patch)
        yield ""
    if changes.admin_conf is not None:
        yield f"{SIGNS[changes.admin_conf]} {changes.out}/admin.conf, your kubeconfig"
        yield ""
    yield from _key_lines(changes)
    yield from _effect_lines(changes)
    if changes.unchanged or not changes.any:
        yield _unchanged_line(changes)


def changes_json(changes: Changes, *, patch: bool) -> dict[str, object]:
    """The report for programs."""
    return {
        "output": str(changes.out),
        "changes": changes.any,
        "nodes": [_node_json(node, patch=patch) for node in changes.nodes],
        "unchanged": list(changes.unchanged),
        "keysKnown": changes.keys_known,
        "keys": [
            {"key": key, "effect": rule.effect, "concerns": rule.concerned, "means": rule.means}
            for key, rule in changes.rules.items()
        ],
        "adminConf": changes.admin_conf,
    }


def _node_lines(node: NodeChange, *, patch: bool) -> Iterator[str]:
    if node.change is Change.GONE:
        yield f"{node.name}: gone from the spec; its machine is left as it is"
        yield "  khgen node remove records that it left the cluster"
        return
    reason = ", it joins with a fresh identity" if node.replaced else ""
    new = ", not in the output yet" if node.change is Change.NEW else ""
    yield f"{_coloured(node.name, 'bold')}: {_effect(node.effect)}{reason}{new}"
    if node.keys:
        yield f"  for {', '.join(key.path for key in node.keys)}"
    width = max((len(file.path) for file in node.files), default=0)
    for file in node.files:
        yield f"  {SIGNS[file.change]} {file.path.ljust(width)}  {file.effect}: {file.rule.what}"
        if patch:
            yield from (f"    {_patch_coloured(line)}" for line in patch_lines(node.name, file))


def _key_lines(changes: Changes) -> Iterator[str]:
    if not changes.keys_known:
        yield f"{changes.out}/ has no spec.json, so the changed keys of the spec are not known"
        yield ""
    for key, rule in changes.rules.items():
        yield f"{key} ({_effect(rule.effect)}, {rule.concerned})"
        yield f"  {rule.means}"
    if changes.keys:
        yield ""


def _effect_lines(changes: Changes) -> Iterator[str]:
    shown = {node.effect for node in changes.nodes if node.change is Change.CHANGED}
    for effect in Effect:
        if effect in shown:
            yield f"{effect}: {MEANINGS[effect]}"
    if any(file.change is Change.GONE for node in changes.nodes for file in node.files):
        yield "a new seed removes no file: what is marked - stays on machines that are up"
    if shown:
        yield ""


def _unchanged_line(changes: Changes) -> str:
    if not changes.any:
        return f"nothing changes against {changes.out}/"
    count, shown = len(changes.unchanged), changes.unchanged[:LISTED_NODES]
    names = ", ".join(shown) + (" and others" if count > LISTED_NODES else "")
    return f"unchanged: {count} {'node' if count == 1 else 'nodes'} ({names})"


def _node_json(node: NodeChange, *, patch: bool) -> dict[str, object]:
    return {
        "name": node.name,
        "role": node.role,
        "change": node.change,
        "effect": None if node.change is Change.GONE else node.effect,
        "replaced": node.replaced,
        "keys": [key.path for key in node.keys],
        "files": [_file_json(node, file, patch=patch) for file in node.files],
    }


def _file_json(node: NodeChange, file: FileChange, *, patch: bool) -> dict[str, object]:
    plain: dict[str, object] = {
        "path": file.path,
        "change": file.change,
        "effect": file.effect,
        "what": file.rule.what,
        "private": file.private,
    }
    return plain | ({"patch": list(patch_lines(node.name, file))} if patch else {})


def _effect(effect: Effect) -> str:
    return _coloured(effect, _STRONG[effect]) if effect in _STRONG else effect.value


def _patch_coloured(line: str) -> str:
    return _coloured(line, _COLOURS[line[0]]) if line[:1] in _COLOURS else line


def _coloured(text: str, style: str) -> str:
    """The text in colour; click takes the colours away where there is no terminal."""
    if "NO_COLOR" in os.environ:
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)
