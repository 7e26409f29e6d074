#!/usr/bin/env bash
# Runs an example that makes its own network namespaces. 77 means that this
# system does not allow it; the example has said "SKIPPED: reason".
set -uo pipefail
"$@"
status=$?
((status == 77)) && exit 0
exit "$status"
