"""Small specs for tests: a sound one, and changes to it by dotted path."""

from copy import deepcopy
from typing import Any

from khgen.spec.load import Loaded, load_spec
from khgen.yaml_text import dump_yaml

Changes = dict[str, Any]

SOUND: dict[str, Any] = {
    "apiVersion": "khgen/v1alpha1",
    "kind": "Cluster",
    "metadata": {"name": "test"},
    "controlPlaneEndpoint": {"vip": "192.168.10.240", "port": 8443},
    "os": {"family": "debian", "release": "12"},
    "nodes": [
        {"name": "cp1", "role": "control-plane", "address": "192.168.10.11"},
        {"name": "cp2", "role": "control-plane", "address": "192.168.10.12"},
        {"name": "cp3", "role": "control-plane", "address": "192.168.10.13"},
        {"name": "w1", "role": "worker", "address": "192.168.10.21"},
    ],
    "addons": {"calico": {"url": "https://example.com/calico.yaml", "sha256": "0" * 64}},
}


def changed(changes: Changes) -> dict[str, Any]:
    """The sound spec with values set by dotted path (`nodes.1.name`); None takes a key away."""
    document = deepcopy(SOUND)
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        holder: Any = document
        for step in parents:
            holder = holder[int(step)] if step.isdecimal() else holder.setdefault(step, {})
        if isinstance(holder, list):
            holder[int(last) : int(last) + 1] = [] if value is None else [value]
        elif value is None:
            del holder[last]
        else:
            holder[last] = value
    return document


def loaded(changes: Changes) -> Loaded:
    """What loading the changed spec gives."""
    return load_spec(dump_yaml(changed(changes)), "cluster.yaml")
