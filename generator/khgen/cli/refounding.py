"""What `khgen secrets refound` does, and what it asks first."""

import sys
from pathlib import Path

import click

from khgen.cli.inputs import Inputs, read_inputs, read_secrets
from khgen.cli.outcome import Report, wrote
from khgen.disk.secrets_file import STANDARD_INPUT, refound
from khgen.pki.continuity import founding_findings
from khgen.pki.secrets import founding_nodes

DANGER = (
    "refound starts the cluster over: its nodes would found a second one beside machines that have"
    " booted"
)


def refound_cluster(spec: Path, named: str | None, *, confirmed: bool) -> str:
    """Record founders and identity anew once the user has confirmed it; returns what comes next."""
    report = Report()
    inputs = read_inputs(spec, report)
    report.add(inputs.problems(founding_findings(inputs.spec)), {})
    source = read_secrets(inputs, named, report, must_exist=True)
    if source.path == STANDARD_INPUT:
        message = "refound changes the secrets file, so it needs the file itself"
        raise click.UsageError(message)
    if not confirmed:
        _confirm(inputs)
    founders = ", ".join(founding_nodes(refound(source.path, inputs.spec)))
    wrote(source.path)
    return f"{source.path}: the founders are {founders}; next: khgen render {spec}"


def _confirm(inputs: Inputs) -> None:
    """Have the user type the cluster's name; ends the command where there is nobody to ask."""
    name = inputs.spec.metadata.name
    if not sys.stdin.isatty():
        message = f"{DANGER}; confirm with --no-machine-has-booted"
        raise click.UsageError(message)
    click.echo(f"{DANGER}.", err=True)
    question = f"If no machine of it has booted, type the cluster's name ({name})"
    if click.prompt(question, err=True, default="", show_default=False) != name:
        message = f"that is not '{name}': nothing was changed"
        raise click.UsageError(message)
