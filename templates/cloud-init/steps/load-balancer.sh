#!/bin/bash
#: haproxy and keepalived carry the virtual IP
#hint: journalctl -u haproxy -u keepalived; does VRRP (IP protocol 112) get through?
#files: /etc/khgen/haproxy.cfg /etc/khgen/keepalived.conf /usr/libexec/keepalived/check-haproxy
set -euo pipefail
haproxy -c -q -f /etc/khgen/haproxy.cfg
# Not there before the packages: dpkg would have asked about it.
install -Dm644 /etc/khgen/haproxy.cfg /etc/haproxy/haproxy.cfg
if [ "$VIP_INTERFACE" = auto ]; then
  read -r _ VIP_INTERFACE _ < <(ip -o address show to "$VIP_SOURCE") ||
    { echo "no interface has the address $VIP_SOURCE"; exit 1; }
fi
conf=/etc/keepalived/keepalived.conf
sed "s/@INTERFACE@/$VIP_INTERFACE/" /etc/khgen/keepalived.conf | install -Dm600 /dev/stdin $conf.new
keepalived --config-test --use-file $conf.new
mv $conf.new $conf
systemctl enable haproxy keepalived
systemctl reload-or-restart haproxy
/usr/libexec/keepalived/check-haproxy
systemctl reload-or-restart keepalived
