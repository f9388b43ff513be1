#!/bin/bash
#: packages, pinned and held
#hint: are the repositories of /etc/apt/sources.list.d reachable? apt-get update
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
read -ra keys <<<"${APT_KEYS:-}"
missing=() held=()
for p in "${wanted[@]}"; do
  name=${p%%=*} version='*'
  [ "$p" = "$name" ] || { version=${p#*=}; held+=("$name"); }
  # shellcheck disable=SC2053 # a pattern
  [[ $(dpkg-query -Wf '${db:Status-Status}=${Version}' "$name" 2>/dev/null) == installed=$version ]] ||
    missing+=("$p")
done
if ((${#missing[@]})); then
  export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1
  conf=--force-confold
  dpkg --configure -a $conf
  mkdir -p /etc/apt/keyrings
  for k in "${keys[@]}"; do
    f=/etc/apt/keyrings/${k%%=*}.asc
    [ -e "$f" ] || { /usr/lib/apt/apt-helper download-file "${k#*=}" "$f.new" && mv "$f.new" "$f"; }
  done
  apt-get -q update
  apt-get -qy install --no-install-recommends --allow-downgrades --allow-change-held-packages \
    -o Dpkg::Options::=$conf "${missing[@]}"
fi
((!${#held[@]})) || apt-mark hold "${held[@]}"
