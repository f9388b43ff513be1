"""The report of a running cluster: every way in which it can differ from what was rendered."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from khgen.disk.manifest import RenderedManifest, decoded_manifest
from khgen.live.api_objects import NODES_PATH, PODS_PATH, ROLL_PATH, NotAListError, snapshot
from khgen.live.cluster_report import ClusterReport, Rendered, cluster_report, report_values
from support.command import SMALL_SPEC
from support.rendered_out import write_out
from support.seen_cluster import (
    GENERATION,
    OLDER,
    SINCE,
    SeenCluster,
    condition,
    give_bundles,
    node_of,
    report_of,
    slot_of,
    small_cluster,
)

NOW = datetime(2026, 11, 26, 2, 5, tzinfo=UTC)
EXTERNAL = SMALL_SPEC + "  - {name: lb1, role: load-balancer, address: 10.9.0.31}\n"


@cache
def manifest(spec: str = SMALL_SPEC, generation: int | None = GENERATION) -> RenderedManifest:
    """The manifest of a render; its nodes have bundles of that generation."""
    with TemporaryDirectory() as folder:
        out = write_out(Path(folder), spec)
        give_bundles(out, generation)
        return decoded_manifest((out / "manifest.json").read_bytes())


def report(seen: SeenCluster, rendered: RenderedManifest | None = None) -> ClusterReport:
    """The report of that cluster."""
    lists = (seen.list_of(path) for path in (NODES_PATH, PODS_PATH, ROLL_PATH))
    compared = Rendered(out="out", manifest=rendered or manifest(), vip="10.9.0.2")
    return cluster_report(compared, snapshot(*lists), NOW)


def differences(found: ClusterReport) -> dict[str, tuple[str, ...]]:
    """What differs of each node that differs."""
    return {node.name: node.differences for node in found.nodes if node.differences}


def test_a_cluster_as_it_was_rendered_has_no_difference() -> None:
    found = report(small_cluster())
    assert found.as_rendered
    assert differences(found) == {}
    assert (found.differences, found.stopped, found.unknown) == ((), (), ())
    assert found.vip_holders == ("cp1",)
    (cp1, *_, w1) = found.nodes
    assert (cp1.ready, cp1.kubelet, cp1.api_server) == (True, "1.29.6", "1.29.6")
    assert (w1.applied, w1.wanted, w1.api_server) == (GENERATION, GENERATION, "")


def gone(seen: SeenCluster) -> None:
    del seen.nodes["w1"]


def silent(seen: SeenCluster) -> None:
    ready = condition(seen.nodes["w1"], "Ready")
    ready |= {"status": "Unknown", "message": "Kubelet stopped posting node status."}


def without_conditions(seen: SeenCluster) -> None:
    seen.nodes["w1"]["status"]["conditions"] = []


def older_kubelet(seen: SeenCluster) -> None:
    seen.nodes["w1"]["status"]["nodeInfo"]["kubeletVersion"] = "v1.28.9"


def older_api_server(seen: SeenCluster) -> None:
    (container,) = seen.pods["cp2"]["spec"]["containers"]
    container["image"] = "registry.k8s.io/kube-apiserver:v1.28.9@sha256:" + "0" * 64


def no_api_server(seen: SeenCluster) -> None:
    del seen.pods["cp2"]


def unready_api_server(seen: SeenCluster) -> None:
    condition(seen.pods["cp2"], "Ready")["status"] = "False"


def waiting(seen: SeenCluster) -> None:
    line = "cp1 holds the slot of control planes"
    seen.nodes["cp2"] = node_of(
        "cp2", report_of("waiting", applied=OLDER, line=line, etcd="healthy")
    )


def behind(seen: SeenCluster) -> None:
    seen.nodes["w1"] = node_of("w1", report_of(applied=OLDER, wanted=OLDER))


def refusing(seen: SeenCluster) -> None:
    line = "the bundle's signature is wrong"
    seen.nodes["w1"] = node_of("w1", report_of("refused", line=line))


def without_report(seen: SeenCluster) -> None:
    seen.nodes["w1"] = node_of("w1")


def sick_member(seen: SeenCluster) -> None:
    seen.nodes["cp3"] = node_of("cp3", report_of(etcd="a learner, not a voter"))


def expired(seen: SeenCluster) -> None:
    seen.nodes["w1"] = node_of("w1", report_of(certificatesEnd="2026-11-26T02:05:00Z"))


LATE = "certificates end from 2026-12-01T00:00:00Z on, and nothing on this node renews them: /a.crt"


def ending(seen: SeenCluster) -> None:
    seen.nodes["w1"] = node_of("w1", report_of(ending=LATE))


DIFFERENCES: tuple[tuple[Callable[[SeenCluster], None], str, tuple[str, ...]], ...] = (
    (ending, "w1", (f"{LATE}; run khgen certs renew",)),
    (gone, "w1", ("not in the cluster: it has no Node",)),
    (silent, "w1", ("not ready: Kubelet stopped posting node status.",)),
    (without_conditions, "w1", ("not ready",)),
    (older_kubelet, "w1", ("its kubelet is 1.28.9, and 1.29.6 is wanted",)),
    (older_api_server, "cp2", ("its API server is 1.28.9, and 1.29.6 is wanted",)),
    (no_api_server, "cp2", ("no API server runs on it",)),
    (unready_api_server, "cp2", ("its API server is not ready",)),
    (waiting, "cp2", ("waiting since 2026-11-26 02:03Z: cp1 holds the slot of control planes",)),
    (
        behind,
        "w1",
        ("it has the bundle of 2026-11-20 09:15Z, and 2026-11-26 02:00Z is wanted",),
    ),
    (refusing, "w1", ("refused since 2026-11-26 02:03Z: the bundle's signature is wrong",)),
    (
        without_report,
        "w1",
        ("it has not reported a bundle yet, and 2026-11-26 02:00Z is wanted",),
    ),
    (sick_member, "cp3", ("etcd: a learner, not a voter",)),
    (expired, "w1", ("a certificate expired on 2026-11-26 02:05Z",)),
)


@pytest.mark.parametrize(
    ("change", "name", "expected"), DIFFERENCES, ids=[row[0].__name__ for row in DIFFERENCES]
)
def test_each_difference_of_a_node_is_reported(
    change: Callable[[SeenCluster], None], name: str, expected: tuple[str, ...]
) -> None:
    seen = small_cluster()
    change(seen)
    found = report(seen)
    assert differences(found) == {name: expected}
    assert not found.as_rendered


def test_a_cordoned_node_is_shown_but_is_not_a_difference() -> None:
    seen = small_cluster()
    seen.nodes["w1"]["spec"]["unschedulable"] = True
    found = report(seen)
    assert found.nodes[-1].cordoned
    assert found.as_rendered


def test_what_a_node_gave_back_with_its_slot_counts_where_it_has_no_report() -> None:
    seen = small_cluster()
    seen.nodes["w1"] = node_of("w1")
    seen.state = {"slots": {}, "applied": {"w1": GENERATION}}
    assert report(seen).as_rendered


def test_a_node_of_no_render_is_named() -> None:
    seen = small_cluster()
    seen.nodes["w9"] = node_of("w9")
    found = report(seen)
    assert found.unknown == ("w9",)
    assert not found.as_rendered


def test_another_cluster_is_noticed() -> None:
    seen = SeenCluster(nodes={"other": node_of("other")}, given=False)
    assert report(seen).differences[0] == (
        "the cluster has no node of out: is the kubeconfig that of another one?"
    )


def test_a_failed_slot_is_why_the_roll_stopped() -> None:
    seen = small_cluster()
    seen.state = {
        "slots": {"cp2": slot_of("control-plane", "failed", "step 60-update-control-plane stalls")}
    }
    found = report(seen)
    assert found.stopped == (
        "cp2 (control-plane) failed at 2026-11-26 02:03Z: step 60-update-control-plane stalls",
    )
    assert not found.as_rendered


def test_a_node_that_is_still_in_the_channel_is_reported() -> None:
    seen = small_cluster()
    seen.wanted["w7"] = {"role": "worker", "generation": OLDER}
    assert report(seen).differences == ("out no longer has w7: kubectl apply -f out/update.yaml",)


def test_the_slot_of_a_node_that_is_no_longer_wanted_does_not_count() -> None:
    seen = small_cluster()
    seen.state = {"slots": {"w7": slot_of("worker", "failed", "it is gone")}}
    assert report(seen).as_rendered


def test_two_holders_of_the_vip_are_reported() -> None:
    seen = small_cluster()
    seen.nodes["cp2"] = node_of("cp2", report_of(etcd="healthy", vip=True))
    assert report(seen).differences == ("cp1 and cp2 report that they hold the VIP: only one may",)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (OLDER, "out has newer bundles for w1: kubectl apply -f out/update.yaml"),
        (GENERATION + 60, "the cluster has newer bundles than out for w1: render again"),
        (None, "out has newer bundles for w1: kubectl apply -f out/update.yaml"),
    ],
)
def test_bundles_in_the_cluster_are_compared_with_the_output(
    given: int | None, expected: str
) -> None:
    seen = small_cluster()
    del seen.wanted["w1"]
    if given is not None:
        seen.wanted["w1"] = {"role": "worker", "generation": given}
    found = report(seen)
    assert found.differences == (expected,)
    assert differences(found) == {}


def test_an_output_that_was_never_applied_is_reported() -> None:
    seen = small_cluster()
    seen.given = False
    for name in seen.nodes:
        seen.nodes[name] = node_of(name)
    found = report(seen)
    assert found.differences == (
        "the cluster has no bundles yet: kubectl apply -f out/update.yaml",
    )
    assert differences(found) == {}


def test_without_bundles_only_what_the_api_shows_is_compared() -> None:
    seen = small_cluster()
    seen.given = False
    for name in seen.nodes:
        seen.nodes[name] = node_of(name)
    found = report(seen, manifest(generation=None))
    assert found.as_rendered
    assert {node.wanted for node in found.nodes} == {None}


def test_a_node_that_no_api_knows_differs_in_nothing() -> None:
    found = report(small_cluster(), manifest(EXTERNAL))
    (other,) = (node for node in found.nodes if not node.in_api)
    assert (other.name, other.node, other.differences) == ("lb1", None, ())
    assert found.as_rendered


@pytest.mark.parametrize(
    ("window", "open_now", "until"),
    [
        # 2026-11-26 is a Thursday; NOW is 02:05.
        ({"days": ["Wed"], "start": "22:00", "minutes": 300}, True, "2026-11-26T03:00:00Z"),
        ({"days": ["Thu"], "start": "02:05", "minutes": 1}, True, "2026-11-26T02:06:00Z"),
        ({"days": ["Wed"], "start": "22:00", "minutes": 245}, False, "2026-12-02T22:00:00Z"),
        ({"days": ["Sat", "Sun"], "start": "22:00", "minutes": 240}, False, "2026-11-28T22:00:00Z"),
        ({"days": ["Thu"], "start": "02:00", "minutes": 5}, False, "2026-12-03T02:00:00Z"),
    ],
)
def test_the_window_is_that_of_the_days_of_its_start(
    window: dict[str, object], until: str, *, open_now: bool
) -> None:
    seen = small_cluster()
    seen.policy = {"paused": True, "maxUnavailable": 1, "drainSeconds": 300, "window": window}
    found = report(seen)
    assert report_values(found)["window"] == {"open": open_now, "until": until}
    assert found.paused
    assert found.as_rendered


def test_what_cannot_be_read_is_a_difference_not_a_failure() -> None:
    seen = small_cluster()
    seen.nodes["w1"]["metadata"]["annotations"]["khgen/update"] = '{"state": "dancing"}'
    seen.policy = {"window": {"days": ["Someday"], "start": "22:00", "minutes": 1}}
    seen.state = {"slots": {"w1": {}}}
    found = report(seen)
    starts = [text.partition(":")[0] for text in found.differences]
    assert starts == [
        "the annotation khgen/update of w1 cannot be read",
        "the data.policy of ConfigMap khgen/roll cannot be read",
        "the data.state of ConfigMap khgen/roll cannot be read",
    ]
    assert "slots.w1.role" in found.differences[2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"items": null}', '{"items": [{"spec": 1}]}'])
def test_an_answer_that_is_no_list_is_refused(text: str) -> None:
    seen = small_cluster()
    with pytest.raises(NotAListError, match="no list of Nodes"):
        snapshot(text, seen.list_of(PODS_PATH), seen.list_of(ROLL_PATH))


def test_the_values_for_programs_are_json() -> None:
    seen = small_cluster()
    seen.state = {"slots": {"w1": slot_of("worker")}}
    values = json.loads(json.dumps(report_values(report(seen))))
    assert values["asRendered"]
    worker = values["nodes"][-1]
    assert worker["slot"] == {"generation": GENERATION, "since": SINCE, "state": "rolling"}
    assert worker["certificatesEnd"] == "2027-11-26T02:00:00Z"
    assert worker["apiServer"] is None
