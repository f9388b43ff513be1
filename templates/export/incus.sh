: "${IMAGE:?set it to the image that the machines start from, like images:debian/12/cloud}"
PROFILE=${PROFILE:-default} # gives the root disk and the network
MEMORY=${MEMORY:-4GiB}
VCPUS=${VCPUS:-2}
DISK=${DISK:-40GiB}
NIC=${NIC:-} # the profile's nic, like eth0; its managed network gives machines their address

# machine INSTANCE PROFILE NAME [KEY=ADDRESS]: with an address if nothing in its profile sets it.
machine() {
  chosen "$3" || return 0
  # A changed profile would start cloud-init again on the existing machine, so it stays too.
  if incus info "$1" >/dev/null 2>&1; then
    echo "$1 exists already"
    return 0
  fi
  incus profile show "$2" >/dev/null 2>&1 || incus profile create "$2"
  incus profile edit "$2" <"profiles/$3.yaml"
  incus init "$IMAGE" "$1" --vm --profile "$PROFILE" --profile "$2" \
    --config "limits.cpu=$VCPUS" --config "limits.memory=$MEMORY" --device "root,size=$DISK"
  # An image without Incus' agent reads its configuration from this disk.
  incus config device add "$1" cloud-init disk source=cloud-init:config
  if [ -n "$NIC" ] && [ -n "${4-}" ]; then
    incus config device override "$1" "$NIC" "$4"
  fi
  incus start "$1"
}

