#!/bin/bash
#: packages, pinned and held
#hint: apt-get update
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
installed=" $(dpkg-query -Wf '${db:Status-Status}:${Package} ${db:Status-Status}:${Package}=${Version} ')"
missing=() held=()
for p in "${wanted[@]}"; do
  # shellcheck disable=SC2053 # patterns
  [[ $installed == *\ installed:$p\ * ]] || missing+=("$p")
  [[ $p != *=* ]] || held+=("${p%%=*}")
done
if ((${#missing[@]})); then
  export DEBIAN_FRONTEND=noninteractive
  for k in ${APT_KEYS:-}; do
    f=/etc/apt/keyrings/${k%%=*}.asc
    rm -f "$f"
    /usr/lib/apt/apt-helper download-file "${k#*=}" "$f"
  done
  get() { apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }
  get update
  dpkg --configure -a --force-confold || : # this and -f finish what a crash left
  get -f install
  get --allow-downgrades --allow-change-held-packages install "${missing[@]}"
fi
((!${#held[@]})) || apt-mark hold "${held[@]}"
