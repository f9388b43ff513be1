#!/bin/bash
#: packages, pinned and held
#files: /etc/apt/sources.list.d/khgen.list /etc/apt/keyrings/*.asc
set -euo pipefail
# Versions are patterns for dpkg's list and for apt, not names of files.
set -f

# " STATE:NAME STATE:NAME=VERSION ..." of all packages that dpkg knows.
installed=" $(dpkg-query -Wf '${db:Status-Status}:${Package} ${db:Status-Status}:${Package}=${Version} ')"

# shellcheck disable=SC2053 # a pattern
is_installed() { [[ $installed == *\ installed:$1\ * ]]; }

# On a running node, only kubeadm upgrade changes these: a kubelet may not be newer than the API servers.
left_to_kubeadm() { [[ $1 == kube* && -s /var/lib/kubelet/config.yaml ]]; }

# $1 is NAME=URL, or NAME=URL#DIGEST if the spec pins the key.
fetch_key() {
  local file=/etc/apt/keyrings/${1%%=*}.asc url digest
  IFS='#' read -r url digest <<<"${1#*=}"
  rm -f "$file"
  /usr/lib/apt/apt-helper download-file "$url" "$file" ${digest:+"SHA256:$digest"} || {
    echo "no key${digest:+ with the digest that the spec pins} at $url"
    exit 1
  }
}

apt() { apt-get -qy --no-install-recommends -o Dpkg::Options::=--force-confold "$@"; }

missing=() held=()
for package in $PACKAGES; do
  left_to_kubeadm "$package" && continue
  is_installed "$package" || missing+=("$package")
  [[ $package != *=* ]] || held+=("${package%%=*}")
done
if [ "${missing[*]}" ]; then
  export DEBIAN_FRONTEND=noninteractive
  for key in ${REPOSITORY_KEYS:-}; do
    fetch_key "$key"
  done
  apt update
  # First complete an installation that a power cut interrupted.
  dpkg --configure -a --force-confold || echo "dpkg failed; apt-get repairs what it can"
  apt -f install
  apt --allow-downgrades --allow-change-held-packages install "${missing[@]}"
fi
[ ! "${held[*]}" ] || apt-mark hold "${held[@]}"
