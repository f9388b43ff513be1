"""A cluster of local hosts for a test: booted once, by the code behind `khgen rehearse`."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from khgen.bundle.datasource import Encoding
from khgen.bundle.update_bundle import UpdateBundle
from khgen.export.rendered_machines import ExportNode
from khgen.export.seeds import update_seed
from khgen.pki.secrets import new_secrets, with_removed, with_replaced
from khgen.plan.cluster_plan import build_plan, founders_of
from khgen.rehearse.api_client import start_client
from khgen.rehearse.local_host import LocalHost, Testbed, Watch, put
from khgen.rehearse.namespaces import Namespaces
from khgen.rehearse.processes import ProgramError, wait_until
from khgen.rehearse.rehearsed_spec import MANIFESTS, rehearsed
from khgen.rehearse.testbed import new_host, open_testbed, seed_files
from khgen.rehearse.updating import RollWatch, apply_objects, objects_of, updates_of
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from khgen.spec.model.machine import ImageSpec
from support.fixed import known_entropy
from support.programs import require_namespaces, require_program
from support.rendering import ROOT

STAND_IN = ROOT / "tests" / "standin"
ENDPOINT_PORT = 8443
ENDPOINT = {"vip": "10.1.2.3", "port": ENDPOINT_PORT}
"""In one network with the nodes of support.topologies, as the bridge is one."""
PKI = "/etc/kubernetes/pki"


@dataclass(slots=True, kw_only=True)
class LocalCluster:
    """Hosts of a rendered cluster, and what tests ask of them."""

    render: ClusterRender
    testbed: Testbed
    hosts: dict[str, LocalHost]
    updates: Mapping[str, UpdateBundle] = field(default_factory=dict)
    """What each host was given last, by name."""

    @property
    def namespaces(self) -> Namespaces:
        """Where the hosts run; commands in it reach the bridge."""
        return self.testbed.namespaces

    def boot(self, names: Sequence[str] = (), seconds: float = 180) -> Watch:
        """Power these hosts (default: all) on, and wait until each is done."""
        hosts = [self.hosts[name] for name in names or self.hosts]
        watch = Watch(hosts=hosts)
        for host in hosts:
            host.power_on()
        for _ in watch.until_done(seconds):
            pass
        assert watch.all_done, {name: str(s) for name, s in watch.last.items()}
        return watch

    def wait_done(self, name: str, seconds: float) -> None:
        """Wait until a host that has power is done."""
        watch = Watch(hosts=[self.hosts[name]])
        for _ in watch.until_done(seconds):
            pass
        assert watch.all_done, str(watch.last)

    def set_up(self, name: str) -> LocalHost:
        """A fresh machine for that node."""
        data_dir = self.render.plan.spec.etcd.data_dir
        node = self.render.node(self.render.plan.by_name[name])
        self.hosts[name] = new_host(self.testbed, node, data_dir)
        return self.hosts[name]

    def rendered_anew(self, spec: ClusterSpec) -> None:
        """What `khgen render` gives for another spec now; machines keep what they were given."""
        secrets = self.render.secrets
        plan = build_plan(rehearsed(spec).spec, secrets.founders, secrets.replaced, secrets.removed)
        self.render = ClusterRender(plan, secrets, MANIFESTS)

    def start_client(self, port: int = ENDPOINT_PORT) -> Path:
        """Start a client of the endpoint on the bridge; returns its log."""
        vip = str(self.render.plan.endpoint.vip)
        return start_client(self.namespaces, self.testbed.folder, vip, port)

    def make_updates(self) -> None:
        """What `khgen render` gives the machines that run."""
        self.updates = updates_of(self.render, self.updates)

    def apply_updates(self) -> None:
        """`kubectl apply -f update.yaml` with the updates that were made last."""
        apply_objects(self.testbed, self.render, objects_of(self.render, self.updates))

    def put_update(self, name: str, update: UpdateBundle | None = None) -> str:
        """An update (default: the host's last) as a folder on its disk; returns its path."""
        host, update = self.hosts[name], update or self.updates[name]
        folder = f"/root/update-{update.generation}"
        for file, content in update.files.items():
            host.place(f"{folder}/{file}", content)
        return folder

    def serve_updates(self) -> str:
        """A web server on the bridge with all updates; returns its URL, below which each host has
        a folder of its name."""
        folder = self.testbed.folder / "served"
        for name, update in self.updates.items():
            for file, content in update.files.items():
                put(folder / name / file, content)
        gateway = str(rehearsed(self.render.plan.spec).gateways[0][0])
        command: list[str | Path] = [sys.executable, "-m", "http.server", "8000"]
        command += ["--bind", gateway, "--directory", folder]
        self.namespaces.start(command, self.testbed.folder / "served.log")
        url = f"http://{gateway}:8000"
        wait_until(lambda: self.namespaces.tries("curl", "-sf", url) is not None, 20, url)
        return url

    def seed_update(self, name: str) -> None:
        """A host's update as the seed of its next boot; it is shut down."""
        node = self.render.node(self.render.plan.by_name[name])
        update = update_seed(
            ExportNode(
                name=name,
                role=node.node.role.value,
                kind=node.node.kind.value,
                addresses=(str(node.node.address),),
                instance_id="",
                encoding=Encoding.PLAIN,
                user_data=b"",
                meta_data=b"",
                network_config=seed_files(node).get("network-config"),
                update=self.updates[name].files,
            )
        )
        host = self.hosts[name]
        host.run("systemctl", "poweroff")
        wait_until(lambda: not host.runs, 120, f"{name} to shut down")
        host.power_cut()
        host.seed(update.seed_files)

    def pull(self, names: Sequence[str] = ()) -> None:
        """Have hosts (default: all of Kubernetes') ask for their updates now, as their timers will."""
        for name in names or [n.name for n in self.render.plan.nodes if n.joins_kubernetes]:
            self.hosts[name].run("systemctl", "start", "--no-block", "khgen-update")

    def kubectl(self, *words: str, given: str = "") -> str:
        """What the operator's kubectl prints; `given` is the file that `-f` is followed by."""
        folder = self.testbed.folder / "operator"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "admin.conf").write_text(self.render.admin_conf(), encoding="utf-8")
        program: list[str | Path] = [self.testbed.programs / "kubectl"]
        program += ["--kubeconfig", folder / "admin.conf", *words]
        if given:
            (folder / "given.yaml").write_text(given, encoding="utf-8")
            program.append(folder / "given.yaml")
        return self.namespaces.run(*program)

    def wait_updated(self, names: Sequence[str] = (), seconds: float = 240) -> RollWatch:
        """Wait until each of these hosts (default: all) has its last update in force."""
        hosts = [self.hosts[name] for name in names or self.hosts]
        wanted = {host.name: self.updates[host.name].generation for host in hosts}
        watch = RollWatch(hosts=hosts, wanted=wanted)
        for change in watch.until_done(seconds):
            print(f"{change.seconds:6.1f} s  {change.host:<6} {change.state:<8} {change.line}")
        assert watch.all_done, {name: str(s) for name, s in watch.last.items()}
        return watch

    def removed(self, name: str) -> None:
        """A power cut for good, and what `khgen node remove` records."""
        self.hosts[name].power_cut()
        node, secrets = self.render.plan.by_name[name], self.render.secrets
        secrets = with_removed(secrets, name, node.role, node.address, datetime.now(UTC))
        self.render = ClusterRender(self.render.plan, secrets, MANIFESTS)

    def reseed(self, name: str) -> None:
        """What the render has now as the seed of a machine's next boot; its power is cut."""
        self.hosts[name].power_cut()
        self.hosts[name].seed(seed_files(self.render.node(self.render.plan.by_name[name])))

    def wait_wiped(self, host: LocalHost) -> None:
        """Wait until cloud-init has no copy of a key."""
        left = ("/var/lib/cloud", "/run/cloud-init", "/var/log")
        try:
            wait_until(
                lambda: host.tries("grep", "-raqE", "PRIVATE KEY|client-key-data", *left)[0] == 1,
                120,
                "the keys to go",
            )
        except ProgramError:
            found = host.tries("grep", "-ralE", "PRIVATE KEY", *left)[1]
            boot = host.tries("systemctl", "status", "--no-pager", "-l", "khgen-boot")[1]
            state = host.tries("cloud-init", "status", "--long")[1]
            jobs = host.tries("systemctl", "list-jobs", "--no-pager")[1]
            pytest.fail(f"{found}\n{boot}\n{state}\n{jobs}")

    def replace_machine(self, name: str) -> None:
        """Another machine with a fresh disk in a node's place, as `khgen node replace` renders it."""
        self.hosts[name].power_cut()
        shutil.rmtree(self.hosts[name].folder)
        plan = self.render.plan
        secrets = with_replaced(self.render.secrets, name, datetime.now(UTC))
        plan = build_plan(plan.spec, secrets.founders, secrets.replaced, secrets.removed)
        self.render = ClusterRender(plan, secrets, MANIFESTS)
        self.set_up(name)

    def etcd(self, host: str, *command: str) -> str:
        """What etcdctl says on a host of etcd, as its own member sees it."""
        words = ["etcdctl", "--endpoints=https://127.0.0.1:2379", f"--cacert={PKI}/etcd/ca.crt"]
        words += [f"--cert={PKI}/etcd/peer.crt", f"--key={PKI}/etcd/peer.key"]
        return self.hosts[host].run(*words, *command)

    def members(self, host: str) -> dict[str, str]:
        """ID of each started voter by its name."""
        list_ = json.loads(self.etcd(host, "member", "list", "-w", "json"))
        return {
            member["name"]: str(member["ID"])
            for member in list_["members"]
            if member.get("clientURLs") and not member.get("isLearner")
        }

    def wait_members(self, host: str, members: dict[str, str], seconds: float = 60) -> None:
        """Wait until a host of etcd sees just these: after a reboot, its member takes a while."""

        def seen() -> bool:
            try:
                return self.members(host) == members
            except ProgramError:
                return False

        wait_until(seen, seconds, f"the same members of etcd on {host}")

    def holders(self) -> list[str]:
        """The hosts that have the VIP."""
        vip = str(self.render.plan.endpoint.vip)
        running = [host for host in self.hosts.values() if host.first_process is not None]
        return [h.name for h in running if vip in h.run("ip", "-o", "address", "show", "to", vip)]

    def ready(self) -> bool:
        """Whether the API answers at the endpoint, asked from the bridge."""
        url = f"{self.render.plan.endpoint.url}/readyz"
        done = self.namespaces.tries("curl", "-sfk", "-m", "1", url)
        return done == "ok"

    def wait_ready(self, seconds: float) -> float:
        """How long until the API answers at the endpoint."""
        return wait_until(self.ready, seconds, "the endpoint", every=0.1)


@contextmanager
def local_cluster(
    spec: ClusterSpec,
    programs: Path = STAND_IN,
    founders: Sequence[str] = (),
    ahead: timedelta = timedelta(),
    *,
    baked: bool = False,
) -> Iterator[LocalCluster]:
    """Hosts with fresh disks, without power yet; the keys are the test's own.

    `ahead` is how far the clock of whoever renders is ahead of the hosts'. What is `baked` has a
    golden image, whose files the test places.
    """
    require_namespaces()
    for program in ("systemd-nspawn", "mmdebstrap", "nsenter"):
        require_program(program)
    rehearsal = rehearsed(spec)
    if baked:
        image = rehearsal.spec.model_copy(update={"image": ImageSpec.model_validate({})})
        rehearsal = replace(rehearsal, spec=image)
    secrets = new_secrets(rehearsal.spec, datetime.now(UTC) + ahead, known_entropy("boots"))
    secrets = replace(secrets, founders=tuple(founders) or founders_of(rehearsal.spec))
    render = ClusterRender(build_plan(rehearsal.spec, secrets.founders), secrets, MANIFESTS)
    with ExitStack() as stack:
        here = stack.enter_context(open_testbed(rehearsal, [(render.plan, programs)]))
        cluster = LocalCluster(render=render, testbed=here, hosts={})
        for node in render.plan.nodes:
            cluster.set_up(node.name)
        stack.callback(_keep_consoles, cluster)
        yield cluster


def _keep_consoles(cluster: LocalCluster) -> None:
    """Where KHGEN_CONSOLES names a folder, the console logs go there."""
    if folder := os.environ.get("KHGEN_CONSOLES"):
        for host in cluster.hosts.values():
            if host.console.exists():
                Path(folder).mkdir(parents=True, exist_ok=True)
                (Path(folder) / f"{host.name}.log").write_bytes(host.console.read_bytes())
