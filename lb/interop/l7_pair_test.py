#!/usr/bin/python3 -B
"""Layer 7 through two ballastd: what clients keep when the other unit takes over.

Their server, by persistence entries told to the partner; their TLS session; and
with layer 4 beside, all of two dozen services.
"""

import http.server
import os
import re
import socket
import threading

import network
from network import check, check_equal, eventually
import pair
import sessions

CLIENTS = 12
UDP_PORT = 5353  # Of the servers.
SERVERS = (1, 2, 3)
L7_ON = {'l7_updates': 'true'}


def l7_service(name, port, family=4, l7='', servers=SERVERS, to=80, **fields):
  blocks = [network.real_server(network.server_address(number, family), port=to)
            for number in servers]
  return network.service(name, network.VIPS[family], port,
                         [*blocks, 'l7 { ' + l7 + ' }'], **fields)


def url(port, path='/', family=4, scheme='http'):
  return f'{scheme}://{network.endpoint(network.VIPS[family], port)}{path}'


def server_of(text):
  words = text.split()
  check(len(words) > 1 and words[0] == 'server', f'answer: {text[:200]!r}')
  return int(words[1])


class CookieServer:
  """An HTTP server in a server's namespace that gives each client without one
  a cookie of its own."""

  PORT = 8080

  def __init__(self, server):
    number = server.number
    made = iter(range(1 << 30))

    class Handler(http.server.BaseHTTPRequestHandler):
      def do_GET(self):  # pylint: disable=invalid-name
        text = f'server {number} {self.path}\n'.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(text)))
        if 'SID=' not in self.headers.get('Cookie', ''):
          self.send_header('Set-Cookie', f'SID={number}.{next(made)}')
        self.end_headers()
        self.wfile.write(text)

      def log_message(self, *_):  # pylint: disable=arguments-differ
        pass

    self._server = http.server.ThreadingHTTPServer(('', 0), Handler, False)
    self._server.socket.close()
    self._server.socket = server.namespace.socket(
        socket.SOCK_STREAM, (server.address(), self.PORT))
    self._server.server_activate()
    threading.Thread(target=self._server.serve_forever, daemon=True).start()


def serve_udp(server):
  """Answers every datagram with its number and what it was asked."""
  for family in (4, 6):
    made = server.namespace.socket(socket.SOCK_DGRAM,
                                   (server.address(family), UDP_PORT))

    def answer(made=made):
      while True:
        text, client = made.recvfrom(2048)
        made.sendto(f'server {server.number} '.encode() + text, client)
    threading.Thread(target=answer, daemon=True).start()


def ask_udp(bed, family, port, text=b'hello'):
  asked = bed.client.socket(
      socket.SOCK_DGRAM,
      family=socket.AF_INET if family == 4 else socket.AF_INET6)
  with asked:
    asked.settimeout(1)
    for _ in range(5):  # A datagram may be lost, as while neighbours are found.
      asked.sendto(text, (network.VIPS[family], port))
      try:
        return server_of(asked.recv(2048).decode())
      except socket.timeout:
        pass
  raise network.Failure(f'UDP, IPv{family}, port {port}: no answer')


# -- Persistence ---------------------------------------------------------------


def persistent_services():
  def sub(name, path):
    return (f'sub_services {{ name: "{name}" matches {{ path_prefix: "{path}" }} '
            'health_check { type: NONE } '
            'persistence { mode: SELECTED_HEADER name: "X-User" } '
            + ' '.join(network.real_server(network.server_address(number),
                                           port=80) for number in SERVERS)
            + ' }')
  return (l7_service('active', 80, persistence='{ mode: ACTIVE_COOKIE }')
          + l7_service('source', 81, persistence='{ mode: SOURCE_IP }')
          + l7_service('server', 82, to=CookieServer.PORT,
                       persistence='{ mode: SERVER_COOKIE name: "SID" }')
          + l7_service('parts', 83, servers=(),
                       l7=sub('shop', '/shop') + sub('rest', '/'))
          + l7_service('stream', 84, l7='type: GENERIC',
                       persistence='{ mode: SOURCE_IP }')
          # Of layer 4, but its entries are in the same store.
          + network.service(
              'calls', network.VIP, 5060,
              [network.real_server(network.server_address(number),
                                   port=UDP_PORT) for number in SERVERS],
              protocol='UDP',
              persistence='{ mode: UDP_SIP name: "Call-ID" }'))


class Clients:
  """Clients with something of their own each, and the server it led them to."""

  def __init__(self, bed, name, numbers=range(CLIENTS)):
    self._bed = bed
    self._name = name
    self._numbers = list(numbers)
    self.homes = {}

  def _ask(self, kind, number):
    if kind == 'call':
      return ask_udp(self._bed, 4, 5060,
                     b'OPTIONS sip:a@b SIP/2.0\r\nCall-ID: '
                     + f'{self._name}{number}\r\n\r\n'.encode())
    jar = os.path.join(self._bed.folder, f'{self._name}.{kind}.{number}')
    # Of the pair's cookies and the servers'.
    with_jar = ['-c', jar, '-b', jar]
    source = ['--interface', pair.client_address(4, number)]
    user = ['-H', f'X-User: {self._name}{number}']
    arguments = {
        'active': [*with_jar, url(80)],
        'source': [*source, url(81)],
        'server': [*with_jar, url(82)],
        'shop': [*user, url(83, '/shop')],
        'rest': [*user, url(83)],
        'stream': [*source, url(84)],
    }[kind]
    return server_of(self._bed.curl(*arguments))

  def servers(self, kinds=('active', 'source', 'server', 'shop', 'rest',
                           'stream', 'call'), order=1):
    """{(kind, number): server}, asked in some order."""
    return {(kind, number): self._ask(kind, number) for kind in kinds
            for number in self._numbers[::order]}

  def settle(self):
    # A server's cookie counts from its answer on, so that is asked twice.
    self.servers()
    self.homes = self.servers()
    for kind in {kind for kind, _ in self.homes}:
      spread = {server for (other, _), server in self.homes.items()
                if other == kind}
      check_equal(spread, set(SERVERS), f'{kind}: servers of {CLIENTS} clients')

  def check_home(self, what):
    # In another order than before: who is scheduled anew comes elsewhere.
    now = self.servers(order=-1)
    lost = {key: (home, now[key]) for key, home in self.homes.items()
            if now[key] != home}
    check(not lost, f'{what}: {len(lost)} of {len(self.homes)} clients of '
          f'{self._name} came to another server: {lost}')


def prepare(bed):
  bed.start_nginx([80])
  for server in bed.servers:
    CookieServer(server)
    serve_udp(server)
  for number in range(2 * CLIENTS):
    bed.client.ip(f'addr add {pair.client_address(4, number)}/24 dev eth0')


def entries(unit, what):
  return int(re.search(rf'layer 7 entries .*{what} (\d+)',
                       unit.status()).group(1))


class Telling:
  """What is told from here on, by a unit whose partner is in sync."""

  def __init__(self, bed, active):
    self._teller, self._taker = bed.units[active], bed.units[1 - active]
    self._before = self._untaken()

  def _untaken(self):
    # In this order: what is told meanwhile is no more than missing.
    told = entries(self._teller, 'told')
    return told - entries(self._taker, 'taken') - entries(self._taker, 'stale')

  def await_taken(self):
    eventually(lambda: self._untaken() <= self._before,
               lambda: 'the standby has every entry:\n'
               + self._teller.status() + self._taker.status())


def switch_over(bed, active):
  """From this unit, once it has heard that the other has everything."""
  unit = bed.units[active]
  eventually(lambda: 'not have all' not in unit.namespace.run(
      [network.find('examples/ballastctl'), 'switchover',
       f'--socket={unit.folder}/state/control'], check_status=False),
             f'{unit.name} hands over', 10, 0.2)
  bed.await_pair(1 - active)


def entries_follow_their_clients(bed):
  """First is killed, returns, and takes the role back: clients of before the
  pair was one, of while it was, and of while Second was alone stay with their
  servers all the while."""
  first, second = bed.units
  prepare(bed)
  first.start(first.config(persistent_services(), **L7_ON))
  eventually(lambda: first.role() == 'active', 'First serves alone', 20)
  before = Clients(bed, 'before')
  before.settle()
  second.start(second.config(persistent_services(), **L7_ON))
  bed.await_pair(0)
  telling = Telling(bed, 0)
  during = Clients(bed, 'during', range(CLIENTS, 2 * CLIENTS))
  during.settle()
  telling.await_taken()

  first.kill()
  eventually(lambda: second.role() == 'active', 'Second takes over', 20)
  before.check_home('First killed')
  during.check_home('First killed')
  alone = Clients(bed, 'alone')
  alone.settle()

  first.start(first.written())
  bed.await_pair(1)
  switch_over(bed, 1)
  for clients in (alone, during):
    clients.check_home('First is back')
  # And at once again, by order: what was renewed a moment ago is there.
  switch_over(bed, 0)
  alone.check_home('Second again')
  check_equal([entries(unit, 'dropped') for unit in bed.units], [0, 0],
              'entries dropped')
  print(''.join(unit.status() for unit in bed.units), flush=True)


def entries_stay_where_updates_are_off(bed):
  prepare(bed)
  bed.start(persistent_services())
  clients = Clients(bed, 'off')
  clients.settle()
  bed.units[0].kill()
  eventually(lambda: bed.units[1].role() == 'active', 'Second takes over', 20)
  now = clients.servers(order=-1)
  # Twelve scheduled anew in another order cannot all meet their servers.
  for kind in {kind for kind, _ in clients.homes}:
    moved = [key for key, home in clients.homes.items()
             if key[0] == kind and now[key] != home]
    check(moved, f'{kind}: every client kept its server without updates')
  check_equal(entries(bed.units[1], 'taken'), 0, 'entries taken')


# -- TLS -----------------------------------------------------------------------


def certificate(bed):
  files = [os.path.join(bed.folder, f'host.{part}') for part in ('crt', 'key')]
  bed.client.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
      '/CN=a.example', '-addext', 'subjectAltName=DNS:a.example', '-out',
      files[0], '-keyout', files[1]])
  return ('tls { certificates { '
          f'chain_file: "{files[0]}" key_file: "{files[1]}" }} }}')


def tls_sessions_go_on(bed):
  """A ticket that one unit gave resumes on the other; neither configuration has
  a secret, so the partner's was given, and is kept over a restart."""
  bed.start_nginx([80])
  bed.start(l7_service('secure', 443, l7=certificate(bed)), **L7_ON)

  def s_client(version, *flags):
    return bed.client.run(
        ['sh', '-c', r'printf "GET / HTTP/1.0\r\n\r\n" | timeout 10 openssl '
         f's_client -connect {network.VIP}:443 -servername a.example {version} '
         '-ign_eof ' + ' '.join(flags) + ' 2>&1'], check_status=False)

  saved = {version: os.path.join(bed.folder, f'session{version}')
           for version in ('-tls1_2', '-tls1_3')}
  for version, path in saved.items():
    text = s_client(version, '-sess_out', path)
    check('\nNew, TLSv1' in text and '200 OK' in text, f's_client: {text}')
  def resume(what):
    for version, path in saved.items():
      text = s_client(version, '-sess_in', path)
      check('\nReused, TLSv1' in text, f'{what}, {version}: {text}')
  resume('at First')
  bed.units[0].kill()
  eventually(lambda: bed.units[1].role() == 'active', 'Second takes over', 20)
  resume('at Second')
  # Second's secret is First's for good.
  bed.units[0].start(bed.units[0].written())
  bed.await_pair(1)
  bed.units[1].kill()
  eventually(lambda: bed.units[0].role() == 'active', 'First takes over', 20)
  bed.units[1].start(bed.units[1].written())
  bed.await_pair(0)
  switch_over(bed, 0)
  resume('at Second, anew')
  secrets = []
  for unit in bed.units:
    with open(os.path.join(unit.folder, 'state/l7_secret'), 'rb') as file:
      secrets.append(file.read())
  check_equal(secrets[0], secrets[1], 'what each keeps')
  for unit in bed.units:
    check(secrets[0].hex() not in unit.log().lower(), 'the secret is logged')


# -- Everything at once --------------------------------------------------------


def two_dozen_services(bed):
  """HTTP, HTTPS, streams, and layer 4's TCP and UDP, on two addresses in one
  process, before, after and after a second failover; TCP sessions of layer 4
  survive both."""
  bed.start_nginx([80])
  for server in bed.servers:
    serve_udp(server)
  tls = certificate(bed)
  config = pair.services()  # Two, for the sessions.
  asks = []
  def http_ask(port, family, scheme='http'):
    return lambda: server_of(bed.curl('-k', url(port, '/', family, scheme)))
  for family in (4, 6):
    def four(name, port, to, protocol, family=family):
      return network.service(
          name, network.VIPS[family], port,
          [network.real_server(network.server_address(number, family), port=to)
           for number in SERVERS], protocol=protocol)
    for i in range(3):
      config += l7_service(f'http{i}v{family}', 8000 + i, family)
      asks.append((f'HTTP {i} IPv{family}', http_ask(8000 + i, family)))
    for i in range(2):
      config += l7_service(f'https{i}v{family}', 8400 + i, family, l7=tls)
      asks.append((f'HTTPS {i} IPv{family}',
                   http_ask(8400 + i, family, 'https')))
      config += l7_service(f'stream{i}v{family}', 2500 + i, family,
                           l7='type: GENERIC')
      asks.append((f'stream {i} IPv{family}', http_ask(2500 + i, family)))
      config += four(f'tcp{i}v{family}', 9000 + i, 80, 'TCP')
      asks.append((f'TCP {i} IPv{family}', http_ask(9000 + i, family)))
      config += four(f'udp{i}v{family}', 5300 + i, UDP_PORT, 'UDP')
      asks.append((f'UDP {i} IPv{family}',
                   lambda family=family, i=i: ask_udp(bed, family, 5300 + i)))
  check_equal(config.count('virtual_services {'), 24, 'virtual services')
  bed.start(config, **L7_ON)

  def all_answer(when):
    for what, ask in asks:
      try:
        servers = {ask() for _ in range(3)}
      except Exception as error:
        raise network.Failure(f'{what}, {when}: {error}') from error
      check_equal(servers, set(SERVERS), f'{what}, {when}: servers')
  watched = pair.watch(bed)
  all_answer('before')
  for turn in range(2):
    active, other = bed.units[turn], bed.units[1 - turn]
    watched.window(f'{active.name} is killed')
    active.kill()
    eventually(lambda: other.role() == 'active', f'{other.name} takes over', 20)
    watched.await_bytes(50_000)
    all_answer(f'{active.name} killed')
    active.start(active.written())
    bed.await_pair(other.index)
  all_answer('after all')
  pair.check_nothing_lost(watched)


if __name__ == '__main__':
  pair.main(entries_follow_their_clients, entries_stay_where_updates_are_off,
            tls_sessions_go_on, two_dozen_services)
