"""Certificates of a cluster that runs: control planes renew theirs when an update comes,
older ones do not come back, and `khgen certs renew` has the last word.

The tests share one cluster, founded 300 days ago by its dates, and run in this order. With
KHGEN_KUBE_BIN it is Kubernetes; otherwise tests/standin takes its place.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from khgen.rehearse.api_client import counted
from support.kubernetes import kube_bin
from support.local_cluster import STAND_IN, LocalCluster, local_cluster
from support.rolls import REAL, SlotHistory, in_force, numbered_spec, render_update

pytestmark = pytest.mark.boot
PORTS = (6443, 2379)
"""Of an API server, and of etcd."""
MENDED = 2.0
"""A client that tries again for so long notices nothing."""
SECONDS = 900 if REAL else 300
Serials = Mapping[tuple[str, int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A cluster whose certificates are in the last quarter of their life."""

    cluster: LocalCluster
    client: Path

    def served(self) -> Serials:
        """The serial number of the certificate that each server shows, by its host and port."""
        return {
            (name, port): self._serial(name, port) for name in self.cluster.hosts for port in PORTS
        }

    def _serial(self, name: str, port: int) -> str:
        address = self.cluster.render.plan.by_name[name].address
        shown = f"openssl s_client -connect {address}:{port} </dev/null 2>/dev/null"
        command = f"{shown} | openssl x509 -noout -serial"
        return self.cluster.hosts[name].run("bash", "-c", command).strip()

    def updates(self, number: int, *, renew: bool = False) -> None:
        """Another update comes into force, one host after the other."""
        with self.undisturbed():
            render_update(self.cluster, number, renew=renew)
            self.cluster.apply_updates()
            self.cluster.wait_updated(seconds=SECONDS)
        for name in self.cluster.hosts:
            assert in_force(self.cluster, name, number), name

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """A client gets an answer within a moment, and nobody changes at the same time."""
        history, since = SlotHistory(cluster=self.cluster), time.monotonic()
        history.begin()
        yield
        seen = counted(self.client, since)
        print(f"slots: {history.holders()}; {seen}")
        assert history.wrong() == []
        assert set(history.holders()) == set(self.cluster.hosts)
        assert seen.asked > 10
        assert seen.longest <= MENDED


@pytest.fixture(scope="module")
def old() -> Iterator[Old]:
    programs = kube_bin() if REAL else STAND_IN
    ago = timedelta(days=-300)
    with local_cluster(numbered_spec({"cp": 3}, 0), programs, ahead=ago) as hosts:
        hosts.boot(seconds=600 if REAL else 300)
        yield Old(cluster=hosts, client=hosts.start_client())


def test_certificates_are_renewed_with_an_update(old: Old) -> None:
    before = old.served()
    old.updates(1)
    after = old.served()
    assert all(after[place] != serial for place, serial in before.items()), after
    for host in old.cluster.hosts.values():
        for path in ("pki/apiserver.crt", "pki/etcd/peer.crt", "pki/front-proxy-client.crt"):
            days = str(360 * 86400)
            host.run(
                "openssl", "x509", "-checkend", days, "-noout", "-in", f"/etc/kubernetes/{path}"
            )


def test_an_update_with_older_ones_does_not_bring_them_back(old: Old) -> None:
    before = old.served()
    old.updates(2)
    assert old.served() == before


def test_what_the_operator_issues_later_comes_into_use(old: Old) -> None:
    before = old.served()
    old.updates(3, renew=True)
    after = old.served()
    assert all(after[place] != serial for place, serial in before.items()), after
