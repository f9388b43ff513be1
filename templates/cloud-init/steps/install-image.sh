#!/bin/bash
#: programs of the image, at the right versions
#hint: bake the image anew, or change the versions in the spec
set -euo pipefail

version_of() {
  case $1 in
  kubeadm) "$1" version -o short ;;
  kubectl) "$1" version --client ;;
  *) "$1" --version ;;
  esac 2>&1
}

# $1 is NAME, or NAME=VERSION if the spec sets a version: 1.29 means any 1.29.x.
check_program() {
  local name=${1%%=*} version=${1#*=} found
  command -v "$name" >/dev/null || { echo "the image lacks $1" >&2; return 1; }
  [ "$1" != "$name" ] || return 0
  found=$(version_of "$name" || :)
  [[ $found =~ (^|[ v])${version//./\\.}([^0-9]|$) ]] || {
    echo "the image has ${found%%$'\n'*}, the spec wants $1" >&2
    return 1
  }
}

read -ra wanted <<<"$PROGRAMS"
all_right=yes
for program in "${wanted[@]}"; do
  check_program "$program" || all_right=
done
[ "$all_right" ]
