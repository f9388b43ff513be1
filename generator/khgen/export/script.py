"""Shell scripts that make machines: a fixed head, and one line for each machine."""

import shlex
from collections.abc import Iterable, Sequence

from khgen.export.model import ExportCluster, ExportFile
from khgen.resources import resource_folder

SCRIPT = "create.sh"


def create_script(
    platform: str, about: str, cluster: ExportCluster, machines: Iterable[Sequence[str]]
) -> ExportFile:
    """The script of that platform; `machines` holds the arguments of each `machine` line.

    It holds no secret: those stay in the files that it names.
    """
    names = " ".join(shlex.quote(node.name) for node in cluster.nodes)
    beginning = (
        f"#!/bin/bash\n# {about}\n"
        f"# Cluster {cluster.name}, Kubernetes {cluster.kubernetes}; by khgen export {platform}.\n"
        "# With names as arguments only these are made. Those that are there already are left alone.\n"
        f"machines=({names})\n"
    )
    lines = [shlex.join(("machine", *arguments)) for arguments in machines]
    text = beginning + _head("choose") + _head(platform) + "\n".join((*lines, ""))
    return ExportFile(path=SCRIPT, content=text.encode(), mode=0o700)


def _head(name: str) -> str:
    return (resource_folder("templates") / "export" / f"{name}.sh").read_text(encoding="utf-8")
