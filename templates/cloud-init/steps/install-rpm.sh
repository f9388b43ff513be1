#!/bin/bash
#: packages, pinned
#hint: dnf makecache
#files: /etc/yum.repos.d/khgen.repo /etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-*
set -euo pipefail

installed=" $(rpm -qa --qf '%{NAME} %{NAME}-%{VERSION}-%{RELEASE} ')"

# shellcheck disable=SC2053 # a pattern
is_installed() { [[ $installed == *\ $1\ * ]]; }

# On a running node, only kubeadm upgrade changes these: a kubelet may not be newer than the API servers.
left_to_kubeadm() { [[ $1 == kube* && -s /var/lib/kubelet/config.yaml ]]; }

# $1 is NAME=URL#DIGEST; dnf itself fetches keys that the spec does not pin.
fetch_key() {
  local file=/etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-${1%%=*} url digest
  IFS='#' read -r url digest <<<"${1#*=}"
  curl -fsSL --retry 5 -o "$file.new" "$url"
  sha256sum -c --quiet <<<"$digest  $file.new" || {
    echo "no key with the digest that the spec pins at $url"
    exit 1
  }
  mv "$file.new" "$file"
}

read -ra wanted <<<"$PACKAGES"
missing=()
for package in "${wanted[@]}"; do
  left_to_kubeadm "$package" || is_installed "$package" || missing+=("$package")
done
((${#missing[@]})) || exit 0
read -ra keys <<<"${REPOSITORY_KEYS:-}"
for key in "${keys[@]}"; do
  fetch_key "$key"
done
# The repositories exclude these packages, so that nothing else upgrades them.
dnf -y --setopt=install_weak_deps=0 \
  --disableexcludes="${PACKAGE_REPOS:-main}" install "${missing[@]}"
