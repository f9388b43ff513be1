#!/bin/bash
#: packages, pinned and held
#files: /etc/apt/sources.list.d/khgen.list
set -euo pipefail
set -f
missing=() held=()
for p in $PACKAGES; do
  [[ $(dpkg-query -Wf '${Status} ${Package}=${Version}' "${p%%=*}") == *" installed "$p* ]] || missing+=("$p")
  [[ $p != *=* ]] || held+=("${p%%=*}")
done 2>/dev/null
if [ "${missing[*]}" ]; then
  export DEBIAN_FRONTEND=noninteractive
  for k in ${APT_KEYS:-}; do
    f=/etc/apt/keyrings/${k%%=*}.asc
    rm -f "$f"
    /usr/lib/apt/apt-helper download-file "${k#*=}" "$f"
  done
  get() { apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }
  get update
  dpkg --configure -a --force-confold || :
  get -f install
  get --allow-downgrades --allow-change-held-packages install "${missing[@]}"
fi
[ ! "${held[*]}" ] || apt-mark hold "${held[@]}"
