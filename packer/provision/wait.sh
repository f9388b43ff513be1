#!/bin/bash
# The base image is to finish its own first boot: cloud-init may hold apt's locks until then.
set -euo pipefail
said=$(cloud-init status --wait --long) || {
  # What failed is the base image's own: if the bake cannot do without it, a step will say so.
  printf 'cloud-init in the base image:\n%s\n' "$said" >&2
}
