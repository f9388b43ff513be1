"""`khgen secrets`: the file that is the cluster's identity."""

import sys
from pathlib import Path

import click

from khgen.cli.outcome import EXIT_FILES


@click.group()
def secrets() -> None:
    """The secrets file: the cluster's identity."""


@secrets.command("import")
@click.argument("spec", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--secrets", "named", help="Secrets file to create; default: beside the spec.")
def import_directory(spec: Path, directory: Path, named: str | None) -> None:
    """Adopt the CAs of an existing /etc/kubernetes/pki.

    Takes the cluster, etcd and front-proxy CAs and the service-account key from DIRECTORY, RSA or
    ECDSA, and creates the secrets file around them. Everything else is issued anew.
    """
    import os

    from khgen.cli.inputs import now, read_inputs
    from khgen.cli.outcome import Report
    from khgen.pki.continuity import founding_findings
    from khgen.secrets_file import create_imported, default_secrets_path, import_pki

    report = Report()
    inputs = read_inputs(spec, report)
    adopted, problems = import_pki(directory, now())
    report.add(problems, {})
    report.add(inputs.problems(founding_findings(inputs.spec)), {})
    report.stop_if_fatal()
    assert adopted is not None, "a PKI without errors is a PKI"  # noqa: S101
    path = Path(named) if named else default_secrets_path(spec, inputs.spec)
    made = create_imported(path, inputs.spec, adopted, now=now(), random_bytes=os.urandom)
    if not made:
        click.echo(f"khgen: error: {path} exists already and is left alone", err=True)
        sys.exit(EXIT_FILES)
    report.show(written=True)
    click.echo(f"created {path} (0600) around the CAs of {directory}")
