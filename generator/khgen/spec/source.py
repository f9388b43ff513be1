"""The text of a file: its lines, and what YAML does not allow in it."""

import re

from khgen.problems import Place, Problem

LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""YAML 1.1's line breaks, which is what libyaml counts lines by."""
BYTE_ORDER_MARK = "\ufeff"
MASK = "\N{REPLACEMENT CHARACTER}"
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


def text_fault(text: str, file: str) -> Problem | None:
    """What keeps a text from being YAML, if anything.

    Bytes that are not UTF-8 arrive as surrogates (Python's error handler "surrogateescape").
    """
    found = _NOT_PRINTABLE.search(text, 1 if text.startswith(BYTE_ORDER_MARK) else 0)
    if found is None:
        return None
    place = place_in(text, found.start(), file)
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:
        message = f"byte 0x{code - 0xDC00:02x} is not valid UTF-8"
        return Problem(message=message, place=place, hint="save the file as UTF-8")
    message = f"control character {code_point(found[0])} is not allowed in YAML"
    return Problem(message=message, place=place, hint="delete it")


def masked(text: str) -> str:
    """The text with MASK for each character that keeps it from being YAML: nothing moves."""
    return _NOT_PRINTABLE.sub(MASK, text)


def not_allowed(text: str) -> str | None:
    """The first character of a value that no YAML text may hold as it is."""
    found = _NOT_PRINTABLE.search(text)
    return None if found is None else found[0]


def code_point(character: str) -> str:
    """A character as Unicode writes it: U+0000."""
    return f"U+{ord(character):04X}"


def place_in(text: str, offset: int, file: str) -> Place:
    """The line and column of a character."""
    line, start = 1, 0
    for end in LINE_END.finditer(text, 0, offset):
        line, start = line + 1, end.end()
    return Place(file=file, line=line, column=offset - start + 1)
