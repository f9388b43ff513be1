set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

names="$*"
for name in "$@"; do
  if [[ " ${machines[*]} " != *" $name "* ]]; then
    echo "no machine '$name'; there are: ${machines[*]}" >&2
    exit 2
  fi
done
chosen() { [ -z "$names" ] || [[ " $names " == *" $1 "* ]]; }

