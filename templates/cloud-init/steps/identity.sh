#!/bin/bash
#: the kubelet's first client certificate; on a control plane, root's kubectl
set -euo pipefail
cd /var/lib/kubelet/pki
[ -e kubelet-client-current.pem ] || ln -sfn kubelet-client-khgen.pem kubelet-client-current.pem
config=/root/.kube/config
if [ -e /etc/kubernetes/admin.conf ] && [ ! -e $config ] && [ ! -L $config ]; then
  install -dm700 /root/.kube
  ln -s /etc/kubernetes/admin.conf $config
fi
