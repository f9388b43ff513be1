#!/bin/bash
#: packages, pinned
#hint: dnf makecache
#files: /etc/yum.repos.d/khgen.repo
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
installed=" $(rpm -qa --qf '%{NAME} %{NAME}-%{VERSION}-%{RELEASE} ')"
missing=()
for p in "${wanted[@]}"; do
  # shellcheck disable=SC2053 # patterns
  [[ $installed == *\ $p\ * ]] || missing+=("$p")
done
((!${#missing[@]})) || dnf -y --setopt=install_weak_deps=0 \
  --disableexcludes="${PACKAGE_REPOS:-main}" install "${missing[@]}"
