"""The JSON Schema of cluster.yaml, for editors, and the reference page made from it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import JsonValue

from khgen.spec.model import ClusterSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = "urn:khgen:v1alpha1:Cluster"


JsonSchema = Mapping[str, Any]

_NAMES = {
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "object": "mapping",
    "integer": "number",
    "boolean": "`true`, `false`",
}
"""The names of formats and types on the page; any other is text."""

_INTRODUCTION = """# cluster.yaml

Every key, generated from the model (`khgen schema --markdown`). Keys without a default must be
given. Durations are texts like `30m`, `24h`, `365d`, `10y`. Networks may be an IPv4 and an IPv6 one,
joined by a comma. Editors complete and check the file with `khgen schema > cluster.schema.json`.
"""


def schema() -> dict[str, JsonValue]:
    """The schema as data."""
    generated = ClusterSpec.model_json_schema(by_alias=True)
    generated.pop("title", None)
    head: dict[str, JsonValue] = {
        "$schema": DIALECT,
        "$id": IDENTIFIER,
        "title": "khgen cluster.yaml (khgen/v1alpha1, Cluster)",
    }
    return head | generated


def schema_text() -> str:
    """The schema as JSON text."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def reference_text() -> str:
    """The whole reference: one table for each part of the spec, the root first."""
    schema = ClusterSpec.model_json_schema()
    parts = [_INTRODUCTION]
    parts += [_part(name, part, schema.get("$defs", {})) for name, part in _objects(schema)]
    return "\n".join(parts)


def _objects(schema: JsonSchema) -> Iterator[tuple[str, JsonSchema]]:
    """The root, then each object in the order in which it is first referred to."""
    definitions = schema.get("$defs", {})
    waiting: list[tuple[str, JsonSchema]] = [("Cluster", schema)]
    seen = set()
    while waiting:
        name, part = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        yield name, part
        for field in part["properties"].values():
            waiting += [
                (reference, definitions[reference])
                for reference in _references(field)
                if "properties" in definitions[reference]
            ]


def _references(field: JsonSchema) -> list[str]:
    own = [field["$ref"].rpartition("/")[2]] if "$ref" in field else []
    nested = [*field.get("anyOf", []), *field.get("allOf", [])]
    nested += [field[key] for key in ("items",) if isinstance(field.get(key), Mapping)]
    return own + [reference for item in nested for reference in _references(item)]


def _part(name: str, part: JsonSchema, definitions: JsonSchema) -> str:
    required = part.get("required", [])
    rows = [
        f"| `{key}` | {_type(field, definitions)} | {_default(key, field, required)} | {_text(field)} |"
        for key, field in part["properties"].items()
    ]
    heading = f"## {name}\n\n{part.get('description', '').partition(chr(10))[0]}\n"
    return "\n".join(
        (heading, "| key | type | default | meaning |", "|---|---|---|---|", *rows, "")
    )


def _type(field: JsonSchema, definitions: JsonSchema) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        target = definitions[name]
        return (
            f"[{name}](#{name.lower()})" if "properties" in target else _type(target, definitions)
        )
    if "anyOf" in field:
        kinds = [_type(item, definitions) for item in field["anyOf"] if item.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    values = field.get("enum", [field["const"]] if "const" in field else [])
    if values:
        return ", ".join(f"`{value}`" for value in values)
    if field.get("type") == "array" and isinstance(field.get("items"), Mapping):
        return f"list of {_type(field['items'], definitions)}"
    return _NAMES.get(field.get("format", ""), _NAMES.get(field.get("type", ""), "text"))


def _default(key: str, field: JsonSchema, required: list[str]) -> str:
    if key in required:
        return "required"
    default = field.get("default")
    if default is None or default in ({}, [], ""):
        return ""
    return "" if isinstance(default, dict) else f"`{json.dumps(default).strip(chr(34))}`"


def _text(field: JsonSchema) -> str:
    return str(field.get("description", "")).replace("|", "\\|")
