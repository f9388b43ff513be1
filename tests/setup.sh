#!/bin/bash
# Makes .venv with khgen in it, from this checkout, and the Python packages that its tests need: the
# locked ones, each held against its hash. With --tests also, as root on Debian and Ubuntu, the real
# programs that rendered files are tried on.
set -euo pipefail
cd "$(dirname "$0")/.."

programs=(
  age awscli ca-certificates cloud-init containerd curl debian-archive-keyring etcd-client etcd-server exfat-fuse
  exfatprogs genisoimage haproxy iproute2 iptables keepalived mmdebstrap openssl packer shellcheck strace systemd
  systemd-container virtinst
)

install_packages() {
  # Nothing that gets installed here may start a service on this machine.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# chrony would take the place of whatever keeps this machine's clock, and a registry would serve from
# the next boot on: they are unpacked, not installed.
unpack() {
  local folder=.venv/debian
  [ ! -x "$folder/usr/$2" ] || return 0
  mkdir -p "$folder"
  (cd "$folder" && apt-get download -qq "$1" && dpkg -x "$1"_*.deb . && rm "$1"_*.deb)
}

can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

missing_packages() {
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok' || echo "$package"
  done
}

# A Python that runs and can make a virtual environment (a name alone may be a version manager's shim).
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
}

python=$(find_python)
wanted=()
[ -n "$python" ] || wanted+=(python3 python3-venv)
if [ "${1:-}" = --tests ] && can_install; then
  wanted+=("${programs[@]}")
fi
if [ "${#wanted[@]}" -gt 0 ]; then
  if ! can_install; then
    echo "khgen needs Python 3.11 with venv: apt-get install python3-venv" >&2
    exit 1
  fi
  mapfile -t wanted < <(missing_packages "${wanted[@]}")
  [ "${#wanted[@]}" -eq 0 ] || install_packages "${wanted[@]}"
fi
python=${python:-$(find_python)}

[ -x .venv/bin/pip ] || "$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
# The build backend is one of the locked packages, so nothing else is fetched.
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
if [ "${1:-}" = --tests ] && can_install; then
  unpack chrony sbin/chronyd
  unpack docker-registry bin/docker-registry
fi
