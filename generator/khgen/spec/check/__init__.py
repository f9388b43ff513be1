"""Rules across fields: each is a small function, and the table below is all of them."""

from collections.abc import Iterator

from khgen.problems import Finding, ValuePath
from khgen.spec.check import (
    addons,
    addresses,
    balancing,
    cloud_config,
    component_configs,
    components,
    data_directory,
    endpoint,
    exposure,
    families,
    kernel_settings,
    machines,
    membership,
    mounted_files,
    network_config,
    networks,
    node_settings,
    programs,
    signing_keys,
    subnets,
    validity,
    versions,
    weakening,
)
from khgen.spec.check.rule import Check
from khgen.spec.model import ClusterSpec

CHECKS: tuple[Check, ...] = (
    *machines.CHECKS,
    *addresses.CHECKS,
    *endpoint.CHECKS,
    *balancing.CHECKS,
    *networks.CHECKS,
    *subnets.CHECKS,
    *families.CHECKS,
    *membership.CHECKS,
    *versions.CHECKS,
    *validity.CHECKS,
    *components.CHECKS,
    *component_configs.CHECKS,
    *mounted_files.CHECKS,
    *data_directory.CHECKS,
    *kernel_settings.CHECKS,
    *node_settings.CHECKS,
    *programs.CHECKS,
    *addons.CHECKS,
    *cloud_config.CHECKS,
    *weakening.CHECKS,
    *exposure.CHECKS,
    *signing_keys.CHECKS,
    *network_config.CHECKS,
)
"""Every check there is."""


def findings_of(
    spec: ClusterSpec, broken: frozenset[ValuePath] = frozenset(), *, all_nodes: bool = True
) -> Iterator[Finding]:
    """What the checks find; those that read something broken are left out."""
    for check in CHECKS:
        if check.applies(broken, all_nodes=all_nodes):
            yield from check.find(spec)
