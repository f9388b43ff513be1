r"""Packer's machine-readable output: a line is timestamp,target,type,data…

https://developer.hashicorp.com/packer/docs/commands#machine-readable-output; commas inside data are
%!(PACKER_COMMA), line ends are \n and \r (packer/ui.go, the same from 1.6 to 1.16).
"""

from dataclasses import dataclass

COMMA = "%!(PACKER_COMMA)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackerLine:
    """One line: when it was said (seconds of Unix time), about which build, and what."""

    time: int
    target: str
    kind: str
    data: tuple[str, ...]

    @property
    def spoken(self) -> str | None:
        """What Packer would show a person; None where the line is for programs alone."""
        return self.data[1] if self.kind == "ui" and len(self.data) == 2 else None

    @property
    def artifact(self) -> tuple[str, tuple[str, ...]] | None:
        """A fact about what was built, like ("id", ("ami-1",))."""
        if self.kind != "artifact" or len(self.data) < 3:
            return None
        return self.data[1], self.data[2:]


def packer_line(text: str) -> PackerLine | None:
    """The parts of a line; None if it is not of that form, as a crash report is not."""
    parts = text.rstrip("\n").split(",")
    if len(parts) < 3 or not parts[0].isdecimal():
        return None
    time, target, kind, *data = parts
    return PackerLine(time=int(time), target=target, kind=kind, data=tuple(map(_plain, data)))


def _plain(text: str) -> str:
    return text.replace(COMMA, ",").replace(r"\r", "\r").replace(r"\n", "\n")
