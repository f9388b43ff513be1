#!/bin/bash
# Completes /etc/khgen/image.json, the image's contract, with the versions that are installed.
set -euo pipefail
python3 - /var/tmp/khgen-bake/bake/contract.json /etc/khgen/image.json <<'END'
import json, os, platform, re, shutil, subprocess, sys

PROGRAMS = {
    "kubeadm": ["version", "-o", "short"],
    "kubelet": ["--version"],
    "kubectl": ["version", "--client"],
    "containerd": ["--version"],
    "runc": ["--version"],
    "crictl": ["--version"],
    "haproxy": ["-v"],
    "keepalived": ["--version"],
    "/opt/cni/bin/bridge": ["--version"],
    "/usr/lib/cni/bridge": ["--version"],
}


def said(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode(errors="replace")


def programs():
    for name, arguments in PROGRAMS.items():
        if shutil.which(name):
            first = next(iter(said(name, *arguments).splitlines()), "")
            number = re.search(r"v?(\d+\.\d+[^\s,]*)", first)
            yield os.path.basename(name), number[1] if number else "unknown"


def release():
    with open("/etc/os-release", encoding="utf-8") as file:
        fields = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return {key.lower(): fields[key].strip('"') for key in ("ID", "VERSION_ID", "PRETTY_NAME") if key in fields}


def kernels():
    return sorted(name for name in os.listdir("/lib/modules"))


def images():
    if not shutil.which("ctr"):
        return
    for line in said("ctr", "-n", "k8s.io", "images", "ls").splitlines()[1:]:
        name, _, digest = line.split()[:3]
        if not name.startswith("sha256:") and "@" not in name:
            yield name, digest


source, target = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    contract = json.load(file)
contract["found"] = {
    "architecture": platform.machine(),
    "containerImages": dict(images()),
    "kernels": kernels(),
    "os": release(),
    "programs": {"cni-plugins" if name == "bridge" else name: version for name, version in programs()},
}
with open(target, "w", encoding="utf-8") as file:
    json.dump(contract, file, indent=1, sort_keys=True)
    file.write("\n")
END
chmod 644 /etc/khgen/image.json
! command -v restorecon >/dev/null || restorecon /etc/khgen/image.json
cat /etc/khgen/image.json
