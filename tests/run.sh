#!/bin/bash
# Sets everything up and runs all tests; with arguments, pytest with these.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/setup.sh --tests
[ $# -eq 0 ] || exec .venv/bin/pytest "$@"
# A file's tests stay in one process: they share programs that listen on fixed addresses.
.venv/bin/pytest -n auto --dist loadfile -m "not boot"
# Booting hosts want the machine for themselves.
exec .venv/bin/pytest -m boot
