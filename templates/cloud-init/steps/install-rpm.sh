#!/bin/bash
#: packages, pinned (excluded from upgrades in their repositories)
#hint: are the repositories of /etc/yum.repos.d reachable? dnf makecache
set -euo pipefail
read -ra wanted <<<"$PACKAGES"
installed=$'\n'$(rpm -qa --qf '%{NAME}\n%{NAME}-%{VERSION}-%{RELEASE}\n')$'\n'
missing=()
for p in "${wanted[@]}"; do
  # shellcheck disable=SC2053 # a pattern; rpm -qa's own patterns see names only
  [[ $installed == *$'\n'$p$'\n'* ]] || missing+=("$p")
done
((!${#missing[@]})) || dnf install -qy --setopt=install_weak_deps=False \
  --disableexcludes="${PACKAGE_REPOS:-main}" "${missing[@]}"
