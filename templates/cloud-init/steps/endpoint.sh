#!/bin/bash
#: the API answers at its endpoint
#hint: control planes, haproxy, keepalived up? route?
#every: 2
set -euo pipefail
api "$ENDPOINT/readyz"
