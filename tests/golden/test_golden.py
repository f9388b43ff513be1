"""Whole renders of the examples from fixed secrets, against trees that were read by people.

For each example, the files of the first node of each kind stand here to be read; `digests.txt` has
every file of every node. `--record` writes them anew, and fails, so that the diff gets looked at.
The keys in these trees are test fixtures: they are derived from a seed that is in the tests.
"""

import hashlib
import shutil
from pathlib import Path

import pytest

from khgen.changes.file_rules import cloud_config
from khgen.render import ClusterRender, RenderedNode
from support.rendering import EXAMPLES, example_render

HERE = Path(__file__).parent
OWNER = "root:root"
"""Of every file: cloud-init's own default, and user-data names no other."""


def expected_files(rendered: RenderedNode) -> dict[str, bytes]:
    """Everything that is written for one node, by path below the node's folder."""
    files = {f"rootfs{file.path}": file.content.encode() for file in rendered.files}
    files["meta-data"] = rendered.meta_data.encode()
    files["cloud-config"] = cloud_config(rendered.user_data.text)
    if rendered.network_config is not None:
        files["network-config"] = rendered.network_config.encode()
    return files


def modes(rendered: RenderedNode) -> dict[str, str]:
    return {f"rootfs{f.path}": f"{f.mode:04o} {OWNER}" for f in rendered.files}


def digests(render: ClusterRender) -> str:
    """A line for each file of each node: digest, mode and owner, path."""
    lines = []
    for node in render.plan.nodes:
        rendered = render.node(node)
        attributes = modes(rendered)
        for path, content in sorted(expected_files(rendered).items()):
            digest = hashlib.sha256(content).hexdigest()
            lines.append(f"{digest} {attributes.get(path, '-'):14} {node.name}/{path}\n")
    return "".join(lines)


def shown(render: ClusterRender) -> dict[str, bytes]:
    """The files that stand in the golden tree: those of the first node of each kind."""
    first = {node.kind: node for node in reversed(render.plan.nodes)}
    files = {"digests.txt": digests(render).encode()}
    for node in first.values():
        for path, content in expected_files(render.node(node)).items():
            files[f"{node.name}/{path}"] = content
    return files


def record(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_renders_as_it_did(example: str, pytestconfig: pytest.Config) -> None:
    folder = HERE / example
    files = shown(example_render(example))
    if pytestconfig.getoption("--record"):
        record(folder, files)
        pytest.fail(f"recorded {folder.name}: read the diff, then run without --record")
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert sorted(found) == sorted(files)
    for name, content in files.items():
        assert found[name].decode() == content.decode(), name


def test_every_example_has_a_golden_tree_and_no_tree_is_left_over() -> None:
    assert sorted(p.name for p in HERE.iterdir() if (p / "digests.txt").exists()) == EXAMPLES
