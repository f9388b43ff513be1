#!/bin/bash
#: haproxy and keepalived carry the virtual IP
#hint: journalctl -u haproxy -u keepalived; do the load balancers reach each other by VRRP (IP protocol 112)?
set -euo pipefail

# Packages are installed by now: had our files been there before, dpkg would have asked about them.
install -D -m 0644 /etc/khgen/haproxy.cfg /etc/haproxy/haproxy.cfg
haproxy -c -q -f /etc/haproxy/haproxy.cfg

interface=$VIP_INTERFACE
if [ "$interface" = auto ]; then
  interface=$(ip -o address show to "$VIP_SOURCE" | awk '{ print $2; exit }')
fi
[ -n "$interface" ] || { echo "no interface has the address $VIP_SOURCE" >&2; exit 1; }
mkdir -p /etc/keepalived
umask 077
sed "s/@INTERFACE@/$interface/" /etc/khgen/keepalived.conf >/etc/keepalived/keepalived.conf.new
keepalived --config-test --use-file /etc/keepalived/keepalived.conf.new
mv /etc/keepalived/keepalived.conf.new /etc/keepalived/keepalived.conf

# SELinux lets haproxy use web ports only, unless this is on.
if command -v selinuxenabled >/dev/null && selinuxenabled; then
  setsebool -P haproxy_connect_any on
fi

systemctl enable haproxy keepalived
systemctl reload-or-restart haproxy
/usr/libexec/keepalived/check-haproxy
systemctl reload-or-restart keepalived
