"""khgen seed --update: seeds that bring an update to a machine that runs."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.command import khgen
from support.rendered_out import ADDRESSED_SPEC, tree, with_datasource, write_out

FILES = ("bundle.json", "bundle.sig", "kind.tar.xz", "node.tar.xz")


def seed(folder: Path, *arguments: str) -> str:
    done = khgen("seed", "out", "--update", *arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def brought(folder: Path, node: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The user-data of a node's update seed, and the files that it writes."""
    text = (folder / "update-seeds" / node / "user-data").read_text()
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    entries = config.pop("write_files")
    assert {(e["permissions"], e["encoding"]) for e in entries} == {("0600", "b64")}
    return config, {entry["path"]: b64decode(entry["content"]) for entry in entries}


@pytest.mark.parametrize("datasource", ["nocloud", "ec2", "hetzner"])
def test_a_seed_brings_the_update_and_nothing_else(tmp_path: Path, datasource: str) -> None:
    out = write_out(tmp_path, with_datasource(ADDRESSED_SPEC, datasource))
    said = seed(tmp_path, "--format", "dir")
    assert said.startswith("wrote 4 update seeds of small into update-seeds/: they hold private")
    for node in ("cp1", "w1"):
        config, files = brought(tmp_path, node)
        update = out / "nodes" / node / "update"
        assert files == {f"/run/khgen/update/{f}": (update / f).read_bytes() for f in FILES}
        assert config == {
            "manage_etc_hosts": False,
            "hostname": node,
            "runcmd": ["khgen-update apply /run/khgen/update && rm -r /run/khgen/update"],
        }


def test_cloud_init_runs_it_once_for_each_generation(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    seed(tmp_path, "--format", "dir")
    meta = yaml.safe_load((tmp_path / "update-seeds/w1/meta-data").read_text())
    generation = json.loads((out / "nodes/w1/update/bundle.json").read_text())["generation"]
    assert meta == {"instance-id": f"w1-update-{generation}", "local-hostname": "w1"}
    first = yaml.safe_load((out / "nodes/w1/meta-data").read_text())
    assert first["instance-id"] != meta["instance-id"]


def test_the_network_stays_as_it_is(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    seed(tmp_path, "--format", "dir")
    given = (out / "nodes/w1/network-config").read_bytes()
    assert (tmp_path / "update-seeds/w1/network-config").read_bytes() == given
    assert not (tmp_path / "update-seeds/cp1/network-config").exists()


def test_first_seeds_and_update_seeds_are_not_mixed(tmp_path: Path) -> None:
    write_out(tmp_path, ADDRESSED_SPEC)
    assert khgen("seed", "out", cwd=tmp_path).returncode == 0
    before = tree(tmp_path / "seeds")
    done = khgen("seed", "out", "--update", "-o", "seeds", cwd=tmp_path)
    assert done.returncode == 3
    assert tree(tmp_path / "seeds") == before
    seed(tmp_path)
    images = {path.name for path in (tmp_path / "update-seeds").glob("*.iso")}
    assert images == {"cp1.iso", "cp2.iso", "cp3.iso", "w1.iso"}


def test_the_same_update_gives_the_same_bytes(tmp_path: Path) -> None:
    write_out(tmp_path, ADDRESSED_SPEC)
    seed(tmp_path)
    seed(tmp_path, "-o", "again")
    assert tree(tmp_path / "again") == tree(tmp_path / "update-seeds")


def test_a_damaged_update_makes_no_seed(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    (out / "nodes/w1/update/node.tar.xz").write_bytes(b"x")
    done = khgen("seed", "out", "--update", cwd=tmp_path)
    assert done.returncode == 1
    assert "out/nodes/w1/update/node.tar.xz" in done.stderr
    assert not (tmp_path / "update-seeds").exists()
