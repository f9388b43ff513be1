"""Updates of clusters that run: by the API, by a seed, by a folder; cut off, superseded, refused.

With KHGEN_KUBE_BIN it is Kubernetes; otherwise tests/standin takes the place of kubelet, kubeadm and
kubectl.
"""

import os
import time
from collections.abc import Iterator

import pytest

from khgen.rehearse.api_client import counted
from khgen.spec.model import ClusterSpec
from support.kubernetes import kube_bin, kubeadm_version
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.topologies import cluster

pytestmark = pytest.mark.boot
REAL = bool(os.environ.get("KHGEN_KUBE_BIN"))
MENDED = 2.0
"""A client that tries again for so long notices nothing."""
VERSION = {"version": str(kubeadm_version())} if REAL else {}


def spec_with(**fields: object) -> ClusterSpec:
    return cluster({"cp": 3, "w": 1}, controlPlaneEndpoint=ENDPOINT, **fields)


@pytest.fixture(scope="module")
def booted() -> Iterator[LocalCluster]:
    programs = kube_bin() if REAL else STAND_IN
    with local_cluster(spec_with(kubernetes=VERSION), programs) as hosts:
        hosts.boot(seconds=300)
        yield hosts


def test_an_update_comes_by_the_api_and_nobody_notices(booted: LocalCluster) -> None:
    log = booted.start_client()
    since = time.monotonic()
    hosts = [{"address": "10.9.9.9", "names": ["registry.example.net"]}]
    booted.rendered_anew(
        spec_with(
            os={"family": "debian", "release": "12", "hosts": hosts},
            kubernetes={**VERSION, "apiServer": {"extraArgs": {"audit-log-maxage": "7"}}},
        )
    )
    booted.make_updates()
    booted.apply_updates()
    watch = booted.wait_updated(seconds=600)
    seen = counted(log, since)
    print(f"in force after {watch.seconds:.0f} s; {seen}")
    for host in booted.hosts.values():
        assert "registry.example.net" in (host.read("/etc/hosts") or "")
    assert seen.longest <= MENDED
