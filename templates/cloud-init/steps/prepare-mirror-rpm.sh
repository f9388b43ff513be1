#!/bin/bash
#: the distribution's packages from the mirror
set -euo pipefail
shopt -s nullglob
# Rocky and Alma ship the baseurl commented out.
for file in /etc/yum.repos.d/{rocky,alma}*.repo; do
  sed -Ei "s!^mirrorlist=!#&!
s!^# ?baseurl=https?://[^/]+/[^/]+!baseurl=$PACKAGE_MIRROR!" "$file"
done
