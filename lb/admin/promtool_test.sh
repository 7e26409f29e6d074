#!/usr/bin/env bash
# Prometheus' own judge of what the unit shows, with its lint rules.
# Usage: promtool_test.sh METRICS_SAMPLE
set -euo pipefail
if ! command -v promtool >/dev/null; then
  echo "SKIPPED: promtool (Debian package prometheus) is not installed"
  exit 0
fi
page=$("$1")
said=$(promtool check metrics <<<"$page" 2>&1) || {
  echo "promtool check metrics refuses the page:"
  echo "$said"
  exit 1
}
[[ -z $said ]] || {
  echo "promtool check metrics finds fault:"
  echo "$said"
  exit 1
}
# What it lets pass: a series twice.
twice=$(grep -v '^#' <<<"$page" | sed 's/ [0-9]*$//' | sort | uniq -d)
[[ -z $twice ]] || {
  echo "series that are there twice:"
  echo "$twice"
  exit 1
}
# It sees what is wrong: a counter without _total, and a label that is not
# escaped.
for wrong in '# HELP a_b Text.
# TYPE a_b counter
a_b 1' "$page
a_b{c=\"d\"e\"} 1"; do
  if said=$(promtool check metrics <<<"$wrong" 2>&1) && [[ -z $said ]]; then
    echo "promtool check metrics finds no fault in:"
    echo "$wrong" | tail -3
    exit 1
  fi
done
echo "promtool: $(grep -c '^# TYPE' <<<"$page") metrics without fault"
