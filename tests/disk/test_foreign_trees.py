"""Property: whatever foreign things are put into an output folder, none of them ever changes."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khgen.disk.export_folder import ExportFolder
from khgen.disk.owned_folder import OutputRefusedError
from khgen.disk.publish import publish
from support.command import SMALL_SPEC
from support.fixed import FIXED_NOW
from support.rendered_out import tree, write_out
from support.rendering import render_of, spec_of

NAMES = st.text("abcw1.-_ é", min_size=1, max_size=8).filter(lambda name: name not in {".", ".."})
PLACES = st.sampled_from(
    [
        "",
        "nodes",
        "nodes/w1",
        "nodes/w1/rootfs",
        "nodes/cp1/rootfs/etc",
        "nodes/cp2/rootfs/etc/khgen",
        "kinds/worker/rootfs/etc",
    ]
)
THINGS = st.lists(st.tuples(PLACES, NAMES, st.sampled_from(["file", "folder", "link"])), min_size=1)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_out(tmp_path_factory.mktemp("rendered"), SMALL_SPEC, rootfs=True)


def put(path: Path, what: str) -> bool:
    """Put a thing there, unless there is one already."""
    if path.exists() or path.is_symlink():
        return False
    match what:
        case "file":
            path.write_text("three years")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to("/etc/hostname")
    return True


@settings(max_examples=25, deadline=None)
@given(things=THINGS)
def test_foreign_things_never_change(rendered: Path, things: list[tuple[str, str, str]]) -> None:
    render = render_of(spec_of(SMALL_SPEC))
    with TemporaryDirectory() as name:
        out = Path(name) / "out"
        shutil.copytree(rendered, out)
        changes = [put(out / place / name, what) for place, name, what in things]
        before = sorted(out.rglob("*")), tree(out)
        assert any(changes) or before[1] == tree(rendered)
        if not any(changes):
            return
        folder = ExportFolder(path=out, name="seeds", cluster="small")
        with pytest.raises(OutputRefusedError):
            publish(render, out, render.plan.nodes, lambda _: None, now=FIXED_NOW)
        with pytest.raises(OutputRefusedError):
            publish(render, out, render.plan.nodes[-1:], lambda _: None, now=FIXED_NOW)
        with pytest.raises(OutputRefusedError):
            folder.publish(())
        assert (sorted(out.rglob("*")), tree(out)) == before
