#!/bin/bash
#: haproxy may use non-HTTP ports
set -euo pipefail
! selinuxenabled || setsebool -P haproxy_connect_any on
