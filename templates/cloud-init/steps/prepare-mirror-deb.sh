#!/bin/bash
#: the distribution's packages from the mirror
set -euo pipefail
# khgen.list names the mirror; apt would go on asking what the image came with.
cd /etc/apt
for file in sources.list sources.list.d/{debian,ubuntu}.sources; do
  [ ! -e "$file" ] || mv "$file" "$file.disabled"
done
