"""Real kubeadm, from the folder in KHGEN_KUBE_BIN, on a rendered node in a private /etc."""

import os
import shlex
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from khgen.facts.version import KubernetesVersion
from khgen.pki.secrets import Secrets, new_secrets
from khgen.plan.cluster_plan import NodeFile, NodePlan, Plan
from khgen.render import ClusterRender
from khgen.spec.model import ClusterSpec
from support.fixed import known_entropy
from support.programs import require_namespaces, run

PRIVATE_ROOT = """
set -e
for folder in etc var/lib; do mount --bind {root}/$folder /$folder; done
exec {command}
"""


@cache
def kube_bin() -> Path:
    """The folder of Kubernetes binaries; without it the test is skipped."""
    folder = os.environ.get("KHGEN_KUBE_BIN")
    if not folder:
        pytest.skip("KHGEN_KUBE_BIN names no folder of Kubernetes binaries")
    return Path(folder)


@cache
def kubeadm_version() -> KubernetesVersion:
    """The version of the kubeadm there."""
    done = run([kube_bin() / "kubeadm", "version", "-o", "short"])
    return KubernetesVersion.parse(done.stdout.strip())


def fresh_secrets(spec: ClusterSpec) -> Secrets:
    """TEST ONLY: secrets of known entropy, issued now, so that kubeadm finds them valid."""
    return new_secrets(spec, datetime.now(UTC), known_entropy("kubeadm"))


def kubernetes_files(plan: Plan, node: NodePlan, secrets: Secrets) -> tuple[NodeFile, ...]:
    """The files of a node, all of them."""
    return ClusterRender(plan, secrets, {}).node(node).files


def write_root(root: Path, files: tuple[NodeFile, ...]) -> None:
    """The node's files under a folder, beside what programs need of the machine's own /etc."""
    for folder in ("etc", "var/lib"):
        (root / folder).mkdir(parents=True)
    for name in ("passwd", "group", "nsswitch.conf", "hosts"):
        shutil.copy(Path("/etc") / name, root / "etc" / name)
    for file in files:
        path = root / file.path.relative_to("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content, encoding="utf-8")
        path.chmod(file.mode)


def kubeadm(root: Path, *arguments: str) -> CompletedProcess[str]:
    """kubeadm with that folder's /etc and /var/lib in place of the machine's, and no network."""
    return run_in(root, [str(kube_bin() / "kubeadm"), *arguments], "--net")


def run_step(root: Path, name: str, *, kubeadm: bool = False) -> CompletedProcess[str]:
    """A boot step with that folder's /etc and /var/lib, and its values from node.env.

    `kubeadm`: the real one is in its PATH, and there is no network.
    """
    (step,) = (root / "etc/khgen/steps.d").glob(f"[0-9][0-9]-{name}")
    script = f"set -a; . /etc/khgen/node.env; exec bash /etc/khgen/steps.d/{step.name}"
    if not kubeadm:
        return run_in(root, ["bash", "-c", script])
    return run_in(root, ["bash", "-c", f"PATH={kube_bin()}:$PATH; {script}"], "--net")


def run_in(root: Path, command: Sequence[str], *unshared: str) -> CompletedProcess[str]:
    """A command with that folder's /etc and /var/lib in place of the machine's."""
    require_namespaces()
    script = PRIVATE_ROOT.format(root=shlex.quote(str(root)), command=shlex.join(command))
    return run(["unshare", "--mount", *unshared, "bash", "-c", script], seconds=120)
