"""The listing in a folder that khgen writes: the file by which it knows the folder as its own.

manifest.json of a render, and the lists of seeds and exports, are JSON objects with a `kind` that
no other program writes, and with a digest over all of it, so that an edited one is noticed.
"""

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from khgen import __version__
from khgen.problems import path_text

MAX_FAULTS = 5
"""A listing of another khgen may be wrong in the same way for every node."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_PART = r"([^/\x00.][^/\x00]*|\.[^/\x00.][^/\x00]*|\.\.[^/\x00]+)"
RelativePath = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART})*$")]
"""A path that stays below the folder that it is joined to: no empty part, no `.` and no `..`."""
AbsolutePath = Annotated[str, StringConstraints(pattern=rf"^(/{_PART})+$")]
"""The same for a path on a node, which is joined to the node's root folder."""


class ListingPart(BaseModel):
    """A part of a listing; its keys are in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore", strict=True)


class Listing(ListingPart):
    """What every listing has. Its `kind`, narrowed by each model, says which one it is."""

    kind: str
    khgen: str
    sha256: Sha256


AnyListing = TypeVar("AnyListing", bound=Listing)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFault:
    """One thing that is wrong with a listing, and its place where that is known."""

    message: str
    line: int = 1
    column: int = 1


class ListingError(ValueError):
    """The file is not a listing of that kind, or somebody edited it."""

    def __init__(self, *faults: ListingFault) -> None:
        """With at least one fault."""
        super().__init__(faults[0].message)
        self.faults = faults


def listing_text(kind: str, values: Mapping[str, object]) -> str:
    """The text of a listing of that kind with these values and their digest."""
    listing = {"kind": kind, "khgen": __version__, **values}
    return json.dumps({**listing, "sha256": _digest(listing)}, indent=2) + "\n"


def decoded_listing(content: bytes, model: type[AnyListing]) -> AnyListing:
    """The listing in these bytes; raises ListingError where they are not as khgen wrote them."""
    values = _json_values(content)
    try:
        listing = model.model_validate_json(content)
    except ValidationError as error:
        raise ListingError(*_wrong_values(error)) from None
    if listing.sha256 != _digest({key: values[key] for key in values if key != "sha256"}):
        message = "changed since khgen wrote it: its sha256 is not that of its content"
        raise ListingError(ListingFault(message=message))
    return listing


def read_regular(path: Path) -> bytes:
    """The content of a file; raises OSError where the path is no file, so that none is waited for."""
    # A FIFO that nobody writes to would block an open without O_NONBLOCK for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a file", str(path))
        return file.read()


def _json_values(content: bytes) -> dict[str, object]:
    try:
        values = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fault = ListingFault(message="not UTF-8 text", line=line)
    except json.JSONDecodeError as error:
        message = f"not JSON: {error.msg.lower()}"
        fault = ListingFault(message=message, line=error.lineno, column=error.colno)
    except (RecursionError, ValueError):
        # Python's reader takes neither deep nesting nor numbers of thousands of digits.
        fault = ListingFault(message="not JSON that khgen writes: a value is too deep or too long")
    else:
        if isinstance(values, dict):
            return values
        fault = ListingFault(message="not a JSON object")
    raise ListingError(fault)


def _wrong_values(error: ValidationError) -> Iterator[ListingFault]:
    details = error.errors()
    for detail in details[:MAX_FAULTS]:
        where = path_text(tuple(step for step in detail["loc"] if step != "[key]"))
        message = f"{where or 'the whole'}: {detail['msg'].lower()}"
        yield ListingFault(message=f"not what this khgen writes: {message}")
    if len(details) > MAX_FAULTS:
        yield ListingFault(message=f"and {len(details) - MAX_FAULTS} more like these")


def _digest(values: Mapping[str, object]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
