#!/bin/bash
#: the kubelet has registered this Node
#hint: journalctl -u kubelet
#every: 2
set -euo pipefail
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" >/dev/null && exit
# The kubelet may have started before the API answered: restart it once per boot.
[ -e /run/khgen/kubelet-restarted ] || systemctl restart kubelet
touch /run/khgen/kubelet-restarted
exit 1
