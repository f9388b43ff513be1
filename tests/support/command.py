"""Runs the khgen command as a user does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

SMALL_SPEC = f"""\
apiVersion: khgen/v1alpha1
kind: Cluster
metadata: {{name: small}}
controlPlaneEndpoint: {{vip: 10.9.0.2, port: 8443}}
networking: {{podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}}
os: {{family: debian, release: "12"}}
addons: {{calico: {{url: "https://example.com/calico.yaml", sha256: "{0:064d}"}}}}
install: {{containerd: distribution, kubernetesRepositoryKey: {{sha256: "{0:064d}"}}}}
nodes:
  - {{name: cp1, role: control-plane, address: 10.9.0.11}}
  - {{name: cp2, role: control-plane, address: 10.9.0.12}}
  - {{name: cp3, role: control-plane, address: 10.9.0.13}}
  - {{name: w1, role: worker, address: 10.9.0.21}}
"""


def khgen(
    *arguments: str | Path,
    cwd: Path,
    stdin: str = "",
    env: dict[str, str] | None = None,
    stdout: IO[str] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """One run of khgen as a process of its own; never raises for its exit code."""
    return python("-m", "khgen", *arguments, cwd=cwd, stdin=stdin, env=env, stdout=stdout)


def python(
    *arguments: str | Path,
    cwd: Path,
    stdin: str = "",
    env: dict[str, str] | None = None,
    stdout: IO[str] | int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """One run of this Python, which has khgen; never raises for its exit code."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        env={**os.environ, "NO_COLOR": "1", **(env or {})},
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=120,
    )
