#!/bin/bash
#: the distribution's packages from the mirror
set -euo pipefail
shopt -s nullglob
# Rocky and Alma ship the baseurl commented out.
for f in /etc/yum.repos.d/{rocky,alma}*.repo; do
  sed -Ei "s!^mirrorlist=!#&!
s!^# ?baseurl=https?://[^/]+/[^/]+!baseurl=$PACKAGE_MIRROR!" "$f"
done
