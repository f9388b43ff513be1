#!/bin/bash
#: the cloud's metadata service, closed to pods
#hint: journalctl -u khgen-metadata; is iptables there?
#files: /usr/local/sbin/khgen-metadata /etc/systemd/system/khgen-metadata.service
set -euo pipefail
systemctl daemon-reload
systemctl enable khgen-metadata
systemctl restart khgen-metadata
