#!/bin/bash
#: the package mirror instead of the distribution's servers
set -euo pipefail
shopt -s nullglob
# Rocky and Alma ship the baseurl commented out, beside the mirrorlist.
for f in /etc/yum.repos.d/{rocky,almalinux}*.repo; do
  sed -Ei -e 's!^mirrorlist=!#&!' \
    -e "s!^# ?baseurl=https?://[^/]+/(\\\$contentdir|almalinux)/!baseurl=$PACKAGE_MIRROR/!" "$f"
done
