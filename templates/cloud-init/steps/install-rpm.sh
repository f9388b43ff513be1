#!/bin/bash
#: packages, pinned (excluded from upgrades in their repositories)
#hint: are the repositories of /etc/yum.repos.d reachable? dnf makecache
#every: 10
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
missing=()
for p in "${wanted[@]}"; do
  [ "$(rpm -qa "$p")" ] || missing+=("$p")
done
((!${#missing[@]})) || dnf install -qy --setopt=install_weak_deps=False \
  --disableexcludes="${PACKAGE_REPOS:-main}" "${missing[@]}"
