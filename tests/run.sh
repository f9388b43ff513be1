#!/bin/bash
# Sets everything up and runs all tests; with arguments, pytest with these. With --fast, only what
# needs neither root nor other programs and is not slow, in an environment that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --fast ]; then
  [ -x .venv/bin/pytest ] || bash tests/setup.sh
  fast=(spec plan pki files bundle changes disk golden test_docs.py test_house.py test_lock.py)
  exec .venv/bin/pytest -q -n auto -m "not tools and not boot and not kubernetes and not slow" "${fast[@]/#/tests/}"
fi
bash tests/setup.sh --tests
[ $# -eq 0 ] || exec .venv/bin/pytest "$@"
# A file's tests stay in one process: they share programs that listen on fixed addresses.
.venv/bin/pytest -n auto --dist loadfile -m "not boot"
# Booting hosts want the machine for themselves.
exec .venv/bin/pytest -m boot
