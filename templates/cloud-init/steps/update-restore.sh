#!/bin/bash
#: static pods whose upgrade was cut off have a manifest
#files: /etc/kubernetes/tmp/kubeadm-backup-manifests*/*.yaml
set -euo pipefail
. /etc/khgen/update.sh
restore_manifests
remove_copies
