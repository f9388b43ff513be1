"""What khgen accepts, real kubeadm accepts too: specs with plausible values, right and wrong."""

import os
import random
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from khgen.files.kubeadm import KUBELET_CONF, kubeadm_config_files
from khgen.plan.cluster_plan import Plan, build_plan
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import NodeSpec
from khgen.yaml_text import dump_yaml
from support.kubernetes import kube_bin, kubeadm_version
from support.plausible import ALL_FIELDS, FIELDS, NODE_FIELDS, UNTOUCHED, fields_of, plausible
from support.programs import run

SEED = 20261125
ACCEPTED = int(os.environ.get("KHGEN_ACCEPTED_SPECS", "300"))
"""How many accepted specs kubeadm is shown; 300 take about a minute."""
JOINER = "cp3"
TOKEN = "abcdef.0123456789abcdef"  # noqa: S105 - shown to kubeadm alone
COMPLAINTS = ("unknown field", "strict decoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A configuration that kubeadm refused, and the spec that it came from."""

    document: dict[str, Any]
    node: str
    said: str


@pytest.mark.kubernetes
def test_kubeadm_takes_every_accepted_spec(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    version = str(kubeadm_version())
    accepted, refused = 0, []
    while accepted < ACCEPTED:
        document = plausible(chance, version.removeprefix("v"))
        spec = load_spec(dump_yaml(document), "cluster.yaml").spec
        if spec is None:
            continue
        accepted += 1
        refused += [Refused(document=document, node=n, said=s) for n, s in refusals(spec, tmp_path)]
    print(f"{accepted} accepted specs, {len(refused)} refused by kubeadm {version}")
    assert not refused, "\n".join(f"{r.node}: {r.said}\n{r.document}" for r in refused)


def refusals(spec: ClusterSpec, folder: Path) -> list[tuple[str, str]]:
    """What kubeadm says against the configuration of the first node of each kind."""
    plan = build_plan(spec, [node.name for node in spec.nodes if node.name != JOINER])
    first = {node.kind: node for node in reversed(plan.nodes) if node.joins_kubernetes}
    found = []
    for node in first.values():
        done = validated(plan, node.name, folder)
        if done.returncode or any(complaint in done.stderr for complaint in COMPLAINTS):
            found.append((node.name, done.stderr.strip()))
    return found


def validated(plan: Plan, name: str, folder: Path) -> CompletedProcess[str]:
    """kubeadm's own check of a node's configuration; the kubeconfig it looks for is there."""
    (file,) = kubeadm_config_files(plan, plan.by_name[name], TOKEN)
    config, kubeconfig = folder / "kubeadm.yaml", folder / "kubelet.conf"
    kubeconfig.touch()
    text = file.content.replace(KUBELET_CONF, str(kubeconfig))
    config.write_text(text, encoding="utf-8")
    return run([kube_bin() / "kubeadm", "config", "validate", "--config", config])


def test_every_field_of_the_schema_has_values() -> None:
    tried = {path for path in ALL_FIELDS if not any(p in FIELDS for p in prefixes(path))}
    assert tried == UNTOUCHED
    assert fields_of(NodeSpec) == set(NODE_FIELDS)


def prefixes(path: str) -> list[str]:
    """The path and all that it is below."""
    steps = path.split(".")
    return [".".join(steps[: count + 1]) for count in range(len(steps))]
