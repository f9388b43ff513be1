"""Power-on to a highly available control plane: khgen's parallel founding, and kubeadm's serial way.

    sudo KHGEN_KUBE_BIN=/path/to/kubernetes .venv/bin/python benchmarks/founding.py --runs 3

Both ways boot three local hosts as `khgen rehearse` does, each with the same share of processors,
with the same machine steps of khgen-boot, images, haproxy, keepalived and configuration of the
cluster. In the parallel way the hosts then found the cluster by themselves. In the serial way the
first does `kubeadm init`, and the others `kubeadm join` one after another, each started as soon as
the one before has ended.

The control plane is highly available when etcd has three started voters and knows three Nodes, and
each API server is ready at its own address: asked from the bridge, in both ways with the same
requests. Done is when no host has anything left to do. Prints a Markdown table.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

import yaml

from khgen.bundle.user_data import UserDataBuilder
from khgen.files.kubeadm import KUBEADM_CONFIG
from khgen.pki.secrets import new_secrets
from khgen.plan.cluster_plan import (
    API_SERVER_PORT,
    NodeFile,
    NodePlan,
    Plan,
    build_plan,
    founders_of,
)
from khgen.plan.steps import steps_of
from khgen.rehearse.local_host import LocalHost, State, Testbed, host_status
from khgen.rehearse.processes import ProgramError, run
from khgen.rehearse.rehearsed_spec import MANIFESTS, Rehearsal, rehearsed
from khgen.rehearse.testbed import new_host, open_testbed
from khgen.render import ClusterRender, RenderedNode
from khgen.spec.load import load_spec
from khgen.yaml_text import YamlValue, dump_yaml
from markdown_table import say

SPEC = """\
apiVersion: khgen/v1alpha1
kind: Cluster
metadata: {{name: founding}}
kubernetes: {{version: {version}}}
controlPlaneEndpoint: {{vip: 10.77.0.10, port: 8443}}
os: {{family: debian, release: "12"}}
nodes:
  - {{name: cp1, role: control-plane, address: 10.77.0.11}}
  - {{name: cp2, role: control-plane, address: 10.77.0.12}}
  - {{name: cp3, role: control-plane, address: 10.77.0.13}}
"""
LAST_MACHINE_STEP = "load-balancer"
STEPS = PurePosixPath("/etc/khgen/steps.d")
ADMIN_CONF = "/etc/kubernetes/admin.conf"
KUBELET_CONF = PurePosixPath("/etc/kubernetes/kubelet.conf")
CLIENT = "etc/kubernetes/pki/apiserver-etcd-client"
CERTIFICATE_KEY = os.urandom(32).hex()
LIMIT = 600.0
END = object()
WEIGHTS = {"cpu.shares": "16384", "cpu.weight": "1600"}
"""16 times the default of cgroup v1 and of v2: that of one process, for all hosts together."""
LOGS = {
    "journal": "journalctl -b -o short-precise --no-pager",
    "pods": "cd /var/log/pods && tail -n +1 */*/*.log",
}
NODES = {
    "key": b64encode(b"/registry/minions/").decode(),
    "range_end": b64encode(b"/registry/minions0").decode(),
    "count_only": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds since power-on."""

    available: float
    done: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to make a cluster: the files of a machine, and the work once it is powered on."""

    name: str
    given: Callable[[ClusterRender, NodePlan], RenderedNode]
    work: Callable[[Sequence[LocalHost]], Iterator[None]]


def founded_by_themselves(hosts: Sequence[LocalHost]) -> Iterator[None]:
    """Wait until khgen-boot is done on every host."""
    while not all(boot_is_done(host) for host in hosts):
        yield


def joined_one_by_one(
    hosts: Sequence[LocalHost], init: Sequence[str] = ("init", "--upload-certs")
) -> Iterator[None]:
    """Make a cluster of the first host with kubeadm, then join the others one after the other."""
    for host in hosts:
        while not boot_is_done(host):
            yield
        verb = init if host is hosts[0] else ["join"]
        # A unit of the host, so that the host's limit of processors applies to it.
        unit = ["systemd-run", "--quiet", "--wait", "--pipe", "--", "kubeadm", *verb]
        command = host.inside([*unit, "--config", str(KUBEADM_CONFIG)])
        log = host.folder / "kubeadm.log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            yield
        if process.returncode:
            message = f"kubeadm {verb[0]} failed on {host.name}:\n{log.read_text()[-2000:]}"
            raise ProgramError(message)


def boot_is_done(host: LocalHost) -> bool:
    """Whether khgen-boot has done all steps of the host."""
    return host_status(host, 0).state is State.DONE


def machine_for_kubeadm(
    render: ClusterRender, node: NodePlan, *, prepared: bool = False
) -> RenderedNode:
    """The node's machine steps and kubeadm's configuration, and no more of khgen's.

    `prepared`: it has the keys, certificates and kubeconfigs of a control plane too.
    """
    steps = [step.file_name for step in steps_of(render.plan, node.kind)]
    (last,) = (i for i, name in enumerate(steps) if name.endswith(f"-{LAST_MACHINE_STEP}"))
    dropped = {STEPS / name for name in steps[last + 1 :]} | {KUBELET_CONF, KUBEADM_CONFIG}
    folders = ["/etc/khgen/patches", "/var/lib/kubelet"] + ["/etc/kubernetes"] * (not prepared)
    rendered = render.node(node)
    shared, own = (
        [
            file
            for file in files
            if file.path not in dropped and not any(file.path.is_relative_to(f) for f in folders)
        ]
        for files in (rendered.shared, rendered.own)
    )
    (rendered_config,) = (f.content for f in rendered.own if f.path == KUBEADM_CONFIG)
    first = node is render.plan.control_planes[0]
    documents = kubeadm_documents(rendered_config, render.plan, first=first, prepared=prepared)
    own.append(NodeFile(path=KUBEADM_CONFIG, content=dump_yaml(*documents), mode=0o600))
    return replace(rendered, user_data=UserDataBuilder(render.plan, shared).build(node, own))


def kubeadm_documents(
    rendered: str, plan: Plan, *, first: bool, prepared: bool
) -> Iterator[YamlValue]:
    """kubeadm's configuration in the serial way: the same cluster, without parallel founding."""
    init, *cluster = yaml.safe_load_all(rendered)
    key = {} if prepared else {"certificateKey": CERTIFICATE_KEY}
    del init["patches"]
    if first:
        yield init | key
        yield from cluster
        return
    by_token = {
        "token": init["bootstrapTokens"][0]["token"],
        "apiServerEndpoint": plan.endpoint.authority,
        "unsafeSkipCAVerification": True,
    }
    by_file = {"kubeConfigPath": ADMIN_CONF}
    yield {
        "apiVersion": init["apiVersion"],
        "kind": "JoinConfiguration",
        "discovery": {"file": by_file} if prepared else {"bootstrapToken": by_token},
        "controlPlane": {"localAPIEndpoint": init["localAPIEndpoint"], **key},
        "nodeRegistration": init["nodeRegistration"],
    }


PARALLEL = Way(name="parallel", given=ClusterRender.node, work=founded_by_themselves)
SERIAL = Way(name="serial", given=machine_for_kubeadm, work=joined_one_by_one)
PREPARED = Way(
    name="serial, prepared",
    given=partial(machine_for_kubeadm, prepared=True),
    work=partial(joined_one_by_one, init=["init"]),
)


def measured(way: Way, programs: Path, cpus: float, journals: Path | None) -> Times:
    """One cluster, from power-on to the end, on machines with fresh disks."""
    rehearsal, render = rendered_cluster(programs)
    plan = render.plan
    with open_testbed(rehearsal, [(render.plan, programs)], cpus=cpus) as here:
        data_dir = plan.spec.etcd.data_dir
        hosts = [new_host(here, way.given(render, node), data_dir) for node in plan.nodes]
        addresses = [str(node.address) for node in plan.nodes]
        give_precedence(here, hosts[0])
        os.sync()
        started = time.monotonic()
        try:
            for host in hosts:
                host.power_on()
            return followed(way.work(hosts), lambda: is_available(here, hosts, addresses), started)
        finally:
            if journals is not None:
                keep_journals(hosts, journals / f"{time.time():.0f}-{way.name}")


def give_precedence(here: Testbed, host: LocalHost) -> None:
    """Give the hosts precedence over other work on this machine."""
    for cgroup in here.cgroups.of(host.name):
        for name, weight in WEIGHTS.items():
            if (cgroup.parent / name).exists():
                (cgroup.parent / name).write_text(weight)


def rendered_cluster(programs: Path) -> tuple[Rehearsal, ClusterRender]:
    """The cluster with its own keys, for the version of the Kubernetes binaries."""
    version = run([programs / "kubeadm", "version", "-o", "short"]).strip()
    spec = load_spec(SPEC.format(version=version.removeprefix("v")), "cluster.yaml").spec
    assert spec is not None  # noqa: S101
    rehearsal = rehearsed(spec)
    secrets = new_secrets(rehearsal.spec, datetime.now(UTC), os.urandom)
    plan = build_plan(rehearsal.spec, founders_of(rehearsal.spec))
    return rehearsal, ClusterRender(plan, secrets, MANIFESTS)


def followed(work: Iterator[None], available: Callable[[], bool], started: float) -> Times:
    """The times at which the hosts reached each stage; ProgramError if they do not."""
    available_at = done_at = None
    while available_at is None or done_at is None:
        seconds = time.monotonic() - started
        if seconds > LIMIT:
            message = f"not done after {LIMIT:.0f} s"
            raise ProgramError(message)
        if done_at is None and next(work, END) is END:
            done_at = seconds
        if available_at is None and available():
            available_at = seconds
        time.sleep(0.1)
    return Times(available=available_at, done=done_at)


def is_available(here: Testbed, hosts: Sequence[LocalHost], addresses: Sequence[str]) -> bool:
    """Whether the control plane is highly available; a cheap check as long as it is not."""
    client = hosts[-1].folder / "upper" / CLIENT
    pair = ("--cert", f"{client}.crt", "--key", f"{client}.key")

    def ask(url: str, *options: str) -> str:
        return here.namespaces.tries("curl", "-sfk", "-m", "1", *options, url) or ""

    def etcd(method: str, request: Mapping[str, object]) -> str:
        return ask(f"https://{addresses[-1]}:2379/v3/{method}", *pair, "-d", json.dumps(request))

    wanted = len(hosts)
    return (
        Path(f"{client}.key").exists()
        and voters(etcd("cluster/member/list", {})) == wanted
        and json.loads(etcd("kv/range", NODES) or "{}").get("count") == str(wanted)
        and all(ask(f"https://{a}:{API_SERVER_PORT}/readyz") == "ok" for a in addresses)
    )


def voters(member_list: str) -> int:
    """How many members of etcd have started and may vote, in etcd's answer."""
    members = json.loads(member_list or "{}").get("members", [])
    return sum(bool(m.get("clientURLs")) and not m.get("isLearner") for m in members)


def keep_journals(hosts: Sequence[LocalHost], folder: Path) -> None:
    """Write what each running host logged."""
    folder.mkdir(parents=True)
    for host in hosts:
        for kind, command in LOGS.items():
            _, said = host.tries("sh", "-c", command)
            (folder / f"{host.name}.{kind}").write_text(said, encoding="utf-8")
        for log in host.folder.glob("*.log"):
            (folder / f"{host.name}.{log.name}").write_bytes(log.read_bytes())


def row(title: str, ours: Times, theirs: Times) -> None:
    """Both ways' seconds, and the ratios."""
    say(
        title,
        *(f"{t.available:.1f} s" for t in (ours, theirs)),
        f"{ours.available / theirs.available:.2f}",
        *(f"{t.done:.1f} s" for t in (ours, theirs)),
        f"{ours.done / theirs.done:.2f}",
    )


def median(times: Sequence[Times]) -> Times:
    """Each figure's median."""
    return Times(
        available=statistics.median(t.available for t in times),
        done=statistics.median(t.done for t in times),
    )


def compare(serial: Way, runs: int, measure: Callable[[Way], Times]) -> None:
    """A pair of clusters at a time, and the medians."""
    say(
        "run",
        *(f"{w.name}: available" for w in (PARALLEL, serial)),
        "ratio",
        *(f"{w.name}: done" for w in (PARALLEL, serial)),
        "ratio",
    )
    say(*["---"] * 7)
    pairs = []
    for number in range(1, runs + 1):
        pairs.append((measure(PARALLEL), measure(serial)))
        row(str(number), *pairs[-1])
    row("median", *(median(side) for side in zip(*pairs, strict=True)))
    ratios = [
        statistics.median(getattr(ours, name) / getattr(theirs, name) for ours, theirs in pairs)
        for name in ("available", "done")
    ]
    say("median of the ratios", "", "", f"{ratios[0]:.2f}", "", "", f"{ratios[1]:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="clusters of each way")
    parser.add_argument("--cpus", type=float, default=0.66, help="processors of each host")
    parser.add_argument(
        "--prepared", action="store_true", help="the serial way has all keys and certificates too"
    )
    parser.add_argument("--journals", type=Path, help="folder for what the hosts logged")
    arguments = parser.parse_args()
    binaries = os.environ.get("KHGEN_KUBE_BIN")
    if not binaries or not (Path(binaries) / "kube-apiserver").exists():
        parser.error("KHGEN_KUBE_BIN must name a folder of Kubernetes binaries")
    programs, cpus = Path(binaries), arguments.cpus
    sys.stdout.write(
        f"{os.cpu_count()} processors, {cpus:g} for each host; load before {os.getloadavg()[0]:.2f}\n\n"
    )
    serial = PREPARED if arguments.prepared else SERIAL
    try:
        compare(
            serial, arguments.runs, lambda way: measured(way, programs, cpus, arguments.journals)
        )
    except ProgramError as error:
        sys.exit(f"founding.py: {error}")


if __name__ == "__main__":
    main()
