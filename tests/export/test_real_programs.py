"""Exports given to the platforms' own programs."""

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest

from khgen.cli.rendered_commands import write_export
from support.programs import SYSTEM_PATH, require_program, run
from support.recorded import Recorder
from support.rendered_out import ADDRESSED_SPEC, MAC, write_out

pytestmark = pytest.mark.tools

MAIN = """\
resource "terraform_data" "node" {
  for_each = var.khgen_nodes
  input = {
    address        = each.value.address
    user_data      = var.khgen_seeds[each.key].user_data_base64
    network_config = var.khgen_seeds[each.key].network_config
  }
}
"""
TEST_HOST = """\
<node><pool type="dir"><name>default</name><target><path>/pool</path></target>
<volume type="file"><name>w1-seed.iso</name><capacity>100000</capacity>
<target><path>/pool/w1-seed.iso</path><format type="raw"/></target></volume></pool></node>
"""
LAUNCHED = b"""<RunInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">\
<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></RunInstancesResponse>"""


def terraform() -> str:
    """OpenTofu or Terraform; no registry of Debian or Python has one, so CI may lack it, too."""
    found = [path for name in ("tofu", "terraform") if (path := shutil.which(name))]
    if not found:
        pytest.skip("neither tofu nor terraform is installed")
    return found[0]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return write_out(tmp_path, ADDRESSED_SPEC)


def test_terraform_takes_the_variables_in_for_each(out: Path, tmp_path: Path) -> None:
    program = terraform()
    folder = tmp_path / "infra"
    write_export("terraform", out, folder)
    (folder / "main.tf").write_text(MAIN)
    for command in (["init"], ["validate"], ["apply", "-auto-approve"]):
        done = run([program, f"-chdir={folder}", *command, "-no-color"], seconds=300)
        assert done.returncode == 0, done.stderr
        assert "PRIVATE KEY" not in done.stdout
    state = json.loads((folder / "terraform.tfstate").read_text())
    (resource,) = state["resources"]
    made = {i["index_key"]: i["attributes"]["input"]["value"] for i in resource["instances"]}
    values = json.loads((folder / "khgen.auto.tfvars.json").read_text())
    assert {name: node["address"] for name, node in made.items()} == {
        name: node["address"] for name, node in values["khgen_nodes"].items()
    }
    for name, node in made.items():
        assert node["user_data"] == values["khgen_seeds"][name]["user_data_base64"]


def test_virt_install_takes_its_line(out: Path, tmp_path: Path) -> None:
    program = require_program("virt-install")
    folder = tmp_path / "libvirt"
    write_export("libvirt", out, folder)
    host = tmp_path / "host.xml"
    host.write_text(TEST_HOST)
    recorder = Recorder(tmp_path, ("virsh",), {"virsh dominfo w1": ("", 1)})
    dry = recorder.folder / "virt-install"
    dry.write_text(
        f'#!/bin/sh\nexec {program} --connect test://{host} --dry-run --print-xml "$@"\n'
    )
    dry.chmod(0o755)
    done = recorder.run(folder / "create.sh", "w1", IMAGE=str(host))
    assert done.returncode == 0, done.stderr
    domain = ElementTree.fromstring(done.stdout)  # noqa: S314 - virt-install's own
    assert domain.findtext("name") == "w1"
    disks = [(d.get("device"), d.find("target").get("bus")) for d in domain.iter("disk")]  # type: ignore[union-attr]
    assert disks[1] == ("disk", "virtio"), "Debian's cloud kernel sees no other"
    sources = [source.get("file") for source in domain.iterfind(".//disk/source")]
    assert sources == ["/pool/w1.qcow2", "/pool/w1-seed.iso"]
    assert [mac.get("address") for mac in domain.iter("mac")] == [MAC]


@contextmanager
def ec2() -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """A server on loopback that takes launches and keeps them."""
    requests: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(parse_qs(body.decode()))
            self.send_response(200)
            self.send_header("Content-Length", str(len(LAUNCHED)))
            self.end_headers()
            self.wfile.write(LAUNCHED)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()
        thread.join()


def test_the_aws_command_line_sends_the_bytes_as_they_are(out: Path, tmp_path: Path) -> None:
    program = require_program("aws")
    folder = tmp_path / "aws"
    write_export("aws", out, folder)
    with ec2() as (url, requests):
        # Debian 12's AWS CLI (2.9) does not read AWS_ENDPOINT_URL.
        here = tmp_path / "bin" / "aws"
        here.parent.mkdir()
        here.write_text(f'#!/bin/sh\nexec {program} --endpoint-url {url} "$@"\n')
        here.chmod(0o755)
        done = subprocess.run(
            [folder / "create.sh", "w1"],
            env={
                "PATH": f"{here.parent}:{SYSTEM_PATH}",
                "HOME": str(tmp_path),
                "AWS_ACCESS_KEY_ID": "none",
                "AWS_SECRET_ACCESS_KEY": "none",
                "AWS_DEFAULT_REGION": "eu-central-1",
                "IMAGE": "ami-1",
                "SUBNET": "subnet-1",
                "SECURITY_GROUP": "sg-1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert (done.returncode, done.stdout) == (0, "i-1\n"), done.stderr
    (request,) = requests
    sent = base64.b64decode(request["UserData"][0])
    assert sent == (folder / "user-data/w1.gz").read_bytes()
    assert request["PrivateIpAddress"] == ["10.9.0.21"]
    assert request["MetadataOptions.HttpTokens"] == ["required"]
