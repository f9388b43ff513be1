"""Updates of a cluster that runs: by the API, by a seed, by a folder and from a web server;
superseded, refused, failed, and followed by an old seed.

The tests share one cluster and run in this order. With KHGEN_KUBE_BIN it is Kubernetes; otherwise
tests/standin takes the place of kubelet, kubeadm and kubectl.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from faults.play import Pace
from faults.update_cases import DRAINING, PLACING, RETURNING, WAITING, update_cases
from faults.update_play import UpdateRound
from khgen.bundle.update_bundle import UpdateBundle
from khgen.pki.secrets import new_secrets
from khgen.rehearse.api_client import counted
from khgen.rehearse.local_host import LocalHost
from khgen.rehearse.processes import wait_until
from khgen.rehearse.rehearsed_spec import MANIFESTS
from khgen.rehearse.testbed import seed_files
from khgen.rehearse.updating import updates_of
from khgen.render import ClusterRender
from support.fixed import known_entropy
from support.kubernetes import kube_bin
from support.local_cluster import STAND_IN, LocalCluster, local_cluster
from support.rolls import (
    REAL,
    REGISTRY,
    SlotHistory,
    in_force,
    node_metadata,
    numbered_spec,
    render_update,
)
from support.virtual_ip import steady_holder

pytestmark = pytest.mark.boot
COUNTS = {"cp": 3, "w": 1}
MENDED = 2.0
"""A client that tries again for so long notices nothing."""
SECONDS = 900 if REAL else 300
FILES = "find /etc/khgen /etc/kubernetes /etc/systemd/system -type f | sort | xargs sha256sum"


@dataclass(slots=True, kw_only=True)
class Living:
    """The cluster of all tests here, and what must stay as it is."""

    cluster: LocalCluster
    first: ClusterRender
    members: dict[str, str]
    client: Path
    """The log of a client of the API."""
    number: int = 0
    """Of the last update."""
    before: Mapping[str, UpdateBundle] = field(default_factory=dict)
    """The update before the last, by host."""
    history: SlotHistory = field(init=False)

    def __post_init__(self) -> None:
        """Nobody has held a slot yet."""
        self.history = SlotHistory(cluster=self.cluster)

    def next_update(self, *, renew: bool = False) -> None:
        """Render another update; nobody has it yet."""
        self.number += 1
        self.before = self.cluster.updates
        render_update(self.cluster, self.number, renew=renew)
        self.history.begin()

    def check_done(self) -> None:
        """All hosts have the update in force, one after the other, and the cluster is as before."""
        for name in self.cluster.hosts:
            assert in_force(self.cluster, name, self.number), name
            labels = node_metadata(self.cluster, name)["labels"]
            assert labels["example.net/update"] == str(self.number)
        assert self.history.wrong() == []
        self.cluster.wait_members("cp1", self.members)
        steady_holder(self.cluster)


@pytest.fixture(scope="module")
def living() -> Iterator[Living]:
    programs = kube_bin() if REAL else STAND_IN
    with local_cluster(numbered_spec(COUNTS, 0), programs) as hosts:
        hosts.boot(seconds=300)
        log, members = hosts.start_client(), hosts.members("cp1")
        yield Living(cluster=hosts, first=hosts.render, members=members, client=log)


@contextmanager
def undisturbed(living: Living) -> Iterator[None]:
    """A client must get an answer within a moment, whatever happens meanwhile."""
    since = time.monotonic()
    yield
    seen = counted(living.client, since)
    print(seen)
    assert seen.asked > 10
    assert seen.longest <= MENDED


def shell(host: LocalHost, command: str) -> str:
    return host.run("sh", "-c", command)


def annotation(living: Living, name: str) -> Mapping[str, object]:
    """What a node reports of its update."""
    noted = node_metadata(living.cluster, name).get("annotations", {})
    return dict(json.loads(noted.get("khgen/update", "{}")))


def roll_status(host: LocalHost) -> tuple[int, str]:
    return host.tries("khgen-roll", "status")


def test_an_update_comes_by_the_api_and_nobody_notices(living: Living) -> None:
    with undisturbed(living):
        living.next_update()
        living.cluster.apply_updates()
        watch = living.cluster.wait_updated(seconds=SECONDS)
    print(f"in force after {watch.seconds:.0f} s; slots: {living.history.holders()}")
    living.check_done()
    assert set(living.history.holders()) == set(living.cluster.hosts)
    assert living.history.holders()[-1] == "w1", "workers come after all control planes"


def test_an_update_comes_by_a_seed_a_folder_and_a_web_server(living: Living) -> None:
    living.next_update(renew=True)
    cluster, url = living.cluster, living.cluster.serve_updates()
    folder = cluster.put_update("cp1")
    with undisturbed(living):
        cluster.hosts["cp1"].run("khgen-boot", "apply", folder)
        cluster.hosts["cp2"].run("khgen-boot", "apply", f"{url}/cp2")
        cluster.wait_updated(["cp1", "cp2"], SECONDS)
        for name in ("cp3", "w1"):
            cluster.seed_update(name)
            cluster.hosts[name].power_on()
            cluster.wait_updated([name], SECONDS)
    living.check_done()
    left = cluster.hosts["cp3"].tries("test", "-e", "/run/khgen/update")[0]
    assert left == 1, "the update's files are removed from where cloud-init wrote them"


def test_an_update_that_is_superseded_on_its_way_ends_with_the_newer(living: Living) -> None:
    with undisturbed(living):
        living.next_update()
        living.cluster.apply_updates()
        living.cluster.pull()
        wait_until(lambda: bool(living.history.holders()), SECONDS, "the first holder of a slot")
        (first,) = living.history.holders()
        older, since = living.cluster.updates, living.history.since
        living.next_update()
        living.history.since = since
        assert living.cluster.updates[first].generation > older[first].generation
        living.cluster.apply_updates()
        living.cluster.pull()
        living.cluster.wait_updated(seconds=SECONDS)
    living.check_done()
    print(f"slots: {living.history.holders()}")


def test_refused_updates_change_nothing_and_say_why(living: Living) -> None:
    cluster, host = living.cluster, living.cluster.hosts["w1"]
    files = shell(host, FILES)
    good = dict(cluster.updates)
    older = cluster.put_update("w1", living.before["w1"])
    status, said = host.tries("khgen-boot", "apply", older)
    assert (status, said.strip()) == (4, f"update refused: {refusal(living, host)}")
    assert "is older than" in said
    # Once the right one is offered, nothing is refused any more.
    host.run("khgen-boot", "apply", cluster.put_update("w1"))
    assert roll_status(host)[0] == 0
    assert annotation(living, "w1")["state"] == "applied"

    stranger = new_secrets(cluster.render.plan.spec, datetime.now(UTC), known_entropy("stranger"))
    stranger = replace(stranger, founders=cluster.render.secrets.founders)
    foreign = ClusterRender(cluster.render.plan, stranger, MANIFESTS)
    cluster.updates = {**good, "w1": updates_of(foreign, good)["w1"]}
    cluster.apply_updates()
    host.tries("systemctl", "start", "khgen-update")
    assert "signature" in refusal(living, host)
    cluster.updates = good
    cluster.apply_updates()
    host.run("systemctl", "start", "khgen-update")
    assert roll_status(host)[0] == 0
    assert annotation(living, "w1")["state"] == "applied"
    assert shell(host, FILES) == files


def refusal(living: Living, host: LocalHost) -> str:
    """Why the last update was refused: here and in the Node's annotation the same."""
    code, said = roll_status(host)
    reason = said.partition("the last update was refused: ")[2].strip()
    assert (code, bool(reason)) == (1, True), said
    noted = annotation(living, host.name)
    assert (noted["state"], noted["line"]) == ("refused", reason)
    return reason


BROKEN = "mkdir -p /etc/kubernetes/tmp && mount -t tmpfs -o ro broken /etc/kubernetes/tmp"
PATIENCE = """for unit in khgen-boot khgen-roll; do
  mkdir -p /run/systemd/system/$unit.service.d
  printf '[Service]\\nEnvironment=PATIENCE=5\\n' >/run/systemd/system/$unit.service.d/patience.conf
done
systemctl daemon-reload"""


def test_a_node_that_fails_stops_the_roll_until_its_cause_is_gone(living: Living) -> None:
    cluster, failing = living.cluster, living.cluster.hosts["cp1"]
    before = living.number
    shell(failing, BROKEN)
    shell(failing, PATIENCE)
    with undisturbed(living):
        living.next_update()
        cluster.apply_updates()
        cluster.pull(["cp1"])
        wait_until(lambda: failed_slot(living) is not None, 120, "cp1's slot to say that it failed")
        slot = failed_slot(living)
        print(slot)
        assert slot is not None
        assert "update-control-plane" in slot["message"]
        assert annotation(living, "cp1")["state"] == "failed"
        others = [name for name in cluster.hosts if name != "cp1"]
        cluster.pull(others)
        stopped = "cp1 failed, which stops the roll"
        for name in others:
            host = cluster.hosts[name]
            wait_until(lambda h=host: stopped in roll_status(h)[1], 60, f"{name} to wait")  # type: ignore[misc]
            assert in_force(cluster, name, before), "nothing has changed there"
        assert living.history.holders() == ["cp1"]
        shell(failing, "umount /etc/kubernetes/tmp")
        cluster.wait_updated(seconds=SECONDS)
    living.check_done()


def failed_slot(living: Living) -> Mapping[str, str] | None:
    """cp1's slot, if it says that the node failed."""
    states = living.history.states()
    slot = states[-1].get("cp1") if states else None
    return slot if slot and slot["state"] == "failed" else None


CUTS: tuple[Mapping[str, str], ...] = (
    {"cp1": "at 45-update-control-plane", "cp2": PLACING, "cp3": RETURNING, "w1": DRAINING},
    {
        "cp1": "at 22-update-static-pods",
        "cp2": DRAINING,
        "cp3": WAITING,
        "w1": "at 48-update-kubelet",
    },
)
"""Some of the fault table of updates (tests/faults), each for its host."""


@pytest.mark.skipif(REAL, reason="the fault table of updates is played with the stand-in")
@pytest.mark.parametrize("cuts", CUTS, ids=["first", "second"])
def test_an_update_goes_on_after_power_cuts(living: Living, cuts: Mapping[str, str]) -> None:
    table = {case.name: case for case in update_cases()}
    roles = {"c": "control plane", "w": "worker"}
    cases = {host: table[f"update: {roles[host[0]]} {at}"] for host, at in cuts.items()}
    living.number += 1
    play = UpdateRound(
        cluster=living.cluster, cases=cases, number=living.number, pace=Pace(off=5, timeout=90)
    )
    outcomes = play.run()
    print(*outcomes, sep="\n")
    assert all(outcome.converged for outcome in outcomes)


@pytest.mark.parametrize("name", ["cp2", "w1"])
def test_an_old_seed_does_not_undo_an_update(living: Living, name: str) -> None:
    cluster = living.cluster
    old = dict(seed_files(living.first.node(living.first.plan.by_name[name])))
    old["meta-data"] = old["meta-data"].replace(b"instance-id: ", b"instance-id: again-")
    cluster.hosts[name].power_cut()
    cluster.hosts[name].seed(old)
    for _ in range(2):
        cluster.boot([name], SECONDS)
        wait_until(lambda: in_force(cluster, name, living.number), 60, f"{name} as updated")
        hosts = cluster.hosts[name].read("/etc/hosts") or ""
        assert REGISTRY.format(living.number) in hosts
        code, said = roll_status(cluster.hosts[name])
        assert (code, "is in force" in said) == (0, True), said
        cluster.hosts[name].power_cut()
    cluster.boot([name], SECONDS)
    living.check_done()
