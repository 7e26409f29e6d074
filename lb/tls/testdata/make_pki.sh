#!/bin/bash
# Made the certificates beside it, with OpenSSL 3.0.19 on 2026-11-22:
#   cd lb/tls/testdata && bash make_pki.sh
# They are for tests only, and good for a hundred years.
set -euo pipefail
days=36500

ca() {  # NAME SUBJECT
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -days "$days" -subj "$2" -keyout "$1.key.pem" -out "$1.pem" \
    -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

leaf() {  # NAME SUBJECT CA ALGORITHM EXTENSIONS [BEGIN END]
  if [ "$4" = rsa ]; then
    openssl genrsa -out "$1.key.pem" "${RSA_BITS:-2048}" 2>/dev/null
  else
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 \
      -out "$1.key.pem"
  fi
  openssl req -new -key "$1.key.pem" -subj "$2" -out request.tmp
  printf '%b' "$5" > extensions.tmp
  : > index.tmp
  openssl ca -batch -config ca.cnf.tmp -cert "$3.pem" -keyfile "$3.key.pem" \
    -in request.tmp -extfile extensions.tmp -out "$1.pem" -notext \
    -startdate "${6:-20200101000000Z}" -enddate "${7:-21200101000000Z}" \
    2>/dev/null
}

cat > ca.cnf.tmp <<'CONFIG'
[ca]
default_ca = one
[one]
database = index.tmp
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
CONFIG

server='extendedKeyUsage=serverAuth\n'
ca ca '/CN=Test CA/O=Ballast tests'
ca other_ca '/CN=Other CA/O=Ballast tests'
leaf one '/CN=one.test' ca ec \
  "${server}subjectAltName=DNS:one.test,DNS:WWW.one.test\n"
leaf wild '/CN=wild.test' ca rsa \
  "${server}subjectAltName=DNS:*.wild.test,DNS:wild.test\n"
leaf address '/CN=address' ca ec \
  "${server}subjectAltName=IP:127.0.0.1,IP:::1\n"
leaf plain_name '/CN=plain.test' ca ec "$server"
leaf expired '/CN=one.test' ca ec "${server}subjectAltName=DNS:one.test\n" \
  20200101000000Z 20210101000000Z
leaf client '/CN=client one/O=Ballast tests' ca ec 'extendedKeyUsage=clientAuth\n'
leaf stranger '/CN=stranger' other_ca ec 'extendedKeyUsage=clientAuth\n'
RSA_BITS=1024 leaf weak '/CN=weak.test' ca rsa "$server"
# A chain of three: its authority signs an authority that signs it.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
  -subj '/CN=Middle CA' -keyout middle.key.pem -out request.tmp 2>/dev/null
printf 'basicConstraints=critical,CA:TRUE\n' > extensions.tmp
openssl ca -batch -config ca.cnf.tmp -cert ca.pem -keyfile ca.key.pem \
  -in request.tmp -extfile extensions.tmp -out middle.pem -notext \
  -startdate 20200101000000Z -enddate 21200101000000Z 2>/dev/null
leaf deep '/CN=deep.test' middle ec "${server}subjectAltName=DNS:deep.test\n"
cat middle.pem >> deep.pem
openssl ec -in one.key.pem -aes128 -passout pass:secret \
  -out encrypted.key.pem 2>/dev/null

# What the authority says of one.pem.
serial=$(openssl x509 -in one.pem -noout -serial | cut -d= -f2)
printf 'V\t21200101000000Z\t\t%s\tunknown\t/CN=one.test\n' "$serial" > index.tmp
openssl ocsp -index index.tmp -CA ca.pem -rsigner ca.pem -rkey ca.key.pem \
  -issuer ca.pem -cert one.pem -ndays "$days" -respout one.ocsp.der \
  >/dev/null 2>&1
rm -f ./*.tmp* ./[0-9A-F]*[0-9A-F].pem other_ca.key.pem middle.key.pem ca.key.pem
