"""In place of kubelet: keeps static pods running as units, and its Node in the API."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from standin.client import ApiError, Client
from standin.node import documents, flags, wanted_version

UNIT = "static-pod-"
HERE = Path(__file__).resolve().parents[1]
EVERY = 0.5
HEARTBEAT = 5.0


def main() -> None:
    """Run until ended."""
    given = flags(sys.argv[1:])
    if "help" in given:
        return
    if "version" in given:
        print("Kubernetes", wanted_version("kubelet"), "(stand-in)")
        return
    config = documents(given["config"])["KubeletConfiguration"]
    pods = Path(config["staticPodPath"])
    reported = 0.0
    while True:
        keep_running(pods)
        kubeconfig = given.get("kubeconfig")
        if kubeconfig and Path(kubeconfig).exists() and time.monotonic() - reported > HEARTBEAT:
            try:
                client = Client(kubeconfig)
                register(client, given)
                mirror(client, pods)
                reported = time.monotonic()
            except (ApiError, OSError) as error:
                print("no API yet:", error, flush=True)
        time.sleep(EVERY)


def keep_running(pods: Path) -> None:
    """A unit for each static pod, and none besides."""
    wanted = dict(unit(path) for path in sorted(pods.glob("*.yaml")) if path.stat().st_size)
    for name in running() - wanted.keys():
        systemctl("stop", name)
    for name in wanted.keys() - running():
        settings = ["--property=Restart=always", "--property=RestartSec=1", "--collect"]
        environment = [f"--setenv=PYTHONPATH={HERE}"]
        command = ["systemd-run", "--quiet", f"--unit={name}", *settings, *environment]
        subprocess.run([*command, *wanted[name]], check=False)


def unit(manifest: Path) -> tuple[str, list[str]]:
    """The unit of a pod and its command: that of its one container, as it was rendered."""
    text = manifest.read_text(encoding="utf-8")
    command = yaml.safe_load(text)["spec"]["containers"][0]["command"]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{UNIT}{manifest.stem}-{digest}.service", program(command)


def program(command: list[str]) -> list[str]:
    """etcd is itself, kube-apiserver the stand-in, and the others idle."""
    if command[0] == "etcd":
        return ["/usr/bin/etcd", *command[1:]]
    if command[0] == "kube-apiserver":
        return ["/usr/bin/python3", "-m", "standin.apiserver", *command[1:]]
    return ["sleep", "infinity"]


def running() -> set[str]:
    """The units of static pods."""
    listed = ["list-units", "--plain", "--no-legend", "--all", f"{UNIT}*"]
    return {line.split()[0] for line in systemctl(*listed).splitlines() if line.strip()}


def systemctl(*words: str) -> str:
    """What systemctl says."""
    done = subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True)
    return done.stdout


def register(client: Client, given: dict[str, str]) -> None:
    """The Node, Ready, with the labels it registers with.

    One that is there stays: objects here have no versions, and a write could undo another's mark.
    """
    name = given.get("hostname-override") or Path("/etc/hostname").read_text().strip()
    if client.get(f"/api/v1/nodes/{name}") is not None:
        return
    labels = dict(pair.split("=") for pair in given.get("node-labels", "").split(",") if pair)
    ready = {"type": "Ready", "status": "True", "message": "stand-in"}
    own = [address for address in given.get("node-ip", "").split(",") if address]
    addresses = [{"type": "InternalIP", "address": address} for address in own]
    node: dict[str, Any] = {
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {}},
        "spec": {},
        "status": {"conditions": [ready], "addresses": addresses},
    }
    client.ask("POST", "/api/v1/nodes", node)


def mirror(client: Client, pods: Path) -> None:
    """A Pod for each static pod, as it runs."""
    node = Path("/etc/hostname").read_text().strip()
    for path in pods.glob("*.yaml"):
        pod = yaml.safe_load(path.read_text(encoding="utf-8"))
        pod["metadata"]["name"] += f"-{node}"
        client.put("/api/v1/namespaces/kube-system/pods", pod)
