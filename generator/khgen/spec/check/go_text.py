"""The text of flags, read as the components read it: they are Go programs."""

TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
"""https://pkg.go.dev/strconv#ParseBool: what pflag's and etcd's switches accept."""


def go_bool(text: str | None) -> bool | None:
    """What strconv.ParseBool makes of it; None where there is no text, or Go refuses it."""
    if text in TRUE:
        return True
    return False if text in FALSE else None


def go_int(text: str) -> int | None:
    """What strconv.ParseInt with base 0 makes of it; None where Go refuses it."""
    try:
        leading_zero = text.isdecimal() and text.isascii()
        return int(text, 8 if leading_zero and text.startswith("0") else 0)
    except ValueError:
        return None


def go_list(text: str) -> tuple[str, ...]:
    """The elements of a comma-separated list."""
    return tuple(part.strip() for part in text.split(","))
