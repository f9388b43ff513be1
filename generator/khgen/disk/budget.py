"""What is too large for its way to the machine: user-data for a datasource, an update for a Secret."""

from collections.abc import Iterator, Mapping

from khgen.disk.manifest import NodeEntry, shared_sizes
from khgen.plan.cluster_plan import NodeKind
from khgen.problems import Finding, Severity
from khgen.render import ClusterRender

COSTLIEST_FILES = 3
LARGEST_SECRET = 1 << 20
"""core/v1 MaxSecretSize, of all values together."""
LARGEST_ANNOTATED = 180 << 10
"""kubectl keeps what it applied in an annotation, in base64; all annotations together take 256 KiB
(apimachinery, TotalAnnotationSizeLimitB)."""


def over_budget(entries: Mapping[str, NodeEntry]) -> tuple[str, ...]:
    """Names of the nodes whose user-data the datasource would refuse."""
    return tuple(name for name, entry in entries.items() if (entry["userData"]["left"] or 0) < 0)


def budget_findings(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> Iterator[Finding]:
    """An error for each node whose user-data is over the limit, at the key that sets the limit."""
    refused = frozenset(over_budget(entries))
    spec = render.plan.spec.user_data
    own = spec.max_bytes is not None
    whose = "userData.maxBytes allows" if own else f"the datasource {spec.datasource} takes"
    for node in render.plan.nodes:
        if node.name in refused:
            size = entries[node.name]["userData"]
            yield Finding(
                path=("userData", "maxBytes" if own else "datasource"),
                message=f"user-data of '{node.name}' takes {size['countedBytes']:,} bytes,"
                f" {whose} {size['limit']:,}",
                hint=_budget_hint(render, node.kind, own=own),
            )
    yield from _update_findings(render, entries)


def _budget_hint(render: ClusterRender, kind: NodeKind, *, own: bool) -> str:
    larger = "raise userData.maxBytes, " if own else ""
    return f"{larger}bake programs into an image, or apply manifests by hand; {_costliest(render, kind)}"


def _update_findings(render: ClusterRender, entries: Mapping[str, NodeEntry]) -> Iterator[Finding]:
    """A warning for each role with updates that kubectl, or a Secret, does not take."""
    largest: dict[str, tuple[int, str]] = {}
    for node in render.plan.nodes:
        if node.joins_kubernetes and node.name in entries:
            size = entries[node.name]["update"]["bytes"]
            largest[node.role] = max(largest.get(node.role, (0, "")), (size, node.name))
    for size, name in largest.values():
        kind = render.plan.by_name[name].kind
        if size > LARGEST_SECRET:
            what, hint = "a Secret takes 1 MiB", "apply manifests by hand"
        elif size > LARGEST_ANNOTATED:
            what = "kubectl apply takes 180 KiB"
            hint = "use kubectl apply --server-side, or apply manifests by hand"
        else:
            continue
        yield Finding(
            path=("updates",),
            message=f"the update of '{name}' takes {size:,} bytes, {what}",
            hint=f"{hint}; {_costliest(render, kind)}",
            severity=Severity.WARNING,
        )


def _costliest(render: ClusterRender, kind: NodeKind) -> str:
    some = list(shared_sizes(render, kind).items())[:COSTLIEST_FILES]
    return "the largest files: " + ", ".join(f"{path} ({size:,} bytes)" for path, size in some)
