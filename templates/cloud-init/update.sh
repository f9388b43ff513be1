# Functions of the steps that bring a running node from what it has to what is wanted.
pods=/etc/kubernetes/manifests
[ ! -e /etc/kubernetes/admin.conf ] || export KUBECONFIG=/etc/kubernetes/admin.conf

# The version of program $1 that the update wants.
wanted() { sed -n "s/^$1 //p" /etc/khgen/programs; }

# The version of program $1 that is installed.
installed() {
  case $1 in
  kubeadm) kubeadm version -o short ;;
  kubelet) kubelet --version ;;
  kubectl) kubectl version --client ;;
  esac | grep -oE -m1 'v[0-9]+\.[0-9]+\.[0-9]+[^ ]*'
}

# Programs $1 ("kubelet|kubectl") at their wanted versions, by the steps that install everything else.
install_programs() {
  local step name
  for step in /etc/khgen/steps.d/[0-9]*-install-{deb,rpm,downloads}; do
    [ ! -e "$step" ] || UPGRADES="@($1)" bash "$step"
  done
  for name in ${1//|/ }; do
    [ "$(installed "$name")" = "$(wanted "$name")" ] || {
      echo "this machine has $name $(installed "$name"), the update wants $(wanted "$name")"
      exit 1
    }
  done
}

# kubeadm's phase of init with configuration $1. Without the CA's key kubeadm wants to see
# super-admin.conf in every phase (init.go, newInitData): a copy of admin.conf stands there meanwhile.
update_phase() {
  local config=$1 super=/etc/kubernetes/super-admin.conf shown='' done=0
  shift
  if [ ! -e /etc/kubernetes/pki/ca.key ] && [ ! -e $super ]; then
    shown=$super
    install -m600 /etc/kubernetes/admin.conf $super
  fi
  kubeadm init phase "$@" --config "$config" || done=$?
  [ ! "$shown" ] || rm -f "$shown"
  return $done
}

# The images of the API servers that have another version than $1: kubeadm, too, asks their pods
# (postupgrade.go, unupgradedControlPlaneInstances).
api_servers_without() {
  local images
  images=$(kubectl -n kube-system get pods -l component=kube-apiserver \
    -o 'jsonpath={range .items[*]}{.spec.containers[0].image}{"\n"}{end}') || return
  [ "$images" ] || { echo "no API server has a pod" >&2; return 1; }
  grep -v ":$1\$" <<<"$images" || :
}

# The version of the ClusterConfiguration in the cluster. kubeadm sets it at the end of an upgrade.
configured_version() {
  kubectl -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' |
    sed -n 's/^kubernetesVersion: //p'
}

wanted_version() { sed -n 's/^kubernetesVersion: //p' /etc/khgen/cluster.yaml; }

# kubeadm moves a manifest away, then the new one into its place (staticpods.go, upgradeComponent): a
# power cut between the two leaves none. Without the API server's, kubeadm takes this for a worker.
restore_manifests() {
  local name copies
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler; do
    copies=(/etc/kubernetes/tmp/kubeadm-backup-manifests*/"$name.yaml")
    if [ ! -s "$pods/$name.yaml" ] && [ -s "${copies[-1]}" ]; then
      echo "an upgrade was cut off: the manifest of $name goes back"
      # The kubelet ignores names that begin with a dot.
      cp -p "${copies[-1]}" "$pods/.$name.yaml"
      sync "$pods/.$name.yaml"
      mv "$pods/.$name.yaml" "$pods/$name.yaml"
    fi
  done
}

# kubeadm leaves what it replaced, and with it a copy of all that etcd has.
remove_copies() { rm -rf /etc/kubernetes/tmp/kubeadm-{backup,upgraded,kubelet}-*; }

# The flags of the static pod in manifest $1, a line for each.
flags_in() { sed -nE "s/^ *- ['\"]?(--[^'\"]*)['\"]?\$/\1/p" "$1"; }

# The process of static pod $1. Another pod may run the same program, but not with these flags in the
# host's network. None where the kubelet has yet to start what the manifest says.
process_of() {
  local flags process words
  [ -s "$pods/$1.yaml" ] || return 0
  flags=$(flags_in "$pods/$1.yaml" | sort -u)
  [ "$flags" ] || return 0
  for process in /proc/[0-9]*; do
    [ "$process/ns/net" -ef /proc/$$/ns/net ] && mapfile -d '' words <"$process/cmdline" || continue
    if ((${#words[@]})) && [ ! "$(comm -23 <(echo "$flags") <(printf '%s\n' "${words[@]}" | sort -u))" ]; then
      echo "${process#/proc/}"
      return
    fi
  done 2>/dev/null
}

# When process $1 began, in hundredths of a second (the unit of /proc) since 1970.
began() {
  local up stat fields
  read -r up _ </proc/uptime
  stat=$(<"/proc/$1/stat")
  read -ra fields <<<"${stat##*) }"
  echo $((${EPOCHREALTIME/[.,]/} / 10000 - 10#${up/./} + fields[19]))
}

# When file $1 was written, in the same unit.
written() {
  local time
  time=$(stat -Lc %.2Y "$1")
  echo "${time/./}"
}

# Whether unit $1 runs, and runs the program that it would start now.
is_current() {
  local process program
  process=$(systemctl show -P MainPID "$1")
  program=$(systemctl show -P ExecStart "$1" | sed -n 's/^{ path=\([^ ]*\) .*/\1/p')
  [ "$process" != 0 ] && [ "/proc/$process/exe" -ef "$program" ]
}

# Repeats a command for up to $1 seconds.
within() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || { echo "timed out waiting for: $*"; return 1; }
    sleep 0.5
  done
}
