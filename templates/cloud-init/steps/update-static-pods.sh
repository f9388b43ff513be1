#!/bin/bash
#: static pods use the certificates, kubeconfigs and other files that are there now
#hint: crictl ps -a; crictl logs; journalctl -u kubelet
#files: /etc/kubernetes/*.conf /etc/kubernetes/encryption-config.yaml /etc/kubernetes/pki/* /etc/kubernetes/pki/etcd/*
#disrupts: static pods start again where a file that they read is new
set -euo pipefail
. /etc/khgen/update.sh
. /etc/khgen/etcd.sh
pods=/etc/kubernetes/manifests

# The files that the flags of static pod $1 name.
files_of() {
  local file
  for file in $(flags_in "$pods/$1.yaml" | sed -n 's/^[^=]*=//p' | tr ',' '\n' | grep '^/'); do
    [ ! -f "$file" ] || echo "$file"
  done
}

# Whether process $2 of static pod $1 is older than a file that it reads.
is_behind() {
  local file began
  began=$(began "$2")
  for file in $(files_of "$1"); do
    (($(written "$file") <= began)) || { echo "$1 is older than $file: it starts again"; return 0; }
  done
  return 1
}

answers() {
  case $1 in
  etcd) etcd "$ETCD_URL/health" ;;
  kube-apiserver) api "$NODE_URL/readyz" ;;
  *) [ "$(process_of "$1")" ] ;;
  esac
}

is_gone() { [ ! -e "/proc/$1" ]; }

# As the kubelet ends a pod. It then starts the container again, with the files that are there now.
end() {
  kill "$1"
  within 30 is_gone "$1" || kill -KILL "$1"
}

for pod in etcd kube-apiserver kube-controller-manager kube-scheduler; do
  process=$(process_of $pod)
  if [ "$process" ] && is_behind $pod "$process"; then
    end "$process"
    within 120 answers $pod
  fi
done
