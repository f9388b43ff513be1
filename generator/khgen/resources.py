"""The data files in a checkout and in an installed wheel: their folders and the templates.

Templates are for line-oriented files; structured files are dumped from data instead.
"""

import re
from functools import cache
from pathlib import Path

import jinja2

_COMMENT = re.compile(r"^[ \t]*#(?: (?!shellcheck ).*)?\n", re.MULTILINE)
"""A comment on its own line; the lines that khgen-boot reads of a step begin with #: or a word."""


def resource_folder(name: str) -> Path:
    """The folder `templates`, `packer` or `examples`: inside the wheel, or at the checkout's top."""
    package = Path(__file__).resolve().parent
    return next(p for p in (package / "_data" / name, package.parents[1] / name) if p.is_dir())


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resource_folder("templates") / "cloud-init"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def filled(template: str, **context: object) -> str:
    """The template of that name under templates/cloud-init, filled with a small named context."""
    return _environment().get_template(template).render(context)


@cache
def verbatim(name: str) -> str:
    """A file under templates/cloud-init that needs no filling, without its comments."""
    text = (resource_folder("templates") / "cloud-init" / name).read_text(encoding="utf-8")
    return _COMMENT.sub("", text)
