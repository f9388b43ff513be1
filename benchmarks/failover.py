"""How long the endpoint does not answer when the VIP's holder loses its power.

    sudo PYTHONPATH=tests .venv/bin/python benchmarks/failover.py --cuts 20

Boots three local control planes as `khgen rehearse` does, and takes the power of whichever holds
the VIP, again and again; between cuts that host boots and the cluster becomes whole. All the time a
client on the bridge begins a new request every 100 ms, each with a connection of its own. With
KHGEN_KUBE_BIN it is Kubernetes; otherwise tests/standin takes the place of kubelet, kubeadm and
kubectl. Prints a Markdown table of seconds since the cut.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from khgen.rehearse.api_client import requests
from khgen.rehearse.processes import wait_until
from markdown_table import say
from support.balance import api_servers
from support.local_cluster import ENDPOINT, STAND_IN, LocalCluster, local_cluster
from support.topologies import cluster
from support.virtual_ip import steady_holder

CONTROL_PLANES = ("cp1", "cp2", "cp3")
SLOW = 0.5
"""A request that took longer was held up: otherwise it takes about ten milliseconds."""
CALM = 20.0
"""The client continues for so long after a cut, until haproxy has removed the lost API server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds since the cut."""

    moved: float
    """Another keepalived became master."""
    answered: float
    """The first request that was begun after the cut was answered."""
    held_up: float
    """The last request that failed or was slow had ended."""


def cut(booted: LocalCluster, log: Path) -> Times:
    """Cut the holder's power, measure what the client sees, and restore the cluster."""
    holder = steady_holder(booted)
    members = booted.members(holder)
    since = time.monotonic()
    booted.hosts[holder].unplug()
    begun_after = time.monotonic()
    booted.hosts[holder].power_cut()
    time.sleep(CALM)
    seen = [request for request in requests(log) if request.begun > begun_after]
    held_up = [r.ended for r in seen if not r.well or r.ended - r.begun > SLOW]
    times = Times(
        moved=became_master(booted, since) - since,
        answered=min(request.ended for request in seen if request.well) - since,
        held_up=max(held_up, default=since) - since,
    )
    booted.boot([holder])
    booted.wait_members(holder, members)
    wait_until(lambda: all_in_balance(booted), 120, "every API server at every haproxy")
    return times


def became_master(booted: LocalCluster, since: float) -> float:
    """When the first of the remaining hosts became master after that time."""
    when = []
    for host in booted.hosts.values():
        if host.first_process is not None:
            said = host.run("journalctl", "-b", "-u", "keepalived", "-o", "json", "--no-pager")
            entries = [json.loads(line) for line in said.splitlines()]
            when += [
                int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6
                for entry in entries
                if "Entering MASTER STATE" in entry["MESSAGE"]
            ]
    return min(moment for moment in when if moment > since)


def all_in_balance(booted: LocalCluster) -> bool:
    """Whether each haproxy sees each API server ready."""
    seen = [api_servers(booted.hosts[name]) for name in CONTROL_PLANES]
    return all(server["status"] == "UP" for servers in seen for server in servers.values())


def row(title: str, times: Sequence[float]) -> None:
    """One row of seconds."""
    say(title, *(f"{seconds:.2f} s" for seconds in times))


def measure(booted: LocalCluster, cuts: int) -> None:
    """Cut by cut, then the medians and the worst."""
    booted.boot(seconds=600)
    log = booted.start_client()
    say("cut", "VIP moved", "API answered", "last request held up")
    say(*["---"] * 4)
    all_times = []
    for number in range(1, cuts + 1):
        all_times.append(astuple(cut(booted, log)))
        row(str(number), all_times[-1])
    columns = list(zip(*all_times, strict=True))
    row("median", [statistics.median(column) for column in columns])
    row("worst", [max(column) for column in columns])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cuts", type=int, default=20, help="of the holder's power")
    arguments = parser.parse_args()
    binaries = os.environ.get("KHGEN_KUBE_BIN")
    spec = cluster({"cp": len(CONTROL_PLANES)}, controlPlaneEndpoint=ENDPOINT)
    sys.stdout.write(
        f"{os.cpu_count()} processors; {'Kubernetes' if binaries else 'stand-in'};"
        f" load before {os.getloadavg()[0]:.2f}\n\n"
    )
    with local_cluster(spec, Path(binaries) if binaries else STAND_IN) as booted:
        measure(booted, arguments.cuts)


if __name__ == "__main__":
    main()
