#!/usr/bin/python3 -B
"""Services of layer 7 through ballastd: real clients (curl), real servers
(nginx), on virtual addresses that also have a service of layer 4.
"""

import collections
import hashlib
import http.client
import os
import socket
import ssl
import threading
import time

import network
from network import check, check_equal

FOUR = 81  # The port of layer 4 on the same addresses.
BULK = 8 << 20


def proxy(name, family=4, port=80, servers=(1, 2, 3), l7='', **fields):
  """A virtual_services block of layer 7."""
  blocks = [network.real_server(network.server_address(number, family),
                                port=80) for number in servers]
  blocks.append('l7 { ' + l7 + ' }')
  return network.service(name, network.VIPS[family], port, blocks, **fields)


def server_of(text):
  """Which server says this."""
  words = text.split()
  check(len(words) > 1 and words[0] == 'server', f'answer: {text[:200]!r}')
  return int(words[1])


def url(family, path='/', port=80):
  return f'http://{network.in_url(network.VIPS[family])}:{port}{path}'


def requests_go_round(bed):
  """Every request for itself, whatever its connection; bodies as they are;
  both families; beside layer 4 on the same address."""
  bed.start_nginx([80])
  data = os.urandom(BULK)
  with open(os.path.join(bed.files, 'bulk'), 'wb') as file:
    file.write(data)
  bed.start_ballastd(''.join(
      proxy(f'seven{family}', family) + network.service(
          f'four{family}', network.VIPS[family], FOUR,
          [network.real_server(network.server_address(2, family), port=80)])
      for family in (4, 6)))
  for family in (4, 6):
    text = bed.curl(*[url(family, f'/{i}') for i in range(6)])
    lines = text.splitlines()
    check_equal(sorted(server_of(line) for line in lines), [1, 1, 2, 2, 3, 3],
                f'IPv{family}: servers of six requests on one connection')
    check_equal([line.split()[-1] for line in lines],
                [f'/{i}' for i in range(6)], f'IPv{family}: answers in order')
    check_equal(server_of(bed.curl(url(family, port=FOUR))), 2,
                f'IPv{family}: layer 4, meanwhile')
    path = os.path.join(bed.folder, 'got')
    bed.curl('-o', path, url(family, '/files/bulk'), timeout=30)
    with open(path, 'rb') as file:
      check_equal(hashlib.sha256(file.read()).hexdigest(),
                  hashlib.sha256(data).hexdigest(),
                  f'IPv{family}: {BULK} bytes')
  own = {line[2] for lines in bed.requests().values() for line in lines
         if '.' in line[2]}
  check_equal(own, {network.DIRECTOR_INSIDE, network.CLIENT},
              'who asks the servers: the unit at layer 7, the client at 4')


def persistence(bed):
  """A client comes back to its server: by cookie, by header, by address."""
  bed.start_nginx([80])
  jar = os.path.join(bed.folder, 'jar')
  bed.start_ballastd(
      proxy('cookie', port=80, persistence='{ mode: ACTIVE_COOKIE }') +
      proxy('header', port=82,
            persistence='{ mode: SELECTED_HEADER name: "X-User" }') +
      proxy('source', port=83, persistence='{ mode: SOURCE_IP }') +
      proxy('url', port=84, schedule='UHASH'))
  first = server_of(bed.curl('-c', jar, '-b', jar, url(4)))
  for _ in range(5):
    check_equal(server_of(bed.curl('-b', jar, url(4))), first,
                'the cookie\'s server')
  without = {server_of(bed.curl(url(4))) for _ in range(6)}
  check_equal(without, {1, 2, 3}, 'servers of clients without a cookie')

  users = {}
  for turn in range(3):
    for user in 'abcdef':
      server = server_of(bed.curl('-H', f'X-User: {user}', url(4, port=82)))
      check_equal(users.setdefault(user, server), server,
                  f'user {user}, turn {turn}')
  check_equal(set(users.values()), {1, 2, 3}, 'servers of six users')

  served = {server_of(bed.curl(url(4, port=83))) for _ in range(6)}
  check_equal(len(served), 1, f'servers of one address, {served}')

  homes = {}
  for turn in range(3):
    for path in range(12):
      server = server_of(bed.curl(url(4, f'/object{path}?turn={turn}',
                                      port=84)))
      check_equal(homes.setdefault(path, server), server, f'object {path}')
  check_equal(set(homes.values()), {1, 2, 3}, 'servers of twelve objects')


def sub_services(bed):
  bed.start_nginx([80])
  def sub(name, number, matches=''):
    return (f'sub_services {{ name: "{name}" {matches} '
            'health_check { type: NONE } ' +
            network.real_server(network.server_address(number), port=80) + ' }')
  bed.start_ballastd(proxy(
      'parts', servers=(),
      l7=sub('images', 1, 'matches { path_prefix: "/img/" }')
      + sub('shop', 2, 'matches { host: "*.shop.example" }') + sub('rest', 3)))
  check_equal(server_of(bed.curl(url(4, '/img/a'))), 1, 'by path')
  check_equal(server_of(bed.curl('-H', 'Host: a.shop.example', url(4))), 2,
              'by host')
  check_equal(server_of(bed.curl(url(4, '/imgs'))), 3, 'the rest')


class Load:
  """Requests on kept connections, from threads, until told to stop."""

  def __init__(self, bed, threads=4):
    self._bed = bed
    self.good = collections.Counter()
    self.failed = []
    self._stopping = threading.Event()
    self._workers = [network.Worker(self._run) for _ in range(threads)]
    for worker in self._workers:
      worker.start()

  def _run(self):
    connection = None
    while not self._stopping.is_set():
      try:
        if connection is None:
          connection = http.client.HTTPConnection(network.VIPS[4], 80)
          connection.sock = self._bed.client.connect((network.VIPS[4], 80), 5)
          connection.sock.settimeout(10)
        connection.request('GET', '/load')
        reply = connection.getresponse()
        text = reply.read().decode()
        check_equal(reply.status, 200, 'status')
        self.good[server_of(text)] += 1
      except (OSError, http.client.HTTPException, network.Failure) as error:
        self.failed.append(repr(error))
        connection = None
      time.sleep(0.001)

  def stop(self):
    self._stopping.set()
    for worker in self._workers:
      worker.join(20)


def nothing_fails(bed):
  """A server's process is killed and comes back, and the configuration is
  reloaded all the while: requests that may be repeated all succeed."""
  bed.start_nginx([80])
  def config(weight):
    return ('health { interval_s: 9 timeout_s: 4 retry_count: 2 }\n'
            + proxy('web', check='CONNECT', schedule='WRR').replace(
                'real_servers { ', f'real_servers {{ weight: {weight} ', 1))
  bed.start_ballastd(config(1000))
  def up():
    servers = bed.ballastd.statistics()['web'].values()
    return len(servers) == 3 and all(server['up'] for server in servers)
  network.eventually(up, 'every server is up', 20, 0.2)
  load = Load(bed)
  victim = bed.servers[2]
  for turn in range(6):
    time.sleep(0.5)
    bed.reload(config(500 if turn % 2 else 2000))
    if turn == 2:
      victim.nginx.kill()
      victim.nginx.wait()
      load.good[3] = 0
  victim.start_nginx([80])
  network.eventually(lambda: load.good[3] > 0, 'server 3 serves again', 20)
  load.stop()
  check_equal(load.failed, [], 'failed requests')
  check(sum(load.good.values()) > 1000, f'good requests: {load.good}')
  print(f'nothing_fails: {sum(load.good.values())} requests', flush=True)


def nobody(bed):
  """No server: the configured answer, the sorry server; bad requests."""
  bed.start_nginx([80])
  dead = [network.real_server('10.2.0.99', port=80)]
  def refusing(name, port, l7='', extra=()):
    return network.service(name, network.VIPS[4], port,
                           [*dead, *extra, 'l7 { ' + l7 + ' }'],
                           check='CONNECT')
  page = os.path.join(bed.folder, 'sorry.html')
  with open(page, 'w', encoding='utf-8') as file:
    file.write('<h1>Back soon</h1>')
  bed.start_ballastd(
      refusing('page', 80, f'error_page_file: "{page}"') +
      refusing('redirect', 82, 'error_code: 302 error_url: "http://e.org/"') +
      refusing('sorry', 83,
               extra=['sorry_server { address: "10.2.0.11" port: 80 }']))
  network.eventually(
      lambda: 'server 10.2.0.99:80 down' in bed.ballastd.log()
      or '503' in bed.curl('-o', '/dev/null', '-w', '%{http_code}', url(4)),
      'the dead server is known to be', 30, 0.3)
  def status(port):
    return bed.curl('-w', ' %{http_code} %{redirect_url}', url(4, port=port))
  network.eventually(lambda: 'Back soon' in status(80), 'the page', 20, 0.3)
  check(' 503 ' in status(80), f'status of the page: {status(80)}')
  check(status(82).endswith('302 http://e.org/'), f'redirect: {status(82)}')
  check_equal(server_of(bed.curl(url(4, port=83))), 1, 'the sorry server')
  # A request with two meanings.
  connection = bed.client.connect((network.VIPS[4], 83), 5)
  connection.settimeout(5)
  connection.sendall(b'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n'
                     b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
  check(connection.recv(100).startswith(b'HTTP/1.1 400 '), 'two lengths: 400')


def streams(bed):
  """Type GENERIC: bytes both ways, ends passed on, whoever speaks first."""
  listener = bed.servers[0].namespace.socket(socket.SOCK_STREAM,
                                             (network.server_address(1), 7000))
  listener.listen()

  def greet():
    while True:
      try:
        connection, _ = listener.accept()
      except OSError:
        return
      with connection:
        connection.sendall(b'220 hello\r\n')
        text = b''
        while data := connection.recv(65536):
          text += data
        connection.sendall(hashlib.sha256(text).hexdigest().encode())
  threading.Thread(target=greet, daemon=True).start()
  bed.start_ballastd(network.service(
      'mail', network.VIPS[4], 2525,
      [network.real_server(network.server_address(1), port=7000),
       'l7 { type: GENERIC server_initiating: SMTP }']))
  connection = bed.client.connect((network.VIPS[4], 2525), 5)
  connection.settimeout(10)
  check_equal(connection.recv(100), b'220 hello\r\n', 'the greeting')
  data = os.urandom(BULK)
  connection.sendall(data)
  connection.shutdown(socket.SHUT_WR)
  text = b''
  while more := connection.recv(100):
    text += more
  check_equal(text.decode(), hashlib.sha256(data).hexdigest(),
              'what the server read')


def tls(bed):
  """Clients speak TLS: names chosen by SNI, 1.2 and 1.3, resumption, bytes as
  they are, certificates changed while a connection is open; HTTP refused."""
  bed.start_nginx([80])
  data = os.urandom(BULK)
  with open(os.path.join(bed.files, 'bulk'), 'wb') as file:
    file.write(data)
  pems = {}
  for host in ('a.example', 'b.example', 'c.example'):
    pems[host] = [os.path.join(bed.folder, f'{host}.{part}')
                  for part in ('crt', 'key')]
    bed.client.run([
        'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
        f'/CN={host}', '-addext', f'subjectAltName=DNS:{host}', '-out',
        pems[host][0], '-keyout', pems[host][1]])

  def config(*hosts):
    return proxy('secure', port=443, l7='tls { ' + ' '.join(
        f'certificates {{ chain_file: "{pems[host][0]}" key_file: '
        f'"{pems[host][1]}" }}' for host in hosts) + ' }')
  bed.start_ballastd(config('a.example', 'b.example'))

  def get(host, path, *flags, **kwargs):
    return bed.curl('--resolve', f'{host}:443:{network.VIPS[4]}', '--cacert',
                    pems[host][0], *flags, f'https://{host}{path}', **kwargs)
  for host in ('a.example', 'b.example'):
    for version in (['--tls-max', '1.2'], ['--tlsv1.3']):
      server_of(get(host, '/', *version))
  path = os.path.join(bed.folder, 'got')
  get('a.example', '/files/bulk', '-o', path, timeout=30)
  with open(path, 'rb') as file:
    check_equal(hashlib.sha256(file.read()).hexdigest(),
                hashlib.sha256(data).hexdigest(), f'{BULK} bytes by TLS')

  session = os.path.join(bed.folder, 'session')
  def s_client(*flags):
    return bed.client.run(
        ['sh', '-c', r'printf "GET / HTTP/1.0\r\n\r\n" | timeout 10 openssl '
         f's_client -connect {network.VIPS[4]}:443 -servername a.example '
         '-tls1_2 -ign_eof ' + ' '.join(flags) + ' 2>&1'], check_status=False)
  first = s_client('-sess_out', session)
  check('\nNew, TLSv1.2' in first and '200 OK' in first, f's_client: {first}')
  again = s_client('-sess_in', session)
  check('\nReused, TLSv1.2' in again, f'resumption: {again}')

  # A connection that is open goes on when the certificates change.
  connection = http.client.HTTPSConnection('a.example')
  context = ssl.create_default_context(cafile=pems['a.example'][0])
  connection.sock = context.wrap_socket(
      bed.client.connect((network.VIPS[4], 443), 5),
      server_hostname='a.example')
  connection.request('GET', '/1')
  server_of(connection.getresponse().read().decode())
  bed.reload(config('c.example'))
  connection.request('GET', '/2')
  server_of(connection.getresponse().read().decode())
  connection.close()
  server_of(get('c.example', '/'))

  plain = bed.client.connect((network.VIPS[4], 443), 5)
  plain.settimeout(5)
  plain.sendall(b'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  try:
    check(not plain.recv(4096).startswith(b'HTTP'), 'HTTP on a TLS port')
  except ConnectionResetError:
    pass


if __name__ == '__main__':
  network.main(tls, requests_go_round, persistence, sub_services, nothing_fails,
               nobody, streams)
