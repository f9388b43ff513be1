"""Schema errors as findings: unknown keys with a suggestion, and each mistake said once."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import get_args

from pydantic_core import ErrorDetails

from khgen.problems import Finding, ValuePath
from khgen.spec.messages import KEY_MARK, hint_of, message_of
from khgen.spec.model import ClusterSpec
from khgen.spec.model.values import SpecModel, quoted


def schema_findings(errors: Sequence[ErrorDetails]) -> Iterator[Finding]:
    """A finding for each error, less the missing keys that are there under a misspelt name."""
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
    """Whether a list is called too short only because its entries are faulty (pydantic counts those
    that are sound)."""
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
