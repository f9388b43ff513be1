#!/bin/bash
#: the distribution's packages from the mirror
set -euo pipefail
shopt -s nullglob
# These characters have a meaning in sed's replacement.
mirror=$(printf %s "$PACKAGE_MIRROR" | sed 's/[\\&!]/\\&/g')
# Rocky and Alma ship the baseurl commented out.
for file in /etc/yum.repos.d/{rocky,alma}*.repo; do
  sed -Ei "s!^mirrorlist=!#&!
s!^# ?baseurl=https?://[^/]+/[^/]+!baseurl=$mirror!" "$file"
done
