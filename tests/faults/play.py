"""Plays a case on local hosts: lets the fault happen, ends it, and waits for the cluster."""

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from faults.cases import CLOUD_INIT, SHAPES, Case
from khgen.plan.cluster_plan import NodeKind
from khgen.plan.steps import steps_of
from khgen.rehearse.local_host import STATUS, LocalHost, State, host_status, put
from khgen.rehearse.processes import ProgramError
from khgen.rehearse.testbed import seed_files
from support.local_cluster import LocalCluster, local_cluster

FULL = "size=4k,nr_inodes=1"
"""tmpfs in which nothing can be made (tmpfs(5)): the first file ends with ENOSPC."""
FREED = "remount,size=1g,nr_inodes=100000"
BOOT_SECONDS = 60
"""By then steps have begun, or never will while cloud-init lacks the space for its files."""
DROP_IN = "etc/systemd/system/khgen-boot.service.d/patience.conf"
STEP = re.compile(r'"step": "([0-9]+)-')


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things last."""

    off: float = 10
    """Power, cable or disk space are away that long."""
    late: float = 120
    timeout: float = 180
    """Until all must be done, after the fault is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a case ended."""

    name: str
    converged: bool
    seconds: float
    """Since the first power-on, or until it was given up."""
    after: float
    """Since the fault was over: the last power-on, or the last thing put right."""
    said: str
    """What was seen on the way, and where each host stood if they did not converge."""


@dataclass(slots=True, kw_only=True)
class Play:
    """One case in progress."""

    case: Case
    cluster: LocalCluster
    pace: Pace
    since: float = field(default_factory=time.monotonic)
    over: float = field(default_factory=time.monotonic)
    seen: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def host(self) -> LocalHost:
        """To whom it happens."""
        return self.cluster.hosts[self.case.host]

    def run(self) -> Outcome:
        """Play it to its end."""
        self._prepare()
        self.since = self.over = time.monotonic()
        try:
            self._power_on()
            self._fault()
            others = [name for name in self.case.expected if name != self.case.host]
            self._reseed()
            if self.case.damage:
                self._until_done(others)
                self._repair()
            self._until_done(self.case.expected)
            self._until_sound()
        except ProgramError as error:
            self.failed.append(str(error))
        return Outcome(
            name=self.case.name,
            converged=not self.failed,
            seconds=round(time.monotonic() - self.since, 1),
            after=round(time.monotonic() - self.over, 1),
            said="; ".join((*self.seen, *self.failed)),
        )

    def _prepare(self) -> None:
        for name in self.case.power if self.case.living else ():
            _fresh_disk(self.cluster, name)
        if self.case.full:
            host, disk = self.host, self.host.disk(self.case.full)
            host.own_disks = tuple(dict.fromkeys((*host.own_disks, self.case.full)))
            disk.mkdir(exist_ok=True)
            self.cluster.namespaces.run("mount", "-t", "tmpfs", "-o", FULL, "full", disk)
        if self.case.damage:
            self.host.seed({"user-data": self.case.damage(self._seed()["user-data"])})
        for name in self.case.power if self.case.patience else ():
            unit = f"[Service]\nEnvironment=PATIENCE={self.case.patience:.0f}\n"
            put(self.cluster.hosts[name].folder / "upper" / DROP_IN, unit.encode())

    def _power_on(self) -> None:
        """Each in its turn; a fault does not wait for those that are late."""
        for name, delay in sorted(self.case.power.items(), key=lambda item: abs(item[1])):
            wanted = self.since + (self.pace.late if delay < 0 else delay)
            time.sleep(max(0.0, wanted - time.monotonic()))
            self.cluster.hosts[name].power_on()
            self.over = time.monotonic()

    def _fault(self) -> None:
        case, host = self.case, self.host if self.case.host else None
        if case.patience:
            self._until_stalled()
        if host is None:
            return
        if case.cut_at or case.unplug_at:
            self._until_step(case.cut_at or case.unplug_at)
        if case.cut_at:
            cut = self.cluster.hosts[case.cut_host] if case.cut_host else host
            cut.power_cut()
            time.sleep(self.pace.off / 5)
            cut.power_on()
        elif case.unplug_at:
            host.unplug()
            time.sleep(self.pace.off)
            host.plug()
        elif case.full:
            self._free()
        self.over = time.monotonic()

    def _reseed(self) -> None:
        """Give living hosts what they are rendered now, and reboot each."""
        for name in self.case.reseeded:
            host = self.cluster.hosts[name]
            node = self.cluster.render.plan.by_name[name]
            host.power_cut()
            host.seed(seed_files(self.cluster.render.node(node)))
            host.power_on()
            self._until_done([name])
            self.over = time.monotonic()

    def _until_step(self, step: str) -> None:
        """Until the host does that step, or has just done it: short ones go unseen."""
        if not step[:1].isdigit() and step != CLOUD_INIT:
            steps = steps_of(
                self.cluster.render.plan, self.cluster.render.plan.by_name[self.case.host].kind
            )
            step = next(other.file_name for other in steps if other.name == step)
        until = time.monotonic() + self.pace.timeout
        while time.monotonic() < until:
            if step == CLOUD_INIT:
                found = CLOUD_INIT if self.host.read("/etc/khgen/node.env") is not None else ""
            else:
                text = self.host.read(STATUS) or ""
                number = STEP.search(text)
                reached = number is not None and int(number[1]) >= int(step.partition("-")[0])
                done = '"done"' in text
                found = number[1] if reached and number else State.DONE if done else ""
            if found:
                if not step.startswith(found):
                    self.seen.append(f"seen at {found}")
                return
            time.sleep(0.005)
        message = f"{self.case.host} did not come to {step}: {host_status(self.host, 0)}"
        raise ProgramError(message)

    def _until_stalled(self) -> None:
        until = time.monotonic() + self.pace.timeout
        hosts = [self.cluster.hosts[name] for name in self.case.power]
        while not all(host_status(host, 0).state is State.STALLED for host in hosts):
            if time.monotonic() > until or host_status(hosts[0], 0).state is State.DONE:
                raise ProgramError("not reported as stalled")  # noqa: EM101
            time.sleep(0.2)
        hint = host_status(hosts[0], 0)
        self.seen.append(f"all stalled at {hint.step}: {hint.said}, hint: {hint.hint}")

    def _free(self) -> None:
        """Free the disk, some time after the host's steps began, or could have."""
        until = time.monotonic() + BOOT_SECONDS
        while self.host.read(STATUS) is None and time.monotonic() < until:
            time.sleep(0.1)
        time.sleep(self.pace.off * 2)
        now = host_status(self.host, 0)
        self.seen.append(f"while full: {now.state} {now.step}: {now.said}")
        disk = self.host.disk(self.case.full)
        self.cluster.namespaces.run("mount", "-o", FREED, disk)

    def _seed(self) -> dict[str, bytes]:
        node = self.cluster.render.plan.by_name[self.case.host]
        return dict(seed_files(self.cluster.render.node(node)))

    def _repair(self) -> None:
        """What cloud-init and khgen-boot printed about it; then the right user-data, as a new instance."""
        _, cloud_init = self.host.tries("cloud-init", "status", "--long")
        self.seen.append(" ".join(cloud_init.split())[:300])
        now = host_status(self.host, 0)
        self.seen.append(f"its khgen-boot: {now.state} {now.step} {now.said}".strip())
        if now.state is State.DONE:
            self.failed.append("a host with damaged user-data says that it is done")
        self.host.power_cut()
        files = self._seed()
        files["meta-data"] = files["meta-data"].replace(b"instance-id: ", b"instance-id: new-")
        self.host.seed(files)
        self.host.power_on()
        self.over = time.monotonic()

    def _until_done(self, names: Sequence[str]) -> None:
        hosts = [self.cluster.hosts[name] for name in names]
        until = time.monotonic() + self.pace.timeout
        while waiting := [
            s for s in (host_status(h, 0) for h in hosts) if s.state is not State.DONE
        ]:
            self._one_holder()
            if time.monotonic() > until:
                states = [f"{s.host} {s.state} {s.step}: {s.said}" for s in waiting]
                raise ProgramError("not done: " + ", ".join(states))
            time.sleep(0.2)

    def _one_holder(self) -> None:
        """Two may race for the VIP within a moment; not for a second."""
        if self.cluster.render.plan.endpoint.vip is None or len(self._holders()) < 2:
            return
        time.sleep(1)
        if len(found := self._holders()) > 1:
            raise ProgramError("two hosts hold the virtual IP: " + ", ".join(found))

    def _holders(self) -> list[str]:
        try:
            return self.cluster.holders()
        except ProgramError:  # a host that is on its way up, or down
            return []

    def _until_sound(self) -> None:
        """Done is what they say; that the API answers and etcd has its members is what is so."""
        plan, names = self.cluster.render.plan, self.case.expected
        etcd = {node.name for node in plan.etcd_members if node.name in names}
        founding = [n for n in names if plan.by_name[n].kind is NodeKind.FOUNDER]
        until = time.monotonic() + 60
        while True:
            wrong = [name for name in sorted(etcd) if self._members(name) != etcd]
            api = not founding or self.cluster.ready()
            if not wrong and api:
                self._one_holder()
                return
            if time.monotonic() > until:
                message = f"done, but etcd is not whole on {wrong}, the API answers: {api}"
                raise ProgramError(message)
            time.sleep(0.2)

    def _members(self, name: str) -> set[str]:
        try:
            return set(self.cluster.members(name))
        except ProgramError:
            return set()


def _fresh_disk(cluster: LocalCluster, name: str) -> None:
    """A machine for that node which nobody has seen before."""
    host = cluster.hosts.get(name)
    if host is not None and host.folder.exists():
        host.power_cut()
        shutil.rmtree(host.folder)
    cluster.set_up(name)


@contextmanager
def cluster_for(case: Case, programs: Path, version: str | None) -> Iterator[LocalCluster]:
    """A cluster of the case's shape; its living hosts are done."""
    shape = SHAPES[case.shape]
    wanted = {"version": version} if version else {}
    spec = shape.spec_before(wanted)
    ahead = timedelta(seconds=case.ahead) + (spec.pki.backdate if case.ahead else timedelta())
    with local_cluster(spec, programs, (), ahead) as cluster:
        if case.living:
            cluster.boot(case.living, 300)
        if shape.before is not None:
            cluster.rendered_anew(shape.spec(wanted))
        yield cluster
