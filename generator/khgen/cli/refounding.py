"""What `khgen secrets refound` does, and what it asks first."""

from pathlib import Path

from khgen.cli.confirming import Question, confirm
from khgen.cli.inputs import changed_file, owner_problems, read_inputs, read_secrets
from khgen.cli.outcome import Report, wrote
from khgen.disk.secrets_file import refound
from khgen.pki.continuity import founding_findings
from khgen.pki.secrets import founding_nodes

QUESTION = Question(
    danger="refound starts the cluster over: its nodes would found a second one beside machines"
    " that have booted",
    condition="If no machine of it has booted",
    flag="--no-machine-has-booted",
)


def refound_cluster(spec: Path, named: str | None, *, confirmed: bool) -> str:
    """Record founders and identity anew once the user has confirmed it; returns what comes next."""
    report = Report()
    inputs = read_inputs(spec, report)
    report.add(inputs.problems(founding_findings(inputs.spec)), {})
    source = read_secrets(inputs, named, report, must_exist=True)
    path = changed_file(source, "refound")
    report.add(owner_problems(inputs, source), {})
    report.stop_if_fatal()
    if not confirmed:
        confirm(QUESTION, inputs.spec.metadata.name)
    founders = ", ".join(founding_nodes(refound(path, inputs.spec, source.key)))
    wrote(path)
    return f"{path}: the founders are {founders}; next: khgen render {spec}"
