#!/bin/bash
#: the kubelet runs with the wanted version, configuration and flags
#hint: journalctl -u kubelet
#files: /etc/khgen/kubelet.yaml /etc/khgen/kubelet-flags /etc/khgen/programs
#disrupts: the kubelet starts again; pods go on
set -euo pipefail
. /etc/khgen/update.sh
cd /var/lib/kubelet

# kubeadm's own flags that are on this machine, and those of the spec: kubeadm writes them once, when a
# node joins, and no upgrade changes them (flags.go, buildKubeletArgs).
flags() {
  local word words known
  known=$(kubelet --help)
  words=$(sed -n 's/^KUBELET_KUBEADM_ARGS="\(.*\)"$/\1/p' kubeadm-flags.env)
  for word in $words; do
    case $word in
    --pod-infra-container-image=*) [[ $known == *--pod-infra-container-image* ]] || continue ;;&
    --container-runtime-endpoint=* | --hostname-override=* | --register-with-taints=* | --pod-infra-*)
      grep -q -- "^${word%%=*}=" /etc/khgen/kubelet-flags || echo "$word"
      ;;
    esac
  done
  cat /etc/khgen/kubelet-flags
}

write_flags() {
  local line
  line="KUBELET_KUBEADM_ARGS=\"$(flags | LC_ALL=C sort -u | paste -sd ' ')\""
  if [ "$line" != "$(<kubeadm-flags.env)" ]; then
    echo "$line" >kubeadm-flags.env.new
    mv kubeadm-flags.env.new kubeadm-flags.env
  fi
}

# kubeadm writes it in any case: the time of a change decides whether the kubelet is older.
write_configuration() {
  cp -p config.yaml config.yaml.before
  kubeadm upgrade node phase kubelet-config
  ! cmp -s config.yaml config.yaml.before || touch -r config.yaml.before config.yaml
  rm -rf config.yaml.before /etc/kubernetes/tmp/kubeadm-kubelet-config*
}

# A kubelet may not be newer than an API server that it asks. While others are older, a control plane's
# asks its own, as it does from 1.33 on anyway; the next update gives kubelet.conf back.
ask_own_api_server() {
  local config=/etc/kubernetes/kubelet.conf
  sed "s|^\( *server: \).*|\1$NODE_URL|" $config >$config.new
  chmod 600 $config.new
  mv $config.new $config
}

is_behind() {
  local process file
  is_current kubelet || return 0
  process=$(systemctl show -P MainPID kubelet)
  for file in config.yaml kubeadm-flags.env /etc/kubernetes/kubelet.conf; do
    (($(written $file) <= $(began "$process"))) || return 0
  done
  return 1
}

write_flags
write_configuration
if [ "${NODE_URL-}" ] && ! is_current kubelet; then
  others=$(api_servers_without "$(wanted_version)")
  [ ! "$others" ] || ask_own_api_server
fi
if is_behind; then
  systemctl daemon-reload
  systemctl restart kubelet
fi
