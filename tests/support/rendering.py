"""Renders of the examples, from secrets that are fixed for the tests."""

from functools import cache
from pathlib import Path

from khgen.disk.spec_file import read_manifests
from khgen.plan.cluster_plan import Plan, build_plan
from khgen.render import ClusterRender
from khgen.spec.load import load_spec
from khgen.spec.model import ClusterSpec
from support.fixed import fixed_secrets

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES_FOLDER = ROOT / "examples"
EXAMPLES = sorted(path.parent.name for path in EXAMPLES_FOLDER.glob("*/cluster.yaml"))


@cache
def example_spec(name: str) -> ClusterSpec:
    """The spec of an example, which must have no errors."""
    path = EXAMPLES_FOLDER / name / "cluster.yaml"
    return spec_of(path.read_text(encoding="utf-8"))


def spec_of(text: str) -> ClusterSpec:
    """The spec in a text that must have no errors."""
    loaded = load_spec(text, "cluster.yaml")
    assert not loaded.problems.errors, loaded.problems
    assert loaded.spec is not None
    return loaded.spec


def plan_of(spec: ClusterSpec) -> Plan:
    """The plan of a cluster that is rendered for the first time."""
    return build_plan(spec, fixed_secrets(spec).founders)


def render_of(spec: ClusterSpec, folder: Path = EXAMPLES_FOLDER) -> ClusterRender:
    """The render of a cluster that is rendered for the first time, from a spec in that folder."""
    manifests, missing = read_manifests(spec, folder)
    assert not missing
    return ClusterRender(plan_of(spec), fixed_secrets(spec), manifests)


@cache
def example_render(name: str) -> ClusterRender:
    """The render of an example."""
    return render_of(example_spec(name), EXAMPLES_FOLDER / name)
