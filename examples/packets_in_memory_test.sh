#!/usr/bin/env bash
# What comes out of the director are the frames below, byte for byte. They were
# worked out apart from this code: addresses and ports of the other end, MACs
# of the next hop, TTL one less, checksums summed anew (RFC 1071, RFC 9293).
set -euo pipefail
output=$("$1")
echo "$output"
expect() {
  grep -qF -- "$1" <<<"$output" || { echo "missing: $1"; exit 1; }
}
expect "out port 1  0200000000030200000000010800 \
45000028000140003f066fc7c00002070a000001 \
c3501f90000003e8000000005002fffffd110000"
expect "out port 0  0200000000020200000000010800 \
45000028000140003f06b7bdc000020ac0000207 \
0050c35000001388000003e95012ffff50af0000"
# A gratuitous ARP says where the VIP is (RFC 5227 §3): to everybody, from our
# MAC, about 192.0.2.10.
expect "own port 0  ffffffffffff0200000000010806"
(($(grep -c ^out <<<"$output") == 2)) || { echo "more came out"; exit 1; }
