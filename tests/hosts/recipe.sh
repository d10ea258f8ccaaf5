#!/bin/bash
# A Debian 13 system holding real GIMP 3 and real Krita 5, in a folder outside the repository, for the tests.
#
#   recipe.sh build               make the system, or reuse it when its stamp is current (safe when called twice at once)
#   recipe.sh run WORK COMMAND…   run COMMAND in it; the folder WORK appears there as /job
#   recipe.sh screen WORK COMMAND…  the same, with an X server and a window manager of its own; DISPLAY is set
#
# Needs root (mounts and chroot). The network is the host's, so 127.0.0.1 reaches a server started by a test. Each run has
# mount and process namespaces of its own: nothing stays mounted and no process survives, also when the run is killed.
# HOSTS_CACHE names another cache folder; HOSTS_MIRROR another Debian mirror.
set -euo pipefail

CACHE=${HOSTS_CACHE:-$HOME/.cache/neural-upscale/editor-hosts}
SUITE=trixie
SYSTEM=$CACHE/$SUITE
# krita only recommends python3-pyqt5, and without it has no Python plug-ins; openbox, because GTK ignores keys without a
# window manager; imagemagick takes the screenshots.
PACKAGES=(gimp krita python3-pyqt5 xvfb xdotool openbox imagemagick fonts-dejavu-core adwaita-icon-theme)
STAMP="$SUITE, layout 1: ${PACKAGES[*]}"

is_current() { [ "$(cat "$SYSTEM/.stamp" 2>/dev/null)" = "$STAMP" ]; }

mirror() {
  if [ -n "${HOSTS_MIRROR:-}" ]; then echo "$HOSTS_MIRROR"; return; fi
  local found
  found=$(awk '$1 == "URIs:" {print $2; exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  [ -n "$found" ] || found=$(awk '$1 == "deb" && $2 ~ /^http/ {print $2; exit}' /etc/apt/sources.list 2>/dev/null || true)
  [ -n "$found" ] || { echo "no Debian mirror found in apt's sources; name one: HOSTS_MIRROR=URL" >&2; return 1; }
  echo "$found"
}

build_locked() {
  is_current && { echo "reusing $SYSTEM"; return; }
  if ! command -v mmdebstrap >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends mmdebstrap
  fi
  local packages
  packages=$(IFS=,; echo "${PACKAGES[*]}")
  rm -rf --one-file-system "$SYSTEM.new"
  mmdebstrap --mode=root --variant=apt --quiet --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    "$SUITE" "$SYSTEM.new" "deb $(mirror) $SUITE main"
  # A cached tree should not remember where it was fetched from.
  rm -rf "$SYSTEM.new"/etc/apt/sources.list "$SYSTEM.new"/etc/apt/sources.list.d/* "$SYSTEM.new"/var/lib/apt/lists/*
  mkdir -p "$SYSTEM.new/job"
  echo "$STAMP" > "$SYSTEM.new/.stamp"
  rm -rf --one-file-system "$SYSTEM"
  mv "$SYSTEM.new" "$SYSTEM"
}

build() {
  mkdir -p "$CACHE"
  exec 8> "$CACHE/lock"
  flock 8
  build_locked
}

enter() {
  local screen=$1 work=$2
  shift 2
  export SYSTEM
  exec unshare --mount --pid --fork --kill-child --propagation private \
    bash "$(dirname "$(readlink -f "$0")")/inside.sh" "$screen" "$work" "$@"
}

verb=${1:-}
case $verb in
  build) build ;;
  run) shift; enter no "$@" ;;
  screen) shift; enter yes "$@" ;;
  *) echo "usage: recipe.sh build | run WORK COMMAND… | screen WORK COMMAND…" >&2; exit 2 ;;
esac
