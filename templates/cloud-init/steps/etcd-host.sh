#!/bin/bash
#: the kubelet keeps etcd's static pod running
#files: /etc/khgen/etcd-kubelet.yaml /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*
#once: /etc/khgen/etcd.yaml an update: khgen-boot apply FOLDER
set -euo pipefail
install -dm700 "$ETCD_DATA_DIR"
pod=/etc/kubernetes/manifests/etcd.yaml
if [ ! -s $pod ]; then
  install -Dm600 /etc/khgen/etcd.yaml $pod.new
  mv $pod.new $pod
fi
systemctl daemon-reload
systemctl enable kubelet
systemctl restart kubelet
