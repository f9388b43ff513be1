"""`khgen schema`: what a cluster.yaml can hold, for editors and for people."""

import click

from khgen.changes.page import changes_text
from khgen.spec.schema import reference_text, schema_text


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference of all keys instead.")
@click.option("--changes", is_flag=True, help="Print what a change of each key means instead.")
def schema(*, markdown: bool, changes: bool) -> None:
    """Print the JSON Schema of cluster.yaml, for editors."""
    if changes:
        click.echo(changes_text(), nl=False)
        return
    click.echo(reference_text() if markdown else schema_text(), nl=False)
