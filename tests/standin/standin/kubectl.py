"""In place of kubectl: the few commands that boot steps use."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from standin.apiserver import has_label
from standin.client import ApiError, Client, Document, ending
from standin.node import wanted_version

PLACES = {
    "clusterrolebinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "node": "/api/v1/nodes",
    "nodes": "/api/v1/nodes",
    "pod": "/api/v1/namespaces/{}/pods",
    "pods": "/api/v1/namespaces/{}/pods",
    "poddisruptionbudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "configmap": "/api/v1/namespaces/{}/configmaps",
    "secret": "/api/v1/namespaces/{}/secrets",
    "daemonset": "/apis/apps/v1/namespaces/{}/daemonsets",
    "namespace": "/api/v1/namespaces",
    "role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "rolebinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="kubectl (stand-in)")
    parser.add_argument("--kubeconfig", default=os.environ.get("KUBECONFIG"))
    parser.add_argument("-n", dest="namespace", default="default")
    for flag in ("--client", "--ignore-not-found", "--overwrite", "--save-config"):
        parser.add_argument(flag, action="store_true")
    for flag in ("-o", "-l", "-f"):
        parser.add_argument(flag)
    for option in ("--field-selector", "--server", "--request-timeout", "--raw"):
        parser.add_argument(option)
    parser.add_argument("words", nargs="+")
    given = parser.parse_intermixed_args()
    command, *words = given.words
    if command == "version":
        print("Client Version:", wanted_version("kubectl"), "(stand-in)")
        return
    kubeconfig = given.kubeconfig or "/etc/kubernetes/admin.conf"
    with ending("kubectl"):
        COMMANDS[command](Client(kubeconfig, given.server), words, given)


def get(client: Client, words: list[str], given: argparse.Namespace) -> None:
    """Names of the objects asked for, or what the output form prints of them; or raw JSON."""
    if given.raw:
        print(json.dumps(client.ask("GET", given.raw)))
        return
    place = PLACES[words[0]].format(given.namespace)
    if words[1:]:
        found = [client.get(f"{place}/{words[1]}")]
    else:
        found = [item for item in client.ask("GET", place)["items"] if _selected(item, given)]
    items = [item for item in found if item is not None]
    if given.o == "json":
        print(json.dumps({"items": items}))
        return
    form = FORMS.get((given.o or "").removeprefix("jsonpath="), _name_and_addresses)
    for item in items:
        print(form(item) if given.o != "name" else f"{words[0]}/{item['metadata']['name']}")


def _name_and_addresses(item: Document) -> str:
    addresses = (address["address"] for address in item["status"]["addresses"])
    return " ".join((item["metadata"]["name"], *addresses))


FORMS: Mapping[str, Callable[[Document], str]] = {
    "{.data}": lambda item: json.dumps(item["data"]),
    "{.data.ClusterConfiguration}": lambda item: str(item["data"]["ClusterConfiguration"]),
    '{range .items[*]}{.spec.containers[0].image}{"\\n"}{end}': lambda item: str(
        item["spec"]["containers"][0]["image"]
    ),
}
"""What the steps ask for by JSONPath, besides names and addresses."""


def _selected(item: Document, given: argparse.Namespace) -> bool:
    metadata = item["metadata"]
    field = given.field_selector
    labelled = not given.l or has_label(item, given.l)
    return labelled and (not field or field == f"metadata.name={metadata['name']}")


def annotate(client: Client, words: list[str], given: argparse.Namespace) -> None:
    """Annotations of an object."""
    place = PLACES[words[0]].format(given.namespace)
    item = client.ask("GET", f"{place}/{words[1]}")
    pairs = dict(word.split("=", 1) for word in words[2:])
    item["metadata"].setdefault("annotations", {}).update(pairs)
    client.put(place, item)


def label(client: Client, words: list[str], given: argparse.Namespace) -> None:
    """Labels of an object: set, or removed where the word ends in a hyphen."""
    place = PLACES[words[0]].format(given.namespace)
    item = client.ask("GET", f"{place}/{words[1]}")
    labels = item["metadata"].setdefault("labels", {})
    for word in words[2:]:
        name, sign, value = word.partition("=")
        if sign:
            labels[name] = value
        else:
            labels.pop(name.removesuffix("-"), None)
    client.put(place, item)
    print(f"{words[0]}/{words[1]} labeled")


def taint(client: Client, words: list[str], _given: argparse.Namespace) -> None:
    """Taints of a Node: key=value:effect, or removed where the word ends in a hyphen."""
    node = client.ask("GET", f"/api/v1/nodes/{words[1]}")
    taints = node.setdefault("spec", {}).setdefault("taints", [])
    for word in words[2:]:
        pair, _, effect = word.removesuffix("-").partition(":")
        key, _, value = pair.partition("=")
        taints[:] = [one for one in taints if (one["key"], one["effect"]) != (key, effect)]
        if not word.endswith("-"):
            taints.append({"key": key, "value": value, "effect": effect})
    client.put("/api/v1/nodes", node)
    print(f"node/{words[1]} tainted")


def rollout(client: Client, words: list[str], given: argparse.Namespace) -> None:
    """New pods of a workload: noted on the object, as no pods run here."""
    if words[0] != "restart":
        raise ApiError(0, f"rollout knows no {words[0]}")
    place = PLACES[words[1]].format(given.namespace)
    item = client.ask("GET", f"{place}/{words[2]}")
    notes = item["metadata"].setdefault("annotations", {})
    notes["kubectl.kubernetes.io/restartedAt"] = time.strftime("%FT%TZ", time.gmtime())
    client.put(place, item)
    print(f"{words[1]}/{words[2]} restarted")


def create(client: Client, _: list[str], given: argparse.Namespace) -> None:
    """The objects in a file; ends with 1 if one was there."""
    there = False
    for item in yaml.safe_load_all(Path(given.f).read_text(encoding="utf-8")):
        kind, name = item["kind"].lower(), item["metadata"]["name"]
        place = PLACES[kind].format(item["metadata"].get("namespace", "default"))
        try:
            client.ask("POST", place, item)
            print(f"{kind}/{name} created")
        except ApiError as error:
            if error.status != 409:
                raise
            print(f'Error from server (AlreadyExists): {kind}s "{name}" exists', file=sys.stderr)
            there = True
    if there:
        sys.exit(1)


def apply(client: Client, _: list[str], given: argparse.Namespace) -> None:
    """The objects in a file as they are there, but for what others added to them."""
    for item in yaml.safe_load_all(Path(given.f).read_text(encoding="utf-8")):
        kind, name = item["kind"].lower(), item["metadata"]["name"]
        place = PLACES[kind].format(item["metadata"].get("namespace", "default"))
        wanted = json.loads(json.dumps(item))
        wanted["metadata"].setdefault("annotations", {})[LAST_APPLIED] = json.dumps(item)
        there = client.get(f"{place}/{name}")
        if there is None:
            client.ask("POST", place, wanted)
        else:
            before = json.loads(there["metadata"].get("annotations", {}).get(LAST_APPLIED, "{}"))
            client.ask("PUT", f"{place}/{name}", _merged(before, there, wanted))
        print(f"{kind}/{name} {'created' if there is None else 'configured'}")


def _merged(before: Document, there: Document, wanted: Document) -> Document:
    """kubectl's three-way merge: what was applied before and is no longer wanted goes."""
    result = {key: value for key, value in there.items() if key in wanted or key not in before}
    for key, value in wanted.items():
        old = there.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            result[key] = _merged(before.get(key) or {}, old, value)
        else:
            result[key] = value
    return result


def delete(client: Client, words: list[str], given: argparse.Namespace) -> None:
    """An object, whether it is there or not."""
    client.ask("DELETE", f"{PLACES[words[0]].format(given.namespace)}/{words[1]}")


COMMANDS = {
    "get": get,
    "annotate": annotate,
    "label": label,
    "taint": taint,
    "rollout": rollout,
    "create": create,
    "apply": apply,
    "delete": delete,
}
