#!/bin/bash
#: the distribution's packages from the mirror
set -euo pipefail
cd /etc/apt
for f in sources.list sources.list.d/{debian,ubuntu}.sources; do
  [ ! -e "$f" ] || mv "$f" "$f.disabled"
done
