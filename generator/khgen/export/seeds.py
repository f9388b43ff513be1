"""NoCloud seeds of nodes: an image for each, or a folder."""

from collections.abc import Iterator
from enum import StrEnum

from khgen.export.model import ExportCluster, ExportFile
from khgen.export.seed_iso import seed_iso


class SeedFormat(StrEnum):
    """How a seed is handed over."""

    ISO = "iso"
    DIR = "dir"


def seed_files(cluster: ExportCluster, seed_format: SeedFormat) -> Iterator[ExportFile]:
    """Each node's seed: `<name>.iso`, or the files of `<name>/`."""
    for node in cluster.nodes:
        files = node.seed_files
        if seed_format is SeedFormat.ISO:
            image = seed_iso(files, cluster.issued_at)
            yield ExportFile(path=f"{node.name}.iso", content=image, node=node.name)
            continue
        for name, content in files.items():
            yield ExportFile(path=f"{node.name}/{name}", content=content, node=node.name)
