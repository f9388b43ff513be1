#!/bin/bash
#: kubeadm at the wanted version
#hint: is the package repository or the URL reachable?
#files: /etc/khgen/programs /etc/khgen/downloads
set -euo pipefail
. /etc/khgen/update.sh
[ "$(installed kubeadm)" = "$(wanted kubeadm)" ] || install_programs kubeadm
