#!/bin/bash
#: packages, pinned
#hint: dnf makecache
#files: /etc/yum.repos.d/khgen.repo /etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-*
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
installed=" $(rpm -qa --qf '%{NAME} %{NAME}-%{VERSION}-%{RELEASE} ')"
missing=()
for p in "${wanted[@]}"; do
  # On a node that runs, kubeadm's own upgrade decides: a kubelet may not be newer than the API servers.
  [[ $p != kube* || ! -s /var/lib/kubelet/config.yaml ]] || continue
  # shellcheck disable=SC2053 # patterns
  [[ $installed == *\ $p\ * ]] || missing+=("$p")
done
((${#missing[@]})) || exit 0
read -ra keys <<<"${REPOSITORY_KEYS:-}"
for key in "${keys[@]}"; do
  file=/etc/pki/rpm-gpg/RPM-GPG-KEY-khgen-${key%%=*}
  IFS='#' read -r url sum <<<"${key#*=}"
  curl -fsSL --retry 5 -o "$file.new" "$url"
  sha256sum -c --quiet <<<"$sum  $file.new" || {
    echo "no key with the digest that the spec pins at $url"
    exit 1
  }
  mv "$file.new" "$file"
done
dnf -y --setopt=install_weak_deps=0 \
  --disableexcludes="${PACKAGE_REPOS:-main}" install "${missing[@]}"
