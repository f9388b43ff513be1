#!/bin/bash
#: haproxy and keepalived carry the virtual IP
#hint: journalctl -u haproxy -u keepalived; does VRRP (IP protocol 112) get through?
#files: /etc/khgen/haproxy.cfg /etc/khgen/keepalived.conf /usr/libexec/keepalived/* /usr/local/sbin/khgen-vip /etc/systemd/system/khgen-vip.service
set -euo pipefail
echo "$VIP_HOSTS port $VIP_PORT; this is $VIP_SOURCE on $VIP_INTERFACE"
khgen-vip apply
systemctl enable haproxy keepalived
/usr/libexec/keepalived/check-haproxy
systemctl start keepalived
if [ -e /etc/systemd/system/khgen-vip.service ]; then
  systemctl daemon-reload
  systemctl enable khgen-vip
  systemctl restart khgen-vip
fi
