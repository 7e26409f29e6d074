#!/usr/bin/python3 -B
"""Two packet threads under least connections, NAT and direct return, IPv4 and
IPv6, with traffic of one client and of many: no request fails, every connection
is counted once, open ones are spread evenly over the servers although each
thread sees only its own clients, and both threads work.
"""

import collections
import glob
import re
import socket
import struct
import time

import network
from network import check, check_equal, eventually

CLIENTS = 60
ROUNDS = 5
ECHOES = 5
# Connections apart in time by more than the threads take to hear of each other.
PAUSE = 0.01
PORTS = {'NAT': 8000, 'ROUTE': 8001}
CASES = [(forward, family) for forward in PORTS for family in (4, 6)]


def client_address(family, number):
  return f'10.1.0.{150 + number}' if family == 4 else f'2001:db8:1::1:{number}'


def services():
  blocks = ['threads: 2\n']
  for forward, family in CASES:
    fields = {'forward': forward} if forward != 'NAT' else {}
    blocks.append(network.service(
        f'{forward}-{family}', network.VIPS[family], PORTS[forward],
        [network.real_server(network.server_address(number, family), **fields)
         for number in (1, 2, 3)], schedule='LC'))
  return ''.join(blocks)


class Tally:
  """What was begun, and what the servers and the director counted."""

  def __init__(self, bed):
    self.bed = bed
    self.requests = collections.Counter()  # Made, by (forward, family).
    self._seen = collections.Counter()     # By (forward, family, server).
    self._seen_connections = set()

  def read_servers(self):
    for number, lines in self.bed.requests().items():
      for connection, _, peer, _, _, uri in lines:
        family = 6 if ':' in peer else 4
        forward = uri.split('/')[1]
        self._seen[forward, family, number] += 1
        self._seen_connections.add((forward, family, number, connection))

  def requests_seen(self):
    self.read_servers()
    total = collections.Counter()
    for (forward, family, _), count in self._seen.items():
      total[forward, family] += count
    return total

  def connections_seen(self):
    """Those that carried a request, by (forward, family, server)."""
    return collections.Counter(key[:3] for key in self._seen_connections)


def ask(connection, path):
  """One request; the number of the server that answered."""
  connection.sendall(b'GET /%s/ HTTP/1.1\r\nHost: vip\r\n\r\n' % path.encode())
  text = b''
  while not text.endswith(b'/\n'):
    data = connection.recv(4096)
    check(data, f'connection ended after {text!r}')
    text += data
  return int(re.search(rb'\nserver (\d) ', text).group(1))


def short_connections(bed, tally, forward, family, clients):
  for _ in range(ROUNDS):
    for client in clients:
      source = (client_address(family, client), 0)
      with bed.client.connect((network.VIPS[family], PORTS[forward]),
                              source=source) as connection:
        ask(connection, forward)
      tally.requests[forward, family] += 1


def open_connections(bed, tally, forward, family):
  """Of many clients, evenly spread; what then leaves a server, one client, of
  one thread, brings back there, whichever thread the others are on.
  """
  held = {1: [], 2: [], 3: []}

  def begin(client):
    connection = bed.client.connect((network.VIPS[family], PORTS[forward]),
                                    source=(client_address(family, client), 0))
    held[ask(connection, forward)].append(connection)
    tally.requests[forward, family] += 1
    time.sleep(PAUSE)

  def check_even(what):
    counts = [len(connections) for connections in held.values()]
    # Equal, were all heard of at once.
    check(max(counts) - min(counts) <= 2,
          f'{forward} IPv{family}: {what}: {counts}')

  for client in range(CLIENTS):
    begin(client)
  check_even('open connections')
  left = held[2]
  held[2] = []
  for connection in left:
    connection.close()
  time.sleep(0.1)
  for _ in left:
    begin(0)
  check_even('open connections after a server lost its own')
  for connections in held.values():
    for connection in connections:
      connection.close()


def settled(count, pause=0.3):
  """count() once it changes no more: servers are done with what wrk left."""
  last = None
  while (now := count()) != last:
    last = now
    time.sleep(pause)
  return last


def wrk(bed, tally, forward, family, *flags):
  """A second; every request answered."""
  url = (f'http://{network.in_url(network.VIPS[family])}:{PORTS[forward]}'
         f'/{forward}/')
  before = tally.requests_seen()[forward, family]
  text = bed.client.run(['wrk', '-t1', '-c12', '-d1s', *flags, url])
  check('Socket errors' not in text and 'Non-2xx' not in text,
        f'{forward} IPv{family}: wrk:\n{text}')
  requests = int(re.search(r'(\d+) requests in', text).group(1))
  seen = settled(lambda: tally.requests_seen()[forward, family]) - before
  # Requests that wrk left unanswered when its time was up.
  check(requests <= seen <= requests + 12,
        f'{forward} IPv{family}: wrk says {requests}, servers {seen}')
  tally.requests[forward, family] += seen
  what = ' '.join(('wrk',) + flags)
  print(f'{forward} IPv{family}: {what}: {requests} requests', flush=True)


def thread_times(bed):
  """{thread: CPU time in ns} but for the control thread."""
  process = bed.ballastd.process.pid
  times = {}
  for path in glob.glob(f'/proc/{process}/task/*/schedstat'):
    thread = int(path.split('/')[4])
    if thread != process:
      with open(path, encoding='ascii') as file:
        times[thread] = int(file.read().split()[0])
  return times


def shares(bed, traffic):
  """Of the packet threads in the CPU time that `traffic()` cost, sorted."""
  before = thread_times(bed)
  traffic()
  after = thread_times(bed)
  spent = sorted(after[thread] - before[thread] for thread in before)
  return [round(time / sum(spent), 2) for time in spent]


def check_totals(bed, tally, unused=0):
  """`unused`: connections per server that may have ended without a request."""
  eventually(lambda: tally.requests_seen() == tally.requests,
             lambda: f'{dict(tally.requests)} requests at the servers: '
             f'{dict(tally.requests_seen())}')
  statistics = bed.ballastd.statistics()
  seen = tally.connections_seen()
  for forward, family in CASES:
    for number in (1, 2, 3):
      said = statistics[f'{forward}-{family}'][
          network.server_address(number, family)]
      wanted = seen[forward, family, number]
      check(wanted <= said['connections'] <= wanted + unused,
            f'{forward} IPv{family} server {number}: {said["connections"]} '
            f'connections by ballastd, {wanted} at the server')


def echo(bed):
  """Answered by whichever thread. Not by ping's count: with an answer to one
  request it waits for the last one no longer than its interval, 2 ms here.
  """
  bed.client.sysctl('net/ipv4/ping_group_range', '0 0')
  for family, address in network.VIPS.items():
    for client in range(8):
      answered = echoes(bed, family, client_address(family, client), address)
      check_equal(answered, ECHOES, f'echoes from {address} to client {client}')


def echoes(bed, family, source, address):
  """How many of ECHOES requests are answered, in 5 seconds."""
  kinds = {4: (socket.AF_INET, socket.IPPROTO_ICMP, 8, 0),
           6: (socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129)}
  domain, protocol, request, reply = kinds[family]
  with bed.client.entered():
    asking = socket.socket(domain, socket.SOCK_DGRAM, protocol)
  with asking:
    asking.bind((source, 0))
    asking.connect((address, 0))
    asking.settimeout(5)
    for number in range(ECHOES):
      asking.send(struct.pack('!BBHHH', request, 0, 0, 0, number))
    seen = set()
    try:
      while len(seen) < ECHOES:
        kind, *_, number = struct.unpack('!BBHHH', asking.recv(100))
        if kind == reply:
          seen.add(number)
    except socket.timeout:
      pass
    return len(seen)


def two_threads(bed):
  for client in range(CLIENTS):
    bed.client.ip(f'addr add {client_address(4, client)}/24 dev eth0',
                  f'addr add {client_address(6, client)}/64 dev eth0 nodad')
  bed.start_nginx(list(PORTS.values()))
  bed.start_ballastd(services())
  check_equal(len(thread_times(bed)), 2, 'packet threads')
  tally = Tally(bed)
  for forward, family in CASES:
    one = shares(bed, lambda: short_connections(bed, tally, forward, family,
                                                [0] * CLIENTS))
    many = shares(bed, lambda: short_connections(bed, tally, forward, family,
                                                 range(CLIENTS)))
    print(f'{forward} IPv{family}: shares of the threads: one client {one}, '
          f'many {many}', flush=True)
    check(one[0] < 0.15, 'a client is the business of one thread')
    check(many[0] > 0.15, 'clients are shared by the threads')
    open_connections(bed, tally, forward, family)
    check_totals(bed, tally)
  for forward, family in CASES:
    wrk(bed, tally, forward, family)
  wrk(bed, tally, 'NAT', 4, '-H', 'Connection: close')
  # wrk ends with connections that had no time to ask.
  check_totals(bed, tally, 12)
  echo(bed)
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(two_threads)
