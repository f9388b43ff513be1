"""A client of the API at its endpoint, which counts what fails while machines come and go.

Run as a program on the bridge, it begins a request every 0.1 s, each with a connection of its own,
and asks every 0.2 s over one connection that it keeps; it prints each request as it ends.
"""

import http.client
import json
import os
import ssl
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from support.local_cluster import ENDPOINT, LocalCluster

ENDPOINT_PORT = int(str(ENDPOINT["port"]))
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


def start_client(cluster: LocalCluster, port: int = ENDPOINT_PORT) -> Path:
    """Start a client on the cluster's bridge; returns its log."""
    log = cluster.testbed.folder / f"client-{time.monotonic_ns()}.log"
    vip = str(ENDPOINT["vip"])
    command: list[str | Path] = [sys.executable, Path(__file__).resolve(), vip, str(port)]
    # In the namespaces another working directory holds.
    cluster.namespaces.start(command, log, os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    return log


def requests(log: Path, *, kept: bool = False) -> list[Request]:
    """What the client has reported, in the order in which requests ended."""
    lines = log.read_text().splitlines()
    return [r for r in (Request(**json.loads(line)) for line in lines) if r.kept == kept]


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
    request = Request(begun=begun, ended=time.monotonic(), well=well, kept=kept)
    # In one piece, even if several threads report at the same time.
    os.write(sys.stdout.fileno(), f"{json.dumps(asdict(request))}\n".encode())
    return well


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
