#!/bin/bash
# Sets everything up and runs all tests; further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/setup.sh --tests
exec .venv/bin/pytest -n auto --dist loadgroup "$@"
