#!/usr/bin/env bash
# Runs //examples:slots and compares what it prints.
set -uo pipefail
slots=$1
failed=0

expect() {  # EXIT_CODE EXPECTED_TEXT ARGUMENT...
  local code=$1 text=$2 got rc=0
  shift 2
  got=$("$slots" "$@" 2>&1) || rc=$?
  if [[ $rc != "$code" || $got != *"$text"* ]]; then
    printf 'slots %s\n  exit %s, expected %s, output:\n%s\n  expected:\n%s\n' \
      "$*" "$rc" "$code" "$got" "$text"
    failed=1
  fi
}

# The vendor page's example, its starvation and our warning.
expect 0 'rs1 1000 1000 24.41%
rs2 1000 1000 24.41%
rs3 1000 1000 24.41%
rs4 1000 1000 24.41%
rs5 1000 96 2.34%
warning: rs5: weight 1000 gets 96 of 4096' \
  --fill=loadmaster 1000 1000 1000 1000 1000
expect 0 'rs1 1000 2000 48.83%
rs2 1000 0 0.00%
rs3 1000 1096 26.76%
rs4 1000 1000 24.41%' --down=2 1000 1000 1000 1000
expect 0 'rs1 7 820 20.02%
rs2 7 819 20.00%' --fill=even 7 7 7 7 7
expect 0 'rs1 7 1366 33.35%
rs2 7 0 0.00%
rs3 7 1365 33.33%
rs4 7 0 0.00%' --fill=even --down=2,4 7 7 7 7 7
expect 0 'rs1 1 2048 50.00%' --fill=maglev 1 1
expect 0 'rs1 1 0 0.00%' --down=1 1
expect 0 'usage: slots' --help
expect 2 'give at least one weight'
expect 2 'fill: "fair", must be loadmaster, even or maglev' --fill=fair 1
expect 2 '--down: "3", must be 1 to 2' --down=3 1 1
expect 2 '--down: "", must be 1 to 1' --down= 1
expect 2 '"--up" is neither an option nor a weight' --up 1
expect 2 '"-5" is neither an option nor a weight' -5
expect 2 'servers[1].weight: 65536, at most 65535' 1 65536
exit "$failed"
