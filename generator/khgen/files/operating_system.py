"""The operating system: clock, kernel modules and settings, /etc/hosts, and the metadata service.

/etc/hosts lets no name that a node needs depend on DNS.

The cloud's metadata service is closed to pods by a rule at each boot, before the kubelet starts.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from khgen.files.templates import filled, verbatim
from khgen.plan.cluster_plan import (
    CONTROL_PLANE_KINDS,
    ETCD_KINDS,
    NodeFile,
    NodeKind,
    NodePlan,
    Plan,
)
from khgen.plan.kernel import kernel_modules, kernel_settings
from khgen.plan.steps import closes_metadata
from khgen.spec.model.machine import TimeProgram

TIMESYNCD_CONF = PurePosixPath("/etc/systemd/timesyncd.conf.d/khgen.conf")
MODULES = PurePosixPath("/etc/modules-load.d/khgen.conf")
# Files apply in the order of their names: this one comes after Debian's 99-sysctl.conf.
SETTINGS = PurePosixPath("/etc/sysctl.d/99-zz-khgen.conf")
HOSTS = PurePosixPath("/etc/hosts")
LOCALHOST = ("127.0.0.1 localhost\n", "::1 localhost\n")
METADATA_PROGRAM = PurePosixPath("/usr/local/sbin/khgen-metadata")
METADATA_UNIT = PurePosixPath("/etc/systemd/system/khgen-metadata.service")


def time_sync_files(plan: Plan, _: NodeKind) -> tuple[NodeFile, ...]:
    """The program's configuration; none where the distribution's own sources are used.

    The whole chrony.conf is ours: a drop-in would add to the distribution's pool, not replace it.
    """
    sync = plan.spec.os.time_sync
    if not (sync.pools or sync.servers):
        return ()
    if sync.program is TimeProgram.CHRONY:
        content = filled("chrony.conf.j2", pools=sync.pools, servers=sync.servers)
        return (NodeFile(path=plan.distribution.family.chrony_conf, content=content),)
    if sync.program is TimeProgram.TIMESYNCD:
        content = f"[Time]\nNTP={' '.join((*sync.servers, *sync.pools))}\nFallbackNTP=\n"
        return (NodeFile(path=TIMESYNCD_CONF, content=content),)
    return ()


def kernel_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The lists of kernel modules and of kernel settings, without empty ones."""
    modules = "".join(f"{module}\n" for module in kernel_modules(plan, kind))
    settings = "".join(f"{key}={value}\n" for key, value in kernel_settings(plan, kind).items())
    files = (NodeFile(path=MODULES, content=modules), NodeFile(path=SETTINGS, content=settings))
    return tuple(file for file in files if file.content)


def hosts_files(plan: Plan, node: NodePlan) -> tuple[NodeFile, ...]:
    """The file of one node: itself, and for those that found the cluster also each other.

    A worker reaches everything by address; so adding any node changes no worker.
    """
    known = [line for other in (node, *_partners(plan, node)) for line in _host_lines(other)]
    aliases = (f"{alias.address} {' '.join(alias.names)}\n" for alias in plan.spec.os.hosts)
    content = "".join((*LOCALHOST, *dict.fromkeys(known), *aliases))
    return (NodeFile(path=HOSTS, content=content),)


def _partners(plan: Plan, node: NodePlan) -> tuple[NodePlan, ...]:
    if node.kind not in CONTROL_PLANE_KINDS | ETCD_KINDS:
        return ()
    return (*plan.control_planes, *(() if plan.stacked else plan.etcd_members))


def _host_lines(node: NodePlan) -> Iterator[str]:
    return (f"{address} {node.name}\n" for address in node.addresses)


def metadata_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The rule and the unit that sets it, where the spec asks for it."""
    if not closes_metadata(plan, kind):
        return ()
    return (
        NodeFile(path=METADATA_PROGRAM, content=verbatim("khgen-metadata"), mode=0o755),
        NodeFile(path=METADATA_UNIT, content=verbatim("khgen-metadata.service")),
    )
