#!/bin/bash
#: the kubelet has registered this Node
#hint: journalctl -u kubelet
#every: 2
set -euo pipefail
api "$ENDPOINT/api/v1/nodes/$NODE_NAME" >/dev/null && exit
# The kubelet may have begun before the API answered: start it again, once a boot.
[ -e /run/khgen/kubelet-restarted ] || systemctl restart kubelet
touch /run/khgen/kubelet-restarted
exit 1
