"""/etc/khgen/patches: what kubeadm changes in a static pod on this node only.

The founding members of etcd stand here and nowhere else: in the uploaded ClusterConfiguration
they would override what every later join computes.
"""

from pathlib import PurePosixPath

from khgen.files.etcd_manifest import founding_arguments
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.yaml_text import YamlValue, dump_yaml

PATCHES = PurePosixPath("/etc/khgen/patches")


def has_patches(plan: Plan, kind: NodeKind) -> bool:
    """Whether nodes of that kind have a patches directory."""
    return plan.stacked and kind is NodeKind.FOUNDER


def patch_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The etcd patch of a founder: flags stand twice then, and etcd takes the last."""
    if not has_patches(plan, kind):
        return ()
    operations: list[YamlValue] = [
        {"op": "add", "path": "/spec/containers/0/command/-", "value": f"--{name}={value}"}
        for name, value in founding_arguments(plan)
    ]
    # The name's form is kubeadm's: target, +patch type, extension (util/patches/patches.go).
    path = PATCHES / "etcd+json.yaml"
    return (NodeFile(path=path, content=dump_yaml(operations)),)
