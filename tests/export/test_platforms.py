"""What each platform is given: the files' contents, and the calls that its script makes."""

import base64
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from khgen.cli.rendered_commands import write_export
from support.command import khgen
from support.programs import assert_accepts, require_program
from support.recorded import Recorder
from support.rendered_out import (
    ADDRESSED_SPEC,
    MAC,
    TOO_LARGE,
    manifest_of,
    with_datasource,
    write_example_out,
    write_out,
)

EXAMPLES = ("rocky-stacked-ha", "external-etcd", "dual-stack")
SCRIPTS = ("libvirt", "proxmox", "incus", "aws")
SETTINGS = {
    "libvirt": {"IMAGE": "/images/node.qcow2", "RESERVE": "lan"},
    "proxmox": {"TEMPLATE": "9000", "PREFIX": "24", "GATEWAY": "10.9.0.1"},
    "incus": {"IMAGE": "images:debian/12/cloud", "NIC": "eth0"},
    "aws": {"IMAGE": "ami-1", "SUBNET": "subnet-1", "SECURITY_GROUP": "sg-1"},
}
KINDS = ("user", "meta", "network")
CONFIG_DISK = "source=cloud-init:config"
PROGRAMS = ("virsh", "virt-install", "qm", "pvesh", "incus", "aws")
NONE_YET = {
    f"{call} {name}": ("", 1)
    for call in ("virsh dominfo", "incus info", "incus profile show")
    for name in ("cp1", "w1", "small-cp1", "small-w1")
} | {"pvesh get /cluster/nextid": ("105\n", 0)}


@pytest.fixture(params=["nocloud", "ec2", "hetzner"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One cluster, whatever its datasource makes of its user-data."""
    return write_out(tmp_path, with_datasource(ADDRESSED_SPEC, request.param))


def exported(platform: str, out: Path) -> Path:
    """The folder that khgen export writes for that platform, made in this process."""
    folder = out.parent / platform
    write_export(platform, out, folder)
    return folder


def plain(out: Path, node: str) -> str:
    """Digest of the node's #cloud-config."""
    digest: str = manifest_of(out)["nodes"][node]["userData"]["plainSha256"]
    return digest


def sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@pytest.mark.tools
@pytest.mark.parametrize(
    ("example", "platform"),
    [(e, platform) for e in EXAMPLES for platform in SCRIPTS if (e, platform) not in TOO_LARGE],
)
def test_scripts_are_clean(example: str, platform: str, tmp_path: Path) -> None:
    script = exported(platform, write_example_out(tmp_path, example)) / "create.sh"
    assert_accepts(["bash", "-n", script])
    assert_accepts([require_program("shellcheck"), script])


@pytest.mark.parametrize("platform", SCRIPTS)
def test_scripts_refuse_a_name_that_they_do_not_know(platform: str, tmp_path: Path) -> None:
    script = exported(platform, write_out(tmp_path, ADDRESSED_SPEC)) / "create.sh"
    recorder = Recorder(tmp_path, PROGRAMS, NONE_YET)
    done = recorder.run(script, "w1", "w2", **SETTINGS[platform])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "no machine 'w2'; there are: cp1 cp2 cp3 w1\n"
    done = recorder.run(script)
    assert done.returncode != 0
    assert "set it to" in done.stderr
    assert recorder.calls == []


def calls(platform: str, out: Path, *names: str, **settings: str) -> list[list[str]]:
    """What its script runs, for these machines."""
    recorder = Recorder(out.parent, PROGRAMS, NONE_YET)
    script = exported(platform, out) / "create.sh"
    done = recorder.run(script, *names, **{**SETTINGS[platform], **settings})
    assert (done.returncode, done.stderr) == (0, "")
    return recorder.calls


def test_libvirt_attaches_seeds_and_reserves_addresses(tmp_path: Path) -> None:
    made = calls("libvirt", write_out(tmp_path, ADDRESSED_SPEC), "cp1", "w1")
    size = str((tmp_path / "libvirt/seeds/w1.iso").stat().st_size)
    assert made[-4:] == [
        ["virsh", "dominfo", "w1"],
        ["virsh", "vol-create-as", "default", "w1-seed.iso", size, "--format", "raw"],
        ["virsh", "vol-upload", "w1-seed.iso", "seeds/w1.iso", "--pool", "default"],
        [
            *("virt-install", "--name", "w1", "--memory", "4096", "--vcpus", "2"),
            *("--osinfo", "detect=on,require=off", "--import", "--noautoconsole"),
            *("--graphics", "none", "--network", f"network=default,mac={MAC}"),
            "--disk",
            "pool=default,size=40,backing_store=/images/node.qcow2,backing_format=qcow2",
            *("--disk", "vol=default/w1-seed.iso,format=raw,bus=virtio,readonly=on"),
        ],
    ]
    reserved = made[1]
    mac = reserved[5].partition("mac='")[2].partition("'")[0]
    assert reserved == [
        *("virsh", "net-update", "lan", "add", "ip-dhcp-host"),
        *(f"<host mac='{mac}' name='cp1' ip='10.9.0.11'/>", "--live", "--config"),
    ]
    assert f"network=default,mac={mac}" in made[4]
    assert mac.startswith("02:")


def test_libvirt_seeds_are_those_of_khgen_seed(out: Path) -> None:
    folder = exported("libvirt", out) / "seeds"
    assert khgen("seed", "out", cwd=out.parent).returncode == 0
    for image in (out.parent / "seeds").glob("*.iso"):
        assert (folder / image.name).read_bytes() == image.read_bytes()


def test_proxmox_snippets_hold_what_was_rendered(out: Path) -> None:
    snippets = exported("proxmox", out) / "snippets"
    assert sha256((snippets / "small-w1-user.yaml").read_bytes()) == plain(out, "w1")
    for kind, name in (("meta", "meta-data"), ("network", "network-config")):
        rendered = (out / "nodes/w1" / name).read_bytes()
        assert (snippets / f"small-w1-{kind}.yaml").read_bytes() == rendered
    assert not (snippets / "small-cp1-network.yaml").exists()


def test_proxmox_clones_and_sets_its_snippets(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    there = tmp_path / "snippets"
    there.mkdir()
    made = calls("proxmox", out, "cp1", "w1", SNIPPETS=str(there))
    assert [call for call in made if call[0] == "qm" and call[1] == "set"][-1] == [
        *("qm", "set", "105", "--memory", "4096", "--cores", "2"),
        *("--net0", f"virtio={MAC},bridge=vmbr0", "--citype", "nocloud", "--cicustom"),
        ",".join(f"{kind}=local:snippets/small-w1-{kind}.yaml" for kind in KINDS),
    ]
    assert ["qm", "clone", "9000", "105", "--name", "w1"] in made
    assert ["qm", "set", "105", "--ide2", "local-lvm:cloudinit"] in made
    assert made[-1] == ["qm", "start", "105"]
    given = [call for call in made if "--ipconfig0" in call]
    assert given == [["qm", "set", "105", "--ipconfig0", "ip=10.9.0.11/24,gw=10.9.0.1"]]
    assert {path.name for path in there.iterdir()} == {
        *("small-cp1-user.yaml", "small-cp1-meta.yaml"),
        *("small-w1-user.yaml", "small-w1-meta.yaml", "small-w1-network.yaml"),
    }
    assert {path.stat().st_mode & 0o777 for path in there.iterdir()} == {0o600}


def test_incus_profiles_hold_what_was_rendered(out: Path) -> None:
    profiles = exported("incus", out) / "profiles"
    profile: dict[str, Any] = yaml.safe_load((profiles / "w1.yaml").read_text())
    assert set(profile) == {"description", "config"}
    assert sha256(profile["config"]["cloud-init.user-data"]) == plain(out, "w1")
    network_config = (out / "nodes/w1/network-config").read_text()
    assert profile["config"]["cloud-init.network-config"] == network_config
    without = yaml.safe_load((profiles / "cp1.yaml").read_text())
    assert set(without["config"]) == {"cloud-init.user-data"}


def test_incus_makes_virtual_machines_with_their_profiles(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    made = calls("incus", out, "cp1")
    profile = (tmp_path / "incus/profiles/cp1.yaml").read_text()
    assert made == [
        ["incus", "info", "cp1"],
        ["incus", "profile", "show", "small-cp1"],
        ["incus", "profile", "create", "small-cp1"],
        ["incus", "profile", "edit", "small-cp1"],
        ["<", profile],
        [
            *("incus", "init", "images:debian/12/cloud", "cp1", "--vm", "--profile", "default"),
            *("--profile", "small-cp1", "--config", "limits.cpu=2"),
            *("--config", "limits.memory=4GiB", "--device", "root,size=40GiB"),
        ],
        ["incus", "config", "device", "add", "cp1", "cloud-init", "disk", CONFIG_DISK],
        ["incus", "config", "device", "override", "cp1", "eth0", "ipv4.address=10.9.0.11"],
        ["incus", "start", "cp1"],
    ]


@pytest.mark.parametrize("platform", ["libvirt", "incus", "proxmox"])
def test_machines_that_are_there_stay_as_they_are(platform: str, tmp_path: Path) -> None:
    script = exported(platform, write_out(tmp_path, ADDRESSED_SPEC)) / "create.sh"
    there = {"qm list": ("VMID NAME STATUS\n 101 w1 running\n", 0)}
    recorder = Recorder(tmp_path, PROGRAMS, there)
    done = recorder.run(script, "w1", **SETTINGS[platform])
    assert (done.returncode, done.stdout) == (0, "w1 exists already\n")
    assert len(recorder.calls) == 1


def test_aws_is_given_gzip(out: Path) -> None:
    folder = exported("aws", out) / "user-data"
    for node in manifest_of(out)["nodes"]:
        content = (folder / f"{node}.gz").read_bytes()
        assert sha256(gzip.decompress(content)) == plain(out, node)


def test_aws_launches_each_instance_once(tmp_path: Path) -> None:
    out = write_out(tmp_path, ADDRESSED_SPEC)
    made = calls("aws", out, "w1", KEY_NAME="me")
    (call,) = made
    options = dict(zip(call[3::2], call[4::2], strict=True))
    assert call[:3] == ["aws", "ec2", "run-instances"]
    assert len(options.pop("--client-token")) == 64
    assert options == {
        "--count": "1",
        "--image-id": "ami-1",
        "--instance-type": "t3.large",
        "--subnet-id": "subnet-1",
        "--security-group-ids": "sg-1",
        "--private-ip-address": "10.9.0.21",
        "--user-data": "fileb://user-data/w1.gz",
        "--block-device-mappings": "DeviceName=/dev/xvda,"
        "Ebs={VolumeSize=40,VolumeType=gp3,Encrypted=true}",
        "--metadata-options": "HttpTokens=required,HttpPutResponseHopLimit=1",
        "--tag-specifications": "ResourceType=instance,Tags=[{Key=Name,Value=w1}]",
        "--key-name": "me",
        "--query": "Instances[0].InstanceId",
        "--output": "text",
    }


def test_terraform_values_hold_what_was_rendered(out: Path) -> None:
    values = json.loads((exported("terraform", out) / "khgen.auto.tfvars.json").read_text())
    nodes = manifest_of(out)["nodes"]
    assert set(values) == {"khgen_cluster", "khgen_nodes", "khgen_seeds"}
    assert values["khgen_cluster"] == {"name": "small", "kubernetes": "1.29.6"}
    assert set(values["khgen_nodes"]) == set(values["khgen_seeds"]) == set(nodes)
    for name, seed in values["khgen_seeds"].items():
        assert sha256(seed["user_data"]) == plain(out, name)
        gzipped = base64.b64decode(seed["user_data_base64"])
        assert gzip.decompress(gzipped).decode() == seed["user_data"]
        assert seed["meta_data"] == (out / "nodes" / name / "meta-data").read_text()
    assert values["khgen_seeds"]["cp1"]["network_config"] is None
    network_config = (out / "nodes/w1/network-config").read_text()
    assert values["khgen_seeds"]["w1"]["network_config"] == network_config
    assert values["khgen_nodes"]["w1"] == {
        "role": "worker",
        "kind": "worker",
        "address": "10.9.0.21",
        "addresses": ["10.9.0.21"],
        "mac_address": MAC,
        "instance_id": nodes["w1"]["instanceId"],
    }


def test_both_addresses_of_a_node_are_exported(tmp_path: Path) -> None:
    folder = exported("terraform", write_example_out(tmp_path, "dual-stack"))
    values = json.loads((folder / "khgen.auto.tfvars.json").read_text())
    assert values["khgen_nodes"]["cp0"]["addresses"] == ["10.70.0.11", "fd00:70::11"]
