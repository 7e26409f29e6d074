#!/usr/bin/env bash
# Runs //examples:ballastctl and compares what it prints.
set -uo pipefail
ballastctl=$1
failed=0
folder=$(mktemp -d "${TEST_TMPDIR:-/tmp}/ballastctl.XXXXXX")
trap 'rm -rf "$folder"' EXIT

fail() {
  printf '%s\n' "$*"
  failed=1
}

expect() {  # EXIT_CODE EXPECTED_TEXT ARGUMENT...
  local code=$1 text=$2 got rc=0
  shift 2
  got=$("$ballastctl" "$@" 2>&1) || rc=$?
  if [[ $rc != "$code" || $got != *"$text"* ]]; then
    printf 'ballastctl %s\n  exit %s, expected %s, output:\n%s\n  expected:\n%s\n' \
      "$*" "$rc" "$code" "$got" "$text"
    failed=1
  fi
}

# sha256sum of the key's 32 bytes: as the id is described in ha/envelope.h.
id_of() {  # HEX
  printf "$(sed 's/../\\x&/g' <<<"$1")" | sha256sum | cut -c1-8
}

# A key of 32 random bytes, and no two alike.
one=$("$ballastctl" key new) || fail "key new: exit $?"
two=$("$ballastctl" key new) || fail "key new: exit $?"
[[ $one =~ ^[0-9a-f]{64}$ ]] || fail "not 64 hex digits: $one"
[[ $one != "$two" ]] || fail "the same key twice: $one"

# Its id, from a file and by itself.
printf '%s\n' "$one" >"$folder/pair.key"
printf '# two keys\n\n%s\r\n%s\n\n' "$one" "$two" >"$folder/two.key"
[[ $("$ballastctl" key id "$folder/pair.key") == "$(id_of "$one")" ]] ||
  fail "key id of a file differs from $(id_of "$one")"
[[ $("$ballastctl" key id "$two") == "$(id_of "$two")" ]] ||
  fail "key id of a key differs from $(id_of "$two")"
[[ $("$ballastctl" key id "$folder/two.key") == "$(id_of "$one")
$(id_of "$two")" ]] || fail "key id of a file of two keys"
expect 0 '630dcd29' \
  key id 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

expect 0 'usage: ballastctl' --help
expect 0 'key new' key --help
expect 2 'give a command'
expect 2 'no command begins with "key"' key
expect 2 'no command begins with "key old"' key old
expect 2 'key new: 1 arguments, must be 0' key new 64
expect 2 'key id: 0 arguments, must be 1' key id
expect 1 "$folder/none.key" key id "$folder/none.key"
: >"$folder/empty.key"
expect 1 "empty.key: there is no key in it" key id "$folder/empty.key"
printf '%s\n' "${one:1}" >"$folder/short.key"
expect 1 'short.key: line 1: pair key: 63 characters, must be 64' \
  key id "$folder/short.key"
head -c 5000 /dev/zero >"$folder/long.key"
expect 1 'long.key' key id "$folder/long.key"

# What is wrong with a key is said without the key.
expect 1 'pair key: 63 characters, must be 64' key id "${one:1}"
for argument in "$folder/short.key" "${one:1}"; do
  got=$("$ballastctl" key id "$argument" 2>&1)
  [[ $got != *"${one:1:16}"* ]] || fail "the key is in the message: $got"
done

# Nobody to ask. (A socket's name has 107 characters at most.)
expect 1 'control socket none: nobody listens' status --socket none
BALLAST_SOCKET=other expect 1 'socket other: nobody listens' status
expect 2 'status: 1 arguments, must be 0' status none
expect 2 'no option --sock' status --sock none
expect 0 'usage: ballastctl drain SERVICE SERVER' help drain

# A full disk is no success.
"$ballastctl" key new 2>/dev/null >/dev/full && fail "written to /dev/full"

exit "$failed"
