#!/usr/bin/env bash
# The alert rules and the dashboard are well formed and ask only for metrics
# that a unit has. Usage: monitoring_test.sh METRICS_SAMPLE ALERTS
set -euo pipefail
sample=$1
folder=$(dirname "$2")
page=$("$sample")

# Every metric they name is there.
wrong=0
for file in alerts.yml alerts_test.yml grafana-dashboard.json; do
  mapfile -t names < <(grep -o 'ballast_[a-z0-9_]*' "$folder/$file" | sort -u)
  ((${#names[@]} > 1)) || { echo "FAIL: $file names no metric"; wrong=1; }
  for name in "${names[@]}"; do
    grep -q "^# TYPE $name " <<<"$page" && continue
    echo "FAIL: $file asks for $name, which is no metric"
    wrong=1
  done
done
((wrong == 0))

python3 -c 'import json, sys
panels = json.load(open(sys.argv[1]))["panels"]
numbers = [panel["id"] for panel in panels]
assert len(set(numbers)) == len(numbers) > 10, numbers
for panel in panels:
    assert panel["targets"] and panel["title"], panel' "$folder/grafana-dashboard.json"

if ! command -v promtool >/dev/null; then
  echo "SKIPPED: promtool (Debian package prometheus) is not installed"
  exit 0
fi
cd "$folder"
promtool check rules alerts.yml
promtool test rules alerts_test.yml
promtool check config --syntax-only prometheus.yml

# It can say no.
broken=$TEST_TMPDIR/broken.yml
sed 's/ballast_pair_lag_datagrams > 1000/ballast_pair_lag_datagrams >> 1000/' \
  alerts.yml >"$broken"
if promtool check rules "$broken" >/dev/null 2>&1; then
  echo "FAIL: promtool takes a rule that is none"
  exit 1
fi
