"""What a booted host's haproxy reports about the API servers behind it (haproxy: management.txt)."""

import csv
from collections.abc import Mapping

from khgen.rehearse.local_host import LocalHost

SOCKET = "/run/haproxy-admin.sock"


def tell_haproxy(host: LocalHost, command: str) -> str:
    """haproxy's answer to a command."""
    return host.run("sh", "-c", f"echo '{command}' | socat - {SOCKET}")


def api_servers(host: LocalHost) -> Mapping[str, Mapping[str, str]]:
    """What `show stat` prints about each API server, by its node."""
    lines = tell_haproxy(host, "show stat").removeprefix("# ").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["pxname"] == "ready"]
    return {row["svname"]: row for row in rows if row["svname"] != "BACKEND"}


def server_state(host: LocalHost, server: str) -> str:
    """UP, DOWN, or on the way between them, as that host sees the API server."""
    return api_servers(host)[server]["status"]
