"""What hosts try to send beyond their cluster, seen on their cables (packet(7)).

Run as a program in namespaces, this file is the watcher: it writes a line for each thing it sees.
"""

import ctypes
import json
import socket
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, IPv6Address, ip_address
from pathlib import Path

from khgen.rehearse.namespaces import Namespaces
from khgen.rehearse.processes import wait_until

READY = "watching"
IPV4, IPV6 = 0x0800, 0x86DD
PROTOCOLS = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp", socket.IPPROTO_ICMP: "icmp"}
DNS = 53

LOAD_WORD, AND, JUMP_IF_EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
ALL, NOTHING = 0xFFFFFFFF, 0
AD_PROTOCOL, AD_PACKET_TYPE = 0xFFFFF000, 0xFFFFF004
"""Where a filter finds what is not in the packet (linux/filter.h, SKF_AD_OFF)."""
PACKET_OUTGOING = 4
ETH_P_ALL = 3
SO_ATTACH_FILTER = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Something that a host tried to send."""

    source: str
    target: str
    what: str
    """Protocol and port; of a question to a name server, the name."""


class Traffic:
    """Sees all that hosts in the namespaces send, but to these networks."""

    def __init__(self, namespaces: Namespaces, networks: Iterable[IPv4Network], log: Path) -> None:
        """Begin to watch."""
        self._log = log
        namespaces.start([sys.executable, Path(__file__), *map(str, networks)], log)
        wait_until(lambda: READY in log.read_text(), 60, f"the watcher, see {log}")

    @property
    def sent(self) -> list[Sent]:
        """What was seen until now, each thing once, in order."""
        _, *lines = self._log.read_text().splitlines()
        return [Sent(**json.loads(line)) for line in lines]

    def wait_for(self, target: str, what: str) -> None:
        """Wait until somebody has sent that."""

        def seen() -> bool:
            return any((sent.target, sent.what) == (target, what) for sent in self.sent)

        wait_until(seen, 30, f"{what} to {target} on the cables: {self.sent}")


def filter_program(networks: Iterable[IPv4Network]) -> bytes:
    """A filter (linux/filter.h) that passes IPv6, and IPv4 to none of these networks."""
    drop, jump = (RETURN, 0, 0, NOTHING), (JUMP_IF_EQUAL, 0, 1)
    program = [(LOAD_WORD, 0, 0, AD_PACKET_TYPE), (*jump, PACKET_OUTGOING), drop]
    program += [(LOAD_WORD, 0, 0, AD_PROTOCOL), (*jump, IPV6), (RETURN, 0, 0, ALL)]
    program += [(JUMP_IF_EQUAL, 1, 0, IPV4), drop]
    for network in networks:
        program += [(LOAD_WORD, 0, 0, 16), (AND, 0, 0, int(network.netmask))]
        program += [(*jump, int(network.network_address)), drop]
    program.append((RETURN, 0, 0, ALL))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def sent_in(packet: bytes) -> Sent | None:
    """What an IP packet is; None for what stays on its link."""
    if packet[0] >> 4 == 6:
        source, target = IPv6Address(packet[8:24]), IPv6Address(packet[24:40])
        if target.is_multicast or target.is_link_local:
            return None
        return Sent(source=str(source), target=str(target), what=f"ipv6 {packet[6]}")
    source4, target4 = ip_address(packet[12:16]), ip_address(packet[16:20])
    if target4 in IPv4Network("224.0.0.0/24"):
        return None
    protocol, body = PROTOCOLS.get(packet[9], f"ip {packet[9]}"), packet[(packet[0] & 15) * 4 :]
    what = protocol
    if protocol in {"tcp", "udp"}:
        port = int.from_bytes(body[2:4])
        what = f"{protocol} {port}"
        if (protocol, port) == ("udp", DNS):
            what = f"dns {_asked_name(body[8 + 12 :])}"
    return Sent(source=str(source4), target=str(target4), what=what)


def _asked_name(question: bytes) -> str:
    """The name in a question (RFC 1035, 4.1.2)."""
    labels = []
    while question and 0 < question[0] < 64:
        labels.append(question[1 : 1 + question[0]].decode(errors="replace"))
        question = question[1 + question[0] :]
    return ".".join(labels)


def watch(networks: Sequence[IPv4Network]) -> None:
    """Write a line for each new thing that is sent, until the process is ended."""
    program = filter_program(networks)
    memory = ctypes.create_string_buffer(program)
    attached = struct.pack("HL", len(program) // 8, ctypes.addressof(memory))
    # Every protocol: who asks for one sees only what a bridge hands to its own machine.
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as cables:
        cables.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, attached)
        print(READY, flush=True)
        known = set()
        while True:
            found = sent_in(cables.recv(65535))
            if found is not None and found not in known:
                known.add(found)
                print(json.dumps(asdict(found)), flush=True)


if __name__ == "__main__":
    watch([IPv4Network(text) for text in sys.argv[1:]])
