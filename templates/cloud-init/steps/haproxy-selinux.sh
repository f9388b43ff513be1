#!/bin/bash
#: haproxy may use other ports than those of the web
set -euo pipefail
! selinuxenabled || setsebool -P haproxy_connect_any on
