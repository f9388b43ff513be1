"""Whether the output already is what a whole render would write, found without rendering its nodes."""

import hashlib
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from khgen.bundle.update_bundle import BUNDLE_FILES, SIGNATURE, STATEMENT, archive_digests
from khgen.changes.compare import spec_values
from khgen.disk.manifest import (
    ADMIN_CONF,
    KINDS,
    MANIFEST,
    NODES,
    ROOTFS,
    SPEC,
    UPDATE,
    UPDATE_YAML,
    NodeEntry,
    UpdateEntry,
    held_nodes,
)
from khgen.disk.node_writer import has_tree
from khgen.disk.staging import Staging
from khgen.export.rendered_machines import META_DATA, NETWORK_CONFIG, USER_DATA
from khgen.pki.secrets_encode import encode_secrets
from khgen.plan.cluster_plan import NodePlan
from khgen.render import ClusterRender
from khgen.resources import resource_folder

LIBRARIES = ("cryptography", "jinja2", "pydantic", "pyyaml")
"""What shapes the bytes of a render, beside khgen itself, Python and zlib."""


def inputs_digest(render: ClusterRender) -> str:
    """The SHA-256 of all that the nodes are rendered from: spec, secrets, files and programs."""
    digest = hashlib.sha256()
    for part in (*_programs(), *_values(render)):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def present_entries(
    render: ClusterRender, staging: Staging, nodes: Iterable[NodePlan], inputs: str | None
) -> dict[str, NodeEntry] | None:
    """These nodes' entries in the present output; None where it is not all as `inputs` gave it.

    Every file is read: what somebody changed is written anew.
    """
    held = held_nodes(staging.present)
    if inputs is None or held.inputs != inputs or not _has_cluster_files(render, staging):
        return None
    if not all(_has_node(staging, name, entry) for name, entry in held.entries.items()):
        return None
    if _digest(staging.present_content(UPDATE_YAML)) != held.update_sha256:
        return None
    return {node.name: held.entries[node.name] for node in nodes}


def spec_text(render: ClusterRender) -> str:
    """The spec as the output keeps it, for the next comparison."""
    return json.dumps(spec_values(render.plan.spec), indent=2) + "\n"


def _programs() -> Iterator[bytes]:
    yield f"{sys.version} {zlib.ZLIB_RUNTIME_VERSION}".encode()
    for name in LIBRARIES:
        yield f"{name} {version(name)}".encode()
    code = Path(__file__).resolve().parents[1].rglob("*.py")
    templates = resource_folder("templates").rglob("*")
    for path in sorted((*code, *templates)):
        if path.is_file():
            yield path.name.encode()
            yield path.read_bytes()


def _values(render: ClusterRender) -> Iterator[bytes]:
    yield render.plan.spec.model_dump_json().encode()
    yield encode_secrets(render.secrets).encode()
    for kind, rendered in render.kinds.items():
        for file in rendered.shared:
            yield f"{kind} {file.path} {file.mode}".encode()
            yield file.content.encode()


def _has_cluster_files(render: ClusterRender, staging: Staging) -> bool:
    texts = {ADMIN_CONF: render.admin_conf(), SPEC: spec_text(render)}
    return (
        staging.present_names("") != frozenset()
        and staging.present_content(MANIFEST) is not None
        and all(staging.present_content(name) == text.encode() for name, text in texts.items())
        and staging.present_names(NODES) == {node.name for node in render.plan.nodes}
        and staging.present_names(KINDS) == {kind.value for kind in render.kinds}
        and all(
            staging.present_names(f"{KINDS}/{kind}") == {ROOTFS}
            and has_tree(staging, f"{KINDS}/{kind}/{ROOTFS}", rendered.shared)
            for kind, rendered in render.kinds.items()
        )
    )


def _has_node(staging: Staging, name: str, entry: NodeEntry) -> bool:
    wanted = {
        USER_DATA: entry["userData"]["sha256"],
        META_DATA: entry["metaDataSha256"],
        NETWORK_CONFIG: entry["networkConfigSha256"],
    }
    digests = {file: digest for file, digest in wanted.items() if digest is not None}
    folder = f"{NODES}/{name}"
    return (
        staging.present_names(folder) == {*digests, UPDATE}
        and all(
            _digest(staging.present_content(f"{folder}/{file}")) == digest
            for file, digest in digests.items()
        )
        and _has_update(staging, f"{folder}/{UPDATE}", entry["update"])
    )


def _has_update(staging: Staging, folder: str, entry: UpdateEntry) -> bool:
    contents = {name: staging.present_content(f"{folder}/{name}") for name in BUNDLE_FILES}
    return (
        staging.present_names(folder) == contents.keys()
        and _digest(contents[STATEMENT]) == entry["sha256"]
        and _digest(contents[SIGNATURE]) == entry["signatureSha256"]
        and all(
            _digest(contents[name]) == digest
            for name, digest in archive_digests(contents[STATEMENT] or b"{}").items()
        )
    )


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
