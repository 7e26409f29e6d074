#!/usr/bin/python3 -B
"""curl, wrk and UDP clients through ballastd: every schedule, NAT and direct
return, IPv4 and IPv6. Counts are read at the servers; the expected ones follow
from the rule of the schedule.

One ballastd serves all: from schedule to schedule it is reloaded.
"""

import collections
import math
import re
import select
import socket
import threading
import time

import network
from network import check, check_equal

WEIGHTS = {1: 1000, 2: 2000, 3: 3000}
# Given, so that source hash places the same clients alike in every run.
HASH_KEY = '000102030405060708090a0b0c0d0e0f'
FLOWS = 24
HASH_CLIENTS = 60

# The share of each server among 24 flows.
EVEN = {1: 8, 2: 8, 3: 8}
WEIGHTED = {1: 4, 2: 8, 3: 12}
SCHEDULES = {
    'RR': EVEN,
    'WRR': WEIGHTED,
    'FIXED': {3: 24},
    # Of flows that stay open.
    'LC': EVEN,
    'WLC': WEIGHTED,
}
# Of the 4096 slots. LOADMASTER: runs as long as the weights: 1000, 2000 and
# what is left; the others: in proportion.
FILLS = {
    'LOADMASTER': {1: 1000 / 4096, 2: 2000 / 4096, 3: 1096 / 4096},
    'EVEN': {1: 1 / 6, 2: 2 / 6, 3: 3 / 6},
    'MAGLEV': {1: 1 / 6, 2: 2 / 6, 3: 3 / 6},
}
FORWARDS = ('NAT', 'ROUTE')
FAMILIES = (4, 6)
METHODS = list(SCHEDULES) + list(FILLS)


def port_of(method, forward):
  """Every case has a service of its own."""
  return 8000 + 2 * METHODS.index(method) + FORWARDS.index(forward)


def services(method):
  """For both protocols, both ways to forward, both families."""
  blocks = [f'hash_key: "{HASH_KEY}"\n']
  fields = ({'schedule': method} if method in SCHEDULES
            else {'schedule': 'SH', 'fill': method})
  for forward in FORWARDS:
    port = port_of(method, forward)
    for family in FAMILIES:
      servers = [
          network.real_server(network.server_address(number, family),
                              weight=weight, forward=forward, port=port)
          for number, weight in WEIGHTS.items()
      ]
      for protocol in ('TCP', 'UDP'):
        blocks.append(network.service(
            f'{protocol}-{forward}-{family}', network.VIPS[family], port,
            servers, protocol=protocol, **fields))
  return ''.join(blocks)


class UdpEcho(threading.Thread):
  """Answers datagrams with the server's number, from the address they were sent
  to; counts them."""

  def __init__(self, servers):
    super().__init__(daemon=True)
    self._lock = threading.Lock()
    self._seen = collections.Counter()
    self._poll = select.epoll()
    self._sockets = {}
    for server in servers:
      for method in METHODS:
        for forward in FORWARDS:
          for family in FAMILIES:
            address = (server.address(family) if forward == 'NAT'
                       else network.VIPS[family])
            made = server.namespace.socket(socket.SOCK_DGRAM,
                                           (address, port_of(method, forward)))
            self._sockets[made.fileno()] = (server.number, made)
            self._poll.register(made.fileno(), select.EPOLLIN)

  def run(self):
    while True:
      for fd, _ in self._poll.poll():
        number, ready = self._sockets[fd]
        data, client = ready.recvfrom(2048)
        with self._lock:
          self._seen[number] += 1
        ready.sendto(b'%d %s' % (number, data), client)

  def counts(self, _):
    """{server: datagrams} since the last call."""
    with self._lock:
      seen, self._seen = self._seen, collections.Counter()
    return dict(seen)


def tcp_counts(bed, total):
  """{server: requests} since the last call; nginx logs after it has answered,
  so it waits for `total` of them."""
  seen = collections.Counter()

  def complete():
    for number, lines in bed.requests().items():
      seen[number] += len(lines)
    return sum(seen.values()) >= total
  network.eventually(complete, lambda: f'{total} requests at the servers, now '
                     f'{dict(seen)}')
  return {number: count for number, count in seen.items() if count}


class Case:
  """One service: method, way to forward, family."""

  def __init__(self, bed, echo, method, forward, family):
    self.bed = bed
    self.echo = echo
    self.method = method
    self.forward = forward
    self.family = family
    self.target = (network.VIPS[family], port_of(method, forward))
    self.url = f'http://{network.in_url(self.target[0])}:{self.target[1]}/'
    self.name = f'{method} {forward} IPv{family}'

  def _server_in(self, text):
    """The number in nginx's answer, checked to have been asked for as it must."""
    match = re.search(r'^server (\d) (\S+) /', text, re.MULTILINE)
    check(match, f'{self.name}: no answer in {text!r}')
    number = int(match.group(1))
    check_equal(match.group(2),
                network.server_address(number, self.family)
                if self.forward == 'NAT' else self.target[0],
                f'{self.name}: the address server {number} was asked at')
    return number

  def curl(self, flows):
    """One connection after the other; {server: answers}."""
    text = self.bed.curl('-H', 'Connection: close', *([self.url] * flows))
    lines = text.splitlines()
    check_equal(len(lines), flows, f'{self.name}: answers to curl')
    return collections.Counter(self._server_in(line) for line in lines)

  def open(self, source=None):
    """A connection with one exchange on it: (socket, server)."""
    connection = self.bed.client.connect(self.target, source=source)
    connection.sendall(b'GET / HTTP/1.1\r\nHost: vip\r\n\r\n')
    text = b''
    while not text.endswith(b' /\n'):
      data = connection.recv(4096)
      check(data, f'{self.name}: connection ended after {text!r}')
      text += data
    return connection, self._server_in(text.decode())

  def exchange(self, source=None):
    """A UDP flow with one exchange on it: (socket, server)."""
    kind = socket.AF_INET if self.family == 4 else socket.AF_INET6
    flow = self.bed.client.socket(socket.SOCK_DGRAM, source, kind)
    flow.settimeout(5)
    flow.sendto(b'hello', self.target)
    answer, peer = flow.recvfrom(2048)
    check_equal((peer[0], peer[1]), self.target, f'{self.name}: UDP peer')
    number, word = answer.split()
    check_equal(word, b'hello', f'{self.name}: UDP echo')
    return flow, int(number)


def count_at_servers(case, answered, counts, protocol):
  check_equal(counts(sum(answered.values())), dict(answered),
              f'{case.name}: {protocol} counts at the servers')


def schedule_case(case):
  wanted = SCHEDULES[case.method]
  for protocol, begin, counts in (
      ('TCP', case.open, lambda total: tcp_counts(case.bed, total)),
      ('UDP', case.exchange, case.echo.counts)):
    flows = [begin() for _ in range(FLOWS)]
    answered = collections.Counter(server for _, server in flows)
    for flow, _ in flows:
      flow.close()
    count_at_servers(case, answered, counts, protocol)
    check_equal(dict(answered), wanted, f'{case.name}: {protocol} flows')
  answered = case.curl(FLOWS)
  count_at_servers(case, answered,
                   lambda total: tcp_counts(case.bed, total), 'curl')
  if case.method not in ('LC', 'WLC'):
    check_equal(dict(answered), wanted, f'{case.name}: curl')


def client_address(family, number):
  return f'10.1.0.{150 + number}' if family == 4 else f'2001:db8:1::1:{number}'


def hash_case(case):
  """Returns the server of each client."""
  places = {}
  for protocol, begin, counts in (
      ('TCP', case.open, lambda total: tcp_counts(case.bed, total)),
      ('UDP', case.exchange, case.echo.counts)):
    answered = collections.Counter()
    for client in list(range(HASH_CLIENTS)) * 2:
      flow, server = begin((client_address(case.family, client), 0))
      flow.close()
      answered[server] += 1
      place = places.setdefault((protocol, client), server)
      check_equal(server, place, f'{case.name}: {protocol} client {client}, '
                  'server of the second flow')
    count_at_servers(case, answered, counts, protocol)
    for server, share in FILLS[case.method].items():
      clients = answered[server] / 2
      # Four standard deviations of a fair draw.
      margin = 4 * math.sqrt(HASH_CLIENTS * share * (1 - share))
      check(abs(clients - HASH_CLIENTS * share) <= margin,
            f'{case.name}: {protocol}: server {server} has {clients:.0f} of '
            f'{HASH_CLIENTS} clients, must be {HASH_CLIENTS * share:.0f} '
            f'+- {margin:.0f}')
  case.curl(1)
  tcp_counts(case.bed, 1)
  return places


def wrk_case(case):
  """A second of keep-alive connections: no error, none lost or invented."""
  text = case.bed.client.run(['wrk', '-t1', '-c12', '-d1s', case.url])
  check('Socket errors' not in text and 'Non-2xx' not in text,
        f'{case.name}: wrk:\n{text}')
  requests = int(re.search(r'(\d+) requests in', text).group(1))
  time.sleep(0.2)  # What is still being logged.
  seen = tcp_counts(case.bed, requests)
  # Requests that wrk left unanswered when its time was up.
  check(requests <= sum(seen.values()) <= requests + 12,
        f'{case.name}: wrk says {requests}, servers {seen}')
  print(f'{case.name}: wrk {requests} requests in a second, {seen}', flush=True)


def check_statistics(statistics, method):
  """What ballastd counted of the services of one method."""
  for forward in FORWARDS:
    for family in FAMILIES:
      for protocol in ('TCP', 'UDP'):
        name = f'{protocol}-{forward}-{family}'
        servers = statistics[name]
        flows = {number: servers[network.server_address(number, family)]
                 ['connections'] for number in WEIGHTS}
        if protocol == 'UDP':
          wanted = {number: SCHEDULES[method].get(number, 0)
                    for number in WEIGHTS}
          check_equal(flows, wanted, f'{method} {name}: flows by ballastd')
        out = sum(server['packets_out'] for server in servers.values())
        check((out > 0) == (forward == 'NAT'),
              f'{method} {name}: {out} packets back through the director')


def l4_methods(bed):
  for client in range(HASH_CLIENTS):
    bed.client.ip(f'addr add {client_address(4, client)}/24 dev eth0',
                  f'addr add {client_address(6, client)}/64 dev eth0 nodad')
  bed.start_nginx([port_of(method, forward) for method in METHODS
                   for forward in FORWARDS])
  echo = UdpEcho(bed.servers)
  echo.start()
  places = {}
  for method in METHODS:
    if method == METHODS[0]:
      bed.start_ballastd(services(method))
    else:
      bed.reload(services(method))
    for forward in FORWARDS:
      for family in FAMILIES:
        case = Case(bed, echo, method, forward, family)
        if method in SCHEDULES:
          schedule_case(case)
        else:
          places[method, forward, family] = hash_case(case)
        if method == 'RR':
          wrk_case(case)
    if method in SCHEDULES:
      check_statistics(bed.ballastd.statistics(), method)
    print(f'{method}: good', flush=True)
  for family in FAMILIES:
    check_equal(places['LOADMASTER', 'NAT', family],
                places['LOADMASTER', 'ROUTE', family],
                f'IPv{family}: servers of the clients, NAT and direct return')
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(l4_methods)
