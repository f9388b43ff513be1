"""A reader of secrets files: each mistake or damage is a problem with its line and column."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import yaml

from khgen.problems import Place, Problem, Problems, ValuePath, path_text
from khgen.yaml_reader import read_documents

Value = TypeVar("Value")
Fields = dict[str, yaml.Node]

RESTORE_HINT = "restore the file from a copy: khgen never makes new keys in place of old ones"
_QUOTED = re.compile(r" ?['\"].*['\"]")


class SecretsReader:
    """Walks a document and collects problems. It quotes no value, because any may be secret."""

    def __init__(self, file: str) -> None:
        """A reader of the file of that name."""
        self._file = file
        self._found: list[Problem] = []

    @property
    def problems(self) -> Problems:
        """The problems found so far."""
        return Problems.of(self._found)

    def root(self, text: str) -> yaml.Node | None:
        """The document's root node."""
        documents, fault = read_documents(text, self._file)
        if fault is not None:
            # PyYAML's own parser, where libyaml is missing, quotes what it found.
            message = _QUOTED.sub("", fault.message.removeprefix("not YAML: "))
            self._found.append(replace(fault, message=f"not YAML: {message}", hint=RESTORE_HINT))
            return None
        if len(documents) > 1:
            self.fail(documents[1], (), "not YAML: a second document starts here")
            return None
        if not documents:
            self._fail(None, (), "the secrets file is empty")
            return None
        return documents[0]

    def fields(
        self, node: yaml.Node | None, path: ValuePath, known: Iterable[str] | None
    ) -> Fields:
        """A mapping's values by key; with `known` keys given, any other is a problem."""
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, path, "a mapping is expected here")
            return {}
        found: Fields = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if not isinstance(key, yaml.ScalarNode):
                self.fail(key, path, "the key must be text")
            elif known is not None and name not in known:
                self.fail(key, path, f"unknown key; known are: {', '.join(known)}")
            elif name in found:
                self.fail(key, (*path, name), f"duplicate key '{name}'")
            found[name] = value
        return found

    def items(self, node: yaml.Node | None, path: ValuePath) -> tuple[str, ...]:
        """A sequence of texts."""
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, path, "a list is expected here")
            return ()
        for item in node.value:
            if not isinstance(item, yaml.ScalarNode):
                self.fail(item, path, "a text is expected here")
        return tuple(str(item.value) for item in node.value)

    def required(
        self, fields: Fields, parent: yaml.Node | None, path: ValuePath
    ) -> yaml.Node | None:
        """The node at the path's last key; a missing one is a problem."""
        node = fields.get(str(path[-1]))
        if node is None and isinstance(parent, yaml.MappingNode):
            self.fail(parent, path, f"missing part '{path_text(path)}'")
        return node

    def value(
        self, node: yaml.Node | None, path: ValuePath, read: Callable[[str], Value], bad: Value
    ) -> Value:
        """What `read` returns for a text; `bad` after its ValueError, which becomes a problem."""
        if node is None:
            return bad
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, path, "a text is expected here")
            return bad
        try:
            return read(node.value)
        except ValueError as error:
            self.fail(node, path, f"{path_text(path)}: {error}")
            return bad

    def fail(
        self, node: yaml.Node | None, path: ValuePath, message: str, hint: str = RESTORE_HINT
    ) -> None:
        """Add a problem at a node."""
        self._fail(None if node is None else node.start_mark, path, message, hint)

    def _fail(
        self, mark: yaml.Mark | None, path: ValuePath, message: str, hint: str = RESTORE_HINT
    ) -> None:
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        place = Place(file=self._file, line=line, column=column, path=path_text(path))
        self._found.append(Problem(message=message, place=place, hint=hint))
