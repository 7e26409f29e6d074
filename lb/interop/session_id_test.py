#!/usr/bin/python3 -B
"""TLS that passes through, persistent by SSL session ID: openssl's s_client at
nginx, which keeps sessions by ID and knows no other server's.
"""

import os

import network
import tls_servers
from network import check, check_equal


def start(bed, persistence):
  authority = tls_servers.Authority(bed)
  certificate = authority.make('app', 'DNS:app.example')
  for server in bed.servers:
    tls_servers.TlsNginx(
        bed, server, certificate,
        more='ssl_session_tickets off; ssl_session_cache shared:all:1m;')
  bed.start_ballastd(config(persistence))
  return authority


def config(persistence):
  servers = [network.real_server(network.server_address(number), port=443)
             for number in (1, 2, 3)]
  return network.service(
      'app', network.VIP, 443,
      [*servers, 'l7 { type: GENERIC }', f'persistence {{ {persistence} }}'])


def ask(bed, *flags):
  """(server, whether the session was resumed)."""
  text = bed.client.run(
      ['sh', '-c', r'printf "GET / HTTP/1.0\r\n\r\n" | timeout 10 openssl '
       f's_client -connect {network.VIP}:443 -servername app.example '
       f'-ign_eof {" ".join(flags)} 2>&1'], check_status=False)
  check('200 OK' in text, f's_client: {text}')
  server = next(line for line in text.splitlines()
                if line.startswith('server '))
  return int(server.split()[1]), '\nReused, ' in text


def sessions_find_their_server(bed):
  start(bed, 'mode: SSL_SESSION_ID')
  session = [os.path.join(bed.folder, f'session{i}') for i in range(3)]
  homes = [ask(bed, '-tls1_2', '-sess_out', path)[0] for path in session]
  check_equal(sorted(homes), [1, 2, 3], 'servers of three new clients')
  for turn in range(3):
    for path, home in zip(session, homes):
      check_equal(ask(bed, '-tls1_2', '-sess_in', path), (home, True),
                  f'turn {turn}: the server, and its session resumed')
  # A hello in records, and in segments, of a few bytes.
  check_equal(ask(bed, '-tls1_2', '-sess_in', session[0], '-split_send_frag',
                  '64', '-max_send_frag', '512'), (homes[0], True),
              'a hello in pieces')
  # With TLS 1.3 there is none.
  served = {ask(bed, '-tls1_3')[0] for _ in range(6)}
  check_equal(served, {1, 2, 3}, 'servers of TLS 1.3')
  check('SERVER_NAME and CLIENT_IP' in bed.ballastd.log(),
        'the warning that TLS 1.3 has no session ID')


def tls13_by_name_or_address(bed):
  start(bed, 'mode: SSL_SESSION_ID tls13: CLIENT_IP')
  served = {ask(bed, '-tls1_3')[0] for _ in range(6)}
  check_equal(len(served), 1, 'servers of one address')
  bed.reload(config('mode: SSL_SESSION_ID tls13: SERVER_NAME'))
  served = {ask(bed, '-tls1_3')[0] for _ in range(6)}
  check_equal(len(served), 1, 'servers of one name')


def what_is_not_tls_passes(bed):
  """Other bytes at once; half a hello after its time."""
  bed.start_nginx([80])
  servers = [network.real_server(network.server_address(number), port=80)
             for number in (1, 2, 3)]
  bed.start_ballastd(network.service(
      'app', network.VIP, 80,
      [*servers, 'l7 { type: GENERIC }',
       'persistence { mode: SSL_SESSION_ID }']))
  text = bed.curl(f'http://{network.VIP}/')
  check(text.startswith('server '), f'HTTP: {text}')
  connection = bed.client.connect((network.VIP, 80), 5)
  connection.settimeout(20)
  with connection:
    connection.sendall(bytes([22, 3, 1, 2, 0, 1]))
    check('400 Bad Request' in connection.recv(4096).decode(),
          'nginx about half a hello')


if __name__ == '__main__':
  network.main(sessions_find_their_server, tls13_by_name_or_address,
               what_is_not_tls_passes)
