#!/usr/bin/env bash
# Runs //examples:syncdump over captures of real masters (ha/testdata) and
# compares with what is known of them.
set -uo pipefail
syncdump=$1
data=ha/testdata
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  printf '%s\n' "$@"
  failed=1
}

expect() {  # EXIT_CODE EXPECTED_TEXT ARGUMENT...
  local code=$1 text=$2 got rc=0
  shift 2
  got=$("$syncdump" "$@" 2>&1) || rc=$?
  if [[ $rc != "$code" || $got != *"$text"* ]]; then
    fail "syncdump $*" "  exit $rc, expected $code, output:" "$got" \
      "  expected:" "$text"
  fi
}

# -- Records, and decisions in every column but t_s and entry. -----------------
decisions=0
records=0
for name in default every10 refresh10 burst; do
  file=$data/ipvs-v1-$name
  "$syncdump" "$file.pcap" >"$scratch/records" || fail "$name: exit $?"
  diff "$file.records.csv" "$scratch/records" || fail "$name: records differ"
  ((records += $(wc -l <"$scratch/records") - 1))

  "$syncdump" --decide --settings="$file.settings.txt" "$file.pcap" \
    >"$scratch/decisions" || fail "$name: exit $?"
  diff <(cut -d, -f2-6,8- "$file.decisions.csv") \
    <(cut -d, -f2-6,8- "$scratch/decisions") || fail "$name: decisions differ"
  # Theirs is the kernel's clock: 25 ms.
  paste -d, "$scratch/decisions" "$file.decisions.csv" | awk -F, '
    NR > 1 && ($1 - $13 > 0.025 || $13 - $1 > 0.025) { print; late = 1 }
    END { exit late || NR < 2 }' || fail "$name: more than 25 ms apart"
  ((decisions += $(wc -l <"$scratch/decisions") - 1))

  # What would have been sent is what the datagrams hold.
  sent=$(grep -c ',1$' "$scratch/decisions")
  [[ $sent == $(($(wc -l <"$scratch/records") - 1)) ]] ||
    fail "$name: $sent sent, not as many as records"
done
[[ $decisions == 1073 ]] || fail "$decisions decisions"
[[ $records == 312 ]] || fail "$records records"

# Other settings decide otherwise: the comparison above can fail.
sed 's/^sync_threshold.*/sync_threshold 4 50/' \
  "$data/ipvs-v1-default.settings.txt" >"$scratch/settings"
"$syncdump" --decide --settings="$scratch/settings" \
  "$data/ipvs-v1-default.pcap" >"$scratch/decisions"
diff -q <(cut -d, -f12 "$data/ipvs-v1-default.decisions.csv") \
  <(cut -d, -f12 "$scratch/decisions") >/dev/null &&
  fail "threshold 4 decides as threshold 3"

expect 0 '1,0.000,1,5,116,2,8,72,6,fd00::10,34000,fd00::100,80,fd01::10,8080,0x0,1,900,0,
1,0.000,1,5,116,2,80,36,6,10.0.0.10,34001,10.0.0.100,80,10.1.0.10,8080,0x0,1,900,0,' \
  "$data/ipvs-mixed-v4v6.pcap"

# -- Captures made here around messages of a real kernel. ----------------------
# Hex of one UDP payload to 224.0.0.81:8848 -> a capture with that datagram.
capture() {  # HEX FILE
  local payload=${1//[[:space:]]/} udp ip
  udp=$((${#payload} / 2 + 8))
  ip=$((udp + 20))
  {
    printf '%s' a1b2c3d4 00020004 00000000 00000000 0000ffff 00000001
    printf '6b000000%08x%08x%08x' 500000 $((ip + 14)) $((ip + 14))
    printf '%s' 01005e000051 020000000001 0800
    printf '4500%04x0000000001110000%s%s' "$ip" 0a000002 e0000051
    printf '%04x2290%04x0000%s' 40000 "$udp" "$payload"
  } | perl -0777 -ne 'print pack("H*", $_)' >"$2"
}

capture '04050064
  0006 9470 0050 1f90 0a00000a 0a000064 0a01000a 0000 0001
  0006 0000 0050 1f90 0a00000a 0a000064 0a01000a 1100 0001
  0006 9470 0050 1f90 0a00000a 0a000064 0a01000a 0100 0007
  0006 0000 0050 1f90 0a00000a 0a000064 0a01000a 1100 0001' "$scratch/v0.pcap"
expect 0 'message,t_s,version,syncid,size,nr_conns,offset,rec_size,proto,caddr,cport,vaddr,vport,daddr,dport,flags,state,timeout_s,fwmark,options
1,0.000,0,5,100,4,4,24,6,10.0.0.10,38000,10.0.0.100,80,10.1.0.10,8080,0x0,1,0,0,
1,0.000,0,5,100,4,28,24,6,10.0.0.10,0,10.0.0.100,80,10.1.0.10,8080,0x1100,1,0,0,
1,0.000,0,5,100,4,52,24,6,10.0.0.10,38000,10.0.0.100,80,10.1.0.10,8080,0x100,7,0,0,
1,0.000,0,5,100,4,76,24,6,10.0.0.10,0,10.0.0.100,80,10.1.0.10,8080,0x1100,1,0,0,' \
  "$scratch/v0.pcap"
# On another port it is not IPVS's.
expect 0 ',options' --port 8847 "$scratch/v0.pcap"
expect 0 '38000' --port 8847 --ports=2 "$scratch/v0.pcap"
[[ $("$syncdump" --port 8847 "$scratch/v0.pcap" | wc -l) == 1 ]] ||
  fail "port 8847 shows records"

capture '00050043 01010000
  0011003b 00001100 0000 0000 13c4 13c4 00000000 0000003c 0a00000a 0a000064 0a01000a
  02 10 6162633132334031302e302e302e3130 03 03 736970' "$scratch/engine.pcap"
expect 0 '0x1100,0,60,0,engine=736970:6162633132334031302e302e302e3130' \
  "$scratch/engine.pcap"

# -- What is refused is said with its place. -----------------------------------
capture '0005002d 01010000' "$scratch/size.pcap"
expect 0 "$scratch/size.pcap: frame 1 at offset 40: message 1 refused: wrong_size" \
  "$scratch/size.pcap"
capture '00050008 03010000' "$scratch/count.pcap"
expect 0 'frame 1 at offset 40: message 1: entries left out: 1 entry_truncated' \
  "$scratch/count.pcap"
head -c 100 "$scratch/v0.pcap" >"$scratch/cut.pcap"
expect 1 "$scratch/cut.pcap: at offset 24: frame 1 states 142 bytes, 60 are left" \
  "$scratch/cut.pcap"
expect 1 'at offset 0: no pcap file' "$data/ipvs-v1-default.settings.txt"
expect 1 'nowhere.pcap' nowhere.pcap
printf 'sync_threshold 3\n' >"$scratch/settings"
expect 1 "$scratch/settings: line 1: sync_threshold: nothing, must be a number" \
  --decide --settings "$scratch/settings" "$scratch/v0.pcap"
{
  cat "$data/ipvs-v1-default.settings.txt"
  printf '%s\n' '-A -f 77 -s rr'
} >"$scratch/settings"
expect 0 'left out: line 19: 77: a capture does not show firewall marks' \
  --decide --settings "$scratch/settings" "$data/ipvs-v1-default.pcap"

# -- CARP: captures of ucarp, whose passwords and addresses are known. ---------
carp() {  # FILE PASSWORD ADDRESS VHID COUNT
  local got
  got=$("$syncdump" --carp --password="$2" --address="$3" \
    "$data/$1.pcap" | awk -F, -v vhid="$4" \
    'NR > 1 { n += $5 == vhid && $11 == "good" && $12 == "good"; bad += $12 != "good" }
     END { print n "/" bad + 0 }')
  [[ $got == "$5/0" ]] || fail "$1: good/bad $got, expected $5/0"
}
carp carp-takeover kemp-secret 10.77.0.100 7 10
carp carp-preempt tie-pass 10.77.0.200 9 19
carp carp-tiebreak tie-pass 10.77.0.201 11 11
carp carp-broadcast secret 10.77.0.50 1 3
for wrong in --password=kemp-secreT\ --address=10.77.0.100 \
  --password=kemp-secret\ --address=10.77.0.101; do
  # shellcheck disable=SC2086
  got=$("$syncdump" --carp $wrong "$data/carp-takeover.pcap" | grep -c ',bad$')
  [[ $got == 10 ]] || fail "$wrong: $got of 10 bad"
done
expect 0 ',255,7,1,100,0,' --carp "$data/carp-takeover.pcap"
expect 0 ',good,unknown' --carp "$data/carp-takeover.pcap"

# -- Use. ----------------------------------------------------------------------
expect 0 'usage: syncdump' --help
expect 2 'names no capture'
expect 2 'one capture at a time, not "b" too' a b
expect 2 '--verbose: no such option' --verbose a
expect 2 '--decide and --settings go together' --decide a
expect 2 '--decide and --settings go together' --settings=s a
expect 2 '--settings: no value' a --settings
expect 2 '--port: "0", must be 1 to 65535' --port=0 a
expect 2 '--ports: "65", must be 1 to 64' --ports 65 a
expect 2 '--carp, --password and --address go together' --carp --password=x a
expect 2 '--decide and --carp: one of them' --decide --settings=s --carp a
expect 2 '"10.0.0"' --carp --password=x --address=10.0.0 a
expect 1 'password' --carp --password=twenty-letters-or-so --address=10.0.0.1 \
  "$data/carp-takeover.pcap"
exit "$failed"
