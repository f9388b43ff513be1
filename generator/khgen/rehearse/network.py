"""The rehearsal's network: one bridge in the room, one cable to each host, nothing beyond."""

from contextlib import suppress
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from khgen.rehearse.programs import ProgramError
from khgen.rehearse.room import Room

BRIDGE = "br0"


class Network:
    """A bridge; every host is a port of it with a network namespace and an eth0 of its own."""

    def __init__(
        self, room: Room, gateways: tuple[tuple[IPv4Address | IPv6Address, int], ...]
    ) -> None:
        """A bridge that has these addresses, each with its prefix length."""
        self._room = room
        # Without snooping, VRRP's multicast reaches every port.
        kind = ("type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        room.run("ip", "link", "add", BRIDGE, *kind)
        for address, length in gateways:
            nodad = ("nodad",) if address.version == 6 else ()
            room.run("ip", "address", "add", f"{address}/{length}", "dev", BRIDGE, *nodad)
        room.run("ip", "link", "set", BRIDGE, "up")

    def connect(self, host: str) -> Path:
        """A new network namespace whose eth0 is a port of the bridge; returns its path."""
        digest = sha256(host.encode()).hexdigest()
        mac = "02:" + ":".join(digest[i : i + 2] for i in range(0, 10, 2))
        run, port = self._room.run, _port(host)
        self.disconnect(host)
        run("ip", "netns", "add", host)
        peer = ("peer", "name", "eth0", "netns", host, "address", mac)
        run("ip", "link", "add", port, "type", "veth", *peer)
        run("ip", "link", "set", port, "master", BRIDGE, "up")
        run("ip", "-n", host, "link", "set", "lo", "up")
        return Path("/run/netns") / host

    def disconnect(self, host: str) -> None:
        """Take the host's network away, with its addresses."""
        with suppress(ProgramError):
            self._room.run("ip", "link", "delete", _port(host))
        with suppress(ProgramError):
            self._room.run("ip", "netns", "delete", host)

    def unplug(self, host: str) -> None:
        """Pull the host's cable."""
        self._room.run("ip", "link", "set", _port(host), "down")

    def plug(self, host: str) -> None:
        """Put the host's cable back."""
        self._room.run("ip", "link", "set", _port(host), "up")


def _port(host: str) -> str:
    # Names of interfaces have at most 15 characters.
    return "p" + sha256(host.encode()).hexdigest()[:12]
