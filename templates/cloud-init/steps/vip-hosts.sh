#!/bin/bash
#: the other hosts of the virtual IP count this one in, so it may hold the address
#hint: control planes do so within a minute (journalctl -u khgen-vip there); load balancers, and hosts of an older khgen, by their new user-data and a reboot
#every: 3
set -euo pipefail
/usr/libexec/keepalived/check-vip-hosts "$VIP_SOURCE"
