#!/bin/bash
# Waits for the end of the base image's own first boot: cloud-init may hold apt's locks until then.
set -euo pipefail
said=$(cloud-init status --wait --long) || {
  # The failure is the base image's own. If the bake needs what failed, a step reports it.
  printf 'cloud-init in the base image:\n%s\n' "$said" >&2
}
