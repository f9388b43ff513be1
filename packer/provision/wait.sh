#!/bin/bash
# The base image has to finish its own first boot: cloud-init holds apt's locks until then.
set -euo pipefail
code=0
said=$(cloud-init status --wait --long) || code=$?
# 2: done, with warnings that are none of ours (cloud-init 23.4 and later).
if [ "$code" != 0 ] && [ "$code" != 2 ]; then
  printf 'the base image did not finish its first boot\n%s\n' "$said" >&2
  exit 1
fi
