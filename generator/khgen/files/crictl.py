"""crictl: where containerd listens."""

from pathlib import PurePosixPath

from khgen.files.kubeadm_config import CRI_SOCKET
from khgen.plan.installation import runs_containerd
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile

CONFIG = PurePosixPath("/etc/crictl.yaml")


def crictl_files(_: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """Its configuration, so that it neither guesses nor warns; images are at the same endpoint."""
    if not runs_containerd(kind):
        return ()
    return (NodeFile(path=CONFIG, content=f"runtime-endpoint: {CRI_SOCKET}\n"),)
