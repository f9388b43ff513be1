"""From the text of cluster.yaml to a checked model, or to every problem in it at once."""

from collections.abc import Collection
from dataclasses import dataclass

from pydantic import ValidationError

from khgen.problems import Finding, Place, Problem, Problems, ValuePath
from khgen.spec.check import findings_of
from khgen.spec.free_form import unclear_words
from khgen.spec.model import ClusterSpec
from khgen.spec.places import Places
from khgen.spec.repair import sound_part
from khgen.spec.schema_errors import schema_findings
from khgen.spec.source import BYTE_ORDER_MARK, masked, text_fault
from khgen.spec.yaml_nodes import PlainValue
from khgen.spec.yaml_reader import YamlReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of one cluster.yaml."""

    spec: ClusterSpec | None
    """The model; None if there is any error."""
    problems: Problems
    places: Places

    def problem(self, finding: Finding) -> Problem:
        """What a later stage found, with its place in the file."""
        return self.places.problem(finding)


def load_spec(text: str, file: str) -> Loaded:
    """The spec in a text, and everything that is wrong with it; `file` is for the messages."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    fault = text_fault(text, file)
    if fault is not None:
        text = masked(text)
    places = Places(file, text)
    reader = YamlReader(file, masked=fault is not None)
    reader.read(text)
    # What the parser says about a masked text would be an echo of the fault.
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
    """The model, if there is no fault; what is wrong, but for echoes of what is broken already."""
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


def _within(path: ValuePath, broken: Collection[ValuePath]) -> bool:
    return any(path[: len(known)] == known for known in broken)


def _once(problems: list[Problem]) -> list[Problem]:
    """One problem for one place and message, however many ways led to it."""
    seen: dict[tuple[Place, str], Problem] = {}
    for problem in problems:
        seen.setdefault((problem.place, problem.message), problem)
    return list(seen.values())
