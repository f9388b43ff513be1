"""Rules across fields: each is a small function, and the table below is all of them."""

from collections.abc import Iterator
from dataclasses import replace

from khgen.problems import Finding, ValuePath
from khgen.spec.check import (
    addresses,
    boot_window,
    cloud_init,
    component_configs,
    components,
    downloads,
    host_paths,
    machines,
    membership,
    networks,
    rolling,
    weakening,
)
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

CHECKS: tuple[Check, ...] = (
    *machines.CHECKS,
    *addresses.CHECKS,
    *membership.CHECKS,
    *networks.CHECKS,
    *components.CHECKS,
    *component_configs.CHECKS,
    *host_paths.CHECKS,
    *downloads.CHECKS,
    *cloud_init.CHECKS,
    *weakening.CHECKS,
    *boot_window.CHECKS,
    *rolling.CHECKS,
)
"""All checks."""


def findings_of(spec: ClusterSpec, broken: frozenset[ValuePath] = frozenset()) -> Iterator[Finding]:
    """The findings of all checks; values at the `broken` paths are stand-ins, which no check reads."""
    views: dict[frozenset[int], ClusterSpec] = {frozenset(): spec}
    for check in CHECKS:
        if not check.applies(broken):
            continue
        out = check.left_out(broken)
        if out not in views:
            kept = tuple(node for place, node in enumerate(spec.nodes) if place not in out)
            views[out] = spec.model_copy(update={"nodes": kept})
        places = [place for place in range(len(spec.nodes)) if place not in out]
        for finding in check.find(views[out]):
            yield _restored(finding, places)


def _restored(finding: Finding, places: list[int]) -> Finding:
    """The finding with the node's index in the document, not among the checked nodes."""
    path = finding.path
    if len(path) > 1 and path[0] == "nodes" and isinstance(path[1], int):
        return replace(finding, path=("nodes", places[path[1]], *path[2:]))
    return finding
