"""The arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path

import click
from click.decorators import FC

PATH = click.Path(path_type=Path)

spec_argument = click.argument("spec", type=PATH)
"""The cluster.yaml."""
rendered_argument = click.argument("out", type=PATH)
"""An output folder of `khgen render`."""
format_option = click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    expose_value=False,
    help="Format of the report.",
)
"""For a command that can report as JSON; the form is the run's, `Run.as_json`."""
READ_SECRETS = "Secrets file, or - for standard input; default: beside the spec."
CHANGED_SECRETS = "Secrets file; default: beside the spec."


def secrets_option(text: str) -> Callable[[FC], FC]:
    """`--secrets`, as `named`: where the secrets file is, if not beside the spec."""
    return click.option("--secrets", "named", help=text)


def node_option(text: str) -> Callable[[FC], FC]:
    """`--node`, as `names`: the only nodes that a command concerns."""
    return click.option("--node", "names", multiple=True, help=text)


def output_option(text: str, default: str | None = None) -> Callable[[FC], FC]:
    """`--output`: where a command writes."""
    shown = default is not None
    return click.option("-o", "--output", type=PATH, default=default, show_default=shown, help=text)


def kubeconfig_option(text: str) -> Callable[[FC], FC]:
    """`--kubeconfig`: the operator's identity in a running cluster."""
    path = click.Path(path_type=Path, exists=True, dir_okay=False)
    return click.option("--kubeconfig", type=path, help=text)
