"""TOML from plain data: each table under its own header, in the order given.

A table that holds one value and nothing else is a dotted key of a table that has a header anyway.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

TomlValue = str | int | bool | Sequence[str] | Mapping[str, "TomlValue"]


def dump_toml(table: Mapping[str, TomlValue]) -> str:
    """The table as TOML; a table that holds only tables needs no header of its own."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, TomlValue], path: tuple[str, ...]) -> Iterator[str]:
    values = [key for key, value in table.items() if not isinstance(value, Mapping)]
    if path and (values or not table):
        yield f"[{'.'.join(map(_key, path))}]"
    dotted = [key for key, value in table.items() if values and _is_single(value)]
    for key in (*values, *dotted):
        yield from _assignment(_key(key), table[key])
    for key, inner in table.items():
        if isinstance(inner, Mapping) and key not in dotted:
            yield from _lines(inner, (*path, key))


def _is_single(value: TomlValue) -> bool:
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    return not any(isinstance(inner, Mapping) for inner in value.values())


def _assignment(key: str, value: TomlValue) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield f"{key}.{_key(name)} = {_scalar(inner)}"
    else:
        yield f"{key} = {_scalar(value)}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _scalar(name)


def _scalar(value: TomlValue) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML's, but for DEL (TOML 1.0).
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
