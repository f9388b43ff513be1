"""The cloud's metadata service, closed to pods: a rule at each boot, before the kubelet starts."""

from pathlib import PurePosixPath

from khgen.files.node_file import NodeFile
from khgen.files.templates import verbatim
from khgen.plan.machine_steps import closes_metadata
from khgen.plan.model import NodeKind, Plan

PROGRAM = PurePosixPath("/usr/local/sbin/khgen-metadata")
METADATA_UNIT = PurePosixPath("/etc/systemd/system/khgen-metadata.service")


def metadata_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The rule and the unit that sets it, where the spec asks for it."""
    if not closes_metadata(plan, kind):
        return ()
    return (
        NodeFile(path=PROGRAM, content=verbatim("khgen-metadata"), mode=0o755),
        NodeFile(path=METADATA_UNIT, content=verbatim("khgen-metadata.service")),
    )
