"""`khgen secrets`: the file that is the cluster's identity."""

from pathlib import Path

import click

from khgen.cli.outcome import Exit, Report, wrote

KEPT_HINT = "name another file with --secrets; khgen never replaces a secrets file"


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

    from khgen.cli.inputs import now, read_inputs, require_folder, secrets_path
    from khgen.cli.recording import founders_line
    from khgen.disk.secrets_file import create_imported, import_pki
    from khgen.pki.continuity import founding_findings

    report = Report()
    inputs = read_inputs(spec, report)
    adopted, problems = import_pki(directory, now())
    report.add(problems, {})
    report.add(inputs.problems(founding_findings(inputs.spec)), {})
    report.stop_if_fatal()
    assert adopted is not None, "a PKI without errors is a PKI"  # noqa: S101
    path = secrets_path(inputs, named)
    require_folder(path, report)
    made = create_imported(path, inputs.spec, adopted, now=now(), random_bytes=os.urandom)
    if made is None:
        message = "exists already and is left alone"
        report.run.fail(Exit.FILES, message, hint=KEPT_HINT, file=str(path))
    wrote(path)
    report.show()
    click.echo(f"created {path} (0600) around the CAs of {directory}")
    click.echo(founders_line(made, spec))


@secrets.command()
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--secrets", "named", help="Secrets file; default: beside the spec.")
@click.option("--no-machine-has-booted", is_flag=True, help="Confirm it here, not at the prompt.")
def refound(spec: Path, named: str | None, *, no_machine_has_booted: bool) -> None:
    """Name the founders anew, as long as no machine has booted.

    Records the control planes (and etcd hosts) of SPEC as the founders, and its networks, endpoint,
    version and the like. Keys stay; every machine needs its new user-data. A cluster that has
    booted would be founded a second time, so this asks for the cluster's name first.
    """
    from khgen.cli.refounding import refound_cluster

    click.echo(refound_cluster(spec, named, confirmed=no_machine_has_booted))
