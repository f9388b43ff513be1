"""The schema's errors in khgen's words, each mistake once."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import get_args

from pydantic_core import ErrorDetails

from khgen.problems import Finding, ValuePath, quoted
from khgen.spec.model import ClusterSpec
from khgen.spec.model.texts import ACCEPTED
from khgen.spec.model.values import SpecModel

KEY_MARK = "[key]"
"""The last step of pydantic's path for an error in a mapping's key, not in its value."""


def schema_findings(errors: Sequence[ErrorDetails]) -> Iterator[Finding]:
    """A finding for each error; a missing key that is only misspelt is left out."""
    errors = [error for error in errors if not _is_echo(error, errors)]
    misspelt: set[ValuePath] = set()
    missing = {path_of(error) for error in errors if error["type"] == "missing"}
    for error in errors:
        if error["type"] == "extra_forbidden":
            path = path_of(error)
            meant = _meant(path, missing)
            if meant:
                misspelt.add((*path[:-1], meant))
            hint = f"did you mean {quoted(meant)}?" if meant else _known_keys(path)
            yield Finding(path=path, message=message_of(error), hint=hint, at_key=True)
    for error in errors:
        path = path_of(error)
        if error["type"] == "extra_forbidden" or (error["type"] == "missing" and path in misspelt):
            continue
        yield _finding(error, path)


def _is_echo(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because entries are invalid: pydantic counts the valid ones."""
    size = len(error["loc"])
    return error["type"] == "too_short" and any(
        len(other["loc"]) > size and other["loc"][:size] == error["loc"] for other in errors
    )


def path_of(error: ErrorDetails) -> ValuePath:
    """The path of the value that an error is about."""
    location = error["loc"]
    return location[:-1] if location and location[-1] == KEY_MARK else location


def _finding(error: ErrorDetails, path: ValuePath) -> Finding:
    at_key = error["loc"] != path or error["type"] == "missing"
    return Finding(path=path, message=message_of(error), hint=hint_of(error), at_key=at_key)


def _meant(path: ValuePath, missing: set[ValuePath]) -> str:
    known = keys_at(path[:-1])
    lower = {key.lower(): key for key in known}
    wanted = str(path[-1]).lower().replace("-", "").replace("_", "")
    close = get_close_matches(wanted[:64], lower, n=3, cutoff=0.7)
    near_missing = [key for key in close if (*path[:-1], lower[key]) in missing]
    best = (near_missing or close)[:1]
    return lower[best[0]] if best else ""


def _known_keys(path: ValuePath) -> str:
    known = keys_at(path[:-1])
    return f"known keys here: {', '.join(known)}" if 0 < len(known) <= 12 else ""


def keys_at(path: ValuePath) -> tuple[str, ...]:
    """The keys that the schema knows in the mapping at a path."""
    model: type[SpecModel] | None = ClusterSpec
    for step in path:
        if isinstance(step, str) and model is not None:
            by_alias = {field.alias or name: field for name, field in model.model_fields.items()}
            model = _model_in(by_alias[step].annotation) if step in by_alias else None
    if model is None:
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _model_in(annotation: object) -> type[SpecModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def message_of(error: ErrorDetails) -> str:
    """The message: what was found and what is accepted."""
    wording = _WORDINGS.get(error["type"])
    return wording(error) if wording else f"{shown(error['input'])}: {error['msg'].lower()}"


def hint_of(error: ErrorDetails) -> str:
    """What the user can do about it; "" if that is not clear."""
    value, kind = error["input"], error["type"]
    if kind == "string_type" and isinstance(value, bool):
        return f'put it in quotes if it is text: "{str(value).lower()}"'
    if kind in {"enum", "literal_error"}:
        close = get_close_matches(str(value)[:64].lower(), _accepted(error), n=1)
        return f"did you mean {quoted(close[0])}?" if close else ""
    if kind == "string_pattern_mismatch" and isinstance(value, str):
        return _better_text(_ctx(error, "pattern"), value)
    return ""


def shown(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    return quoted(str(value).lower() if isinstance(value, bool) else value)


def _better_text(pattern: str, value: str) -> str:
    tried = (
        value.lower(),
        value.replace("_", "-").lower(),
        value.strip().removeprefix("v"),
        value.removeprefix("https://").removeprefix("http://").rstrip("/"),
        re.sub(r":[^:/]*$", "", value.partition("@")[0]),
        f"{value}.0",
    )
    for better in tried:
        if better and re.fullmatch(pattern, better):
            return (
                f"write {quoted(better)}"
                if better != f"{value}.0"
                else ("give all three numbers, like 1.29.6")
            )
    return ""


def _ctx(error: ErrorDetails, name: str) -> str:
    return str(error.get("ctx", {}).get(name, ""))


def _accepted(error: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", _ctx(error, "expected"))


def _one_of(error: ErrorDetails) -> str:
    return f"{shown(error['input'])} is not one of: {', '.join(_accepted(error))}"


def _pattern(error: ErrorDetails) -> str:
    accepted = ACCEPTED.get(_ctx(error, "pattern"), "accepted here")
    return f"{shown(error['input'])} is not {accepted}"


def _expected(what: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"expected {what}, found {shown(error['input'])}"


def _bound(words: str, name: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"{shown(error['input'])} is too {words} {_ctx(error, name)}"


def _key_name(error: ErrorDetails) -> str:
    return quoted(error["loc"][-1])


def _said(error: ErrorDetails) -> str:
    return _ctx(error, "error") or error["msg"]


_NUMBER = _expected("a whole number")
_MAPPING = _expected("a mapping")
_LIST = _expected("a list")
_BOOLEAN = _expected("true or false")
_WORDINGS: Mapping[str, Callable[[ErrorDetails], str]] = MappingProxyType(
    {
        "missing": lambda error: f"missing key {_key_name(error)}",
        "extra_forbidden": lambda error: f"unknown key {_key_name(error)}",
        "enum": _one_of,
        "literal_error": _one_of,
        "string_pattern_mismatch": _pattern,
        "string_type": _expected("text"),
        "string_too_long": lambda error: (
            f"{shown(error['input'])} is longer than {_ctx(error, 'max_length')} characters"
        ),
        "string_unicode": _expected("text"),
        "int_type": _NUMBER,
        "int_parsing": _NUMBER,
        "int_parsing_size": _NUMBER,
        "int_from_float": _NUMBER,
        "greater_than_equal": _bound("small: at least", "ge"),
        "less_than_equal": _bound("large: at most", "le"),
        "bool_type": _BOOLEAN,
        "bool_parsing": _BOOLEAN,
        "dict_type": _MAPPING,
        "model_type": _MAPPING,
        "model_attributes_type": _MAPPING,
        "list_type": _LIST,
        "tuple_type": _LIST,
        "too_short": lambda error: (
            f"expected at least {_ctx(error, 'min_length')} entry, found none"
        ),
        "value_error": _said,
        "invalid_key": _expected("a text key"),
    }
)
KNOWN_ERROR_TYPES = frozenset(_WORDINGS)
