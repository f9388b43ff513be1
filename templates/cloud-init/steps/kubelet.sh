#!/bin/bash
#: the kubelet
#files: /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d/*
#once: /etc/khgen/kubeadm.yaml an update: kubectl apply -f update.yaml
set -euo pipefail
. /etc/khgen/phase.sh
cd /var/lib/kubelet
if [ ! -s config.yaml ] || [ ! -s kubeadm-flags.env ]; then
  phase kubelet-start
else
  systemctl daemon-reload
  systemctl restart kubelet
fi
systemctl enable --now kubelet
