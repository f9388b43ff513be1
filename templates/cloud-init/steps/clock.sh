#!/bin/bash
#: the clock is past the start of the certificates
#hint: set the clock, or reach a time server
#every: 2
set -euo pipefail
behind=$((NOT_BEFORE - $(date +%s)))
[ $behind -le 0 ] || { echo "the clock is $behind s behind"; exit 1; }
