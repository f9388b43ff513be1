#!/bin/bash
#: labels and taints of all Nodes as the spec says
#hint: kubectl get nodes --show-labels
#files: /etc/khgen/nodes.json
set -euo pipefail
. /etc/khgen/update.sh
# The annotation khgen/set of a Node lists the labels and taints that a spec gave it: only those are
# ever taken back.
python3 - /etc/khgen/nodes.json <<'END'
import json
import subprocess
import sys

CONTROL_PLANE = "node-role.kubernetes.io/control-plane:NoSchedule"


def kubectl(*words):
    return subprocess.run(["kubectl", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def values_of(taints):
    return {f"{taint['key']}:{taint['effect']}": taint.get("value", "") for taint in taints or []}


def taint_word(name, value):
    key, effect = name.split(":")
    return f"{key}={value}:{effect}" if value else name


def label_words(has, wanted, given):
    words = [f"{key}={value}" for key, value in wanted.items() if has.get(key) != value]
    return words + [f"{key}-" for key in given if key in has and key not in wanted]


def taint_words(has, wanted, given):
    words = [taint_word(name, value) for name, value in wanted.items() if has.get(name) != value]
    return words + [f"{name}-" for name in given if name in has and name not in wanted]


def change(command, node, words):
    if words:
        print(kubectl(command, "--overwrite", "node", node, *words), end="", flush=True)


def note(node, noted, value):
    text = json.dumps(value, sort_keys=True)
    if text != (noted or '{"labels": []}'):
        kubectl("annotate", "--overwrite", "node", node, f"khgen/set={text}")
    return text


def bring(node, wanted):
    name, noted = node["metadata"]["name"], node["metadata"].get("annotations", {}).get("khgen/set")
    given = json.loads(noted or "{}")
    labels, taints = wanted["labels"], values_of(wanted["taints"])
    now, theirs = {"labels": sorted(labels)}, given.get("taints", [])
    if wanted["taints"] is not None:
        now["taints"] = sorted(taints)
        theirs = [*theirs, *([CONTROL_PLANE] if wanted["controlPlane"] else [])]
    # A spec without taints leaves a Node as it is, but takes back what an earlier spec gave.
    elif "taints" in given and wanted["controlPlane"]:
        taints = {CONTROL_PLANE: ""}
    # What an earlier spec gave stays noted until it is taken back.
    both = {key: sorted({*given.get(key, []), *now.get(key, [])}) for key in {*given, *now}}
    noted = note(name, noted, both)
    has = node["metadata"].get("labels", {})
    change("label", name, label_words(has, labels, given.get("labels", [])))
    if "taints" in both:
        change("taint", name, taint_words(values_of(node["spec"].get("taints")), taints, theirs))
    note(name, noted, now)


wanted = json.load(open(sys.argv[1]))
for node in json.loads(kubectl("get", "nodes", "-o", "json"))["items"]:
    if node["metadata"]["name"] in wanted:
        bring(node, wanted[node["metadata"]["name"]])
END
