"""What each host of a rehearsal is doing, read from its /run/khgen/status.json."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from khgen.rehearse.local_host import LocalHost

STATUS = "/run/khgen/status.json"
STEPS = "/etc/khgen/steps.d"


class State(StrEnum):
    """How far a host is; the last three are khgen-boot's own words."""

    OFF = "off"
    BOOTING = "booting"
    RUNNING = "running"
    STALLED = "stalled"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """How far a host is, and what it reports."""

    host: str
    state: State
    seconds: float
    """Since the rehearsal began, when it was first seen there."""
    step: str = ""
    about: str = ""
    said: str = ""
    hint: str = ""


def host_status(host: LocalHost, seconds: float) -> HostStatus:
    """The host's status now."""
    text = host.read(STATUS)
    if text is None:
        state = State.BOOTING if host.runs else State.OFF
        return HostStatus(host=host.name, state=state, seconds=seconds)
    try:
        status = json.loads(text)
    except ValueError:  # a damaged disk is the host's, not ours
        status = {}
    known = {state.value for state in State}
    step = str(status.get("step", ""))
    script = host.read(f"{STEPS}/{step}") if step else None
    about = re.search("^#: (.*)", script or "", re.MULTILINE)
    return HostStatus(
        host=host.name,
        state=State(status["state"]) if status.get("state") in known else State.BOOTING,
        seconds=seconds,
        step=step,
        about=about[1] if about else "",
        said=str(status.get("output", "")),
        hint=str(status.get("hint", "")),
    )


@dataclass(slots=True, kw_only=True)
class Watch:
    """Follows hosts from now on."""

    hosts: Sequence[LocalHost]
    since: float = field(default_factory=time.monotonic)
    last: dict[str, HostStatus] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it has been watching."""
        return time.monotonic() - self.since

    @property
    def all_done(self) -> bool:
        """Whether every host is done."""
        done = [s for s in self.last.values() if s.state is State.DONE]
        return len(done) == len(self.hosts)

    def look(self) -> Iterator[HostStatus]:
        """Each host that changed its state or its step since the last look."""
        for host in self.hosts:
            new = host_status(host, self.seconds)
            old = self.last.get(host.name)
            if old is not None and (old.state, old.step) == (new.state, new.step):
                if old.said == new.said:
                    continue
                self.last[host.name] = new
            else:
                self.last[host.name] = new
                yield new

    def until_done(self, timeout: float, every: float = 0.2) -> Iterator[HostStatus]:
        """Each change, until all hosts are done, one has no power, or the time is over."""
        while True:
            yield from self.look()
            off = any(s.state is State.OFF for s in self.last.values())
            if self.all_done or off or self.seconds > timeout:
                return
            time.sleep(every)
