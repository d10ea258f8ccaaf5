#!/bin/bash
# A Debian system with real GIMP and real Krita, in a folder outside the repository, for the tests. HOSTS_SUITE chooses which:
#
#   trixie   GIMP 3.0 and Krita 5.2 with PyQt5 (Debian 13, which does not change; the default)
#   forky    GIMP 3.2 and Krita 5.3 with PyQt5 (Debian testing)
#   krita6   Krita 6 with PyQt6 alone (Debian unstable, with Krita from experimental)
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
SUITE=${HOSTS_SUITE:-trixie}
SYSTEM=$CACHE/$SUITE
# krita only recommends its PyQt, and without it has no Python plug-ins; openbox, because GTK ignores keys without a window
# manager; imagemagick takes the screenshots.
COMMON=(xvfb xdotool openbox imagemagick fonts-dejavu-core adwaita-icon-theme)
case $SUITE in
  trixie | forky) RELEASES=("$SUITE") PACKAGES=(gimp krita python3-pyqt5 "${COMMON[@]}") ;;
  krita6) RELEASES=(sid experimental) PACKAGES=(krita python3-pyqt6 python3-pyqt6.sip "${COMMON[@]}") ;;
  *) echo "HOSTS_SUITE is '$SUITE'; it must be trixie, forky or krita6" >&2; exit 2 ;;
esac
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

# Experimental is used only for what is pinned to it.
PIN_KRITA='mkdir -p "$1/etc/apt/preferences.d" &&
  printf "Package: krita krita-data\nPin: release a=experimental\nPin-Priority: 990\n" > "$1/etc/apt/preferences.d/krita"'

build_locked() {
  is_current && { echo "reusing $SYSTEM"; return; }
  if ! command -v mmdebstrap >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends mmdebstrap
  fi
  local packages address release hooks=() sources=()
  packages=$(IFS=,; echo "${PACKAGES[*]}")
  address=$(mirror)
  for release in "${RELEASES[@]}"; do sources+=("deb $address $release main"); done
  [ "$SUITE" != krita6 ] || hooks=(--setup-hook="$PIN_KRITA")
  rm -rf --one-file-system "$SYSTEM.new"
  mmdebstrap --mode=root --variant=apt --quiet --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    "${hooks[@]}" "${RELEASES[0]}" "$SYSTEM.new" "${sources[@]}"
  # A cached tree should not remember where it was fetched from.
  rm -rf "$SYSTEM.new"/etc/apt/sources.list "$SYSTEM.new"/etc/apt/sources.list.d/* "$SYSTEM.new"/var/lib/apt/lists/*
  mkdir -p "$SYSTEM.new/job"
  echo "$STAMP" > "$SYSTEM.new/.stamp"
  rm -rf --one-file-system "$SYSTEM"
  mv "$SYSTEM.new" "$SYSTEM"
}

build() {
  mkdir -p "$CACHE"
  exec 8> "$CACHE/$SUITE.lock"
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
