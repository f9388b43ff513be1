#!/bin/bash
#: Kubernetes can get from the version that runs to the wanted one
#hint: khgen upgrade plan; one minor up at a time; an image brings its own versions: khgen node replace
#files: /etc/khgen/programs
set -euo pipefail
. /etc/khgen/update.sh

# Nothing to upgrade: an update may be what makes the API answer again.
as_wanted() {
  local name
  for name in kubeadm kubelet; do
    [ "$(installed $name)" = "$(wanted $name)" ] || return 1
  done
}

minor() { cut -d. -f2 <<<"$1"; }

if [ ! -s /var/lib/kubelet/config.yaml ] || as_wanted; then
  exit 0
fi
wants=$(wanted kubeadm)
# kubeadm upgrades from what the API server says (policy.go, EnforceVersionPolicies).
answer=$(api "$ENDPOINT/version")
runs=$(sed -n 's/.*"gitVersion": *"\(v[0-9.]*\).*/\1/p' <<<"$answer")
steps=$(($(minor "$wants") - $(minor "$runs")))
if ((steps < 0)); then
  echo "Kubernetes $runs runs; it can't go back a minor, to $wants"
  exit 1
elif ((steps > 1)); then
  echo "Kubernetes $runs runs; $wants is $steps minors away, and kubeadm upgrades by one"
  exit 1
fi
# An image brings all programs: a machine with it can't get others.
if ! grep -qE '^[0-9]+-install-(deb|rpm|downloads)$' /etc/khgen/steps; then
  echo "the image has kubeadm $(installed kubeadm), the update wants $wants: replace this machine"
  exit 1
fi
