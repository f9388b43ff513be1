#!/bin/bash
#: containerd, the kubelet and kubectl at the wanted versions
#hint: journalctl -u containerd -u kubelet
#files: /etc/khgen/downloads
#disrupts: containerd starts again where it is of another version
#drains: containerd or the kubelet gets another version
set -euo pipefail
. /etc/khgen/update.sh
echo "wanted: ${PACKAGES-}${PROGRAMS-}"
programs=$(sed -n 's/^\(kubelet\|kubectl\) .*/\1/p' /etc/khgen/programs | paste -sd '|')
for program in ${programs//|/ }; do
  [ "$(installed "$program")" = "$(wanted "$program")" ] || { install_programs "$programs"; break; }
done
if ! is_current containerd; then
  systemctl restart containerd
  within 60 ctr version
fi
# Elsewhere the kubelet's own step starts it, with the configuration of its version.
if [ ! -s /var/lib/kubelet/config.yaml ] && ! is_current kubelet; then
  systemctl restart kubelet
fi
