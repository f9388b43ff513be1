#!/bin/bash
#: BuildKit
#hint: journalctl -u buildkit
set -euo pipefail
systemctl enable --now buildkit
