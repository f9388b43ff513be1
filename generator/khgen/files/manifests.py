"""/etc/khgen/manifests: what the founders create in the cluster, once, in the spec's order."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from khgen.plan.model import NodeKind, Plan
from khgen.plan.node_file import NodeFile
from khgen.spec.model.addons import Calico, Manifest

FOLDER = PurePosixPath("/etc/khgen/manifests")


def manifest_files(
    plan: Plan, kind: NodeKind, contents: Mapping[str, bytes]
) -> tuple[NodeFile, ...]:
    """Manifests from files (`contents` by their path in the spec), and the list of those by URL."""
    if kind is not NodeKind.FOUNDER:
        return ()
    files: list[NodeFile] = []
    urls: list[str] = []
    for number, (name, source) in enumerate(_sources(plan), start=1):
        file_name = f"{number:02d}-{name}.yaml"
        if source.path is not None:
            text = contents[source.path].decode()
            files.append(NodeFile(path=FOLDER / file_name, content=text, mode=0o600))
        else:
            urls.append(f"{source.sha256} {file_name} {source.url}\n")
    if urls:
        files.append(NodeFile(path=FOLDER / "urls", content="".join(urls)))
    return tuple(files)


def _sources(plan: Plan) -> Iterator[tuple[str, Calico | Manifest]]:
    addons = plan.spec.addons
    if addons.calico is not None:
        yield "calico", addons.calico
    for manifest in addons.manifests:
        yield manifest.name, manifest
