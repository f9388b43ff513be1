"""What `khgen secrets import` does: creates the secrets file around CAs that exist already."""

import os
from dataclasses import replace
from pathlib import Path

from khgen.cli.inputs import now, read_inputs, require_folder, secrets_key, secrets_path
from khgen.cli.outcome import Exit, Report, wrote
from khgen.cli.recording import founders_line
from khgen.cli.secrets_place import recorded_spec
from khgen.disk.secrets_file import create, import_pki
from khgen.pki.clock import unset_clock_findings
from khgen.pki.continuity import founding_findings
from khgen.pki.secrets import adopted_secrets


def import_directory(spec: Path, directory: Path, named: str | None) -> list[str]:
    """Create the secrets file around a kubeadm PKI directory; returns what was done."""
    report, today = Report(), now()
    inputs = read_inputs(spec, report)
    adopted, problems = import_pki(directory, today)
    report.add(problems, {})
    report.add(inputs.problems((*founding_findings(inputs.spec), *unset_clock_findings(today))), {})
    report.stop_if_fatal()
    assert adopted is not None, "a PKI without errors is a PKI"  # noqa: S101
    path, key = secrets_path(inputs, named), secrets_key(report)
    require_folder(path, report)
    account = adopted.service_account
    made = replace(
        adopted_secrets(inputs.spec, adopted.authorities, account, today, os.urandom),
        spec_file=recorded_spec(inputs.file, named),
    )
    if not create(path, made, key):
        hint = "name another file with --secrets; khgen never replaces a secrets file"
        report.run.fail(Exit.FILES, "exists already and is left alone", hint=hint, file=str(path))
    wrote(path)
    report.show()
    return [
        f"created {path} (0600) around the CAs of {directory}",
        founders_line(made, spec),
    ]
