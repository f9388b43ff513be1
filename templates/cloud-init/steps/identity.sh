#!/bin/bash
#: the kubelet's client certificate, unless it has rotated to its own
set -euo pipefail
cd /var/lib/kubelet/pki
[ -e kubelet-client-current.pem ] || ln -sfn kubelet-client-khgen.pem kubelet-client-current.pem
