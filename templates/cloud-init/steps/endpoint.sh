#!/bin/bash
#: the API answers at its endpoint
#hint: control planes up? load balancer up (haproxy, keepalived)? route to it?
#every: 2
set -euo pipefail
. /etc/khgen/api.sh
api "$ENDPOINT/readyz" >/dev/null || { echo "$ENDPOINT/readyz does not say ok"; exit 1; }
