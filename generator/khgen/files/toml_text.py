"""TOML from plain data: each table under its own header, in the order given."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

TomlValue = str | int | bool | Sequence[str] | Mapping[str, "TomlValue"]


def dump_toml(table: Mapping[str, TomlValue]) -> str:
    """The table as TOML; a table that holds only tables needs no header of its own."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, TomlValue], path: tuple[str, ...]) -> Iterator[str]:
    values = {k: v for k, v in table.items() if not isinstance(v, Mapping)}
    if path and (values or not table):
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in values.items():
        yield f"{_key(key)} = {_scalar(value)}"
    for key, inner in table.items():
        if isinstance(inner, Mapping):
            yield from _lines(inner, (*path, key))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _scalar(name)


def _scalar(value: TomlValue) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML's, but for DEL (TOML 1.0).
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
