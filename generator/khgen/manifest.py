"""manifest.json: what was rendered, with digests, sizes against the limit, certificate dates."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime

from khgen import __version__
from khgen.pki.credentials import certificate_dates
from khgen.render import ClusterRender, RenderedNode

JsonObject = dict[str, object]


def manifest_text(render: ClusterRender, nodes: Mapping[str, JsonObject]) -> str:
    """The manifest of a whole output folder; `nodes` holds an entry for each node by name."""
    plan, secrets = render.plan, render.secrets
    manifest = {
        "khgen": __version__,
        "cluster": plan.spec.metadata.name,
        "kubernetes": str(plan.version),
        "issuedAt": _time(secrets.issued_at),
        "founders": list(secrets.founders),
        "kinds": {kind.value: _kind_entry(render, kind.value) for kind in render.kinds},
        "nodes": dict(sorted(nodes.items())),
    }
    return json.dumps(manifest, indent=2) + "\n"


def _kind_entry(render: ClusterRender, name: str) -> JsonObject:
    part = next(part for kind, part in render.kinds.items() if kind.value == name)
    sizes = {str(file.path): len(file.content.encode()) for file in part.shared}
    return {"sharedFiles": dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))}


def node_entry(rendered: RenderedNode) -> JsonObject:
    """One node's entry: where it is, what it weighs, and when its certificates end."""
    node, user_data = rendered.node, rendered.user_data
    return {
        "role": node.role.value,
        "kind": node.kind.value,
        "address": str(node.address),
        "instanceId": rendered.instance_id,
        "userData": {
            "sha256": hashlib.sha256(user_data.delivered).hexdigest(),
            # The plain text's digest does not depend on a zlib's way of compressing.
            "plainSha256": hashlib.sha256(user_data.text).hexdigest(),
            "encoding": user_data.encoding.value,
            "bytes": len(user_data.delivered),
            "plainBytes": len(user_data.text),
            "gzippedBytes": user_data.gzipped_bytes,
            "countedBytes": user_data.counted_bytes,
            "limit": user_data.limit,
            "left": None if user_data.limit is None else user_data.limit - user_data.counted_bytes,
        },
        "certificates": {
            name: {"notBefore": _time(first), "notAfter": _time(last)}
            for name, (first, last) in certificate_dates(rendered.credentials).items()
        },
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
