"""Plays cases of the updates' fault table: hosts lose their power one after the other in one roll."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from faults.play import STEP, Outcome, Pace
from faults.update_cases import COUNTS, DRAINING, PLACING, RETURNING, WAITING, UpdateCase, rounds
from khgen.rehearse.local_host import STATUS, LocalHost
from khgen.rehearse.processes import ProgramError, wait_until
from khgen.rehearse.updating import STATUS as ROLL_STATUS
from khgen.rehearse.updating import RollWatch
from support.local_cluster import LocalCluster, local_cluster
from support.rolls import SlotHistory, in_force, numbered_spec, render_update
from support.virtual_ip import steady_holder

FOLDER = "/var/lib/khgen/update"
POD = """
{{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{name}", "namespace": "default",
 "labels": {{"app": "{name}"}}}}, "spec": {{"nodeName": "{host}", "containers": []}}}}
---
{{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
 "metadata": {{"name": "{name}", "namespace": "default"}},
 "spec": {{"selector": {{"matchLabels": {{"app": "{name}"}}}}}}, "status": {{"disruptionsAllowed": 0}}}}
"""


@dataclass(slots=True, kw_only=True)
class UpdateRound:
    """One update of all hosts, and the power cuts in it."""

    cluster: LocalCluster
    cases: Mapping[str, UpdateCase]
    number: int
    """Of the update; another one than the cluster has."""
    pace: Pace
    watch: RollWatch = field(init=False)
    history: SlotHistory = field(init=False)
    members: dict[str, str] = field(init=False)
    seen: dict[str, list[str]] = field(default_factory=dict)
    cut: dict[str, float] = field(default_factory=dict)
    """When each host lost its power."""
    failed: list[str] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    """Hosts whose steps of this update have begun."""
    threads: list[Thread] = field(default_factory=list)

    def run(self) -> list[Outcome]:
        """Play it to its end."""
        self._prepare()
        try:
            with self._one_holder():
                self._until_updated()
            self._until_sound()
        except (ProgramError, AssertionError) as error:
            self.failed.append(str(error))
        return [self._outcome(host, case) for host, case in self.cases.items()]

    def _prepare(self) -> None:
        cluster = self.cluster
        for host, case in self.cases.items():
            self.seen[host] = []
            if case.at == DRAINING:
                cluster.kubectl("create", "-f", given=POD.format(name=self._pod(host), host=host))
        self.members = cluster.members("cp1")
        render_update(cluster, self.number, renew=True)
        self.history = SlotHistory(cluster=cluster)
        self.history.begin()
        wanted = {name: update.generation for name, update in cluster.updates.items()}
        cluster.apply_updates()
        self.watch = RollWatch(hosts=list(cluster.hosts.values()), wanted=wanted)
        # Who shall wait comes when others are at it.
        late = [host for host, case in self.cases.items() if case.at == WAITING]
        self._start(self._pull, [name for name in cluster.hosts if name not in late])
        if late:
            self._start(self._pull_late, late)

    def _pod(self, host: str) -> str:
        return f"stays-{host}-{self.number}"

    def _pull(self, names: Sequence[str]) -> None:
        self.cluster.pull(names)

    def _pull_late(self, names: Sequence[str]) -> None:
        wait_until(lambda: bool(self.history.holders()), 120, "somebody to be updated")
        self.cluster.pull(names)

    def _start(self, act: Callable[[Sequence[str]], None], names: Sequence[str]) -> None:
        """Do it while the hosts are watched."""

        def noted() -> None:
            try:
                act(names)
            except (ProgramError, AssertionError) as error:
                self.failed.append(str(error))

        self.threads.append(Thread(target=noted, daemon=True))
        self.threads[-1].start()

    def _until_updated(self) -> None:
        pending, looked = dict(self.cases), 0.0
        while not self.watch.all_done:
            for host, case in list(pending.items()):
                if self._is_there(self.cluster.hosts[host], case.at):
                    del pending[host]
                    self.cut[host] = time.monotonic()
                    self._start(self._cycle, [host])
            if time.monotonic() > looked + 0.2:
                for _ in self.watch.look():
                    looked = time.monotonic()
                looked = time.monotonic()
            if self.watch.seconds > len(self.cluster.hosts) * self.pace.timeout:
                lines = [f"{s.host} {s.state}: {s.line}" for s in self.watch.last.values()]
                raise ProgramError("not updated: " + "; ".join(lines))
            time.sleep(0.001)
        for thread in self.threads:
            thread.join()

    def _is_there(self, host: LocalHost, at: str) -> bool:
        """Whether a host of this update is at that step or a later one, or at that moment."""
        number = STEP.search(status := host.read(STATUS) or "")
        if number:
            self.begun.add(host.name)
        if at == PLACING:
            return host.read(f"{FOLDER}/placing/bundle.json") is not None
        if at == RETURNING:
            applied = _generation(host, "applied") == self.watch.wanted[host.name]
            return host.name in self.begun and '"done"' in status and not applied
        if at in {WAITING, DRAINING}:
            roll = host.read(ROLL_STATUS) or ""
            current = f'"generation": {self.watch.wanted[host.name]}' in roll
            words = '"state": "waiting"' if at == WAITING else '"line": "pods have to leave'
            return current and words in roll
        if number is None or int(number[1]) < int(at.partition("-")[0]):
            return False
        if not at.startswith(number[1]):
            self.seen[host.name].append(f"seen at {number[1]}")
        return True

    def _cycle(self, names: Sequence[str]) -> None:
        for name in names:
            host, case = self.cluster.hosts[name], self.cases[name]
            host.power_cut()
            if case.at == PLACING:
                left = sum(1 for _ in (host.folder / "upper").rglob(".*.khgen-new"))
                self.seen[name].append(f"{left} files had still to be placed")
            time.sleep(self.pace.off / 5)
            host.power_on()
            if case.at == DRAINING:
                self._let_go(self._pod(name))

    def _let_go(self, pod: str) -> None:
        def deleted() -> bool:
            try:
                self.cluster.kubectl("delete", "poddisruptionbudget", pod)
            except ProgramError:  # a control plane is on its way up
                return False
            return True

        wait_until(deleted, 120, "the budget to be deleted", every=1)

    @contextmanager
    def _one_holder(self) -> Iterator[None]:
        """Two hosts may not hold the virtual IP for a second, at any time."""
        ended = Event()

        def look() -> None:
            before: set[str] = set()
            while not ended.wait(1):
                with suppress(ProgramError):  # a host that is on its way up, or down
                    now = set(self.cluster.holders())
                    if len(now & before) > 1:
                        self.failed.append(f"two hosts hold the virtual IP: {sorted(now)}")
                    before = now

        thread = Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _until_sound(self) -> None:
        """In force is what they say; that everything is as it should be is what is so."""
        for name in self.cluster.hosts:
            assert in_force(self.cluster, name, self.number), f"{name} does not run the update"
            assert _generation(self.cluster.hosts[name], "wanted") is None
            node = json.loads(self.cluster.kubectl("get", "nodes", name, "-o", "json"))
            node = node["items"][0] if "items" in node else node
            assert not node.get("spec", {}).get("unschedulable"), f"{name} is left cordoned"
        for name in self.members:
            self.cluster.wait_members(name, self.members)
        steady_holder(self.cluster)
        assert self.history.wrong() == [], f"two slots at once: {self.history.wrong()}"
        assert sorted(set(self.history.holders())) == sorted(self.cluster.hosts)

    def _outcome(self, host: str, case: UpdateCase) -> Outcome:
        status, cut = self.watch.last.get(host), self.cut.get(host)
        seconds = status.seconds if status else 0
        missed = [] if cut else ["it was never seen there"]
        return Outcome(
            name=case.name,
            converged=not self.failed and not missed,
            seconds=round(seconds, 1),
            after=round(self.watch.since + seconds - cut, 1) if cut else 0,
            said="; ".join((*self.seen[host], *missed, *self.failed)),
        )


def _generation(host: LocalHost, link: str) -> int | None:
    text = host.read(f"{FOLDER}/{link}/bundle.json") or ""
    found = re.search(r'"generation": (\d+)', text)
    return int(found[1]) if found else None


def played_updates(cases: Sequence[UpdateCase], pace: Pace) -> Iterator[Outcome]:
    """The outcome of each; a cluster goes on with the next round while all goes well."""
    names = [f"{kind}{n}" for kind, count in COUNTS.items() for n in range(1, count + 1)]
    left = list(rounds(cases, names))
    while left:
        with local_cluster(numbered_spec(COUNTS, 0)) as cluster:
            cluster.boot(seconds=300)
            for number in range(1, len(left) + 1):
                play = UpdateRound(cluster=cluster, cases=left.pop(0), number=number, pace=pace)
                yield from play.run()
                if play.failed:
                    break
