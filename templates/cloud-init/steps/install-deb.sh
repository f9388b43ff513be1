#!/bin/bash
#: packages, pinned and held
#files: /etc/apt/sources.list.d/khgen.list /etc/apt/keyrings/*.asc
set -euo pipefail
set -f
missing=() held=()
for p in $PACKAGES; do
  # On a node that runs, kubeadm's own upgrade decides: a kubelet may not be newer than the API servers.
  [[ $p != kube* || ! -s /var/lib/kubelet/config.yaml ]] || continue
  [[ $(dpkg-query -Wf '${Status} ${Package}=${Version}' "${p%%=*}") == *" installed "$p* ]] || missing+=("$p")
  [[ $p != *=* ]] || held+=("${p%%=*}")
done 2>/dev/null
if [ "${missing[*]}" ]; then
  export DEBIAN_FRONTEND=noninteractive
  for key in ${REPOSITORY_KEYS:-}; do
    file=/etc/apt/keyrings/${key%%=*}.asc
    IFS='#' read -r url sum <<<"${key#*=}"
    rm -f "$file"
    /usr/lib/apt/apt-helper download-file "$url" "$file" ${sum:+"SHA256:$sum"} || {
      echo "no key${sum:+ with the digest that the spec pins} at $url"
      exit 1
    }
  done
  get() { apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }
  get update
  dpkg --configure -a --force-confold || :
  get -f install
  get --allow-downgrades --allow-change-held-packages install "${missing[@]}"
fi
[ ! "${held[*]}" ] || apt-mark hold "${held[@]}"
