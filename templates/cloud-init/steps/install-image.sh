#!/bin/bash
#: programs of the image, at the right versions
#hint: bake the image anew, or change the versions in the spec
set -euo pipefail
wrong=0
read -ra wanted <<<"$PROGRAMS"
for p in "${wanted[@]}"; do
  name=${p%%=*}
  case $name in
  kubeadm) args=(version -o short) ;;
  kubectl) args=(version --client) ;;
  *) args=(--version) ;;
  esac
  if ! command -v "$name" >/dev/null; then
    echo "the image lacks $p" >&2
    wrong=1
  elif [ "$p" != "$name" ]; then
    has=$("$name" "${args[@]}" 2>&1 || :)
    version=${p#*=}
    [[ $has =~ (^|[ v])${version//./\\.}([^0-9]|$) ]] || {
      echo "the image has ${has%%$'\n'*}, the spec wants $p" >&2
      wrong=1
    }
  fi
done
exit $wrong
