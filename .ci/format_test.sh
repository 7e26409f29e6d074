#!/usr/bin/env bash
# Every C++ file of the source tree, and the README's example, is as clang-format
# leaves it, every header has the include guard its path asks for, and every
# shell script parses.
# Looks at the tree itself (tests run unsandboxed), so it needs no list of files.
set -uo pipefail
root=$(dirname "$(readlink -f "$1")")
cd "$root" || exit 1
failures=0
fail() { echo "FAIL: $*"; failures=$((failures + 1)); }

# The check must be able to fail.
cp .clang-format "$TEST_TMPDIR/"
printf 'int  main( ){return 0 ;}\n' >"$TEST_TMPDIR/ugly.cc"
clang-format --dry-run -Werror "$TEST_TMPDIR/ugly.cc" 2>/dev/null &&
  fail "clang-format accepts an unformatted file"

mapfile -t sources < <(find . \( -name '.git' -o -name 'bazel-*' \) -prune -o \
  -type f \( -name '*.h' -o -name '*.cc' \) -printf '%P\n' | sort)
((${#sources[@]} > 0)) || fail "no C++ file found under $root"
clang-format --dry-run -Werror "${sources[@]}" ||
  fail "run: clang-format -i FILE on the files above"

# The README's example is code too.
sed -n '/^```cpp/,/^```$/{/^```/!p}' README.md >"$TEST_TMPDIR/readme.cc"
clang-format --dry-run -Werror "$TEST_TMPDIR/readme.cc" || fail "README.md"

for file in "${sources[@]}"; do
  [[ $file == *.h ]] || continue
  guard=${file//[\/.]/_}_
  guard=${guard^^}
  grep -qx "#ifndef $guard" "$file" || fail "$file: include guard is not $guard"
done

mapfile -t scripts < <(find . \( -name '.git' -o -name 'bazel-*' \) -prune -o \
  -type f \( -name '*.sh' -o -name bazelw -o -path './.ci/run' \) -printf '%P\n')
for file in "${scripts[@]}"; do
  bash -n "$file" || fail "$file does not parse"
done

echo "${#sources[@]} C++ files, ${#scripts[@]} scripts, $failures failures"
exit $((failures > 0))
