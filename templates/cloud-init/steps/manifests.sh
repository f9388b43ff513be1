#!/bin/bash
#: the manifests of the spec; what exists already is left as it is
#hint: can this machine reach the URLs in /etc/khgen/manifests/urls?
#once: /etc/khgen/manifests/* kubectl apply -f, in the spec's order
set -euo pipefail
cd /etc/khgen/manifests
export KUBECONFIG=/etc/kubernetes/admin.conf

download() {
  local digest=$1 file=$2 url=$3
  ! sha256sum -c --status <<<"$digest  $file" || return 0
  curl -sSfL -m 300 -o "$file.part" "$url"
  sha256sum -c <<<"$digest  $file.part"
  mv "$file.part" "$file"
}

# Every founder does this, so most objects exist already; that is not an error.
create() {
  local output
  if ! output=$(kubectl create --save-config -f "$1" 2>&1); then
    ! grep -v -e AlreadyExists -e ' created$' -e ^Warning <<<"$output" || exit 1
  fi
  # Calico's manifest has its own number of Typha replicas; the founder that creates it sets the spec's.
  [[ $output != *deployment.apps/calico-typha\ created* || -z ${TYPHA_REPLICAS-} ]] ||
    kubectl -n kube-system scale deployment calico-typha --replicas="$TYPHA_REPLICAS"
}

[ ! -e urls ] || while read -r digest file url; do
  download "$digest" "$file" "$url"
done <urls
for file in *.yaml; do
  create "$file"
done
