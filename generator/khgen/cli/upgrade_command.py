"""`khgen upgrade plan`: the way from the running version to the wanted one, minor by minor."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click

from khgen.cli.inputs import Inputs, read_inputs
from khgen.cli.outcome import Exit, Report
from khgen.cli.secrets_source import read_secrets
from khgen.facts.version import KubernetesVersion
from khgen.plan.upgrade import Hop, NoWayError, is_blocked, way_to
from khgen.problems import one_line

ROLE = "node-role.kubernetes.io/control-plane"
RELEASED = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+")
WIDTH = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeRequest:
    """What the command line asks for."""

    spec: Path
    output: Path
    wanted: str | None
    named: str | None
    kubeconfig: Path | None


def print_upgrade_plan(request: UpgradeRequest) -> None:
    """Print the way; exit code 1 if the spec or a node blocks it."""
    report = Report()
    inputs = read_inputs(request.spec, report)
    wanted = _wanted(request.wanted or inputs.spec.kubernetes.version)
    kubelets: Mapping[str, KubernetesVersion] = {}
    if request.kubeconfig is None:
        running = _recorded(inputs, request, report)
    else:
        running, kubelets = running_versions(_nodes(request.kubeconfig, report), report)
    try:
        hops = way_to(inputs.spec, running, wanted, kubelets)
    except NoWayError as error:
        report.run.fail(Exit.PROBLEMS, str(error), file=str(request.spec))
    report.add(inputs.problems(f for hop in hops for f in hop.findings), {})
    code = Exit.PROBLEMS if is_blocked(hops) else Exit.DONE
    if report.run.as_json:
        report.print_json(way_json(running, wanted, hops, inputs), code)
    else:
        click.echo("\n".join(way_lines(running, wanted, hops, inputs, request)))
        report.show()
    sys.exit(code)


def _wanted(text: str) -> KubernetesVersion:
    try:
        return KubernetesVersion.parse(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _recorded(inputs: Inputs, request: UpgradeRequest, report: Report) -> KubernetesVersion:
    """The version of the last render, as the secrets file records it."""
    source = read_secrets(inputs, request.named, report, must_exist=True)
    if source.secrets.kubernetes is None:
        hint = "render the running version once, or ask the cluster with --kubeconfig"
        message = "the secrets file records no version of Kubernetes"
        report.run.fail(Exit.PROBLEMS, message, hint=hint, file=str(source.path))
    return source.secrets.kubernetes


def _nodes(kubeconfig: Path, report: Report) -> object:
    """What `kubectl get nodes` prints, read; ends the command if kubectl fails."""
    program = shutil.which("kubectl")
    if program is None:
        hint = "install it, or leave --kubeconfig out: the secrets file records the version"
        report.run.fail(Exit.PROGRAM, "there is no kubectl on the PATH", hint=hint)
    arguments = ("get", "nodes", "-o", "json", "--request-timeout=30s")
    done = subprocess.run(  # noqa: S603 - a program that the user put on the PATH
        [program, "--kubeconfig", str(kubeconfig), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = one_line(done.stderr.strip())
        report.run.fail(Exit.PROGRAM, f"kubectl cannot list the nodes: {said}")
    try:
        read: object = json.loads(done.stdout)
    except ValueError:
        report.run.fail(Exit.PROGRAM, "kubectl cannot list the nodes: it prints no JSON")
    return read


def running_versions(
    document: object, report: Report
) -> tuple[KubernetesVersion, Mapping[str, KubernetesVersion]]:
    """The version of the oldest control plane, and every node's kubelet, from a list of nodes."""
    items = document.get("items", []) if isinstance(document, dict) else []
    kubelets: dict[str, KubernetesVersion] = {}
    control_planes: list[KubernetesVersion] = []
    for item in items:
        metadata = item["metadata"]
        text = RELEASED.match(item["status"]["nodeInfo"]["kubeletVersion"])
        if text is not None:
            kubelets[metadata["name"]] = KubernetesVersion.parse(text[0])
            if ROLE in metadata.get("labels", {}):
                control_planes.append(kubelets[metadata["name"]])
    if not control_planes:
        report.run.fail(Exit.PROGRAM, f"kubectl lists no node with the label {ROLE}")
    return min(control_planes), kubelets


def way_lines(
    running: KubernetesVersion,
    wanted: KubernetesVersion,
    hops: tuple[Hop, ...],
    inputs: Inputs,
    request: UpgradeRequest,
) -> Iterator[str]:
    """The report for people."""
    name = inputs.spec.metadata.name
    if not hops:
        yield f"{name} runs Kubernetes {running}: there is nothing to upgrade"
        return
    steps = "1 step" if len(hops) == 1 else f"{len(hops)} steps"
    yield f"{name}: Kubernetes {running} to {wanted}, in {steps}"
    for number, hop in enumerate(hops, 1):
        yield ""
        yield f"{number}. Kubernetes {hop.version}"
        for title, lines in _rows(hop, inputs, request):
            for place, line in enumerate(lines):
                yield f"   {(title if place == 0 else '').ljust(WIDTH)}  {line}"


def _rows(
    hop: Hop, inputs: Inputs, request: UpgradeRequest
) -> Iterator[tuple[str, tuple[str, ...]]]:
    spec, out = request.spec, request.output
    yield "cluster.yaml", _edits(hop, inputs)
    yield "images", hop.images
    if hop.repository is not None:
        yield "packages", (*hop.programs, f"from {hop.repository}")
    elif hop.programs:
        yield "binaries", (*hop.programs, "set url and sha256 of each in install.artifacts")
    else:
        yield "image", (f"khgen image build {spec}, or your own, and a new machine for each node",)
    too_old = f"; too old: {', '.join(hop.too_old)}" if hop.too_old else ""
    yield "kubelets", (f"{hop.oldest_kubelet} or newer{too_old}",)
    new = ", migrated by khgen" if hop.migrates else ""
    yield "kubeadm", (f"reads {hop.config_api}{new}",)
    if hop.notes:
        lines = ((note.text, f"  ({note.source})") for note in hop.notes)
        yield "notes", tuple(chain.from_iterable(lines))
    commands = (f"khgen render {spec} -o {out}", f"kubectl apply -f {out}/update.yaml")
    yield "run", (*commands, f"khgen status -o {out} --watch")


def _edits(hop: Hop, inputs: Inputs) -> tuple[str, ...]:
    """What to change in cluster.yaml."""
    problems = [inputs.loaded.problem(finding) for finding in hop.findings]
    return (
        f"kubernetes.version: {hop.version}",
        *(f"line {p.place.line}: {p.message}; {p.hint}" for p in problems),
    )


def way_json(
    running: KubernetesVersion,
    wanted: KubernetesVersion,
    hops: tuple[Hop, ...],
    inputs: Inputs,
) -> dict[str, object]:
    """The report for programs."""
    return {
        "cluster": inputs.spec.metadata.name,
        "running": str(running),
        "wanted": str(wanted),
        "hops": [_hop_json(hop) for hop in hops],
    }


def _hop_json(hop: Hop) -> dict[str, object]:
    return {
        "version": str(hop.version),
        "images": list(hop.images),
        "programs": list(hop.programs),
        "repository": hop.repository,
        "oldestKubelet": hop.oldest_kubelet,
        "tooOld": list(hop.too_old),
        "configurationApi": hop.config_api,
        "migratesConfiguration": hop.migrates,
        "notes": [{"text": note.text, "source": note.source} for note in hop.notes],
        "changes": len(hop.findings),
    }
