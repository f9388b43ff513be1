#!/bin/bash
#: the kubelet's first client certificate
set -euo pipefail
cd /var/lib/kubelet/pki
[ -e kubelet-client-current.pem ] || ln -sfn kubelet-client-khgen.pem kubelet-client-current.pem
