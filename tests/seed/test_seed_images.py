"""Seeds as others read them: isoinfo, blkid, and the NoCloud datasource of the real cloud-init."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from support.command import khgen
from support.programs import require_program, run, unavailable
from support.rendered_out import (
    ADDRESSED_SPEC,
    MAC,
    manifest_of,
    with_datasource,
    write_example_out,
    write_out,
)

pytestmark = pytest.mark.tools

ROCK_RIDGE, JOLIET = "-R", "-J"
CLOUD_INIT_PYTHON = Path("/usr/bin/python3")
READ_SEED = """\
import json, sys
from cloudinit import helpers, sources, util
from cloudinit.distros import debian
from cloudinit.sources.DataSourceNoCloud import DataSourceNoCloud
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
config = {"datasource": {"NoCloud": {"fs_label": None}}}
source = DataSourceNoCloud(config, debian.Distro("debian", config, paths), paths)
assert source._get_data()
source.metadata = util.mergemanydict([source.metadata])
(part,) = source.get_userdata().get_payload()
print(json.dumps({
    "type": part.get_content_type(),
    "text": part.get_payload(decode=True).decode(),
    "meta": source.metadata,
    "network": source.network_config,
}))
"""


def seeds_of(folder: Path, *options: str) -> Path:
    done = khgen("seed", "out", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "seeds"


def extracted(image: Path, name: str, names: str) -> bytes | None:
    """A file of the image by its Rock Ridge or Joliet name, read by isoinfo; None without it."""
    isoinfo = require_program("isoinfo")
    listed = run([isoinfo, "-i", image, names, "-f"]).stdout.split()
    if f"/{name}" not in listed:
        return None
    command = [isoinfo, "-i", str(image), names, "-x", f"/{name}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def read_by_cloud_init(files: dict[str, bytes], folder: Path) -> dict[str, object]:
    """What the NoCloud datasource of the real cloud-init makes of a seed folder."""
    require_program("cloud-init")
    if not CLOUD_INIT_PYTHON.exists():
        unavailable("cloud-init's Python is not /usr/bin/python3")
    seed = folder / "seed" / "nocloud"
    seed.mkdir(parents=True)
    for name, content in files.items():
        (seed / name).write_bytes(content)
    done = run([CLOUD_INIT_PYTHON, "-c", READ_SEED, folder])
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("names", [ROCK_RIDGE, JOLIET])
@pytest.mark.parametrize("example", ["rocky-stacked-ha", "external-etcd", "dual-stack"])
def test_image_holds_what_was_rendered(example: str, names: str, tmp_path: Path) -> None:
    out = write_example_out(tmp_path, example)
    seeds = seeds_of(tmp_path)
    nodes = list(manifest_of(out)["nodes"])
    assert sorted(path.name for path in seeds.iterdir()) == sorted(
        ["khgen-seeds.json", *(f"{node}.iso" for node in nodes)]
    )
    for node in nodes:
        folder = out / "nodes" / node
        for name in ("user-data", "meta-data", "network-config"):
            rendered = (folder / name).read_bytes() if (folder / name).exists() else None
            assert extracted(seeds / f"{node}.iso", name, names) == rendered


def test_image_is_labelled_and_dated_by_the_issue_date(tmp_path: Path) -> None:
    write_out(tmp_path, ADDRESSED_SPEC)
    image = seeds_of(tmp_path) / "w1.iso"
    values = run([require_program("blkid"), "-p", "-o", "export", image]).stdout.splitlines()
    assert {"LABEL=cidata", "TYPE=iso9660", "UUID=2026-01-01-00-00-00-00"} <= set(values)
    listed = run([require_program("isoinfo"), "-i", image, ROCK_RIDGE, "-l"]).stdout
    entries = [line for line in listed.splitlines() if line.startswith(("d", "-"))]
    assert len(entries) == 5
    assert all(" Jan  1 2026 " in line for line in entries)
    files = [line for line in entries if line.startswith("-")]
    assert all(line.startswith("-r--------   1    0    0 ") for line in files)


@pytest.mark.parametrize("seed_format", ["iso", "dir"])
@pytest.mark.parametrize("datasource", ["nocloud", "ec2", "hetzner"])
def test_cloud_init_reads_every_encoding(datasource: str, seed_format: str, tmp_path: Path) -> None:
    out = write_out(tmp_path, with_datasource(ADDRESSED_SPEC, datasource))
    seeds = seeds_of(tmp_path, "--format", seed_format)
    for node, entry in manifest_of(out)["nodes"].items():
        files = {
            name: extracted(seeds / f"{node}.iso", name, ROCK_RIDGE)
            if seed_format == "iso"
            else content_of(seeds / node / name)
            for name in ("user-data", "meta-data", "network-config")
        }
        given = {name: content for name, content in files.items() if content is not None}
        assert ("network-config" in given) == (node == "w1")
        read = read_by_cloud_init(given, tmp_path / f"cloud-{node}")
        text = str(read["text"])
        assert hashlib.sha256(text.encode()).hexdigest() == entry["userData"]["plainSha256"]
        assert read["type"] == "text/cloud-config"
        assert isinstance(read["meta"], dict)
        assert read["meta"]["instance-id"] == entry["instanceId"]
        assert read["meta"]["local-hostname"] == node
        assert (MAC in str(read["network"])) == (node == "w1")


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
