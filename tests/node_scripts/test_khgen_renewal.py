"""Control planes renew their certificates themselves, in turn, and no older ones come back."""

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from khgen.files.living_configuration import own_configuration
from khgen.pki.certificates import AuthorityName, private_key_pem
from support.living_cluster import STANDIN, LivingCluster
from support.programs import require_namespaces, require_program
from support.updates import Content, UpdatedMachine, eventually, step

pytestmark = pytest.mark.tools
LOG = "/var/lib/log"
PODS = "/etc/khgen/steps.d/10-pods"
RESTARTS: Content = {
    PODS: step(
        f"echo restart >>{LOG}",
        "#files: /etc/kubernetes/*.conf /etc/kubernetes/pki/*",
        "#disrupts: static pods start again",
    )
}
KUBERNETES = "/etc/kubernetes"
APISERVER = f"{KUBERNETES}/pki/apiserver.crt"
FROM_OUTSIDE = ("apiserver-etcd-client.crt",)
"""What the keys on a control plane cannot sign: etcd is external."""
YEAR = timedelta(days=365)
Change = Callable[[LivingCluster, UpdatedMachine], object]


@pytest.fixture(scope="module")
def renewing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivingCluster]:
    require_namespaces()
    require_program("etcd")
    nodes = {"etcd": 1, "cp": 3, "w": 1}
    cluster = LivingCluster(tmp_path_factory.mktemp("renewing"), nodes)
    try:
        cluster.start_etcd("etcd1")
        for name in cluster.names("cp"):
            cluster.start_api(name)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def trio(renewing: LivingCluster) -> LivingCluster:
    """Its control planes are registered, and nothing else is there."""
    renewing.clear()
    for name in renewing.names("cp"):
        renewing.register(name, control_plane=True)
    renewing.applies(dict.fromkeys(renewing.names("cp"), 7))
    return renewing


def aged(living: LivingCluster, machine: UpdatedMachine, since: float, left: float) -> None:
    """Its certificates were issued days ago, and end in some days."""
    authority = living.members.secrets.authorities[AuthorityName.ETCD]
    key = machine.place(f"{KUBERNETES}/pki/etcd/ca.key", private_key_pem(authority.key))
    subprocess.run(
        [
            *(sys.executable, "-m", "standin.renewal"),
            *(str(machine.path(KUBERNETES)), str(since), str(left)),
        ],
        check=True,
        env={**os.environ, "PYTHONPATH": str(STANDIN)},
    )
    key.unlink()


def files(machine: UpdatedMachine) -> Content:
    """What an update with its certificates of now brings."""
    found = [*machine.path(KUBERNETES).rglob("*.*")]
    return {
        **RESTARTS,
        "/etc/khgen/cluster.yaml": (0o600, machine.path("/etc/khgen/cluster.yaml").read_text()),
        **{
            f"/{path.relative_to(machine.root)}": (path.stat().st_mode & 0o777, path.read_text())
            for path in found
            if path.is_file()
        },
    }


def control_plane(
    living: LivingCluster, name: str = "cp1", since: float = 300, left: float = 65
) -> UpdatedMachine:
    """A control plane with an update in force, and certificates of that age."""
    machine = living.machine(name, "control-plane")
    kubeadm = f'#!/bin/sh\nPYTHONPATH={STANDIN} exec {sys.executable} {STANDIN / "kubeadm"} "$@"\n'
    machine.program("kubeadm", kubeadm)
    for file in own_configuration(living.members.plan, living.members.node(name)):
        machine.place(str(file.path), file.content, file.mode)
    aged(living, machine, since, left)
    machine.boots_with(files(machine))
    machine.accepts(machine.update(7, files(machine)), "--alone")
    return machine


def in_force(machine: UpdatedMachine, generation: int = 7) -> UpdatedMachine:
    """As after an update that took place while the certificates were young: only its links are there."""
    state = machine.path("/var/lib/khgen/update")
    wanted = (state / "wanted").readlink()
    (state / "wanted").unlink()
    for name in ("applied", "placed"):
        (state / name).unlink(missing_ok=True)
        (state / name).symlink_to(wanted)
    (state / "recorded").write_text(str(generation))
    machine.path(LOG).write_text("")
    return machine


def certificates(machine: UpdatedMachine) -> dict[str, x509.Certificate]:
    """Its leaf certificates by file name, also those in kubeconfigs."""
    folder = machine.path(KUBERNETES)
    leaves = [path for path in folder.rglob("*.crt") if not path.stem.endswith("ca")]
    found = {path.name: path.read_bytes() for path in leaves}
    for name in ("admin.conf", "controller-manager.conf", "scheduler.conf"):
        data = re.search(r"client-certificate-data: *(\S+)", (folder / name).read_text())
        assert data is not None
        found[name] = base64.b64decode(data[1])
    return {name: x509.load_pem_x509_certificate(pem) for name, pem in found.items()}


def renewed(machine: UpdatedMachine) -> set[str]:
    """The certificates that end about a year from now."""
    year = datetime.now(UTC) + YEAR - timedelta(hours=1)
    return {n for n, found in certificates(machine).items() if found.not_valid_after_utc > year}


def all_renewed(machine: UpdatedMachine) -> bool:
    return renewed(machine) == set(certificates(machine)) - set(FROM_OUTSIDE)


def keys_fit(machine: UpdatedMachine) -> bool:
    folder = machine.path(f"{KUBERNETES}/pki")
    for path in folder.rglob("*.key"):
        if path.stem != "sa":
            done = machine.run("openssl", "pkey", "-pubout", "-in", path)
            own = machine.run(
                *("openssl", "x509", "-noout", "-pubkey", "-in", path.with_suffix(".crt"))
            )
            if not done.stdout or done.stdout != own.stdout:
                return False
    return True


def test_three_control_planes_renew_one_after_the_other(trio: LivingCluster) -> None:
    machines = [in_force(control_plane(trio, name)) for name in trio.names("cp")]
    serials = [certificates(machine)["apiserver.crt"].serial_number for machine in machines]
    with ExitStack() as stack:
        rolls = [stack.enter_context(machine.running("khgen-roll")) for machine in machines]
        assert [roll.wait(300) for roll in rolls] == [0, 0, 0]
    for machine, serial in zip(machines, serials, strict=True):
        assert all_renewed(machine), renewed(machine)
        assert keys_fit(machine)
        assert certificates(machine)["apiserver.crt"].serial_number != serial
        assert machine.path(LOG).read_text() == "restart\n"
        assert machine.path(f"{KUBERNETES}/admin.conf").stat().st_mode & 0o777 == 0o600
    key = "/standin/api/v1/namespaces/khgen/configmaps/roll"
    held = [re.findall(r'"(cp\d)": {"gen', v["data"].get("state", "")) for v in trio.history(key)]
    assert max(map(len, held)) == 1
    assert {name for names in held for name in names} == set(trio.names("cp"))
    assert trio.state() == {"slots": {}, "applied": dict.fromkeys(trio.names("cp"), 7)}


def test_the_timer_starts_it_only_in_the_last_quarter(trio: LivingCluster) -> None:
    """And kubeadm's dates, which begin with the authority's, make nothing of it look due again."""
    young = in_force(control_plane(trio, left=120))
    young.asked_systemctl()
    assert young.run("khgen-roll", "renew").returncode == 0
    assert young.asked_systemctl() == []
    old = in_force(control_plane(trio, left=65))
    old.asked_systemctl()
    assert old.run("khgen-roll", "renew").returncode == 0
    assert old.asked_systemctl() == ["--no-block restart khgen-roll"]
    old.rolls()
    assert all_renewed(old)
    old.asked_systemctl()
    assert old.run("khgen-roll", "renew").returncode == 0
    assert old.asked_systemctl() == []


def test_what_nothing_here_can_renew_is_shown(trio: LivingCluster) -> None:
    machine = in_force(control_plane(trio))
    machine.rolls()
    line = machine.run("khgen-roll", "renew").stdout
    assert re.fullmatch(
        r"certificates end from \S+Z on, and nothing on this node renews them: "
        rf"{KUBERNETES}/pki/apiserver-etcd-client.crt\n",
        line,
    )
    assert trio.report("cp1")["ending"] == line.strip()


def test_it_waits_while_updates_are_paused_and_not_for_too_long(trio: LivingCluster) -> None:
    trio.applies(dict.fromkeys(trio.names("cp"), 7), paused=True)
    machine = in_force(control_plane(trio))
    with machine.running("khgen-roll"):
        machine.until("waiting", "updates are paused")
    assert not renewed(machine)
    # A year's eighth is 45 days.
    in_force(control_plane(trio, "cp2", since=330, left=40)).rolls()
    assert set(trio.state()["applied"]) == {"cp2"}


def test_an_update_renews_too(trio: LivingCluster) -> None:
    """And the older certificates that it brings do not come back."""
    machine = in_force(control_plane(trio))
    machine.accepts(machine.update(8, {**files(machine), "/etc/new": (0o644, "new\n")}))
    machine.rolls()
    assert all_renewed(machine)
    assert machine.path("/etc/new").exists()
    assert machine.path(LOG).read_text() == "restart\n"


def self_renewed(trio: LivingCluster) -> tuple[UpdatedMachine, Content]:
    """A control plane that has renewed its certificates, and the update in force with older ones."""
    machine = in_force(control_plane(trio))
    given = files(machine)
    machine.rolls()
    assert all_renewed(machine)
    machine.path(LOG).write_text("")
    return machine, given


def test_a_later_update_with_older_certificates_keeps_them(trio: LivingCluster) -> None:
    machine, given = self_renewed(trio)
    before = certificates(machine)
    machine.accepts(machine.update(8, {**given, "/etc/new": (0o644, "new\n")}))
    machine.rolls()
    assert certificates(machine) == before
    assert machine.path("/etc/new").exists()
    assert machine.path(LOG).read_text() == "", "no static pod starts again"


def test_an_old_seed_brings_none_back(trio: LivingCluster) -> None:
    machine, given = self_renewed(trio)
    before = certificates(machine)
    for path, (mode, text) in given.items():
        machine.place(path, text, mode)
    assert not renewed(machine)
    assert machine.run("khgen-roll", "keep").returncode == 0
    assert certificates(machine) == before
    assert keys_fit(machine)


def test_certificates_that_were_renewed_by_hand_stay(trio: LivingCluster) -> None:
    machine = in_force(control_plane(trio))
    renewal = "kubeadm certs renew all --config /etc/khgen/cluster.yaml"
    assert machine.run(*renewal.split()).returncode == 0
    before = certificates(machine)
    done = machine.run("khgen-roll", "keep")
    assert done.returncode == 0, done.stderr
    assert certificates(machine) == before
    # Half of a pair is worth nothing.
    other = machine.path(f"{KUBERNETES}/pki/front-proxy-client.key").read_text()
    machine.path(APISERVER).with_suffix(".key").write_text(other)
    assert machine.run("khgen-roll", "keep").returncode == 0
    assert keys_fit(machine)


def other_names(living: LivingCluster, machine: UpdatedMachine) -> None:
    """The operator wants other names in the API server's certificate."""
    for end in ("crt", "key"):
        source = machine.path(f"{KUBERNETES}/pki/apiserver-kubelet-client.{end}")
        machine.path(f"{KUBERNETES}/pki/apiserver.{end}").write_text(source.read_text())
    aged(living, machine, 1, 200)


def issued_since(living: LivingCluster, machine: UpdatedMachine) -> None:
    """It renewed two days ago; what the operator issued yesterday ends earlier all the same."""
    before = time.time() - 2 * 86400
    for path in machine.path("/var/lib/khgen/update/renewed").rglob("*"):
        os.utime(path, (before, before))
    aged(living, machine, 1, 90)


OPERATORS: dict[str, Change] = {
    "issued since": issued_since,
    "ends later": lambda living, machine: aged(living, machine, 1, 500),
    "other names": other_names,
}


@pytest.mark.parametrize("change", OPERATORS)
def test_what_the_operator_issued_since_takes_their_place(trio: LivingCluster, change: str) -> None:
    machine, given = self_renewed(trio)
    for path, (mode, text) in given.items():
        machine.place(path, text, mode)
    OPERATORS[change](trio, machine)
    wanted = files(machine)
    machine.run("khgen-roll", "keep")
    machine.accepts(machine.update(8, wanted))
    machine.rolls()
    assert machine.path(APISERVER).read_text() == wanted[APISERVER][1]
    assert keys_fit(machine)


def test_where_all_have_expired_it_waits_for_nobody(trio: LivingCluster) -> None:
    """Nothing answers then, and so nothing is disrupted."""
    trio.applies(dict.fromkeys(trio.names("cp"), 7), paused=True)
    machine = in_force(control_plane(trio, since=400, left=-5))
    machine.rolls()
    assert all_renewed(machine)


def test_a_renewal_that_fails_stops_the_roll_and_is_tried_again(trio: LivingCluster) -> None:
    machine = in_force(control_plane(trio))
    program = machine.path("/bin/kubeadm")
    works = program.read_text()
    program.write_text("#!/bin/sh\necho no disk >&2\nexit 1\n")
    with machine.running("khgen-roll") as roll:
        line = machine.until("failed", "no disk")
        assert line == "kubeadm certs renew all --config /etc/khgen/cluster.yaml: no disk"
        assert trio.state()["slots"]["cp1"]["state"] == "failed"
        time.sleep(0.1)
        assert not renewed(machine)
        program.write_text(works)
        assert roll.wait(120) == 0
    assert all_renewed(machine)
    assert trio.state()["slots"] == {}


HANGS = """#!/bin/sh
echo half >/etc/kubernetes/pki/apiserver.crt
touch /run/khgen/hangs
sleep 600
"""


def test_a_power_cut_while_kubeadm_renews_leaves_no_half_of_a_certificate(
    trio: LivingCluster,
) -> None:
    machine = in_force(control_plane(trio))
    before = certificates(machine)
    works = machine.path("/bin/kubeadm").read_text()
    machine.program("kubeadm", HANGS)
    with machine.running("khgen-roll"):
        eventually(machine.path("/run/khgen/hangs").exists)
    assert certificates(machine) == before
    machine.program("kubeadm", works)
    machine.rolls()
    assert all_renewed(machine)
    assert keys_fit(machine)
    assert trio.state()["slots"] == {}


DIES = """
import os, runpy, sys

def dying(put):
    def call(source, target):
        put(source, target)
        if target == sys.argv[1]:
            os._exit(99)
    return call

os.rename, os.replace = dying(os.rename), dying(os.replace)
path = "/usr/local/sbin/khgen-roll"
roll = runpy.run_path(path)
roll["roll"]()
"""
"""khgen-roll that ends at once, as by a power cut, when it has put a file in that place."""


@pytest.mark.parametrize(
    "path",
    [
        "/var/lib/khgen/update/renewed",
        "/var/lib/khgen/update/placing",
        APISERVER,
        f"{KUBERNETES}/pki/front-proxy-client.key",
        f"{KUBERNETES}/scheduler.conf",
    ],
)
def test_killed_as_it_puts_a_file_in_its_place_it_converges(trio: LivingCluster, path: str) -> None:
    """Keys fit, all are of one time, and the slot goes on to the next node."""
    machine = in_force(control_plane(trio))
    killed = machine.run("/usr/bin/python3", "-c", DIES, path)
    assert killed.returncode == 99, killed.stderr
    for file in machine.path("/run/khgen").iterdir():
        file.unlink()
    assert machine.run("khgen-roll", "keep").returncode == 0
    assert keys_fit(machine)
    assert all_renewed(machine) or not renewed(machine)
    machine.rolls()
    assert all_renewed(machine)
    assert trio.state()["slots"] == {}
