#!/bin/bash
# Puts container images into containerd's store, so that nodes need not pull them.
set -euo pipefail
if ! command -v ctr >/dev/null; then
  exit 0
fi
shopt -s nullglob
bake=/var/tmp/khgen-bake/bake
images() { ctr -n k8s.io images "$@"; }
for archive in "$bake"/archives/*.tar; do
  echo "importing ${archive##*/}"
  images import "$archive"
  rm -f "$archive"
done
wanted=$(cat "$bake/images")
if [ -s "$bake/kubeadm" ] && command -v kubeadm >/dev/null; then
  mapfile -t arguments <"$bake/kubeadm"
  wanted+=$'\n'$(kubeadm config images list "${arguments[@]}")
fi
here=$(images ls -q)
while read -r image; do
  if [ -z "$image" ] || grep -qxF "$image" <<<"$here"; then
    continue
  fi
  echo "pulling $image"
  images pull --hosts-dir /etc/containerd/certs.d "$image" >/dev/null
done < <(sort -u <<<"$wanted")
# The kubelet removes images when the disk fills up, except pinned ones. A node without a network
# could not pull them again.
for image in $(images ls -q); do
  images label "$image" io.cri-containerd.pinned=pinned >/dev/null
done
