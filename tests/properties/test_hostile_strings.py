"""A sample of hostile strings; `python -m hostile` tries as many as you want."""

import random
import shlex
import subprocess
from itertools import islice

import pytest
from pydantic import BaseModel

from hostile.judge import outcome
from hostile.places import FIELDS, Field
from hostile.strings import LITERAL, by_chance
from khgen.spec.model import ClusterSpec
from support.programs import require_program
from support.rendering import EXAMPLES, example_render

LOADED, RENDERED = 12, 3


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.path} {field.name}".strip())
def test_a_hostile_string_is_refused_or_comes_back(field: Field) -> None:
    chance = random.Random(f"{field.path} {field.name}")  # noqa: S311 - repeatable on purpose
    assert outcome(field, field.harmless)
    texts = [*chance.sample(LITERAL, LOADED), *islice(by_chance(chance), 4)]
    accepted = [text for text in texts if outcome(field, text, render=False)]
    for text in accepted[:RENDERED]:
        assert outcome(field, text)


KNOWN: tuple[tuple[str, str, str], ...] = (
    ("os.packageMirror", "", "https://m.example/rocky..."),
    ("os.packageMirror", "rpm", "https://m.example/rocky..."),
    ("os.packageMirror", "rpm", "https://m.example/a!b&c,d%2fe"),
    ("os.timezone", "", "0X1F"),
    ("userData.extra", "", "a\r\nb..."),
    ("userData.extra", "key", "a\u2028b"),
    ("kubernetes.apiServer.extraArgs", "", "..."),
)


@pytest.mark.parametrize("known", KNOWN, ids=ascii)
def test_texts_that_once_broke_files_read_back(known: tuple[str, str, str]) -> None:
    path, name, text = known
    (field,) = (field for field in FIELDS if (field.path, field.name) == (path, name))
    assert outcome(field, text)


@pytest.mark.parametrize("text", ["..", ".", "-a", "a..b", "a/b", "a:", ".a", "a\0"])
def test_a_registry_is_no_path(text: str) -> None:
    (field,) = (f for f in FIELDS if f.path == "containerd.registryMirrors" and not f.name)
    assert not outcome(field, text)


def test_every_text_of_the_schema_is_among_the_places() -> None:
    assert len(LITERAL) >= 300
    played = {
        field.path.replace("nodes.3.", "nodes.").replace("nodes.2.", "nodes.") for field in FIELDS
    }
    missing = [
        path
        for path in text_paths(ClusterSpec)
        if not any(_covers(known, path) for known in played)
    ]
    assert missing == []


def text_paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted path of each field whose JSON Schema has a text or a free-form mapping in it."""
    schema = model.model_json_schema()
    return sorted(_walk(schema, schema.get("$defs", {}), prefix))


def _walk(schema: dict[str, object], definitions: dict[str, object], path: str) -> set[str]:
    found: set[str] = set()
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return _walk(definitions[name], definitions, path)  # type: ignore[arg-type]
    if schema.get("type") == "string" and "enum" not in schema and "const" not in schema:
        found.add(path)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found |= _walk(schema[key], definitions, path)  # type: ignore[arg-type]
    for option in schema.get("anyOf", []):  # type: ignore[attr-defined]
        found |= _walk(option, definitions, path)
    for key, inner in schema.get("properties", {}).items():  # type: ignore[attr-defined]
        found |= _walk(inner, definitions, f"{path}.{key}".strip("."))
    return found


def _covers(known: str, path: str) -> bool:
    return path == known or path.startswith(f"{known}.") or known.startswith(f"{path}.")


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_real_shell_reads_node_env_as_it_was_written(example: str) -> None:
    """In an empty environment; the harness reads it with shlex, which is faster."""
    render = example_render(example)
    for node in render.plan.nodes:
        (file,) = (f for f in render.node(node).files if str(f.path) == "/etc/khgen/node.env")
        for line in file.content.splitlines():
            name, mark, value = line.partition("=")
            if not mark or not name.replace("_", "").isupper():
                break
            said = subprocess.run(
                [require_program("bash"), "-c", f'{line}\nprintf %s "${name}"'],
                capture_output=True, text=True, check=True, env={},
            ).stdout  # fmt: skip
            assert said == shlex.split(value)[0]
