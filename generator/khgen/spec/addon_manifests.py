"""Manifests beside the spec: their Kubernetes objects, and the pod network that they set up."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import yaml

from khgen.problems import BYTE_ORDER_MARK, Place, Problem, quoted
from khgen.spec.model.values import IPNetwork, parse_network
from khgen.yaml_reader import read_documents

_SPOKEN = {yaml.ScalarNode: "text", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}
_TEMPLATE = "for a Helm chart, run helm template first"


Found = tuple[yaml.Node, str, str]
"""The node of a network, the program that it belongs to, and its text."""
CALICO_POOLS = ("CALICO_IPV4POOL_CIDR", "CALICO_IPV6POOL_CIDR")
FLANNEL_NETWORKS = ("Network", "IPv6Network")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The objects of a file as YAML nodes, and its problems."""

    objects: tuple[yaml.MappingNode, ...]
    problems: tuple[Problem, ...]


def read_manifest(text: str, file: str) -> Manifest:
    """The objects in a manifest; bytes that are not UTF-8 arrive as surrogates."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    if "\0" in text:
        place = Place(file=file, line=1, column=1)
        binary = Problem(message="this is a binary file, not YAML", place=place)
        return Manifest(objects=(), problems=(binary,))
    documents, fault = read_documents(text, file)
    if fault is not None:
        template = fault.message.startswith("not YAML") and "{{" in text
        return Manifest(
            objects=(), problems=(replace(fault, hint=_TEMPLATE if template else fault.hint),)
        )
    found = [entry for document in documents for entry in _entries(document)]
    problems = [problem for entry in found for problem in _faults(entry, file)]
    if not found:
        place = Place(file=file, line=1, column=1)
        problems = [Problem(message="there is no Kubernetes object in this file", place=place)]
    objects = tuple(entry for entry in found if isinstance(entry, yaml.MappingNode))
    return Manifest(objects=objects, problems=tuple(problems))


def at(node: yaml.Node | None, *steps: str) -> yaml.Node | None:
    """The node below a node, by the keys of mappings."""
    for step in steps:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == step), None)
    return node


def items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    """The entries of a list; none of anything else."""
    if isinstance(node, yaml.SequenceNode):
        yield from node.value


def text_of(node: yaml.Node | None) -> str:
    """The text of a scalar; "" of anything else."""
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def place_of(node: yaml.Node, file: str) -> Place:
    """The place of a node; one that fits on a line has its width."""
    start, end = node.start_mark, node.end_mark
    one_line = isinstance(node, yaml.ScalarNode) and end.line == start.line
    width = max(1, end.column - start.column) if one_line else 1
    return Place(file=file, line=start.line + 1, column=start.column + 1, width=width)


def _entries(document: yaml.Node) -> Iterator[yaml.Node]:
    """The objects of a document: itself, those of a list, or none of an empty one."""
    if isinstance(document, yaml.ScalarNode) and not document.value:
        return
    listed = at(document, "items")
    if text_of(at(document, "kind")).endswith("List") and isinstance(listed, yaml.SequenceNode):
        yield from listed.value
    else:
        yield document


def _faults(entry: yaml.Node, file: str) -> Iterator[Problem]:
    place = place_of(entry, file)
    if not isinstance(entry, yaml.MappingNode):
        message = f"a Kubernetes object is a mapping, this is {_SPOKEN[type(entry)]}"
        yield Problem(message=message, place=place)
        return
    missing = [key for key in ("apiVersion", "kind") if not text_of(at(entry, key))]
    names = (at(entry, "metadata", "name"), at(entry, "metadata", "generateName"))
    if not any(map(text_of, names)):
        missing.append("metadata.name")
    if missing and at(entry, "<<") is None:
        kind = text_of(at(entry, "kind"))
        what = f"{quoted(kind)} lacks" if kind else "this is no Kubernetes object: it lacks"
        message = f"{what} {', '.join(missing)}"
        yield Problem(message=message, place=place, hint="add the missing fields")


def network_problems(
    objects: Sequence[yaml.MappingNode], pods: Sequence[IPNetwork], file: str
) -> Iterator[Problem]:
    """Calico's networks outside the pod network, and flannel's that do not contain it."""
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
