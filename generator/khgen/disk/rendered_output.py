"""Reads a rendered output folder back, and holds every file against its digest in manifest.json."""

import errno
import hashlib
import json
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from khgen.bundle.update_bundle import (
    BUNDLE_FILES,
    KIND_ARCHIVE,
    NODE_ARCHIVE,
    SIGNATURE,
    STATEMENT,
    archive_digests,
    files_of_archive,
)
from khgen.bundle.user_data import files_of_user_data
from khgen.changes.compare import NodeTree, SpecValues, TreeFile
from khgen.changes.file_rules import cloud_config
from khgen.disk.manifest import (
    KINDS,
    MANIFEST,
    NODES,
    ROOTFS,
    SPEC,
    UPDATE,
    ManifestNode,
    RenderedManifest,
    decoded_manifest,
)
from khgen.disk.owned_folder import ListingError, ListingFault, read_regular
from khgen.export.rendered_machines import (
    META_DATA,
    NETWORK_CONFIG,
    USER_DATA,
    ExportCluster,
    ExportNode,
    PlacedFile,
)
from khgen.problems import Place, Problem, Problems

_RENDER_AGAIN = "render again: khgen render cluster.yaml -o {out}"
_REPLACE = "if khgen wrote {out}, remove it and render again: khgen render cluster.yaml -o {out}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedManifest:
    """The manifest of an output folder, or what is wrong with it; `text` is as it was read."""

    manifest: RenderedManifest | None
    problems: Problems
    text: str


def load_manifest(out: Path) -> LoadedManifest:
    """The manifest in that folder; raises OSError where there is no folder or no manifest."""
    path = out / MANIFEST
    if out.is_dir() and not path.exists():
        reason = f"holds no {MANIFEST}: not a folder that khgen render wrote"
        raise FileNotFoundError(errno.ENOENT, reason, str(out))
    if not out.is_dir() and out.exists():
        raise NotADirectoryError(errno.ENOTDIR, "is not a folder that khgen render wrote", str(out))
    if not out.exists():
        reason = "there is no such folder: khgen render writes it"
        raise FileNotFoundError(errno.ENOENT, reason, str(out))
    content = read_regular(path)
    text = content.decode("utf-8", errors="replace")
    try:
        manifest = decoded_manifest(content)
    except ListingError as error:
        problems = Problems.of(_fault(out, path, fault) for fault in error.faults)
        return LoadedManifest(manifest=None, problems=problems, text=text)
    return LoadedManifest(manifest=manifest, problems=Problems(), text=text)


def held_cluster(out: Path) -> str | None:
    """The name of the cluster whose render that folder holds, "" for one that cannot be told."""
    try:
        manifest = json.loads(read_regular(out / MANIFEST))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        return ""
    if not isinstance(manifest, dict) or "khgen" not in manifest:
        return None  # Another program's manifest: there is no render in that folder to lose.
    return str(manifest.get("cluster", ""))


def load_nodes(
    out: Path, manifest: RenderedManifest, names: tuple[str, ...]
) -> tuple[ExportCluster, Problems]:
    """These nodes as they were rendered, and a problem for each file that is not as it was."""
    problems: list[Problem] = []
    cluster = ExportCluster(
        name=manifest.cluster,
        kubernetes=manifest.kubernetes,
        issued_at=manifest.issued_at,
        nodes=tuple(_node(out, name, manifest.nodes[name], problems) for name in names),
    )
    return cluster, Problems.of(problems)


def load_spec_values(out: Path) -> SpecValues | None:
    """The spec that the output was rendered from; None where an older khgen kept none."""
    try:
        values = json.loads(read_regular(out / SPEC))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    nodes = values.get("nodes") if isinstance(values, dict) else None
    named = isinstance(nodes, list) and all(isinstance(n, dict) and "name" in n for n in nodes)
    return values if named else None


def load_tree(out: Path, manifest: RenderedManifest, name: str) -> tuple[NodeTree, Problems]:
    """What a node's machine was given: its files by path, and what cloud-init reads of its own."""
    cluster, problems = load_nodes(out, manifest, (name,))
    if problems:
        return {}, problems
    (node,) = cluster.nodes
    files, problems = load_files(out, manifest, node)
    if node.update:
        # What a node that runs is given has all that a first boot brings.
        files = _update_files(node)
    tree = {
        path: TreeFile(content=file.content, closed=file.mode & 0o077 == 0)
        for path, file in files.items()
    }
    tree[USER_DATA] = TreeFile(content=cloud_config(node.plain_user_data), closed=True)
    tree[META_DATA] = TreeFile(content=node.meta_data, closed=False)
    if node.network_config is not None:
        tree[NETWORK_CONFIG] = TreeFile(content=node.network_config, closed=False)
    return tree, problems


def load_files(
    out: Path, manifest: RenderedManifest, node: ExportNode
) -> tuple[Mapping[str, PlacedFile], Problems]:
    """Every file that the node has, by path, and a problem for each that is not as it was rendered.

    User-data places most; what is baked into an image is in the tree of the node's kind.
    """
    entry = manifest.nodes[node.name]
    files = {
        str(file.path): PlacedFile(content=file.content.encode(), mode=file.mode)
        for file in files_of_user_data(node.plain_user_data)
    }
    tree = manifest.kind_trees.get(entry.kind_tree, {})
    problems: list[Problem] = []
    for path in manifest.file_lists[entry.file_list]:
        if path in files:
            continue
        if path in tree:
            file = Path(f"{out}/{KINDS}/{entry.kind_tree}/{ROOTFS}{path}")
            content, wrong = _checked(file, tree[path])
        else:  # An older khgen wrote it to the node's own tree, without a digest.
            file = Path(f"{out}/{NODES}/{node.name}/{ROOTFS}{path}")
            content, wrong = read_regular(file), ""
        if content is None:
            problems.append(_node_problem(out, file, wrong))
        else:
            mode = stat.S_IMODE(file.stat().st_mode)
            files[path] = PlacedFile(content=content, mode=mode)
    return dict(sorted(files.items())), Problems.of(problems)


def _node(out: Path, name: str, entry: ManifestNode, problems: list[Problem]) -> ExportNode:
    wanted = {
        USER_DATA: entry.user_data.sha256,
        META_DATA: entry.meta_data_sha256,
        NETWORK_CONFIG: entry.network_config_sha256,
    }
    contents: dict[str, bytes] = {}
    for file, digest in wanted.items():
        path = out / NODES / name / file
        content, wrong = _checked(path, digest)
        if wrong:
            problems.append(_node_problem(out, path, wrong))
        elif content is not None:
            contents[file] = content
    node = ExportNode(
        name=name,
        role=entry.role,
        kind=entry.kind,
        addresses=entry.addresses,
        instance_id=entry.instance_id,
        encoding=entry.user_data.encoding,
        user_data=contents.get(USER_DATA, b""),
        meta_data=contents.get(META_DATA, b""),
        network_config=contents.get(NETWORK_CONFIG),
        update=_update(out, name, entry, problems),
    )
    if USER_DATA in contents and not _has_plain_text(node, entry.user_data.plain_sha256):
        path = out / NODES / name / USER_DATA
        problems.append(_node_problem(out, path, f"not {node.encoding} of what was rendered"))
    return node


def _update(
    out: Path, name: str, entry: ManifestNode, problems: list[Problem]
) -> Mapping[str, bytes]:
    """The node's update by file; the manifest has the digest of bundle.json, which has others."""
    if entry.update is None:
        return {}
    folder = out / NODES / name / UPDATE
    digests = {STATEMENT: entry.update.sha256, SIGNATURE: entry.update.signature_sha256}
    contents: dict[str, bytes] = {}
    for file in BUNDLE_FILES:
        content, wrong = _checked(folder / file, digests.get(file))
        if content is None:
            problems.append(_node_problem(out, folder / file, wrong))
            return {}
        contents[file] = content
        if file == STATEMENT:
            digests |= archive_digests(content)
    return contents


def _update_files(node: ExportNode) -> Mapping[str, PlacedFile]:
    return {
        str(file.path): PlacedFile(content=file.content.encode(), mode=file.mode)
        for archive in (KIND_ARCHIVE, NODE_ARCHIVE)
        for file in files_of_archive(node.update[archive])
    }


def _has_plain_text(node: ExportNode, sha256: str) -> bool:
    """Whether the user-data is in its encoding, and decodes to what was rendered."""
    try:
        plain = node.plain_user_data
    except (zlib.error, ValueError):
        return False
    return hashlib.sha256(plain).hexdigest() == sha256


def _node_problem(out: Path, path: Path, message: str) -> Problem:
    place = Place(file=str(path), line=1, column=1)
    return Problem(message=message, place=place, hint=_RENDER_AGAIN.format(out=out))


def _checked(path: Path, digest: str | None) -> tuple[bytes | None, str]:
    """The file's bytes, and what is wrong with them; a file without digest must not be there."""
    try:
        content = read_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None, "missing, but listed in manifest.json" if digest else ""
    if digest is None:
        return None, "not part of the render: manifest.json does not list it"
    if hashlib.sha256(content).hexdigest() != digest:
        return None, "changed since it was rendered: its SHA-256 is not that in manifest.json"
    return content, ""


def _fault(out: Path, path: Path, fault: ListingFault) -> Problem:
    place = Place(file=str(path), line=fault.line, column=fault.column)
    return Problem(message=fault.message, place=place, hint=_REPLACE.format(out=out))
