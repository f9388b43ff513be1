"""What pydantic found wrong with a value, in khgen's words: one table."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from pydantic_core import ErrorDetails

from khgen.spec.model.texts import ACCEPTED
from khgen.spec.model.values import quoted

KEY_MARK = "[key]"
"""pydantic's last step for a problem with a key of a mapping rather than its value."""


def message_of(error: ErrorDetails) -> str:
    """The message: what was found and what is accepted."""
    wording = _WORDINGS.get(error["type"])
    return wording(error) if wording else f"{shown(error['input'])}: {error['msg'].lower()}"


def hint_of(error: ErrorDetails) -> str:
    """What the reader can do about it, where that is plain."""
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
    """A value as a message names it."""
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
