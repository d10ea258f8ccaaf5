#!/bin/bash
# The inner half of recipe.sh: mounts, the X server, chroot. Called only by it, in namespaces of its own.
set -euo pipefail
screen=$1 work=$2
shift 2

mount -t proc proc "$SYSTEM/proc"
mount --bind /dev "$SYSTEM/dev"
for folder in dev/shm tmp run root; do mount -t tmpfs tmpfs "$SYSTEM/$folder"; done
mount --bind "$work" "$SYSTEM/job"
# HOSTS_WHOLE=yes: the whole machine lies at /run/machine, and WORK (below /tmp) also where it lies outside, so that a program of
# the machine can be started from inside by `chroot /run/machine` and both sides mean the same by a path.
if [ "${HOSTS_WHOLE:-}" = yes ]; then
  mkdir -p "$SYSTEM/run/machine" "$SYSTEM$work"
  mount --rbind / "$SYSTEM/run/machine"
  mount --bind "$work" "$SYSTEM$work"
fi
mkdir -m 700 "$SYSTEM/run/user"

# HOSTS_PASS: names of variables that the command may see; all others stay outside.
environment=(HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 LANG=C.UTF-8 TERM=dumb
  XDG_RUNTIME_DIR=/run/user NO_AT_BRIDGE=1)
for name in ${HOSTS_PASS:-}; do environment+=("$name=${!name}"); done
inside() { chroot "$SYSTEM" /usr/bin/env -i "${environment[@]}" "$@"; }

if [ "$screen" = yes ]; then
  inside Xvfb -displayfd 9 -screen 0 "${HOSTS_SCREEN:-1600x1000x24}" -nolisten tcp 9> "$SYSTEM/run/display" 2> "$SYSTEM/run/xvfb.log" &
  for _ in $(seq 100); do [ -s "$SYSTEM/run/display" ] && break; sleep 0.1; done
  [ -s "$SYSTEM/run/display" ] || { echo "Xvfb did not start:" >&2; cat "$SYSTEM/run/xvfb.log" >&2; exit 70; }
  environment+=("DISPLAY=:$(cat "$SYSTEM/run/display")")
  inside openbox > /dev/null 2>&1 &
  sleep 0.5
fi

code=0
inside "$@" || code=$?
exit "$code"
