#!/bin/bash
#: the clock is past the start of the certificates
#hint: is a time server up?
#every: 2
set -euo pipefail
behind=$((NOT_BEFORE - $(date +%s)))
((behind <= 0)) || { echo "the clock is $behind s behind"; exit 1; }
