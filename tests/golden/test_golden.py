"""Whole renders of the examples from fixed secrets, against trees that were read by people.

For each example, the files that khgen computes stand here to be read, of the first node of each kind;
`listing.txt` has every file of every node. A verbatim copy of a template is only listed, with the
template's name, so a change of the template changes nothing here. `--record` writes all anew, and
fails, so that the diff gets looked at.
The keys in these trees are test fixtures: they are derived from a seed that is in the tests.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from khgen.changes.file_rules import cloud_config
from khgen.files.golden_image import image_digest, image_files
from khgen.plan.cluster_plan import NodePlan, Plan
from khgen.render import ClusterRender, RenderedNode
from khgen.resources import resource_folder, verbatim
from support.rendering import EXAMPLES, example_render

HERE = Path(__file__).parent
LISTING = "listing.txt"
OWNER = "root:root"
"""Of every file: cloud-init's own default, and user-data names no other."""
TEMPLATES = resource_folder("templates") / "cloud-init"
NAMES = sorted(
    str(path.relative_to(TEMPLATES))
    for path in TEMPLATES.rglob("*")
    if path.is_file() and path.suffix != ".j2"
)
COPIES = {verbatim(name): f"<templates/cloud-init/{name}>\n" for name in NAMES}
"""What stands here in place of a template's text."""


def condensed(text: str) -> str:
    """The text, with its copies of templates replaced by their names."""
    for copy, name in COPIES.items():
        text = text.replace(copy, name)
    return text


def expected_files(render: ClusterRender, node: NodePlan) -> dict[str, str]:
    """Everything that is written for one node, condensed, by path below the node's folder."""
    rendered = render.node(node)
    files = {f"rootfs{file.path}": condensed(file.content) for file in rendered.files}
    files["meta-data"] = rendered.meta_data
    files["cloud-config"] = cloud_config(rendered.user_data.text).decode()
    if rendered.network_config is not None:
        files["network-config"] = rendered.network_config
    for digest, name in digests_of_templates(render.plan, rendered).items():
        files = {path: text.replace(digest, name) for path, text in files.items()}
    return files


def digests_of_templates(plan: Plan, rendered: RenderedNode) -> dict[str, str]:
    """Texts that change with any template, and what stands here in their place."""
    digests = {rendered.instance_id: f"{rendered.node.name}-<digest of the user-data>"}
    if plan.spec.image is not None:
        image = image_digest(image_files(plan))
        digests |= dict.fromkeys((image, image[:12]), "<digest of the image>")
    return digests


def is_copy(text: str) -> bool:
    """Whether a condensed file is nothing but a template's text."""
    return text in COPIES.values()


def modes(rendered: RenderedNode) -> dict[str, str]:
    return {f"rootfs{f.path}": f"{f.mode:04o} {OWNER}" for f in rendered.files}


def listing(render: ClusterRender) -> str:
    """A line for each file of each node: digest or template, mode and owner, path."""
    lines = []
    for node in render.plan.nodes:
        attributes = modes(render.node(node))
        for path, text in sorted(expected_files(render, node).items()):
            content = text.strip() if is_copy(text) else hashlib.sha256(text.encode()).hexdigest()
            lines.append(f"{content:64} {attributes.get(path, '-'):14} {node.name}/{path}\n")
    return "".join(lines)


def shown(render: ClusterRender) -> dict[str, str]:
    """The files that stand in the golden tree: those of the first node of each kind."""
    first = {node.kind: node for node in reversed(render.plan.nodes)}
    files = {LISTING: listing(render)}
    for node in first.values():
        for path, text in expected_files(render, node).items():
            if not is_copy(text):
                files[f"{node.name}/{path}"] = text
    return files


def record(folder: Path, files: dict[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_renders_as_it_did(example: str, pytestconfig: pytest.Config) -> None:
    folder = HERE / example
    files = shown(example_render(example))
    if pytestconfig.getoption("--record"):
        record(folder, files)
        pytest.fail(f"recorded {folder.name}: read the diff, then run without --record")
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert sorted(found) == sorted(files)
    for name, text in files.items():
        assert found[name].decode() == text, name


def test_every_example_has_a_golden_tree_and_no_tree_is_left_over() -> None:
    assert sorted(p.name for p in HERE.iterdir() if (p / LISTING).exists()) == EXAMPLES


def test_no_template_hides_another_in_the_listing() -> None:
    assert len(COPIES) == len(NAMES)
    inside = [(a, b) for a in COPIES for b in COPIES if a != b and a in b]
    assert inside == []


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_lacks_only_the_comments_of_its_template(name: str) -> None:
    """The trees show no copy's text, so what a copy has is asserted here."""
    lines = (TEMPLATES / name).read_text(encoding="utf-8").splitlines()
    comments = [
        line
        for line in lines
        if line.strip() == "#" or (line.strip().startswith("# ") and "shellcheck" not in line)
    ]
    kept = [line for line in lines if line not in comments]
    assert verbatim(name) == "".join(f"{line}\n" for line in kept)
