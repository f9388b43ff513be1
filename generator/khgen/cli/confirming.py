"""The one question that khgen asks: whether something that cannot be undone is really meant."""

import sys
from dataclasses import dataclass

import click


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is about to happen, under which condition it is right, and the flag that confirms it."""

    danger: str
    condition: str
    flag: str


def confirm(question: Question, cluster: str) -> None:
    """Have the user type the cluster's name; ends the command where there is nobody to ask."""
    if not sys.stdin.isatty():
        message = f"{question.danger}; confirm with {question.flag}"
        raise click.UsageError(message)
    click.echo(f"{question.danger}.", err=True)
    text = f"{question.condition}, type the cluster's name ({cluster})"
    if click.prompt(text, err=True, default="", show_default=False) != cluster:
        message = f"that is not '{cluster}': nothing was changed"
        raise click.UsageError(message)
