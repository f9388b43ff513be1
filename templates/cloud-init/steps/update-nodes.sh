#!/bin/bash
#: labels and taints of all Nodes as the spec says
#hint: kubectl get nodes --show-labels
#files: /etc/khgen/nodes.json
set -euo pipefail
. /etc/khgen/update.sh
# The annotation khgen/set has the labels and taints that a spec gave: only those are ever removed.
python3 - /etc/khgen/nodes.json <<'END'
import json
import subprocess
import sys

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def kubectl(*words):
    return subprocess.run(["kubectl", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def taint_name(taint):
    return taint["key"] + ":" + taint["effect"]


# A spec without taints leaves them as they are, but takes back what an earlier spec gave.
def wanted_taints(wanted, given):
    if wanted["taints"] is not None:
        return {taint_name(taint): taint.get("value", "") for taint in wanted["taints"]}
    return {CONTROL_PLANE + ":NoSchedule": ""} if wanted["controlPlane"] and given else {}


def labels(name, node, wanted, given):
    has = node["metadata"].get("labels", {})
    words = [f"{key}={value}" for key, value in wanted["labels"].items() if has.get(key) != value]
    words += [f"{key}-" for key in given if key in has and key not in wanted["labels"]]
    if words:
        print(kubectl("label", "--overwrite", "node", name, *words), end="")


def taints(name, node, wanted, given):
    has = {taint_name(taint): taint.get("value", "") for taint in node["spec"].get("taints", [])}
    wants = wanted_taints(wanted, given)
    if wanted["taints"] is not None and wanted["controlPlane"]:
        given = {*given, CONTROL_PLANE + ":NoSchedule"}
    words = [
        key.replace(":", f"={value}:" if value else ":")
        for key, value in wants.items()
        if has.get(key) != value
    ]
    words += [f"{key}-" for key in given if key in has and key not in wants]
    if words:
        print(kubectl("taint", "--overwrite", "node", name, *words), end="")


def bring(name, node, wanted):
    noted = node["metadata"].get("annotations", {}).get("khgen/set", "{}")
    given = json.loads(noted)
    now = {
        "labels": sorted(wanted["labels"]),
        "taints": sorted(map(taint_name, wanted["taints"] or [])),
    }
    # Both, until all is done: a run that is cut off forgets nothing.
    note(name, noted, {key: sorted({*given.get(key, []), *now[key]}) for key in now})
    labels(name, node, wanted, given.get("labels", []))
    taints(name, node, wanted, given.get("taints", []))
    note(name, None, now)


def note(name, noted, value):
    text = json.dumps(value, sort_keys=True)
    if any(value.values()) and text != noted or noted is None:
        kubectl("annotate", "--overwrite", "node", name, f"khgen/set={text}")


nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
wanted = json.load(open(sys.argv[1]))
for node in nodes:
    if node["metadata"]["name"] in wanted:
        bring(node["metadata"]["name"], node, wanted[node["metadata"]["name"]])
END
