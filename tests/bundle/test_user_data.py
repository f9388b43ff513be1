"""User-data: its head, forms and size, and that an incomplete one does not start a boot."""

import gzip
from base64 import b64decode, b64encode

import pytest
import yaml

from khgen.bundle.archive import BundleError, files_of_bundle
from khgen.bundle.user_data import BUNDLE, UserData, files_of_user_data
from khgen.files.boot import UNIT
from khgen.plan.cluster_plan import CONTROL_PLANE_KINDS, ETCD_KINDS, NodePlan
from support.rendering import EXAMPLES as ALL_EXAMPLES
from support.rendering import example_render, render_of
from support.topologies import cluster

EXAMPLES = ("dedicated-lb", "external-etcd", "rocky-stacked-ha")
CONTROL_PLANE_BYTES, ETCD_HOST_BYTES, OTHER_BYTES = 16 * 1024, int(9.5 * 1024), int(8.25 * 1024)
"""EC2 takes 16 KiB. It has no virtual IP; an external load balancer leaves 2 KiB for what a site adds."""
MUCH_CONFIGURED = {
    ("rocky-stacked-ha", "control-plane"): int(16.5 * 1024),
    ("rocky-stacked-ha", "worker"): 9 * 1024,
    ("external-etcd-external-lb", "worker"): int(8.5 * 1024),
    ("stacked-external-lb", "worker"): int(8.5 * 1024),
}
"""Examples with mirrors, kernel settings or SELinux besides."""


def most_bytes(example: str, node: NodePlan) -> int:
    if (example, node.role.value) in MUCH_CONFIGURED:
        return MUCH_CONFIGURED[example, node.role.value]
    if node.kind in CONTROL_PLANE_KINDS:
        return CONTROL_PLANE_BYTES
    return ETCD_HOST_BYTES if node.kind in ETCD_KINDS else OTHER_BYTES


@pytest.mark.parametrize("example", ALL_EXAMPLES)
def test_gzipped_user_data_of_every_example_leaves_room(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        size = render.node(node).user_data.gzipped_bytes
        assert size <= most_bytes(example, node), node.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_unit_that_starts_the_boot_is_the_last_file(example: str) -> None:
    render = example_render(example)
    for node in render.plan.nodes:
        user_data = render.node(node).user_data
        assert files_of_user_data(user_data.delivered)[-1].path == UNIT
        assert yaml.safe_load(user_data.text)["hostname"] == node.name


@pytest.mark.parametrize("role", ["control-plane", "worker"])
def test_wherever_it_is_cut_off_it_begins_with_what_waits_for_the_unit(role: str) -> None:
    render = example_render("external-etcd")
    node = next(node for node in render.plan.nodes if node.role == role)
    text = render.node(node).user_data.text
    start, files = text.index(b"runcmd:"), text.index(b"write_files:")
    assert start < files
    last = text.index(b"hostname:") if role == "control-plane" else text.index(str(UNIT).encode())
    for end in range(start + 250, last, 97):
        try:
            data = yaml.safe_load(text[:end])
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        assert "until " in data["runcmd"][0]
        assert " && systemctl enable khgen-" in data["runcmd"][0].replace("until ", " && ")
        assert not starts(data)


def starts(data: dict[str, object]) -> bool:
    """Whether what arrived of the user-data would start a boot."""
    entries = data.get("write_files")
    files = (
        [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    contents = {file.get("path"): file.get("content", "") for file in files}
    if BUNDLE not in contents:
        return str(UNIT) in contents
    try:
        files_of_bundle(b64decode(contents[BUNDLE] or ""))
    except (BundleError, ValueError):
        return False
    return True


def user_data_of(name: str, **fields: object) -> UserData:
    """The user-data of a node of a small cluster with these fields in its spec."""
    render = render_of(cluster({"cp": 1, "w": 1}, **fields))
    return render.node(render.plan.by_name[name]).user_data


PLACE = (
    "systemctl stop khgen-boot 2>/dev/null; until khgen-place </run/khgen/bundle && systemctl enable"
    " khgen-place khgen-boot; do echo 'the user-data is incomplete, or the disk is full'"
    " >/dev/console; sleep 9; cloud-init single -n write_files --frequency always; done;"
    " rm /run/khgen/bundle"
)
START = (
    "until systemctl enable khgen-boot && { [ /run/khgen/status.json -nt"
    " /etc/systemd/system/khgen-boot.service ] || systemctl restart khgen-boot; }; do sleep 9;"
    " cloud-init single -n write_files --frequency always; done"
)
OS = {"family": "debian", "release": "12"}
HEADS: tuple[tuple[dict[str, object], dict[str, object], list[object]], ...] = (
    ({}, {}, []),
    (
        {"os": {**OS, "sshAuthorizedKeys": ["ssh-ed25519 AAAA me"], "timezone": "Asia/Shanghai"}},
        {"ssh_authorized_keys": ["ssh-ed25519 AAAA me"], "timezone": "Asia/Shanghai"},
        [],
    ),
    (
        {"userData": {"extra": {"package_update": True, "runcmd": ["echo a", ["echo", "b"]]}}},
        {"package_update": True},
        ["echo a", ["echo", "b"]],
    ),
    ({"userData": {"extra": {"manage_etc_hosts": True}}}, {"manage_etc_hosts": True}, []),
    ({"userData": {"extra": {"runcmd": "echo a"}}}, {}, ["echo a"]),
)
"""What the spec has, the keys that come of it, and the commands that the operator adds."""


@pytest.mark.parametrize(("fields", "keys", "commands"), HEADS)
def test_the_head_has_what_the_spec_gives_and_the_start_of_the_boot(
    fields: dict[str, object], keys: dict[str, object], commands: list[object]
) -> None:
    for name, first, last in (
        ("cp1", [PLACE], ["systemctl restart khgen-boot"]),
        ("w1", [], [START]),
    ):
        text = user_data_of(name, **fields).text
        assert text.startswith(b"#cloud-config\n")
        document = yaml.safe_load(text)
        assert {entry["path"] for entry in document.pop("write_files")}
        assert document == {
            "manage_etc_hosts": False,
            **keys,
            "runcmd": [*first, *commands, *last],
            "hostname": name,
        }


IMAGE = {"base": {"url": "https://example.com/x.qcow2", "checksum": f"sha256:{'0' * 64}"}}


@pytest.mark.parametrize("name", ["cp1", "w1"])
def test_steps_of_an_image_are_copied_before_the_boot_starts(name: str) -> None:
    commands = " ".join(yaml.safe_load(user_data_of(name, image=IMAGE).text)["runcmd"])
    copied = commands.index("(cd /usr/share/khgen/steps.d && cp -t /etc/khgen/steps.d ")
    assert commands.index("until ") < copied < commands.index("systemctl enable")
    assert "; do echo 'no image of khgen, or of another version, or no room' >/dev/" in commands
    steps = commands[copied:].partition(")")[0].split()[6:]
    assert {step.partition("-")[2] for step in steps} > {"clock", "identity", "endpoint"}
    assert "00-image" not in steps


FORMS: tuple[tuple[str, bool | None, str, int | None], ...] = (
    ("nocloud", None, "plain", None),
    ("nocloud", True, "gzip", None),
    ("nocloud", False, "plain", None),
    ("proxmox", None, "plain", None),
    ("ec2", None, "gzip", 16384),
    ("ec2", False, "plain", 16384),
    ("hetzner", None, "gzip+base64", 32768),
    ("openstack", None, "gzip", 65535),
    ("azure", True, "gzip", 65535),
    ("gce", None, "gzip+base64", 262144),
    ("vmware", None, "gzip+base64", 65536),
    ("cloudstack", None, "gzip", 32768),
)
COUNT_BASE64 = {"openstack", "cloudstack"}


@pytest.mark.parametrize(("datasource", "asked", "form", "limit"), FORMS)
@pytest.mark.parametrize("name", ["cp1", "w1"])
def test_user_data_is_delivered_in_the_form_of_its_datasource(
    name: str, datasource: str, asked: bool | None, form: str, limit: int | None
) -> None:
    fields = {"datasource": datasource} | ({} if asked is None else {"gzip": asked})
    made = user_data_of(name, userData=fields)
    assert (made.encoding, made.limit) == (form, limit)
    packed = b64decode(made.delivered, validate=True) if "base64" in form else made.delivered
    assert (gzip.decompress(packed) if "gzip" in form else packed) == made.text
    sent = b64encode(made.delivered) if datasource in COUNT_BASE64 else made.delivered
    assert made.counted_bytes == len(sent)
    if "gzip" in form:
        assert made.gzipped_bytes == len(packed)
    assert files_of_user_data(made.delivered) == files_of_user_data(made.text)


def test_the_spec_can_set_a_lower_limit() -> None:
    assert user_data_of("w1", userData={"datasource": "ec2", "maxBytes": 8000}).limit == 8000


def test_what_is_read_back_has_the_mode_and_the_content_of_each_file() -> None:
    render = example_render("external-etcd")
    modes = set()
    for node in render.plan.nodes:
        rendered = render.node(node)
        read = files_of_user_data(rendered.user_data.delivered)
        assert sorted(map(str, read)) == sorted(map(str, rendered.files))
        modes |= {file.mode for file in read}
    assert modes == {0o600, 0o644, 0o755}


@pytest.mark.parametrize(
    "delivered", [b"\x1f\x8bno gzip", b"no base64!", b"IyBh\nIyBi!", b64encode(b"\x1f\x8bno")]
)
def test_what_is_no_user_data_is_refused(delivered: bytes) -> None:
    with pytest.raises(ValueError, match=r"base64|decompressing"):
        files_of_user_data(delivered)
