"""The clock: chrony or systemd-timesyncd, where the spec names its sources."""

from pathlib import PurePosixPath

from khgen.files.templates import filled
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.machine import TimeProgram

TIMESYNCD_CONF = PurePosixPath("/etc/systemd/timesyncd.conf.d/khgen.conf")


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
