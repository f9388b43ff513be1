: "${TEMPLATE:?set it to the VMID of the template that the machines are cloned from}"
STORAGE=${STORAGE:-local}                    # holds the snippets; its content types must include them
SNIPPETS=${SNIPPETS:-/var/lib/vz/snippets}   # where that storage keeps them
DRIVES=${DRIVES:-local-lvm}                  # holds the cloud-init drives
SLOT=${SLOT:-ide2} # scsi1 for kernels without IDE, like that of Debian's genericcloud image
BRIDGE=${BRIDGE:-vmbr0}
MEMORY=${MEMORY:-4096} # MiB
CORES=${CORES:-2}
PREFIX=${PREFIX:-} GATEWAY=${GATEWAY:-} # for machines without network-config; without: DHCP

# machine NAME MAC "KIND=FILE..." [ADDRESS]: with an address if nothing in its snippets sets it.
machine() {
  chosen "$1" || return 0
  if qm list | awk '{print $2}' | grep -qx -- "$1"; then
    echo "$1 exists already"
    return 0
  fi
  local vmid custom='' part
  vmid=$(pvesh get /cluster/nextid)
  for part in $3; do
    install -m 0600 "snippets/${part#*=}" "$SNIPPETS/"
    custom+="${custom:+,}${part%%=*}=$STORAGE:snippets/${part#*=}"
  done
  qm clone "$TEMPLATE" "$vmid" --name "$1"
  qm config "$vmid" | grep -q cloudinit || qm set "$vmid" "--$SLOT" "$DRIVES:cloudinit"
  qm set "$vmid" --memory "$MEMORY" --cores "$CORES" --net0 "virtio=$2,bridge=$BRIDGE" \
    --citype nocloud --cicustom "$custom"
  if [ -n "$PREFIX" ] && [ -n "${4-}" ]; then
    qm set "$vmid" --ipconfig0 "ip=$4/$PREFIX${GATEWAY:+,gw=$GATEWAY}"
  fi
  qm start "$vmid"
}

