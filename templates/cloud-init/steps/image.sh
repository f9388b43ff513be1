#!/bin/bash
#: this machine's image is the one that this node was rendered for
#hint: khgen image build, from the cluster.yaml and with the khgen of this render
#files: /etc/khgen/image.wanted
set -euo pipefail
cd /etc/khgen
wanted=$(sed -n 's/^# //p' image.wanted)
if ! sha256sum -c --status image.wanted; then
  has=$(sed -n 's/.*"about": "\(.*\)".*/\1/p' image.json 2>/dev/null || :)
  echo "the image is ${has:-not one of khgen}; this node wants $wanted"
  exit 1
fi
sha256sum -c --quiet image.sha256
