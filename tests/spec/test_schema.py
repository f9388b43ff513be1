"""The JSON Schema of cluster.yaml."""

import json

import jsonschema  # type: ignore[import-untyped]
import pytest

from khgen.spec.schema import schema, schema_text
from khgen.yaml_reader import YamlReader
from support.rendering import EXAMPLES, EXAMPLES_FOLDER
from support.spec_texts import Changes, changed


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_fits_the_schema(example: str) -> None:
    reader = YamlReader(example)
    reader.read((EXAMPLES_FOLDER / example / "cluster.yaml").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema()).validate(reader.value)


@pytest.mark.parametrize(
    "changes",
    [{"nodez": []}, {"nodes.0.role": "x"}, {"nodes.0.name": "UPPER"}, {"metadata": None}],
)
def test_the_schema_refuses_what_is_wrong(changes: Changes) -> None:
    assert not jsonschema.Draft202012Validator(schema()).is_valid(changed(changes))


def test_the_schema_is_itself_valid_and_named() -> None:
    parsed = json.loads(schema_text())
    jsonschema.Draft202012Validator.check_schema(parsed)
    assert parsed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert parsed["$id"]
    assert parsed["title"]


def test_every_field_is_described() -> None:
    described = json.loads(schema_text())
    bare = [
        f"{model.get('title')}.{name}"
        for model in (described, *described["$defs"].values())
        for name, field in model.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []
