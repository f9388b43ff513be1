#!/bin/bash
#: what the founding or the join used once is noted as in force: the steps before this one saw to it
#files: /etc/khgen/kubeadm.yaml /etc/khgen/patches/* /etc/khgen/etcd.yaml
set -euo pipefail
for script in /etc/khgen/steps.d/*; do
  stamp=/var/lib/khgen/$MACHINE/${script#*-}
  used=$(sed -n 's/^#once: \([^ ]*\) .*/\1/p' "$script")
  # Manifests of the spec are created once, and then the cluster's own.
  if [ -s "$stamp" ] && [ "$used" ] && [[ $used != */manifests/* ]]; then
    # shellcheck disable=SC2086 # patterns
    { head -n 1 "$stamp"; sha256sum $used 2>/dev/null || :; } >"$stamp.new"
    sync "$stamp.new"
    mv "$stamp.new" "$stamp"
  fi
done
