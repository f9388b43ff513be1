"""Clusters that grow while a client watches: one holder of the VIP, the API always reachable.

The machines that are up keep the files of their first boot. With KHGEN_KUBE_BIN it is Kubernetes;
otherwise tests/standin takes the place of kubelet, kubeadm and kubectl.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from khgen.rehearse.api_client import Requests, counted
from khgen.rehearse.processes import ProgramError, wait_until
from khgen.spec.model import ClusterSpec
from support.balance import api_servers
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.topologies import cluster
from support.virtual_ip import steady_holder

pytestmark = pytest.mark.boot
REAL = bool(os.environ.get("KHGEN_KUBE_BIN"))
WATCHED = 60.0 if REAL else 25.0
"""Keepalived would show two holders within a few seconds; a kept connection breaks at once."""
MENDED = 2.0
"""A client that tries again for so long notices nothing."""
SUBNETS = {"cp": 1, "lb": 4, "w": 2}
FIELDS: Mapping[str, object] = {"vip": ENDPOINT["vip"], "port": ENDPOINT["port"]}


def spec_of(names: Mapping[str, int], **endpoint: object) -> ClusterSpec:
    """Control planes and others by name, each with the last byte of its address."""
    roles = {"cp": "control-plane", "lb": "load-balancer", "w": "worker"}
    data = cluster({"cp": 1}, controlPlaneEndpoint={**FIELDS, **endpoint}).model_dump(
        mode="json", by_alias=True
    )
    data["nodes"] = [
        {
            "name": name,
            "role": roles[name[:2].rstrip("0123456789")],
            "address": f"10.{SUBNETS[name[:2].rstrip('0123456789')]}.0.{last}",
        }
        for name, last in names.items()
    ]
    if REAL:
        data["kubernetes"]["version"] = str(kubeadm_version())
    return ClusterSpec.model_validate(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen for some time."""

    holders: list[tuple[float, list[str]]]
    requests: Requests

    @property
    def counts(self) -> set[int]:
        return {len(holders) for _, holders in self.holders}

    def __str__(self) -> str:
        held = {n: sum(len(h) == n for _, h in self.holders) for n in sorted(self.counts)}
        return f"holders {held}, {self.requests}"


def watch(cluster: LocalCluster, log: Path, seconds: float, cut: str = "") -> Seen:
    """Who holds the VIP at each half second, and what the client saw, from a power cut on."""
    since, holders = time.monotonic(), []
    if cut:
        cluster.hosts[cut].power_cut()
    while (now := time.monotonic()) < since + seconds:
        holders.append((now - since, now_holding(cluster)))
        time.sleep(max(0.0, 0.5 - (time.monotonic() - now)))
    return Seen(holders=holders, requests=counted(log, since))


def now_holding(cluster: LocalCluster) -> list[str]:
    try:
        return cluster.holders()
    except ProgramError:  # a host that loses its power in that moment
        return cluster.holders()


def knows(cluster: LocalCluster, host: str, others: set[str]) -> bool:
    """Whether a host's haproxy has an API server of each of these up."""
    addresses = {f"{cluster.render.plan.by_name[name].address}:6443" for name in others}
    servers = api_servers(cluster.hosts[host]).values()
    return addresses <= {s["addr"] for s in servers if s["status"] == "UP"}


GROWTH = {
    "one-to-three-higher": ({"cp1": 11}, {"cp2": 12, "cp3": 13}),
    "one-to-three-lower": ({"cp3": 13}, {"cp1": 11, "cp2": 12}),
    "three-to-five": ({"cp1": 11, "cp3": 13, "cp5": 15}, {"cp2": 9, "cp4": 17}),
}


@pytest.mark.parametrize("name", GROWTH)
def test_a_cluster_grows_and_its_first_machines_are_not_touched(name: str) -> None:
    old, new = GROWTH[name]
    programs = kube_bin() if REAL else STAND_IN
    with local_cluster(spec_of(old), programs) as grown:
        grown.boot(seconds=300)
        first = steady_holder(grown)
        log = grown.start_client()
        grown.rendered_anew(spec_of({**old, **new}))
        for newcomer in new:
            grown.set_up(newcomer).power_on()
        joining = watch(grown, log, 40)
        for newcomer in new:
            grown.wait_done(newcomer, 300)
        print(f"{name}, joining: {joining}")
        assert joining.counts == {1}, joining.holders
        assert {h for _, held in joining.holders for h in held} <= {first, *new}
        calm = watch(grown, log, WATCHED)
        print(f"{name}, all up: {calm}")
        assert calm.counts == {1}, calm.holders
        assert calm.requests.broken == 0
        assert calm.requests.longest <= MENDED
        everybody = {*old, *new}
        for host in everybody:
            wait_until(lambda h=host: knows(grown, h, everybody), 60, f"{host} to know all")  # type: ignore[misc]

        holder = steady_holder(grown)
        own = grown.hosts[holder]
        own.run("sh", "-c", "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/")
        without = watch(grown, log, 20)
        print(f"{name}, the holder's API server away: {without}")
        assert without.counts == {1}
        assert without.requests.longest <= MENDED + 3, "the others' API servers are ready"
        wait_until(grown.ready, 10, "the API through the holder of the VIP")
        own.run("sh", "-c", "mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/")
        wait_until(lambda: knows(grown, holder, {holder}), 120, "its API server")

        after = watch(grown, log, WATCHED, cut=holder)
        print(f"{name}, the holder cut: {after}")
        assert max(after.counts) == 1, after.holders
        assert all(held for when, held in after.holders if when > 10), after.holders
        steady_holder(grown)


def test_a_removed_and_a_replaced_host_leave_one_holder() -> None:
    three = {"cp1": 11, "cp2": 12, "cp3": 13}
    with local_cluster(spec_of(three), kube_bin() if REAL else STAND_IN) as hosts:
        hosts.boot(seconds=300)
        holder = steady_holder(hosts)
        removed = next(name for name in three if name != holder)
        log = hosts.start_client()
        forget(hosts, removed, by=holder)
        four = {**three, "cp4": 14}
        del four[removed]
        hosts.rendered_anew(spec_of(four))
        hosts.set_up("cp4").power_on()
        taking_its_place = watch(hosts, log, 40)
        print(f"another in place of a removed host: {taking_its_place}")
        assert taking_its_place.counts == {1}, taking_its_place.holders
        hosts.wait_done("cp4", 300)
        assert set(hosts.members("cp4")) == set(four)

        hosts.replace_machine(holder)
        hosts.hosts[holder].power_on()
        replaced = watch(hosts, log, 40)
        print(f"the holder replaced: {replaced}")
        assert max(replaced.counts) == 1, replaced.holders
        hosts.wait_done(holder, 300)
        calm = watch(hosts, log, WATCHED)
        print(f"all up: {calm}")
        assert calm.counts == {1}, calm.holders
        assert calm.requests.broken == 0
        assert calm.requests.longest <= MENDED


def forget(hosts: LocalCluster, name: str, by: str) -> None:
    """Switch a control plane off for good, and have the cluster forget it, as the docs say."""
    member = hosts.members(by)[name]
    hosts.removed(name)
    del hosts.hosts[name]
    hosts.etcd(by, "member", "remove", f"{int(member):x}")
    kubectl = ("kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf")
    hosts.hosts[by].run(*kubectl, "delete", "node", name)


def test_a_third_balancer_is_counted_in_when_the_two_have_their_new_files() -> None:
    two = {"cp1": 11, "lb1": 21, "lb3": 23}
    with local_cluster(spec_of(two, port=6443), kube_bin() if REAL else STAND_IN) as hosts:
        hosts.boot(seconds=300)
        log = hosts.start_client(6443)
        hosts.rendered_anew(spec_of({**two, "lb2": 22}, port=6443))
        hosts.set_up("lb2").power_on()
        waiting = watch(hosts, log, WATCHED)
        print(f"two balancers do not know the third: {waiting}")
        assert waiting.counts == {1}, waiting.holders
        assert waiting.requests.broken == 0
        assert waiting.requests.longest <= MENDED
        assert "lb2" not in {h for _, held in waiting.holders for h in held}
        for name in ("lb1", "lb3"):
            hosts.reseed(name)
            hosts.boot([name], 120)
        hosts.wait_done("lb2", 120)
        holder = steady_holder(hosts)
        after = watch(hosts, log, WATCHED, cut=holder)
        print(f"three balancers, the holder cut: {after}")
        assert max(after.counts) == 1, after.holders
        assert all(held for when, held in after.holders if when > 10), after.holders
