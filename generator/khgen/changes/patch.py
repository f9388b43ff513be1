"""A changed file as a unified diff, which never shows a line of a private one."""

from collections.abc import Iterator
from difflib import unified_diff

from khgen.changes.compare import FileChange, TreeFile


def patch_lines(node: str, file: FileChange) -> Iterator[str]:
    """The lines of the diff, without line ends."""
    before, after = _text(file.before), _text(file.after)
    if file.private:
        yield f"{file.change} (private: not shown)"
    elif before is None or after is None:
        yield f"{file.change} (not text)"
    else:
        name = f"{node}{file.path}" if file.path.startswith("/") else f"{node}/{file.path}"
        yield from unified_diff(
            before.splitlines(),
            after.splitlines(),
            "/dev/null" if file.before is None else f"before/{name}",
            "/dev/null" if file.after is None else f"after/{name}",
            lineterm="",
        )


def _text(file: TreeFile | None) -> str | None:
    try:
        return "" if file is None else file.content.decode("utf-8")
    except UnicodeDecodeError:
        return None
