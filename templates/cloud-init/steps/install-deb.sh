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
  dpkg --configure -a --force-confold # what a crash left
  for k in ${APT_KEYS:-}; do
    f=/etc/apt/keyrings/${k%%=*}.asc
    rm -f "$f"
    /usr/lib/apt/apt-helper download-file "${k#*=}" "$f"
  done
  apt-get -q update
  apt-get -qy --no-install-recommends --allow-downgrades --allow-change-held-packages \
    -o Dpkg::Options::=--force-confold install "${missing[@]}"
fi
((!${#held[@]})) || apt-mark hold "${held[@]}"
