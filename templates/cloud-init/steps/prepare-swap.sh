#!/bin/bash
#: swap off, now and at boot
set -euo pipefail
systemctl mask swap.target
swapoff -a
