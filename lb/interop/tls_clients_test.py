#!/usr/bin/python3 -B
"""Services of layer 7 whose clients speak TLS, beyond what l7_test.py has of
them: what is refused, and that clients are told why; certificates of clients;
stapled OCSP. curl and openssl's s_client.
"""

import re

import network
import tls_servers
from network import check, check_equal


def proxy(name, port, certificate, tls='', ocsp=''):
  ocsp = f'ocsp_file: "{ocsp}"' if ocsp else ''
  servers = [network.real_server(network.server_address(1), port=80)]
  return network.service(
      name, network.VIP, port,
      [*servers, f'l7 {{ tls {{ certificates {{ chain_file: "{certificate[0]}" '
       f'key_file: "{certificate[1]}" {ocsp} }} {tls} }} }}'])


def s_client(bed, port, *flags):
  """All that it prints; asks for / if it can."""
  return bed.client.run(
      ['sh', '-c', r'printf "GET / HTTP/1.0\r\n\r\n" | timeout 10 openssl '
       f's_client -connect {network.VIP}:{port} -servername app.example '
       f'-ign_eof {" ".join(flags)} 2>&1'], check_status=False)


def alert_of(text):
  """What s_client was told."""
  match = re.search(r'alert ([a-z0-9 ]+?):.*SSL alert number (\d+)', text)
  check(match, f'no alert, but: {text[-800:]}')
  return int(match.group(2))


def clients_are_told(bed):
  """The alert comes, and no reset takes it away. (Numbers: RFC 8446 §6.)"""
  bed.start_nginx([80])
  authority = tls_servers.Authority(bed)
  certificate = authority.make('app', 'DNS:app.example')
  bed.start_ballastd(proxy('new', 443, certificate) +
                     proxy('newest', 444, certificate, 'only_tls13: true'))
  weak = ['-cipher', 'ALL:@SECLEVEL=0']
  protocol_version, handshake_failure, no_application_protocol = 70, 40, 120
  for turn in range(5):
    for port, flags, wanted in (
        (443, ['-tls1', *weak], protocol_version),
        (443, ['-tls1_1', *weak], protocol_version),
        (444, ['-tls1_2'], protocol_version),
        (443, ['-tls1_2', '-cipher', 'AES128-SHA'], handshake_failure),
        (443, ['-tls1_2', '-alpn', 'h2'], no_application_protocol),
        (443, ['-tls1_3', '-alpn', 'h2'], no_application_protocol)):
      check_equal(alert_of(s_client(bed, port, *flags)), wanted,
                  f'turn {turn}: port {port}, {flags}: alert')
  for port, flags in ((443, ['-tls1_2']), (443, ['-tls1_3']),
                      (444, ['-tls1_3'])):
    text = s_client(bed, port, '-alpn', 'h2,http/1.1', *flags)
    check('200 OK' in text and 'ALPN protocol: http/1.1' in text,
          f'port {port}, {flags}: {text}')
  said = bed.curl('-o', '/dev/null', '-w', '%{http_version}', '--cacert',
                  authority.pem, '--resolve',
                  f'app.example:443:{network.VIP}', 'https://app.example/')
  check_equal(said, '1.1', 'curl offers h2, too')


def certificates_of_clients(bed):
  bed.start_nginx([80])
  authority = tls_servers.Authority(bed)
  other = tls_servers.Authority(bed, 'other')
  certificate = authority.make('app', 'DNS:app.example')
  ca = f'client_ca_file: "{authority.pem}"'
  bed.start_ballastd(
      proxy('must', 443, certificate, f'client_certificates: REQUIRED {ca}') +
      proxy('may', 444, certificate, f'client_certificates: ASKED {ca}'))
  def flags(one):
    return ['-cert', one[0], '-key', one[1]]
  ours = flags(authority.make('client', '', usage='clientAuth'))
  theirs = flags(other.make('client', '', usage='clientAuth'))
  for version in ('-tls1_2', '-tls1_3'):
    for port in (443, 444):
      text = s_client(bed, port, version, *ours)
      check('200 OK' in text, f'{version}, port {port}, ours: {text}')
      alert = alert_of(s_client(bed, port, version, *theirs))
      # unknown_ca.
      check_equal(alert, 48, f'{version}, port {port}, another authority\'s')
    check('200 OK' in s_client(bed, 444, version), f'{version}: none, asked')
    alert = alert_of(s_client(bed, 443, version))
    # certificate_required; RFC 5246 has handshake_failure.
    check_equal(alert, 116 if version == '-tls1_3' else 40,
                f'{version}: none, required')


def a_staple_is_passed_on(bed):
  bed.start_nginx([80])
  authority = tls_servers.Authority(bed)
  certificate = authority.make('app', 'DNS:app.example')
  staple = authority.staple(certificate[0])
  bed.start_ballastd(proxy('with', 443, certificate, ocsp=staple) +
                     proxy('without', 444, certificate))
  for version in ('-tls1_2', '-tls1_3'):
    text = s_client(bed, 443, version, '-status', '-CAfile', authority.pem)
    check('OCSP Response Status: successful' in text and
          'Cert Status: good' in text, f'{version}: {text}')
    text = s_client(bed, 444, version, '-status')
    check('OCSP response: no response sent' in text, f'{version}: {text}')


if __name__ == '__main__':
  network.main(clients_are_told, certificates_of_clients,
               a_staple_is_passed_on)
