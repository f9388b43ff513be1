"""Line-oriented files from Jinja templates; anything structured is dumped from data instead."""

import re
from functools import cache

import jinja2

from khgen.resources import resource_folder

COMMENT = re.compile(r"^[ \t]*# .*\n", re.MULTILINE)
"""A line that is nothing but a comment."""


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
    """A file under templates/cloud-init that needs no filling; a script without its comments.

    So a script may explain itself, and user-data stays small. What khgen-boot reads of a step has
    no blank after the number sign.
    """
    text = (resource_folder("templates") / "cloud-init" / name).read_text(encoding="utf-8")
    return COMMENT.sub("", text) if text.startswith("#!") or name.endswith(".sh") else text
