"""What the download step fetches: one line a file, digest, target, URL."""

from pathlib import PurePosixPath

from khgen.plan.installation import downloads
from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile

LIST = PurePosixPath("/etc/khgen/downloads")


def download_files(plan: Plan, kind: NodeKind) -> tuple[NodeFile, ...]:
    """The list, for nodes that download something."""
    lines = [f"{item.sha256} {item.target} {item.url}\n" for item in downloads(plan, kind)]
    return (NodeFile(path=LIST, content="".join(lines)),) if lines else ()
