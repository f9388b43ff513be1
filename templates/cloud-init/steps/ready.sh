#!/bin/bash
#: this Node is Ready
#hint: journalctl -u kubelet; a pod network is needed: kubectl get pods -A
#every: 5
set -euo pipefail
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" | python3 -c '
import json, sys
for condition in json.load(sys.stdin)["status"]["conditions"]:
    if condition["type"] == "Ready" and condition["status"] != "True":
        sys.exit(condition["message"])'
