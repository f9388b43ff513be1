#!/bin/bash
#: BuildKit
#hint: journalctl -u buildkit
#files: /etc/buildkit/buildkitd.toml /etc/systemd/system/buildkit.service
set -euo pipefail
systemctl enable buildkit
systemctl restart buildkit
