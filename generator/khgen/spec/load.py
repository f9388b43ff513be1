"""From the text of cluster.yaml to a checked model, or to all its problems."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import yaml
from pydantic import ValidationError

from khgen.problems import (
    BYTE_ORDER_MARK,
    Finding,
    Place,
    Problem,
    Problems,
    Step,
    ValuePath,
    path_text,
    quoted,
)
from khgen.spec.check import (
    EVERY,
    Check,
    addresses,
    boot_window,
    cloud_init,
    component_configs,
    components,
    downloads,
    host_paths,
    machines,
    membership,
    networks,
    rolling,
    weakening,
)
from khgen.spec.model import ClusterSpec
from khgen.spec.repair import sound_part
from khgen.spec.schema_errors import schema_findings
from khgen.yaml_reader import (
    OTHER_WORDS,
    Located,
    PlainValue,
    PlainWord,
    YamlReader,
    masked,
    text_fault,
)

CHECKS: tuple[Check, ...] = (
    *machines.CHECKS,
    *addresses.CHECKS,
    *membership.CHECKS,
    *networks.CHECKS,
    *components.CHECKS,
    *component_configs.CHECKS,
    *host_paths.CHECKS,
    *downloads.CHECKS,
    *cloud_init.CHECKS,
    *weakening.CHECKS,
    *boot_window.CHECKS,
    *rolling.CHECKS,
)
"""All checks; each module has a table of its own."""
FREE_FORM: tuple[ValuePath, ...] = (
    ("kubernetes", "kubelet", "config"),
    ("kubernetes", "kubeProxy", "config"),
    ("userData", "extra"),
    ("nodes", EVERY, "network", "raw"),
)
"""The mappings that other programs read: each Passthrough of the schema, as a test checks."""


@dataclass(slots=True)
class Places:
    """The places of one document's values; the document is read on the first request."""

    file: str
    text: str
    _index: dict[ValuePath, Located] = field(default_factory=dict)

    def place(self, path: ValuePath, *, at_key: bool = False) -> Place:
        """The place of the value (or its key), or of the deepest parent in the document."""
        if not self._index:
            self._read()
        known = path
        while known and known not in self._index:
            known = known[:-1]
        found = self._index[known].place(self.file, at_key=at_key or known != path)
        return replace(found, path=path_text(path))

    def problem(self, finding: Finding) -> Problem:
        """The finding, with its place."""
        return Problem(
            message=finding.message,
            place=self.place(finding.path, at_key=finding.at_key),
            hint=finding.hint,
            severity=finding.severity,
        )

    def _read(self) -> None:
        YamlReader(self.file, places=self._index).read(self.text)
        self._index.setdefault((), Located(yaml.StreamStartEvent(), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The result of loading one cluster.yaml."""

    spec: ClusterSpec | None
    """The model; None if there is any error."""
    problems: Problems
    places: Places

    def problem(self, finding: Finding) -> Problem:
        """A finding of a later stage, with its place in the file."""
        return self.places.problem(finding)


def load_spec(text: str, file: str) -> Loaded:
    """The spec in a text, and all its problems; `file` is the name in messages."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    fault = text_fault(text, file)
    if fault is not None:
        text = masked(text)
    places = Places(file, text)
    reader = YamlReader(file, masked=fault is not None)
    reader.read(text)
    # The parser's errors about a masked text only repeat the fault.
    problems = [] if fault and reader.unreadable else list(reader.faults)
    problems += [fault] if fault else []
    spec = None
    if not reader.unreadable:
        spec, findings = _checked(reader.value, reader.broken)
        problems += [places.problem(finding) for finding in findings]
    found = Problems.of(_once(problems))
    return Loaded(spec=None if found.errors else spec, problems=found, places=places)


def cluster_name(text: str) -> str | None:
    """The metadata.name in a spec's text; None if it has none, "" if the text cannot be read."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    reader = YamlReader("")
    if text_fault(text, "") is None:
        reader.read(text)
    if reader.unreadable or reader.value is None:
        return ""
    document = reader.value if isinstance(reader.value, dict) else {}
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else None


def _checked(
    value: PlainValue, broken: Collection[ValuePath]
) -> tuple[ClusterSpec | None, list[Finding]]:
    """The model, if it is valid, and the findings; values with a fault have no second finding."""
    if () in broken:
        return None, []
    if value is None:
        hint = "khgen init writes a commented cluster.yaml to start from"
        return None, [Finding(path=(), message="the file is empty", hint=hint)]
    findings = [found for found in unclear_words(value) if not _within(found.path, broken)]
    try:
        spec, errors = ClusterSpec.model_validate(value), []
    except ValidationError as error:
        spec, errors = None, error.errors(include_url=False)
    findings += [found for found in schema_findings(errors) if not _within(found.path, broken)]
    if spec is not None and not broken:
        judged = findings_of(spec)
    else:
        sound = sound_part(value, errors, broken)
        judged = findings_of(sound.spec, sound.broken) if sound is not None else iter(())
        spec = None
    unclear = {finding.path for finding in findings}
    findings += [found for found in judged if found.path not in unclear]
    return spec, findings


def findings_of(spec: ClusterSpec, broken: frozenset[ValuePath] = frozenset()) -> Iterator[Finding]:
    """The findings of all checks; values at the `broken` paths are stand-ins, which no check reads."""
    views: dict[frozenset[int], ClusterSpec] = {frozenset(): spec}
    for check in CHECKS:
        if not check.applies(broken):
            continue
        out = check.left_out(broken)
        if out not in views:
            kept = tuple(node for place, node in enumerate(spec.nodes) if place not in out)
            views[out] = spec.model_copy(update={"nodes": kept})
        places = [place for place in range(len(spec.nodes)) if place not in out]
        for finding in check.find(views[out]):
            yield _restored(finding, places)


def _restored(finding: Finding, places: list[int]) -> Finding:
    """The finding with the node's index in the document, not among the checked nodes."""
    path = finding.path
    if len(path) > 1 and path[0] == "nodes" and isinstance(path[1], int):
        return replace(finding, path=("nodes", places[path[1]], *path[2:]))
    return finding


def _within(path: ValuePath, broken: Collection[ValuePath]) -> bool:
    return any(path[: len(known)] == known for known in broken)


def _once(problems: list[Problem]) -> list[Problem]:
    """One problem for one place and message, however many ways led to it."""
    seen: dict[tuple[Place, str], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.place, problem.message), problem)
    return list(seen.values())


def unclear_words(document: PlainValue) -> Iterator[Finding]:
    """Unquoted words like yes and off: text in YAML 1.2, a boolean in cloud-init and Kubernetes."""
    for path in FREE_FORM:
        for place, value in _values(document, path):
            yield from _words_in(value, place)


def _values(value: PlainValue, path: ValuePath) -> Iterator[tuple[ValuePath, PlainValue]]:
    """Each value at a path, with its place."""
    found: list[tuple[ValuePath, PlainValue]] = [((), value)]
    for step in path:
        found = [
            ((*place, key), item)
            for place, holder in found
            for key, item in _items(holder)
            if step in {key, EVERY}
        ]
    yield from found


def _items(value: PlainValue) -> Iterator[tuple[Step, PlainValue]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _words_in(value: PlainValue, path: ValuePath) -> Iterator[Finding]:
    if isinstance(value, PlainWord):
        meant = OTHER_WORDS[value]
        message = (
            f"{quoted(value)} without quotes is text in khgen, but {meant} in other YAML readers"
        )
        hint = f'write {meant}, or "{value}" in quotes for text'
        yield Finding(path=path, message=message, hint=hint)
    for step, item in _items(value):
        yield from _words_in(item, (*path, step))
