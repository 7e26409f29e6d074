#!/usr/bin/env bash
# The README's program, as far as it goes without the link it names.
set -u
if [[ -e /sys/class/net/lan0 ]]; then
  echo "SKIPPED: this host has a link named lan0, which the program would use"
  exit 0
fi
output=$("$1")
code=$?
echo "exit $code: $output"
[[ $code == 2 && $output == *'no link named "lan0"'* ]]
