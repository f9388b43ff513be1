#!/bin/bash
#: haproxy and keepalived carry the virtual IP
#hint: journalctl -u haproxy -u keepalived; does VRRP (IP protocol 112) get through?
set -euo pipefail
khgen-vip apply
systemctl enable haproxy keepalived
/usr/libexec/keepalived/check-haproxy
systemctl start keepalived
[ ! -e /etc/systemd/system/khgen-vip.service ] || systemctl enable --now khgen-vip
