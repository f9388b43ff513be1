"""Damages of a secrets file: every kind, at every place."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import yaml

SPECIAL = "\"'#:-*&!|>%@`,[]{}?~\\ \t\n\0é"
"""What means something to YAML, or is not of its characters."""

_ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7", "cp037")
_DIGITS, _LOWER, _UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A damaged file: what was done, where, and what is left."""

    kind: str
    where: str
    content: bytes


def all_damages(text: str, other: str) -> Iterator[Damage]:
    """Every damage of a text; `other` is the secrets file of another cluster."""
    for make in (_characters, _truncations, _lines, _swapped_fields):
        yield from make(text)
    yield from _joined(text, other)
    yield from _encoded(text)


def _characters(text: str) -> Iterator[Damage]:
    for at, character in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        special = SPECIAL[at % len(SPECIAL)]
        changes = {
            "another character": before + _another(character) + after,
            "a special character": before + special + after,
            "a character lost": before + after,
            "a character twice": before + character * 2 + after,
            "two characters swapped": before + after[:1] + character + after[1:],
        }
        for kind, changed in changes.items():
            yield Damage(kind=kind, where=f"at {at}", content=changed.encode())
        yield Damage(kind="a bit flipped", where=f"at {at}", content=_flipped(text.encode(), at))


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes((content[at] ^ 1 << at % 8,)) + content[at + 1 :]


def _another(character: str) -> str:
    """The next character of the same class, so that what it stands in stays well-formed."""
    for letters in (_DIGITS, _LOWER, _UPPER):
        if character in letters:
            return letters[(letters.index(character) + 1) % len(letters)]
    return "/" if character == "+" else "+"


def _truncations(text: str) -> Iterator[Damage]:
    for end in range(len(text)):
        yield Damage(kind="truncated", where=f"at {end}", content=text[:end].encode())


def _lines(text: str) -> Iterator[Damage]:
    lines = text.splitlines(keepends=True)
    for at in range(len(lines)):
        before, line, after = lines[:at], lines[at], lines[at + 1 :]
        changes = {
            "a line lost": (*before, *after),
            "a line twice": (*before, line, line, *after),
            "two lines swapped": (*before, *after[:1], line, *after[1:]),
            "a line moved to the end": (*before, *after, line),
            "a line indented": (*before, f"  {line}", *after),
        }
        for kind, changed in changes.items():
            yield Damage(kind=kind, where=f"line {at + 1}", content="".join(changed).encode())


def _swapped_fields(text: str) -> Iterator[Damage]:
    """Two values in each other's place, as in a file that was put together by hand."""
    document = yaml.safe_load(text)
    fields = [str(part) for part in document["authorities"]]
    for one, two in combinations(fields, 2):
        for parts in (("certificate", "key"), ("certificate",), ("key",)):
            changed = yaml.safe_load(text)
            first, second = changed["authorities"][one], changed["authorities"][two]
            for part in parts:
                first[part], second[part] = second[part], first[part]
            yield _dumped("CAs swapped", f"{one}, {two}: {', '.join(parts)}", changed)
    for one, two in combinations([key for key in document if key != "authorities"], 2):
        changed = {**document, one: document[two], two: document[one]}
        yield _dumped("fields swapped", f"{one}, {two}", changed)


def _dumped(kind: str, where: str, document: object) -> Damage:
    return Damage(kind=kind, where=where, content=yaml.safe_dump(document).encode())


def _joined(text: str, other: str) -> Iterator[Damage]:
    lines, others = text.splitlines(keepends=True), other.splitlines(keepends=True)
    joined = {
        "twice": text * 2,
        "two documents": f"{text}---\n{text}",
        "two clusters": text + other,
    }
    for where, content in joined.items():
        yield Damage(kind="concatenated", where=where, content=content.encode())
    for at in range(1, min(len(lines), len(others))):
        mixed = "".join((*lines[:at], *others[at:]))
        if mixed != other:  # Where both begin alike, it is just another file.
            yield Damage(kind="two files mixed", where=f"line {at}", content=mixed.encode())


def _encoded(text: str) -> Iterator[Damage]:
    for encoding in _ENCODINGS:
        yield Damage(kind="another encoding", where=encoding, content=text.encode(encoding))
    for name, end in {"CRLF": "\r\n", "CR": "\r", "NEL": "\x85", "blank lines": "\n\n"}.items():
        content = text.replace("\n", end).encode()
        yield Damage(kind="another line end", where=name, content=content)
