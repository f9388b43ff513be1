"""The JSON Schema of cluster.yaml, for editors."""

import json

from pydantic import JsonValue

from khgen.spec.model import ClusterSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
IDENTIFIER = "urn:khgen:v1alpha1:Cluster"


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
