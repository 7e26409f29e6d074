#!/usr/bin/env bash
# Runs //examples:ipvs_standby with what it must refuse, naming what is wrong. And
# the README's configuration is a good one.
set -uo pipefail
program=$1
readme=$2
failed=0
folder=$(mktemp -d "${TEST_TMPDIR:-/tmp}/ipvs_standby.XXXXXX")
trap 'rm -rf "$folder"' EXIT

expect() {  # EXPECTED_TEXT ARGUMENT...
  local text=$1 got rc=0
  shift
  got=$(timeout 20 "$program" "$@" 2>&1 </dev/null) || rc=$?
  if [[ $rc != 1 || $got != *"$text"* ]]; then
    printf 'ipvs_standby %s\n  exit %s, expected 1, output:\n%s\n  expected:\n%s\n' \
      "$*" "$rc" "$got" "$text"
    failed=1
  fi
}

expect '--interface is needed'
expect "no interface 'nosuch0'" --interface=nosuch0
expect '--ports=65: must be 1 to 64' --interface=lo --ports=65
expect '--port=65535: must be 1 to 65534' --interface=lo --ports=2 --port=65535
expect '--syncid=256: must be -1 to 255' --interface=lo --syncid=256
expect '--group=10.0.0.1: must be a multicast address' --interface=lo --group=10.0.0.1
expect '--entries_max=0: must be 1 to ' --interface=lo --entries_max=0
expect "$folder/none" --interface=lo --serve="$folder/none"

printf 'interfaces { name: "eth0" }\nvirtual_services { address: "192.0.2.10" port: 80 }\n' \
  >"$folder/single"
expect 'ha: must have a mode, wire PLAIN and plain.election BY_COMMAND' \
  --interface=eth0 --serve="$folder/single"

{
  printf 'interfaces { name: "eth0" }\n'
  sed -n '/^ha {/,/^```/{/^```/!p}' "$readme"
  printf 'virtual_services { address: "192.0.2.10" port: 80\n'
  printf '  real_servers { address: "192.0.2.11" } }\n'
} >"$folder/good"
expect "--interface=nosuch0: the updates of $folder/good come in by eth0" \
  --interface=nosuch0 --serve="$folder/good"

exit "$failed"
