#!/bin/bash
# Removes what would make two machines of this image look like one, and what is not needed.
set -euo pipefail
shopt -s nullglob dotglob

systemctl stop containerd buildkit 2>/dev/null || :
rm -rf /var/tmp/khgen-bake /var/tmp/khgen-payload.tar

# Packages: lists and caches are old by the first boot.
if command -v apt-get >/dev/null; then
  apt-get clean
  rm -rf /var/lib/apt/lists/*
elif command -v dnf >/dev/null; then
  dnf -q clean all
  rm -rf /var/cache/dnf/*
fi

# cloud-init: each node's first boot must be a first boot again. Newer versions also remove their files.
cloud-init clean --logs --seed --configs all 2>/dev/null || cloud-init clean --logs --seed
rm -f /etc/netplan/50-cloud-init.yaml /etc/network/interfaces.d/50-cloud-init* \
  /etc/NetworkManager/system-connections/cloud-init-* \
  /etc/udev/rules.d/70-persistent-net.rules /etc/ssh/sshd_config.d/50-cloud-init.conf
for file in /etc/sysconfig/network-scripts/ifcfg-*; do
  ! grep -q 'Created by cloud-init' "$file" || rm -f "$file"
done

# Identity: machine-id(5) wants an empty file. The others are generated again if they are missing.
: >/etc/machine-id
[ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
: >/etc/hostname
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/systemd/random-seed \
  /var/lib/systemd/credential.secret /etc/iscsi/initiatorname.iscsi.bak
if [ -e /etc/iscsi/initiatorname.iscsi ]; then
  # Debian's service makes a name if this line asks for one, Red Hat's if there is no file.
  if command -v apt-get >/dev/null; then
    echo GenerateName=yes >/etc/iscsi/initiatorname.iscsi
  else
    rm -f /etc/iscsi/initiatorname.iscsi
  fi
fi
rm -rf /var/lib/dhcp/* /var/lib/dhclient/* /var/lib/NetworkManager/*.lease \
  /var/lib/NetworkManager/secret_key /var/lib/NetworkManager/timestamps

# Logs, mail, shell history and other leftovers.
rm -rf /var/log/journal/* /run/log/journal/* /var/mail/* /var/tmp/* /root/.cache
find /var/log -type f \( -name '*.gz' -o -name '*.[0-9]' -o -name '*.old' -o -name '*-20[0-9]*' \) -delete
find /var/log -type f -exec truncate -s0 {} +
for home in /root /home/*; do
  rm -f "$home"/.bash_history "$home"/.lesshst "$home"/.viminfo "$home"/.wget-hsts
  # The key that Packer logged in with; a node's cloud-init writes its own.
  rm -f "$home"/.ssh/authorized_keys "$home"/.ssh/known_hosts
done

# The image then has no unused blocks.
fstrim -a 2>/dev/null || :
sync
