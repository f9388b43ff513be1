"""Hosts for trying a rendered virtual IP: network namespaces on one bridge, each with the rendered
files laid over /etc and /usr, running the real haproxy and keepalived."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from khgen.files.load_balancer import KHGEN_VIP_UNIT
from khgen.plan.cluster_plan import NodeFile
from khgen.rehearse.processes import wait_until
from khgen.render import ClusterRender
from support.programs import SYSTEM_PATH
from support.rendering import ROOT

SYSTEMCTL = """\
#!/bin/sh
# Takes systemd's place in a namespace: runs the two programs as Debian's units do.
verb=$1
for unit; do :; done
runs() { [ -s "/run/$1.pid" ] && kill -0 "$(cat "/run/$1.pid")"; }
case "$verb $unit" in
"reload-or-restart haproxy")
  if runs haproxy; then kill -USR2 "$(cat /run/haproxy.pid)"; else
    haproxy -W -D -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid
  fi ;;
"start keepalived")
  runs keepalived || keepalived --dont-fork --log-console --log-detail --pid /run/keepalived.pid \\
    --use-file /etc/keepalived/keepalived.conf & ;;
"try-reload-or-restart keepalived") ! runs keepalived || kill -HUP "$(cat /run/keepalived.pid)" ;;
esac
"""

BOOT = """\
set -eu
layer=$1 step=$2
mount -t tmpfs tmpfs /run
for folder in etc usr var/lib; do
  mkdir -p "/run/upper/$folder" "/run/work/$folder" "$layer/$folder"
  mount -t overlay overlay -o "lowerdir=$layer/$folder:/$folder,upperdir=/run/upper/$folder,workdir=/run/work/$folder" "/$folder"
done
bash -ac '. /etc/khgen/node.env; exec bash "$0"' "$step"
exec sleep infinity
"""


def ip(*words: str) -> str:
    """What iproute2's ip says."""
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
    return done.stdout


@dataclass
class VrrpMachine:
    """One host: its namespace, and the programs in it while it has power."""

    bridge: str
    name: str
    address: IPv4Address | IPv6Address
    files: tuple[NodeFile, ...]
    folder: Path
    step: Path
    init: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def namespace(self) -> str:
        """Name of its network namespace."""
        return f"{self.bridge}-{self.name}"

    def assemble(self) -> None:
        """Make the namespace, its cable to the bridge, and the folder of rendered files."""
        length = 24 if self.address.version == 4 else 64
        ip("netns", "add", self.namespace)
        ip("-n", self.namespace, "link", "set", "lo", "up")
        cable = ("type", "veth", "peer", "name", "lan0", "netns", self.namespace)
        ip("-n", self.bridge, "link", "add", self.name, *cable)
        ip("-n", self.bridge, "link", "set", self.name, "master", "br0", "up")
        nodad = ("nodad",) if length == 64 else ()
        ip("-n", self.namespace, "addr", "add", f"{self.address}/{length}", "dev", "lan0", *nodad)
        ip("-n", self.namespace, "link", "set", "lan0", "up")
        self._place()

    def power_on(self) -> None:
        """Boot: plug the cable in and run the load-balancer step, as pid 1 of a new pid namespace."""
        ip("-n", self.bridge, "link", "set", self.name, "up")
        with (self.folder / "console.log").open("ab") as console:
            self.init = subprocess.Popen(
                [
                    *("ip", "netns", "exec", self.namespace),
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
                    *("bash", "-c", BOOT, "boot", str(self.folder), str(self.step)),
                ],
                stdout=console,
                stderr=console,
                env={**os.environ, "PATH": f"/usr/local/bin:/usr/local/sbin:{SYSTEM_PATH}"},
            )

    def power_off(self) -> None:
        """Cut the power: all processes die at once, nothing more is sent, no address stays."""
        if self.init is not None:
            self.init.kill()
            self.init.wait()
            self.init = None
            wait_until(lambda: not self.processes(), 60, f"{self.name} to be off")
            # Not before: keepalived would see that, and its farewell be sent with the next power.
            ip("-n", self.bridge, "link", "set", self.name, "down")
            for address in self.foreign_addresses():
                ip("-n", self.namespace, "addr", "del", address, "dev", "lan0")

    def give(self, files: tuple[NodeFile, ...]) -> None:
        """Other files, as a new seed would place them; in force with the next power."""
        self.files = files
        self._place()

    def _place(self) -> None:
        stand_in = self.folder / "usr/local/bin/systemctl"
        for path, content, mode in (
            *((self.folder / str(f.path).lstrip("/"), f.content, f.mode) for f in self.files),
            (stand_in, SYSTEMCTL, 0o755),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(mode)
        (self.folder / "etc").mkdir(exist_ok=True)

    def processes(self, comm: str = "") -> list[int]:
        """Process ids in the namespace, of that program or of all."""
        found = []
        for pid in map(int, ip("netns", "pids", self.namespace).split()):
            try:
                program = Path(f"/proc/{pid}/comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if comm in {"", program}:
                found.append(pid)
        return found

    def kill_program(self, comm: str) -> None:
        """Kill -9 each process of a program on this host."""
        for pid in self.processes(comm):
            os.kill(pid, signal.SIGKILL)

    def restart_haproxy(self) -> None:
        """Start haproxy again, inside the host's own namespaces."""
        pid = self.processes("keepalived")[0]
        command = "haproxy -W -D -f /etc/haproxy/haproxy.cfg -p /run/haproxy.pid"
        nsenter = ["nsenter", "--target", str(pid), "--mount", "--pid", "--net"]
        subprocess.run([*nsenter, "sh", "-c", command], check=True, env={"PATH": SYSTEM_PATH})

    def addresses(self) -> list[str]:
        """The addresses on its interface, with prefix lengths."""
        lines = ip("-n", self.namespace, "-o", "addr", "show", "dev", "lan0", "scope", "global")
        return [line.split()[3] for line in lines.splitlines()]

    def foreign_addresses(self) -> list[str]:
        """Those that are not its own: the VIP."""
        return [a for a in self.addresses() if a.split("/")[0] != str(self.address)]

    def dismantle(self) -> None:
        """Power off and remove the namespace."""
        self.power_off()
        ip("netns", "del", self.namespace)


def vip_machine(render: ClusterRender, name: str, bridge: str, folder: Path) -> VrrpMachine:
    """The host of that node: what it has of the VIP, as rendered."""
    node = render.plan.by_name[name]
    return VrrpMachine(
        bridge=bridge,
        name=name,
        address=node.address,
        files=vip_files_of(render, name),
        folder=folder / name,
        step=ROOT / "templates/cloud-init/steps/load-balancer.sh",
    )


def vip_files_of(render: ClusterRender, name: str) -> tuple[NodeFile, ...]:
    """What a node has of the VIP; without the unit that asks the API, which there is none of."""
    node = render.node(render.plan.by_name[name])
    words = ("haproxy", "keepalived", "vip", "node.env")
    return tuple(
        file
        for file in node.files
        if any(word in file.path.name for word in words) or file.path.parent.name == "keepalived"
        if file.path != KHGEN_VIP_UNIT and "steps.d" not in str(file.path)
    )


@contextmanager
def bridged(name: str) -> Iterator[None]:
    """A network namespace of that name with a bridge in it."""
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "br0", "type", "bridge")
        ip("-n", name, "link", "set", "br0", "up")
        yield
    finally:
        ip("netns", "del", name)


def steady_holder(machines: list[VrrpMachine]) -> VrrpMachine:
    """The one that has the VIP, and still has it a second later: equals race for it."""

    def steady() -> bool:
        found = holding(machines)
        if len(found) != 1:
            return False
        time.sleep(1)
        return holding(machines) == found

    wait_until(steady, 60, "one holder of the VIP")
    (name,) = holding(machines)
    return next(machine for machine in machines if machine.name == name)


def holding(machines: Iterable[VrrpMachine]) -> list[str]:
    """Names of the machines that hold an address which is not their own."""
    return [machine.name for machine in machines if machine.foreign_addresses()]
