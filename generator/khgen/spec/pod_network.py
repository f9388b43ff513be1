"""The pod network that a manifest sets up, against the one that the spec gives the cluster."""

import json
from collections.abc import Iterator, Sequence
from itertools import product

import yaml

from khgen.problems import Problem
from khgen.spec.manifest_text import at, items, place_of, text_of
from khgen.spec.model.values import IPNetwork, parse_network

Found = tuple[yaml.Node, str, str]
"""Where a network is written, whose it is, and the network."""
CALICO_POOLS = ("CALICO_IPV4POOL_CIDR", "CALICO_IPV6POOL_CIDR")
FLANNEL_NETWORKS = ("Network", "IPv6Network")


def network_problems(
    objects: Sequence[yaml.MappingNode], pods: Sequence[IPNetwork], file: str
) -> Iterator[Problem]:
    """Networks of Calico outside of the pod network, networks of flannel that do not hold it."""
    for entry, find in product(objects, (_calico_pools, _calico_installation, _flannel)):
        for node, owner, text in find(entry):
            network = _network(text)
            own = [p for p in pods if network is not None and p.version == network.version]
            if network is not None and not any(_agree(owner, network, pod) for pod in own):
                spoken = ",".join(map(str, own or pods))
                yield Problem(
                    message=f"{owner}'s network {network} contradicts networking.podSubnet {spoken}",
                    place=place_of(node, file),
                    hint=f"write {spoken} here, or networking.podSubnet: {network} in cluster.yaml",
                )


def _agree(owner: str, network: IPNetwork, pods: IPNetwork) -> bool:
    """Whether every address of a pod lies in the cluster's and in its node's part of it."""
    inner, outer = (network, pods) if owner == "Calico" else (pods, network)
    return (
        inner.version == outer.version
        and inner.network_address in outer
        and inner.prefixlen >= outer.prefixlen
    )


def _network(text: str) -> IPNetwork | None:
    try:
        return parse_network(text)
    except ValueError:
        return None


def _calico_pools(entry: yaml.MappingNode) -> Iterator[Found]:
    """calico.yaml: an environment variable of calico-node."""
    for container in items(at(entry, "spec", "template", "spec", "containers")):
        for variable in items(at(container, "env")):
            value = at(variable, "value")
            if text_of(at(variable, "name")) in CALICO_POOLS and value is not None:
                yield value, "Calico", text_of(value)


def _calico_installation(entry: yaml.MappingNode) -> Iterator[Found]:
    """custom-resources.yaml of Calico's operator."""
    if text_of(at(entry, "apiVersion")).startswith("operator.tigera.io/"):
        for pool in items(at(entry, "spec", "calicoNetwork", "ipPools")):
            cidr = at(pool, "cidr")
            if cidr is not None:
                yield cidr, "Calico", text_of(cidr)


def _flannel(entry: yaml.MappingNode) -> Iterator[Found]:
    """kube-flannel.yml: JSON in a ConfigMap."""
    node = at(entry, "data", "net-conf.json")
    if node is None:
        return
    try:
        networks = json.loads(text_of(node))
    except ValueError:
        return
    for key in FLANNEL_NETWORKS if isinstance(networks, dict) else ():
        if isinstance(networks.get(key), str):
            yield node, "flannel", networks[key]
