"""Kernel modules and settings: modules-load.d and sysctl.d."""

from pathlib import PurePosixPath

from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile

MODULES = PurePosixPath("/etc/modules-load.d/khgen.conf")
# Files apply in the order of their names: this one comes after Debian's 99-sysctl.conf.
SETTINGS = PurePosixPath("/etc/sysctl.d/99-zz-khgen.conf")


def kernel_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """One file for each of the two that has something to say."""
    modules = "".join(f"{module}\n" for module in kernel_modules(plan, kind))
    settings = "".join(f"{key}={value}\n" for key, value in kernel_settings(plan, kind).items())
    files = (NodeFile(path=MODULES, content=modules), NodeFile(path=SETTINGS, content=settings))
    return tuple(file for file in files if file.content)
