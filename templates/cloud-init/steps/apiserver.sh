#!/bin/bash
#: this node's own API server is ready
#hint: crictl ps -a; crictl logs of kube-apiserver
#every: 1
set -euo pipefail
api "$NODE_URL/readyz"
