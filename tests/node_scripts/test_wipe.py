"""What khgen-boot does with cloud-init's copies of the user-data, which has keys."""

import gzip
import json
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from khgen.files.boot import WIPES
from khgen.resources import verbatim
from support.boot_machine import LONG_SECONDS, Machine
from support.programs import require_program, unavailable
from support.rendering import render_of
from support.topologies import cluster

pytestmark = pytest.mark.tools
KEY = "-----BEGIN PRIVATE KEY-----\n" + 9 * "0123456789abcdef" + "\n"
PYTHON = "/usr/bin/python3"
"""The distribution's, which cloud-init is installed for."""
INSTANCE = "/var/lib/cloud/instances/i-1"
PICKLES = """
import copy, sys
from cloudinit import distros, helpers, sources
from cloudinit.sources import DataSourceEc2, DataSourceLXD, DataSourceNoCloud
paths = helpers.Paths({"cloud_dir": sys.argv[1], "run_dir": sys.argv[1]})
distro = distros.fetch("debian")("debian", {}, paths)
key, md = open(sys.argv[2], "rb").read(), {"instance-id": "i-1", "local-hostname": "cp1"}
crawled = {
    "NoCloud": None,
    "Ec2": {"user-data": key, "meta-data": md, "dynamic": {"instance-identity": {}}},
    "LXD": {"user-data": key, "config": {"user.user-data": key, "user.x": "y"}, "meta-data": md},
}
for name, found in crawled.items():
    module = globals()["DataSource" + name]
    source = getattr(module, "DataSource" + name)({"a": "system setting"}, distro, paths)
    source.metadata, source.userdata_raw = md, key
    source.get_userdata()
    if found:
        source._crawled_metadata = found
    if sys.argv[3:]:
        paths.datasource = copy.copy(source)
    assert sources.pkl_store(source, f"{sys.argv[1]}/{name}.pkl")
"""
READ = """
import sys
from cloudinit import sources
source = sources.pkl_load(sys.argv[1])
print(source.metadata["local-hostname"], source.sys_cfg["a"], source.get_userdata_raw())
print(source.paths.lookups["userdata"])
"""
PLAIN = b"#cloud-config\nruncmd: [systemctl enable khgen-boot]\n"
GZIPPED = gzip.compress(PLAIN)
USER_DATA = {"plain": PLAIN, "gzipped": GZIPPED, "gzipped, in base64": b64encode(GZIPPED)}
each_form = pytest.mark.parametrize("form", USER_DATA)
RPCTOOL = '#!/bin/sh\nprintf "%s|\\n" "$1" >>{log}\n'


def cloud_python(program: str, *arguments: str | Path) -> str:
    """Run a program with cloud-init's modules."""
    require_program("cloud-init")
    done = subprocess.run(
        [PYTHON, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if "No module named 'cloudinit'" in done.stderr:
        unavailable(f"{PYTHON} has no cloudinit")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def machine(machine: Machine) -> Machine:
    """Also with cloud-init's copies, as text."""
    machine.step("1-a", "true")
    (machine.root / "var/lib/cloud/seed/nocloud").mkdir(parents=True)
    machine.place("/var/lib/cloud/seed/nocloud/user-data", KEY)
    for name in ("user-data.txt", "user-data.txt.i", "cloud-config.txt"):
        machine.place(f"{INSTANCE}/{name}", KEY).chmod(0o600)
    machine.place("/run/cloud-init/combined-cloud-config.json", KEY)
    machine.place("/run/cloud-init/instance-data-sensitive.json", json.dumps({"user_data": KEY}))
    machine.place("/run/cloud-init/instance-data.json", "{}")
    return machine


def keys_left(machine: Machine) -> set[str]:
    """Files below /var and /run that have a key."""
    files = [f for top in ("var", "run") for f in (machine.root / top).rglob("*") if f.is_file()]
    return {str(f.relative_to(machine.root)) for f in files if b"PRIVATE KEY" in f.read_bytes()}


def test_copies_go_only_when_all_is_done(machine: Machine) -> None:
    machine.step("2-b", '[ -e "$LOG.go" ] || { echo no go yet; exit 1; }', "#every: 0.05")
    before = keys_left(machine)
    with machine.start() as boot:
        machine.until("running")
        assert keys_left(machine) == before
        Path(f"{machine.log}.go").touch()
        boot.communicate(timeout=LONG_SECONDS)
    assert boot.returncode == 0
    assert machine.waited.read_text() == "1\n", "cloud-init is waited for before anything goes"
    assert keys_left(machine) == set()
    instance = machine.root / INSTANCE.removeprefix("/")
    for file in instance.iterdir():
        assert file.read_text() == "#cloud-config\n"
        assert file.stat().st_mode & 0o777 == 0o600
    assert not (machine.root / "run/cloud-init/instance-data-sensitive.json").exists()
    assert (machine.root / "run/cloud-init/instance-data.json").exists()


def test_a_file_that_it_does_not_know_stays(machine: Machine) -> None:
    kept = machine.place(f"{INSTANCE}/vendor-data.txt", "vendor")
    assert machine.run().returncode == 0
    assert kept.read_text() == "vendor"


def cloud_inits_records(folder: Path, form: str, *nested: str) -> Path:
    """A folder of records that cloud-init makes of user-data of that form."""
    (folder / "made").mkdir()
    (folder / "user-data").write_bytes(USER_DATA[form])
    cloud_python(PICKLES, folder / "made", folder / "user-data", *nested)
    return folder / "made"


@each_form
def test_cloud_inits_own_records_lose_the_user_data_and_nothing_else(
    form: str, machine: Machine, tmp_path: Path
) -> None:
    made = cloud_inits_records(tmp_path, form)
    pickles = sorted(made.glob("*.pkl"))
    assert len(pickles) == 3
    for pickle in pickles:
        assert USER_DATA[form] in pickle.read_bytes()
        folder = machine.root / f"var/lib/cloud/instances/{pickle.stem}"
        folder.mkdir()
        pickle.rename(folder / "obj.pkl")
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert keys_left(machine) == set()
    for pickle in pickles:
        wiped = machine.root / f"var/lib/cloud/instances/{pickle.stem}/obj.pkl"
        assert USER_DATA[form][-40:] not in wiped.read_bytes()
        assert cloud_python(READ, wiped) == "cp1 system setting None\nuser-data.txt.i\n"


@each_form
def test_a_record_that_points_to_another_one_is_removed(
    form: str, machine: Machine, tmp_path: Path
) -> None:
    """As after a new seed: its paths know the datasource of the boot before."""
    made = cloud_inits_records(tmp_path, form, "nested")
    record = machine.root / INSTANCE.removeprefix("/") / "obj.pkl"
    (made / "NoCloud.pkl").rename(record)
    assert machine.run().returncode == 0
    assert not record.exists()
    assert keys_left(machine) == set()


def test_a_record_that_nobody_can_read_is_removed(machine: Machine) -> None:
    record = machine.place(f"{INSTANCE}/obj.pkl", KEY)
    assert machine.run().returncode == 0
    assert not record.exists()


def test_a_failed_wipe_ends_the_boot_and_names_the_file(machine: Machine) -> None:
    for name in ("user-data.txt.d", "obj.pkl"):  # nothing can be written there, as to a full disk
        (machine.root / INSTANCE.removeprefix("/") / name).mkdir()
    done = machine.run()
    assert done.returncode == 0, "or systemd would start it again, every five seconds"
    left = f"{INSTANCE}/user-data.txt.d {INSTANCE}/obj.pkl"
    assert done.stdout.endswith(f"all done, but keys are left in {left}: delete it by hand\n")
    status = machine.run("status", "--json")
    assert status.returncode == 0
    assert json.loads(status.stdout)["keysLeft"].strip() == left
    assert keys_left(machine) == set(), "the rest is gone"
    assert machine.run("applied").returncode == 0
    assert json.loads(machine.run("status", "--json").stdout)["keysLeft"].strip() == left


def test_guestinfo_of_vmware_is_blanked(machine: Machine, tmp_path: Path) -> None:
    log = tmp_path / "rpc"
    tool = machine.root / "bin/vmware-rpctool"
    tool.write_text(RPCTOOL.format(log=log))
    tool.chmod(0o755)
    machine.place("/etc/khgen/wipe/guestinfo", verbatim("guestinfo"))
    assert machine.run().returncode == 0
    # As cloud-init itself redacts (DataSourceVMware.guestinfo_redact_keys).
    sent = ["info-set guestinfo.userdata ---|", "info-set guestinfo.userdata.encoding  |"]
    assert log.read_text().splitlines() == sent
    tool.write_text("#!/bin/sh\nexit 1\n")
    assert machine.run().stdout.endswith("keys are left in guestinfo: delete it by hand\n")


@pytest.mark.parametrize("datasource", ["vmware", "nocloud"])
def test_only_nodes_of_vmware_know_guestinfo(datasource: str) -> None:
    render = render_of(cluster({"cp": 1}, userData={"datasource": datasource}))
    paths = {file.path for file in render.node(render.plan.nodes[0]).files}
    assert (WIPES / "guestinfo" in paths) == (datasource == "vmware")


def test_without_cloud_init_it_is_done_all_the_same(machine: Machine) -> None:
    (machine.root / "bin/cloud-init").write_text("#!/bin/sh\nexit 1\n")
    assert machine.run().returncode == 0
