#!/bin/bash
#: programs by URL, verified
#hint: is every URL in /etc/khgen/downloads reachable, its content that of the digest?
#files: /etc/khgen/downloads
set -euo pipefail
seen=/usr/local/share/khgen
mkdir -p $seen
while read -r sum target url; do
  [ ! -e "$seen/$sum" ] || continue
  # On a node that runs, kubeadm's own upgrade decides: a kubelet may not be newer than the API servers.
  [[ $target != */kube* || ! -s /var/lib/kubelet/config.yaml ]] || continue
  to=${target%/*} tmp=${target%/*}/.khgen
  rm -rf "$tmp"
  mkdir -p "$tmp/tree"
  curl -fsSL --retry 5 -o "$tmp/file" "$url"
  echo "$sum  $tmp/file" | sha256sum -c --quiet
  if [ "$target" = "$to/" ]; then
    tar -C "$tmp/tree" --no-same-owner -xf "$tmp/file"
    (cd "$tmp/tree" && find . -type d -exec mkdir -p "$to/{}" \; -o -exec mv -fT {} "$to/{}" \;)
  else
    chmod 755 "$tmp/file"
    mv -fT "$tmp/file" "$target"
  fi
  rm -rf "$tmp"
  ! command -v restorecon >/dev/null || restorecon -R "$to"
  sync
  touch "$seen/$sum"
done </etc/khgen/downloads
