"""khgen-roll among others: turns, slots, drains, and what the API shows, over a real etcd."""

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import pytest

from khgen.bundle.update_objects import sealed_files
from support.living_cluster import LivingCluster, day_and_time
from support.programs import require_namespaces, require_program
from support.updates import Content, UpdatedMachine, eventually, step, update_files

pytestmark = pytest.mark.tools
STEPS = "/etc/khgen/steps.d"
PLAIN: Content = {f"{STEPS}/10-a": step("true")}
DISRUPTS: Content = {f"{STEPS}/10-a": step("sleep 0.3", "#disrupts: everything")}
LIST = "/etc/khgen/downloads"
DRAIN_HEADERS = ("#disrupts: all", "#drains: the kubelet ends", f"#files: {LIST}")
DRAINS: Content = {f"{STEPS}/10-a": step("true", *DRAIN_HEADERS), LIST: (0o644, "7")}
WAITS: Content = {f"{STEPS}/10-a": step("[ -e /var/lib/go ]", "#disrupts: all", "#every: 0.1")}
BROKEN: Content = {f"{STEPS}/10-a": step("echo it broke; exit 1", "#disrupts: all")}
STATE = "/var/lib/khgen/update"
Prepare = Callable[[LivingCluster], object]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LivingCluster]:
    require_namespaces()
    require_program("etcd")
    cluster = LivingCluster(tmp_path_factory.mktemp("living"))
    try:
        cluster.start_etcd(*cluster.names("etcd"))
        cluster.start_api("cp1")
        cluster.start_api("cp2")
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def living(running: LivingCluster) -> LivingCluster:
    """A cluster that has nothing but its control planes' Nodes."""
    running.clear()
    for name in running.names("cp"):
        running.register(name, control_plane=True)
    return running


def booted(
    living: LivingCluster,
    name: str,
    files: Content = DISRUPTS,
    role: str = "worker",
    drain_seconds: int = 5,
) -> UpdatedMachine:
    """A node's machine that has accepted an update of generation 7."""
    machine = living.machine(name, role, drainSeconds=drain_seconds)
    machine.boots_with(PLAIN)
    machine.accepts(machine.update(7, files))
    if role == "worker":
        living.register(name)
    return machine


def held(state: str = "rolling", role: str = "worker", **more: object) -> dict[str, object]:
    return {"role": role, "generation": 7, "since": "", "state": state, "message": "", **more}


def state_of(living: LivingCluster, **slots: Mapping[str, object]) -> None:
    living.state({"slots": slots, "applied": {"cp1": 7}})


def closed_window(living: LivingCluster) -> None:
    day, start = day_and_time(3600)
    window = {"days": [day], "start": start, "minutes": 60}
    living.applies({"cp1": 7, "w1": 7, "w2": 7}, window=window)


WANTED = {"cp1": 7, "w1": 7, "w2": 7}
REASONS: dict[str, tuple[Prepare, str]] = {
    "paused": (lambda living: living.applies(WANTED, paused=True), "updates are paused"),
    "window": (closed_window, "for the window: "),
    "failed": (
        lambda living: state_of(living, cp1=held("failed", "control-plane", message="no disk")),
        "cp1 failed, which stops the roll: no disk",
    ),
    "another worker": (lambda living: state_of(living, w2=held()), "w2 is being updated"),
    "control plane behind": (
        lambda living: living.state({}),
        "control plane cp1 has not applied generation 7 yet",
    ),
    "unlisted": (
        lambda living: living.applies({"cp1": 7}),
        "the ConfigMap khgen/roll does not list this node: kubectl apply -f update.yaml",
    ),
    "no roll": (
        lambda living: living.ask("DELETE", "/api/v1/namespaces/khgen/configmaps/roll"),
        "the cluster has no ConfigMap khgen/roll: kubectl apply -f update.yaml, or",
    ),
    "damaged": (
        lambda living: _set_policy(living, "{"),
        "the ConfigMap khgen/roll is damaged: ",
    ),
    "no API": (lambda living: living.stop_api("cp1"), ":6443 does not answer: "),
}


def _set_policy(living: LivingCluster, text: str) -> None:
    path = "/api/v1/namespaces/khgen/configmaps/roll"
    living.ask("PATCH", path, {"data": {"policy": text}})


@pytest.mark.parametrize("reason", REASONS)
def test_a_worker_waits_with_a_reason_and_then_goes_on(living: LivingCluster, reason: str) -> None:
    prepare, line = REASONS[reason]
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1")
    prepare(living)
    with worker.running("khgen-roll") as roll:
        worker.until("waiting", line)
        assert worker.linked("placed") is None
        if reason == "no API":
            living.start_api("cp1")
        else:
            eventually(lambda: living.report("w1").get("state") == "waiting")
        living.applies(WANTED, {"slots": {}, "applied": {"cp1": 7}})
        assert roll.wait(60) == 0
    assert living.state() == {"slots": {}, "applied": {"cp1": 7, "w1": 7}}
    assert worker.linked("applied") == 7


def test_a_window_that_is_open_or_began_yesterday_is_no_reason(living: LivingCluster) -> None:
    day, start = day_and_time(-23 * 3600)
    living.applies(WANTED, window={"days": [day], "start": start, "minutes": 24 * 60})
    state_of(living)
    booted(living, "w1").rolls()


def test_steps_that_disrupt_nothing_take_no_slot(living: LivingCluster) -> None:
    living.applies(WANTED)
    living.state({"slots": {"w2": held()}, "applied": {}})
    booted(living, "w1", {f"{STEPS}/10-a": step("echo other")}).rolls()
    assert living.state() == {"slots": {"w2": held()}, "applied": {"w1": 7}}


def test_slots_of_removed_nodes_count_no_more(living: LivingCluster) -> None:
    living.applies(WANTED)
    living.state({"slots": {"w9": held("failed")}, "applied": {"cp1": 7, "w9": 7}})
    booted(living, "w1").rolls()
    assert living.state() == {"slots": {}, "applied": {"cp1": 7, "w1": 7}}


@pytest.mark.parametrize("at_most", [1, 3])
def test_never_more_workers_than_may_be_unavailable(living: LivingCluster, at_most: int) -> None:
    """Eight begin at once; etcd remembers each version of what they wrote."""
    names = living.names("w")
    living.applies(dict.fromkeys(["cp1", *names], 7), maxUnavailable=at_most)
    state_of(living)
    machines = [booted(living, name) for name in names]
    with ExitStack() as stack:
        rolls = [stack.enter_context(machine.running("khgen-roll")) for machine in machines]
        assert [roll.wait(300) for roll in rolls] == [0] * len(names)
    key = "/standin/api/v1/namespaces/khgen/configmaps/roll"
    held_at_once = [len(slots) for slots in _slots(living, key)]
    assert max(held_at_once) == at_most
    # Marking, taking and giving back: everybody did it.
    assert living.state()["applied"] == dict.fromkeys(["cp1", *names], 7)


def _slots(living: LivingCluster, key: str) -> Iterator[dict[str, object]]:
    for version in living.history(key):
        yield json.loads(version["data"].get("state", "{}")).get("slots", {})


def test_a_node_that_fails_stops_the_others_until_it_recovers(living: LivingCluster) -> None:
    living.applies(WANTED, maxUnavailable=2)
    state_of(living)
    first, second = booted(living, "w1", BROKEN), booted(living, "w2")
    first.environment["PATIENCE"] = "1"
    with first.running("khgen-roll"):
        first.until("failed", "10-a: it broke")
        eventually(lambda: living.state()["slots"]["w1"]["state"] == "failed")
        assert living.state()["slots"]["w1"]["message"] == "10-a: it broke"
        eventually(lambda: living.report("w1")["state"] == "failed")
    with second.running("khgen-roll") as other:
        second.until("waiting", "w1 failed, which stops the roll: 10-a: it broke")
        # A newer update repairs it; systemd begins khgen-roll anew.
        first.accepts(first.update(8, DISRUPTS))
        first.rolls()
        assert other.wait(60) == 0
    assert living.state() == {"slots": {}, "applied": {"cp1": 7, "w1": 8, "w2": 7}}


def test_a_holder_goes_on_after_a_power_cut_whatever_the_others_do(living: LivingCluster) -> None:
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1", WAITS)
    with worker.running("khgen-roll"):
        worker.until("rolling", "10-a")
    worker.path("/run/khgen/roll.json").unlink()
    assert set(living.state()["slots"]) == {"w1"}
    living.applies(WANTED, paused=True)
    worker.place("/var/lib/go", "")
    worker.rolls()
    assert living.state() == {"slots": {}, "applied": {"cp1": 7, "w1": 7}}


def test_a_holder_whose_api_is_away_goes_on_and_gives_back_later(living: LivingCluster) -> None:
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1", WAITS)
    with worker.running("khgen-roll"):
        worker.until("rolling", "10-a")
    living.stop_api("cp1")
    try:
        worker.place("/var/lib/go", "")
        with worker.running("khgen-roll") as roll:
            worker.until("rolling", "does not answer")
            assert worker.linked("placed") == 7
            living.start_api("cp1")
            assert roll.wait(60) == 0
    finally:
        if "cp1" not in living.servers:
            living.start_api("cp1")
    assert living.state()["slots"] == {}


def test_a_slot_that_was_given_back_is_not_taken_twice(living: LivingCluster) -> None:
    """The power went between the API's answer and the note of it: another node holds it now."""
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1", WAITS)
    with worker.running("khgen-roll"):
        worker.until("rolling", "10-a")
    living.state({"slots": {"w2": held()}, "applied": {"cp1": 7, "w1": 7}})
    worker.place("/var/lib/go", "")
    worker.rolls()
    assert set(living.state()["slots"]) == {"w2"}


def test_alone_it_waits_for_nobody_and_is_recorded_later(living: LivingCluster) -> None:
    worker = living.machine("w1")
    worker.boots_with(PLAIN)
    living.register("w1")
    folder = worker.update(7, DISRUPTS)
    worker.accepts(folder)
    with worker.running("khgen-roll"):
        worker.until("waiting", "the cluster has no ConfigMap khgen/roll")
    worker.accepts(folder, "--alone")
    worker.rolls()
    assert worker.linked("applied") == 7
    living.applies({"w1": 7})
    assert living.state() == {}
    worker.accepts(folder)
    assert living.state() == {"slots": {}, "applied": {"w1": 7}}


def drained(living: LivingCluster, drain_seconds: int = 5) -> UpdatedMachine:
    living.applies(WANTED)
    state_of(living)
    return booted(living, "w1", DRAINS, drain_seconds=drain_seconds)


def test_a_drain_leaves_what_a_drain_leaves(living: LivingCluster) -> None:
    worker = drained(living)
    living.pod("web", "w1", labels={"app": "web"})
    living.pod("elsewhere", "w2")
    living.pod("agent", "w1", ownerReferences=[{"kind": "DaemonSet"}])
    living.pod("etcd-w1", "w1", annotations={"kubernetes.io/config.mirror": "x"})
    living.ask(
        "POST",
        "/api/v1/namespaces/default/pods",
        {
            "kind": "Pod",
            "metadata": {"name": "job", "namespace": "default"},
            "spec": {"nodeName": "w1"},
            "status": {"phase": "Succeeded"},
        },
    )
    worker.rolls()
    assert living.pods() == ["agent", "elsewhere", "etcd-w1", "job"]
    assert "unschedulable" not in living.node("w1")["spec"]


def test_a_budget_is_waited_for_and_past_the_bound_it_is_a_failure(living: LivingCluster) -> None:
    worker = drained(living, 1)
    living.pod("web", "w1", labels={"app": "web"})
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    budget = {
        "metadata": {"name": "web-budget"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}},
        "status": {"disruptionsAllowed": 0},
    }
    living.ask("POST", budgets, budget)
    with worker.running("khgen-roll") as roll:
        line = worker.until("failed", "default/web")
        assert "The disruption budget web-budget needs more" in line
        assert living.node("w1")["spec"]["unschedulable"] is True
        assert worker.linked("placed") is None, "nothing has changed yet"
        assert living.state()["slots"]["w1"]["state"] == "failed"
        budget["status"] = {"disruptionsAllowed": 1}
        living.ask("PUT", f"{budgets}/web-budget", budget)
        assert roll.wait(60) == 0
    assert living.pods() == []
    assert "unschedulable" not in living.node("w1")["spec"]


def test_pods_stay_where_only_a_script_is_another_one(living: LivingCluster) -> None:
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1", {f"{STEPS}/10-a": step("true", *DRAIN_HEADERS)})
    living.pod("web", "w1", labels={"app": "web"})
    worker.rolls()
    assert living.pods() == ["web"]


def test_an_answer_that_was_not_expected_stops_the_roll_and_is_shown(
    living: LivingCluster,
) -> None:
    worker = drained(living)
    living.ask("PATCH", "/api/v1/nodes/w1", {"spec": None})
    with worker.running("khgen-roll") as roll:
        worker.until("failed", "khgen-roll: KeyError('spec')")
        eventually(lambda: living.state()["slots"]["w1"]["state"] == "failed")
        living.ask("PATCH", "/api/v1/nodes/w1", {"spec": {}})
        assert roll.wait(60) == 0
    assert living.state()["slots"] == {}


def test_a_node_that_was_cordoned_before_stays_cordoned(living: LivingCluster) -> None:
    worker = drained(living)
    node = living.node("w1")
    node["spec"]["unschedulable"] = True
    living.ask("PUT", "/api/v1/nodes/w1", node)
    worker.rolls()
    assert living.node("w1")["spec"]["unschedulable"] is True


def test_a_power_cut_after_the_drain_still_uncordons(living: LivingCluster) -> None:
    worker = drained(living)
    waits = step("[ -e /var/lib/go ]", *DRAIN_HEADERS, "#every: 0.1")
    worker.accepts(worker.update(8, {f"{STEPS}/10-a": waits, LIST: (0o644, "8")}))
    with worker.running("khgen-roll"):
        worker.until("rolling", "10-a")
    assert living.node("w1")["spec"]["unschedulable"] is True
    worker.place("/var/lib/go", "")
    worker.rolls()
    assert "unschedulable" not in living.node("w1")["spec"]


def test_a_node_that_is_no_longer_ready_is_waited_for(living: LivingCluster) -> None:
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1", WAITS)
    worker.environment["PATIENCE"] = "1"
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    lease = {"metadata": {"name": "w1"}, "spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}
    living.ask("POST", leases, lease)
    with worker.running("khgen-roll") as roll:
        eventually(lambda: worker.linked("placed") == 7)
        _set_ready(living, "False")
        worker.place("/var/lib/go", "")
        worker.until("failed", "this Node is not Ready, as it was before")
        assert living.state()["slots"]["w1"]["state"] == "failed"
        _set_ready(living, "True")
        worker.until("failed", "the kubelet has not reported since its steps were done")
        lease["spec"]["renewTime"] = "2999-01-01T00:00:00.000000Z"
        living.ask("PUT", f"{leases}/w1", lease)
        assert roll.wait(60) == 0
    assert living.state()["slots"] == {}


def _set_ready(living: LivingCluster, status: str) -> None:
    conditions = [{"type": "Ready", "status": status}]
    living.ask("PATCH", "/api/v1/nodes/w1", {"status": {"conditions": conditions}})


def test_what_a_node_reports(living: LivingCluster) -> None:
    living.applies(WANTED)
    state_of(living)
    worker = booted(living, "w1")
    worker.rolls()
    report = living.report("w1")
    kubelet = worker.path("/var/lib/kubelet/pki/kubelet-client-khgen.pem")
    end = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", kubelet],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert report.pop("certificatesEnd") == end.removeprefix("notAfter=").replace(" ", "T")
    assert report.pop("since")
    assert report == {
        "applied": 7,
        "wanted": 7,
        "state": "applied",
        "line": "generation 7 is in force",
        "vip": False,
        "etcd": None,
        "ending": None,
        "kubernetes": "1.29.6",
    }
    worker.refuses(worker.update(6, PLAIN))
    report = living.report("w1")
    assert (report["state"], report["applied"]) == ("refused", 7)
    assert report["line"] == "its generation 6 is older than 7, which was accepted"


def pull(machine: UpdatedMachine) -> str:
    done = machine.run("khgen-update", "pull")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def secret(name: str, files: Mapping[str, bytes]) -> dict[str, object]:
    """A node's Secret in update.yaml."""
    sealed = sealed_files(files, f"the key of {name}")
    data = {file: base64.b64encode(content).decode() for file, content in sealed.items()}
    return {"metadata": {"name": f"update-{name}"}, "data": data}


def test_a_node_pulls_its_own_update_and_no_other_one(living: LivingCluster) -> None:
    worker = living.machine("w1")
    endpoint = {"ENDPOINT": living.url("cp1")}
    lines = [line for line in worker.values.splitlines() if not line.startswith("ENDPOINT=")]
    worker.values = "\n".join([f"ENDPOINT={endpoint['ENDPOINT']}", *lines, ""])
    worker.boots_with(PLAIN)
    assert pull(worker) == "no update: HTTP Error 403: Forbidden\n", "there is none as yet"
    for name in ("w1", "w2"):
        files = update_files(worker.about(7), worker.whole(DISRUPTS))
        living.ask("POST", "/api/v1/namespaces/khgen/secrets", secret(name, files))
        living.allow(f"update-{name}", "secrets", ("get",), f"system:node:{name}")
    refused = "kind.tar.xz is not the one that was signed, or is for another machine"
    for key in (None, "of another machine"):
        if key:
            worker.place("/etc/khgen/update.key", key, 0o600)
        done = worker.run("khgen-update", "pull")
        assert (done.returncode, done.stdout) == (4, f"update refused: {refused}\n"), done.stderr
    assert worker.linked("wanted") is None
    worker.place("/etc/khgen/update.key", "the key of w1\n", 0o600)
    assert pull(worker) == ""
    assert worker.linked("wanted") == 7
    worker.asked_systemctl()
    assert pull(worker) == ""
    assert worker.asked_systemctl() == []
    worker.values = worker.values.replace("NODE_NAME=w1", "NODE_NAME=w2")
    worker.place("/etc/khgen/node.env", worker.values)
    assert pull(worker) == "no update: HTTP Error 403: Forbidden\n", "the API keeps them apart"
    living.stop_api("cp1")
    try:
        done = worker.run("khgen-update", "pull")
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == "no update: <urlopen error [Errno 111] Connection refused>\n"
    finally:
        living.start_api("cp1")


def control_plane(living: LivingCluster) -> UpdatedMachine:
    living.applies({"cp1": 7, "cp2": 7})
    return booted(living, "cp1", role="control-plane")


def test_a_control_plane_waits_for_the_other_one(living: LivingCluster) -> None:
    machine = control_plane(living)
    living.state({"slots": {"cp2": held(role="control-plane")}})
    with machine.running("khgen-roll") as roll:
        machine.until("waiting", "cp2 is being updated")
        living.stop_api("cp2")
        try:
            living.state({"slots": {"w1": held()}})
            machine.until("waiting", f"{living.url('cp2')} does not answer")
        finally:
            living.start_api("cp2")
        assert roll.wait(60) == 0
    assert living.state()["applied"] == {"cp1": 7}


def test_a_control_plane_that_has_still_to_join_is_no_reason(living: LivingCluster) -> None:
    machine = control_plane(living)
    living.ask("DELETE", "/api/v1/nodes/cp2")
    living.stop_api("cp2")
    try:
        machine.rolls()
    finally:
        living.start_api("cp2")


def test_a_control_plane_waits_for_each_member_of_etcd(living: LivingCluster) -> None:
    machine = control_plane(living)
    living.members.stop("etcd3")
    try:
        with machine.running("khgen-roll") as roll:
            machine.until("waiting", f"{living.url('etcd3', 2379)} does not answer")
            living.start_etcd("etcd3")
            assert roll.wait(60) == 0
    finally:
        living.start_missing_etcd()


def etcd_slots(living: LivingCluster) -> Iterator[dict[str, object]]:
    for version in living.history("/khgen/roll"):
        yield version["slots"]


def test_etcd_hosts_take_turns_without_an_api(living: LivingCluster) -> None:
    names = living.names("etcd")
    machines = [booted(living, name, role="etcd") for name in names]
    with ExitStack() as stack:
        rolls = [stack.enter_context(machine.running("khgen-roll")) for machine in machines]
        assert [roll.wait(300) for roll in rolls] == [0, 0, 0]
    holders = [sorted(slots) for slots in etcd_slots(living)]
    assert max(map(len, holders)) == 1
    assert {name for slots in holders for name in slots} == set(names)


def test_an_etcd_host_waits_for_the_others_and_then_for_itself(living: LivingCluster) -> None:
    machine = booted(living, "etcd1", WAITS, role="etcd")
    living.members.stop("etcd3")
    try:
        with machine.running("khgen-roll") as roll:
            machine.until("waiting", f"{living.url('etcd3', 2379)} does not answer")
            living.start_etcd("etcd3")
            machine.until("rolling", "10-a")
            living.members.stop("etcd1")
            machine.place("/var/lib/go", "")
            machine.until("rolling", f"{living.url('etcd1', 2379)} does not answer")
            living.start_etcd("etcd1")
            assert roll.wait(60) == 0
    finally:
        living.start_missing_etcd()
