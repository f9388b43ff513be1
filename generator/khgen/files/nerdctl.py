"""nerdctl, where the spec asks for it."""

from pathlib import PurePosixPath

from khgen.files.toml_text import dump_toml
from khgen.plan.installation import runs_containerd
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile

CONFIG = PurePosixPath("/etc/nerdctl/nerdctl.toml")


def nerdctl_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """Its configuration: it looks at the namespace that the kubelet's containers are in."""
    if not (plan.spec.containerd.nerdctl and runs_containerd(kind)):
        return ()
    return (NodeFile(path=CONFIG, content=dump_toml({"namespace": "k8s.io"})),)
