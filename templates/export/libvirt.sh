: "${IMAGE:?set it to the qcow2 image that the machines start from, by its path on the libvirt host}"
POOL=${POOL:-default}              # storage pool of disks and seeds
NETWORK=${NETWORK:-network=default} # or bridge=br0
MEMORY=${MEMORY:-4096}             # MiB
VCPUS=${VCPUS:-2}
DISK=${DISK:-40} # GiB
RESERVE=${RESERVE:-} # a libvirt network whose DHCP gives machines without network-config their address

# machine NAME MAC [ADDRESS]: with an address if nothing in its seed sets it.
machine() {
  chosen "$1" || return 0
  if virsh dominfo "$1" >/dev/null 2>&1; then
    echo "$1 exists already"
    return 0
  fi
  if [ -n "$RESERVE" ] && [ -n "${3-}" ]; then
    virsh net-update "$RESERVE" add ip-dhcp-host "<host mac='$2' name='$1' ip='$3'/>" --live --config
  fi
  virsh vol-create-as "$POOL" "$1-seed.iso" "$(($(wc -c <"seeds/$1.iso")))" --format raw
  virsh vol-upload "$1-seed.iso" "seeds/$1.iso" --pool "$POOL"
  virt-install --name "$1" --memory "$MEMORY" --vcpus "$VCPUS" --osinfo detect=on,require=off \
    --import --noautoconsole --graphics none --network "$NETWORK,mac=$2" \
    --disk "pool=$POOL,size=$DISK,backing_store=$IMAGE,backing_format=qcow2" \
    --disk "vol=$POOL/$1-seed.iso,format=raw,bus=virtio,readonly=on"
}

