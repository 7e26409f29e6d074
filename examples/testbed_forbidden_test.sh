#!/usr/bin/env bash
# Where namespaces are forbidden, or their settings cannot be written, an
# example says so in one line and ends with 77.
set -uo pipefail
program=$PWD/$1
if ! unshare --user --map-root-user --mount true; then
  echo "SKIPPED: no user namespace to forbid things in"
  exit 0
fi

expect() {  # PATTERN PREPARATION
  local output status
  # Without capabilities the program needs a user namespace of its own.
  output=$(unshare --user --map-root-user --mount --net sh -c \
    "$2 exec setpriv --bounding-set=$3 --inh-caps=$3 $program" 2>/dev/null)
  status=$?
  echo "the program said: $(grep -v '^$' <<<"$output" | tail -1)"
  ((status == 77)) || { echo "exit status $status, not 77"; exit 1; }
  grep -q "^SKIPPED: .*$1" <<<"$output" || { echo "not: $1"; exit 1; }
}
expect "user namespaces" \
  "echo 0 > /proc/sys/user/max_user_namespaces;" "-all"
expect "/proc/sys/net" \
  "mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys;" "+all"
