#!/usr/bin/env bash
# A wrong arrow between folders fails the build (ARCHITECTURE.md, "Arrows").
# Method: a copy of the tree gets one probe package per folder, each target of
# which depends on one real library. Bazel analyses them, away from the build
# that runs this test: every forbidden probe must fail for its visibility, and of
# each legal arrow at least one must pass (a folder may have private libraries).
set -uo pipefail

# FROM: TO..., a folder and what it may not, or may, depend on. "lb" as a TO
# stands for all its subfolders too.
forbidden="
sched: io persist ha lb
persist: io sched ha lb
ha: io sched persist lb
io: sched persist ha lb
io/base: io sched persist ha lb
lb/admin: io lb/run
lb/config: io lb/run
lb/health: io lb/run
lb/http: io lb/run
lb/l4: io lb/run
lb/l7: io lb/run
lb/tls: io lb/run
"
legal="
sched: io/base
persist: io/base
ha: io/base
lb/l4: io/base sched persist ha
lb/run: io sched persist lb/l4 lb/health lb/config
lb/interop: io
examples: io sched
bench: io sched
"

root=$(dirname "$(readlink -f "$1")")
unset TEST_TMPDIR  # Bazel takes it to mean that it is being tested itself.
scratch=$(mktemp -d /tmp/ballast_visibility.XXXXXX)
log=$scratch/log
inner() {
  bazel --nohome_rc --output_base="$scratch/base" --host_jvm_args=-Xmx512m \
    --max_idle_secs=30 "$@"
}
finish() {
  inner shutdown 2>/dev/null
  chmod -R u+w "$scratch"
  rm -rf "$scratch"
}
trap finish EXIT
die() {
  echo "FAIL: $*"
  cat "$log"
  exit 1
}

mkdir "$scratch/tree"
tar -C "$root" --exclude='./bazel-*' --exclude=./.git -cf - . |
  tar -C "$scratch/tree" -xf -
cd "$scratch/tree" || exit 1
inner query 'kind("cc_library rule", //...)' >"$scratch/libraries" \
  2>"$log" || die "query"

libraries_of() {
  local deeper=
  [[ $1 == lb ]] && deeper='(/[^:]*)?'
  grep -E "^//$1$deeper:" "$scratch/libraries"
}

# Writes a probe for each library of each arrow of $2, and prints lines of
# PROBE LIBRARY FROM TO.
write_probes() {
  local from tos to library name
  while IFS=: read -r from tos; do
    [[ -n $from ]] || continue
    mkdir -p "$from/arrow_probe"
    for to in $tos; do
      for library in $(libraries_of "$to"); do
        name=$1_${library//[^a-z0-9]/_}
        printf 'cc_library(name = "%s", testonly = True, deps = ["%s"])\n' \
          "$name" "$library" >>"$from/arrow_probe/BUILD.bazel"
        echo "//$from/arrow_probe:$name $library $from $to"
      done
    done
  done <<<"$2"
}
write_probes forbidden "$forbidden" >"$scratch/forbidden"
write_probes legal "$legal" >"$scratch/legal"
[[ -s $scratch/forbidden && -s $scratch/legal ]] || die "no arrow to try"

# Analyses the probes without compiling anything.
cut -d' ' -f1 "$scratch/forbidden" "$scratch/legal" >"$scratch/targets"
inner build --nobuild --keep_going --symlink_prefix=/ \
  --target_pattern_file="$scratch/targets" >"$log" 2>&1
grep -q '^INFO: Analyzed [0-9]* targets' "$log" || die "no analysis"

failures=0
fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}
declare -A refused=() passed=()
while read -r probe library from to; do
  grep -qF "target '$library' is not visible from target '$probe'" "$log" ||
    fail "$from can depend on $library"
done <"$scratch/forbidden"
while read -r probe library from to; do
  if grep -qF "target '$probe'" "$log"; then
    refused[$from $to]=1
  else
    passed[$from $to]=1
  fi
done <"$scratch/legal"
for arrow in "${!refused[@]}"; do
  [[ ${passed[$arrow]-} ]] || fail "legal, but refused: ${arrow/ / to }"
done

((failures == 0)) || cat "$log"
echo "${#passed[@]} legal arrows pass," \
  "$(wc -l <"$scratch/forbidden") forbidden probes tried, $failures failures"
exit $((failures > 0))
