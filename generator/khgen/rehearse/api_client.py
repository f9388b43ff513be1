"""A client of the API at its endpoint, which counts what fails while machines come and go.

Run as a program on the bridge of a rehearsal, it begins a request every 0.1 s, each with a connection
of its own, and asks every 0.2 s over one connection that it keeps. It prints each request as it ends.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from khgen.rehearse.namespaces import Namespaces

EVERY = 0.1
KEPT_EVERY = 0.2
GIVEN_UP = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, by CLOCK_MONOTONIC, which all hosts of a machine share."""

    begun: float
    ended: float
    well: bool
    kept: bool = False
    """Whether it went over the connection that is kept: one that failed there broke it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """What the client saw for some time, in numbers."""

    asked: int
    failed: int
    longest: float
    """Seconds from the beginning of a failed request to the next good answer, at the most: so long
    must a client try again."""
    slowest: float
    """Seconds that the slowest request took."""
    broken: int
    """How often the connection that is kept broke."""

    def __str__(self) -> str:
        """As a rehearsal prints it."""
        return (
            f"{self.failed} of {self.asked} requests failed, longest {self.longest:.1f} s,"
            f" slowest {self.slowest:.1f} s, kept connection broken {self.broken} times"
        )


def start_client(namespaces: Namespaces, folder: Path, address: str, port: int) -> Path:
    """Start a client of that endpoint on the bridge; returns its log in `folder`."""
    log = folder / f"client-{time.monotonic_ns()}.log"
    command: list[str | Path] = [sys.executable, Path(__file__).resolve(), address, str(port)]
    # The working directory is another one in the namespaces.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    namespaces.start(command, log, environment)
    return log


def requests(log: Path, *, kept: bool = False) -> list[Request]:
    """The client's requests, in the order of their ends."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [r for r in (Request(**json.loads(line)) for line in lines) if r.kept == kept]


def counted(log: Path, since: float) -> Requests:
    """The requests that ended after that moment (CLOCK_MONOTONIC, seconds)."""
    asked = [request for request in requests(log) if request.ended >= since]
    kept = [request for request in requests(log, kept=True) if request.ended >= since]
    outages = _outages(asked)
    return Requests(
        asked=len(asked),
        failed=len(outages),
        longest=max(outages, default=0.0),
        slowest=max((r.ended - r.begun for r in asked), default=0.0),
        broken=sum(not r.well for r in kept),
    )


def _outages(asked: Sequence[Request]) -> list[float]:
    """For each failed request, the seconds until the next good answer."""
    good = [request.ended for request in asked if request.well]
    return [
        min((end for end in good if end > r.begun), default=r.ended + 99) - r.begun
        for r in asked
        if not r.well
    ]


def main(address: str, port: int) -> None:
    """Ask until ended."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    threading.Thread(target=_keep, args=(address, port, context), daemon=True).start()
    while True:
        threading.Thread(target=_ask_once, args=(address, port, context), daemon=True).start()
        time.sleep(EVERY)


def _ask_once(address: str, port: int, context: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection(address, port, timeout=GIVEN_UP, context=context)
    _ask(connection, kept=False)
    connection.close()


def _keep(address: str, port: int, context: ssl.SSLContext) -> None:
    while True:
        connection = http.client.HTTPSConnection(address, port, timeout=GIVEN_UP, context=context)
        with suppress(OSError):
            connection.connect()
            while _ask(connection, kept=True):
                time.sleep(KEPT_EVERY)
        connection.close()
        time.sleep(KEPT_EVERY)


def _ask(connection: http.client.HTTPSConnection, *, kept: bool) -> bool:
    begun, well = time.monotonic(), False
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        well = connection.getresponse().read() == b"ok"
    done = Request(begun=begun, ended=time.monotonic(), well=well, kept=kept)
    # In one piece, whichever threads print at the same time.
    os.write(sys.stdout.fileno(), f"{json.dumps(asdict(done))}\n".encode())
    return well


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
