#!/usr/bin/python3 -B
"""Load through ballastd while everything about it changes.

    ./bazelw run //lb/interop:soak                   ten minutes
    ./bazelw run //lb/interop:soak -- --seconds=60

Load     clients that check every answer: HTTP with 1 to 60 requests a
         connection, NAT and direct return, IPv4 and IPv6; and UDP.
Changes  a reload every second: weights, schedules, order; services and servers
         without load come and go. In every cycle server 2 is drained and comes
         back, and the process of server 3 is killed (SIGKILL) and started
         again. A run shorter than 80 s has cycles of 25 s, in which that server
         is back before its check has failed.
Verdict  no request fails but those on connections that the killed process had.
         With direct return its host refuses connections where the director
         does not see it, until the check does: those are counted apart. A
         drained server gets no new connection; both servers are used again
         afterwards; every request is in a server's log, and what is in a log
         was answered; ballastd's memory is flat. nginx logs a request after
         its answer is on the way: of those that a kill came between, at most
         one each time, the log knows nothing.
"""

import argparse
import collections
import random
import select
import socket
import sys
import threading
import time

import network
from network import check, check_equal

# Seconds: of a cycle; from when to when in it the server is away.
CYCLE_LONG = (40, 24)
CYCLE_SHORT = (25, 12)
DRAIN = (2, 6)
KILL = 8
# After this long the checks have found it dead (retry_count * timeout_s after
# one that comes every interval_s), or alive.
CHECKED = 14
DRAINED = 2
KILLED = 3
WORKERS = 8
THINK = 0.001
UDP_PORT = 5353
# What a client waits for an answer, and for a connection: a SYN that was lost
# is sent again after 1 and 3 seconds.
ANSWER_TIMEOUT = 5
CONNECT_TIMEOUT = 8
# {service: (family, port, forward)}; those of IPv6 always use every server.
TARGETS = {
    'nat4': (4, 80, 'NAT'),
    'nat6': (6, 80, 'NAT'),
    'route4': (4, 81, 'ROUTE'),
    'route6': (6, 81, 'ROUTE'),
}
SHARING = ('RR', 'WRR', 'LC', 'WLC')
# Well above the flows of two minutes, after which closed ones are forgotten.
CONNECTIONS_MAX = 65536
# Growth that still is flat, from when the load runs to the end.
FLAT_KB = 2048


class Tally:
  """What the clients saw; shared by their threads."""

  def __init__(self):
    self._lock = threading.Lock()
    self.good = 0
    self._answered = []  # (path, server, when) since take_answered().
    self.kills = []      # When each began and was done.
    self.datagrams = 0
    self.connections = 0
    self.slowest = 0.0
    self.failed = []  # Of the load balancer.
    self.killed = 0   # With the killed process.
    self.refused = 0  # By its host, direct return.
    self.kill_begun = None
    self.kill_done = None
    self.down_seen = True  # The check knows what the killed process is.

  def request(self, path, server, began):
    now = time.monotonic()
    with self._lock:
      self.good += 1
      self._answered.append((path, server, now))
      self.slowest = max(self.slowest, now - began)

  def take_answered(self):
    with self._lock:
      answered, self._answered = self._answered, []
    return answered

  def connected(self):
    with self._lock:
      self.connections += 1

  def datagram(self):
    with self._lock:
      self.datagrams += 1

  def take_slowest(self):
    with self._lock:
      slowest, self.slowest = self.slowest, 0.0
    return slowest

  def kill(self, process):
    with self._lock:
      self.kill_begun = time.monotonic()
      self.kill_done = float('inf')
      self.down_seen = False
    process.kill()
    process.wait()
    with self._lock:
      self.kill_done = time.monotonic()
      self.kills.append((self.kill_begun, self.kill_done))

  def failure(self, target, server, begun, error):
    """A request failed on a connection to `server` (None: not known) that was
    begun then."""
    now = time.monotonic()
    with self._lock:
      at = self.kill_begun
      if (at is not None and begun <= self.kill_done
          and now - at < ANSWER_TIMEOUT + 1 and server in (None, KILLED)):
        self.killed += 1
      elif (isinstance(error, ConnectionRefusedError) and not self.down_seen
            and TARGETS[target][2] == 'ROUTE'):
        self.refused += 1
      else:
        since = 'no kill' if at is None else f'{now - at:.2f} s after the kill'
        self.failed.append(f'{target} server {server}, {since}, connection of '
                           f'{now - begun:.2f} s: {error!r}')


class HttpClient:
  """Connection after connection, request after request."""

  def __init__(self, bed, tally, seed, stopping):
    self._bed = bed
    self._tally = tally
    self._random = random.Random(seed)
    self._seed = seed
    self._stopping = stopping
    self._serial = 0

  def run(self):
    names = list(TARGETS)
    while not self._stopping.is_set():
      self._connection(self._random.choice(names))

  def _connection(self, target):
    family, port, _ = TARGETS[target]
    server = None
    begun = time.monotonic()
    connection = None
    try:
      connection = self._bed.client.connect((network.VIPS[family], port),
                                            CONNECT_TIMEOUT)
      connection.settimeout(ANSWER_TIMEOUT)
      self._tally.connected()
      for _ in range(self._random.randint(1, 60)):
        server = self._request(connection, server)
        if self._stopping.is_set():
          break
        time.sleep(THINK)
    except (OSError, network.Failure) as error:
      self._tally.failure(target, server, begun, error)
    finally:
      if connection is not None:
        connection.close()

  def _request(self, connection, server):
    self._serial += 1
    path = f'/{self._seed}/{self._serial}'
    began = time.monotonic()
    connection.sendall(f'GET {path} HTTP/1.1\r\nHost: v\r\n\r\n'.encode())
    text = b''
    while not text.endswith(f' {path}\n'.encode()):
      data = connection.recv(4096)
      check(data, f'connection ended after {text!r}')
      text += data
    head, _, body = text.decode().partition('\r\n\r\n')
    check(head.startswith('HTTP/1.1 200 '), f'answer {head!r}')
    words = body.split()
    number = int(words[1])
    check(server in (None, number),
          f'server {number} answers on a connection to server {server}')
    self._tally.request(path, number, began)
    return number


def udp_client(bed, tally, stopping, served):
  """Four flows at a time, of a few hundred datagrams each; `served` are the
  last ones that the servers had."""
  serial = 0
  while not stopping.is_set():
    flows = [bed.client.socket(socket.SOCK_DGRAM,
                               family=socket.AF_INET if index % 2 == 0
                               else socket.AF_INET6) for index in range(4)]
    for index, flow in enumerate(flows):
      flow.settimeout(2)
      flow.connect((network.VIPS[4 if index % 2 == 0 else 6], UDP_PORT))
    index_of = {flow: f'{index} from {flow.getsockname()[:2]}'
                for index, flow in enumerate(flows)}
    for _ in range(300):
      for flow in flows:
        serial += 1
        try:
          flow.send(b'%d' % serial)
          answer = flow.recv(100)
          check(answer == b'%d' % serial, f'UDP {serial}: answer {answer}')
          tally.datagram()
        except (OSError, network.Failure) as error:
          where = 'served' if b'%d' % serial in list(served) else 'not served'
          tally.failed.append(f'UDP flow {index_of[flow]} datagram {serial}, '
                              f'{where}: {error!r}')
      if stopping.wait(0.01):
        break
    for flow in flows:
      flow.close()


def echo_server(sockets, stopping, served):
  while not stopping.is_set():
    for ready in select.select(sockets, [], [], 0.2)[0]:
      data, client = ready.recvfrom(2048)
      served.append(data)
      ready.sendto(data, client)


def configuration(generator, serial, drained):
  """A configuration like the last one in all that carries load."""
  blocks = [f'limits {{ connections: {CONNECTIONS_MAX} }}\n'
            'health { interval_s: 9 timeout_s: 4 retry_count: 2 }\n']
  if serial % 3 == 1:
    blocks.append(network.service(
        'passing', '10.1.0.120', 8000 + serial % 7,
        [network.real_server(network.server_address(1))], check='CONNECT'))
  order = [1, 2, 3]
  generator.shuffle(order)
  for name, (family, port, forward) in TARGETS.items():
    servers = [
        network.real_server(
            network.server_address(number, family), port=port, forward=forward,
            weight=generator.choice((500, 1000, 2000)),
            state='DRAINING' if drained and number == DRAINED else 'ENABLED')
        for number in order
    ]
    if serial % 2 == 1:  # Nobody has the address, and nothing is sent there.
      servers.insert(generator.randint(0, 3), network.real_server(
          network.server_address(60 + serial % 5, family), port=port,
          forward=forward, weight=0))
    fields = {'schedule': generator.choice(SHARING)}
    if family == 4 and serial % 4 == 3:
      fields = generator.choice((
          {'schedule': 'FIXED'}, {'schedule': 'SH', 'fill': 'LOADMASTER'},
          {'schedule': 'SH', 'fill': 'EVEN'},
          {'schedule': 'SH', 'fill': 'MAGLEV'}))
    blocks.append(network.service(name, network.VIPS[family], port, servers,
                                  check='CONNECT', **fields))
  for family in (4, 6):
    servers = [network.real_server(network.server_address(number, family))
               for number in order]
    blocks.append(network.service(
        f'udp{family}', network.VIPS[family], UDP_PORT, servers, protocol='UDP',
        schedule=generator.choice(SHARING), check='ICMP'))
  generator.shuffle(blocks)
  return ''.join(blocks)


class Logs:
  """New connections that the servers logged, and how the requests they logged
  and those that were answered differ."""

  def __init__(self, bed, tally):
    self._bed = bed
    self._tally = tally
    self.connections = collections.Counter()
    self.unanswered = {}  # {path: server}: logged, no client had the answer.
    self.unlogged = {}    # {path: (server, when answered)}

  def read(self):
    # In this order an answer is seldom here before its line.
    for path, server, when in self._tally.take_answered():
      self.unlogged[path] = (server, when)
    for number, lines in self._bed.requests().items():
      self.connections[number] += sum(line[1] == '1' for line in lines)
      for line in lines:
        self.unanswered[line[5]] = number
    for path in self.unlogged.keys() & self.unanswered.keys():
      check_equal(self.unanswered.pop(path), self.unlogged.pop(path)[0],
                  f'{path}: server in whose log it is')


class Soak:
  """One run; raises network.Failure for the first thing that is wrong."""

  def __init__(self, bed, seconds):
    self._bed = bed
    self._seconds = seconds
    self._cycle, self._back = CYCLE_LONG if seconds >= 80 else CYCLE_SHORT
    self._tally = Tally()
    self._logs = Logs(bed, self._tally)
    self._generator = random.Random(20260101)
    self._stopping = threading.Event()
    self._reloads = 0
    self._resident = []  # (second, KB)
    self._mark = None    # Connections of DRAINED when its drain had begun.
    self._used = None    # Connections of both when they should serve again.

  def run(self):
    bed = self._bed
    bed.start_nginx([80, 81])
    sockets = [server.namespace.socket(socket.SOCK_DGRAM, (address, UDP_PORT))
               for server in bed.servers
               for address in (server.address(4), server.address(6))]
    bed.start_ballastd(configuration(self._generator, 0, False))
    eventually_up(bed.ballastd)
    served = collections.deque(maxlen=4096)
    bodies = [HttpClient(bed, self._tally, seed, self._stopping).run
              for seed in range(WORKERS)]
    bodies.append(lambda: udp_client(bed, self._tally, self._stopping,
                                     served))
    workers = [network.Worker(body) for body in bodies]
    echo_ends = threading.Event()
    echo = network.Worker(lambda: echo_server(sockets, echo_ends, served))
    for worker in [echo] + workers:
      worker.start()
    began = time.monotonic()
    try:
      for second in range(self._seconds):
        pause = began + second - time.monotonic()
        if pause > 0:
          time.sleep(pause)
        self._second(second)
    finally:
      self._stopping.set()
    for worker in workers:
      worker.join(20)
    echo_ends.set()
    echo.join(20)
    self._verdict()

  def _second(self, second):
    phase = second % self._cycle
    server = self._bed.servers[KILLED - 1]
    if phase == KILL and second - phase + self._cycle <= self._seconds:
      self._tally.kill(server.nginx)
    elif phase == KILL + CHECKED and phase < self._back:
      if server.nginx.poll() is not None:
        self._check_up(KILLED, False)
        self._tally.down_seen = True
    elif phase == self._back and server.nginx.poll() is not None:
      server.start_nginx([80, 81])
    drained = DRAIN[0] <= phase < DRAIN[1]
    self._reloads += 1
    self._bed.reload(configuration(self._generator, self._reloads, drained))
    self._logs.read()
    self._resident.append((second, self._bed.ballastd.resident_kb()))
    self._check_drain(phase)
    self._check_use(phase)
    if second % 10 == 9 or second == self._seconds - 1:
      self._line(second + 1)
    check(not self._tally.failed, '\n'.join(self._tally.failed[:20]))

  def _check_drain(self, phase):
    """Nothing new a second after the drain began, to its end."""
    count = self._logs.connections[DRAINED]
    if phase == DRAIN[0] + 1:
      self._mark = count
    elif DRAIN[0] + 1 < phase < DRAIN[1] and self._mark is not None:
      check(count == self._mark,
            f'{count - self._mark} new connections to a draining server')

  def _check_use(self, phase):
    if phase == self._cycle - 2:
      self._check_up(DRAINED, True)
      self._check_up(KILLED, True)
      self._tally.down_seen = True
      self._used = dict(self._logs.connections)
    elif phase == self._cycle - 1 and self._used is not None:
      for number in (1, 2, 3):
        check(self._logs.connections[number] > self._used.get(number, 0),
              f'no new connection to server {number} in a second')

  def _check_up(self, number, up):
    statistics = self._bed.ballastd.statistics()
    for name, (family, _, _) in TARGETS.items():
      server = statistics[name][network.server_address(number, family)]
      check(server['up'] == up,
            f'{name}: server {number} is {"up" if server["up"] else "down"}: '
            f'{server["reason"]}')

  def _line(self, second):
    tally = self._tally
    print(f'{second:4d} s: {tally.good} requests, {tally.connections} '
          f'connections, {tally.datagrams} datagrams, failed '
          f'{len(tally.failed)}, with the killed {tally.killed}, refused by its '
          f'host {tally.refused}, slowest {tally.take_slowest() * 1000:.0f} ms, '
          f'{self._reloads} reloads, RSS {self._resident[-1][1]} KB', flush=True)

  def _check_logs(self):
    """Every request that was answered is in that server's log, and the other
    way round; but for what the kills cut short."""
    tally = self._tally

    def lost_with(kill):
      """Answered by the killed server as it died: nginx, one process that does
      one thing at a time, sends an answer first and logs it then."""
      return [path for path, (server, when) in self._logs.unlogged.items()
              if server == KILLED and kill[0] - 1 < when < kill[1] + 1]

    def logged():
      self._logs.read()
      lost = [lost_with(kill) for kill in tally.kills]
      return (all(len(paths) <= 1 for paths in lost)
              and sum(map(len, lost)) == len(self._logs.unlogged))
    network.eventually(
        logged, lambda: f'{tally.good} requests answered, not logged but for '
        f'one in each of the kills at {tally.kills}: {self._logs.unlogged}')
    if self._logs.unlogged:
      print(f'not logged: {self._logs.unlogged}; kills: {tally.kills}')
    unanswered = self._logs.unanswered
    check(len(unanswered) <= tally.killed
          and set(unanswered.values()) <= {KILLED},
          f'served and not answered: {unanswered}; {tally.killed} went with '
          'the killed server')

  def _verdict(self):
    tally = self._tally
    check(not tally.failed, '\n'.join(tally.failed[:20]))

    self._check_logs()
    check(tally.good > 100 * self._seconds,
          f'only {tally.good} requests in {self._seconds} s')
    for name, servers in self._bed.ballastd.statistics().items():
      for address, numbers in servers.items():
        check(numbers['active'] == 0 or name.startswith('udp') or
              address == network.server_address(KILLED, 4) or
              address == network.server_address(KILLED, 6),
              f'{name} {address}: {numbers["active"]} active connections, all '
              'are closed')
    settled = min(self._seconds // 3, 150)
    before = max(kb for second, kb in self._resident if second <= settled)
    after = max(kb for _, kb in self._resident)
    check(after - before <= FLAT_KB,
          f'memory: {before} KB until second {settled}, {after} KB after')
    check('another host' not in self._bed.ballastd.log(),
          'a server with the virtual address on its loopback is no conflict')
    self._bed.ballastd.stop()
    print(f'verdict: good: {tally.good} requests on {tally.connections} '
          f'connections and {tally.datagrams} datagrams, none failed; '
          f'{tally.killed} went with the killed server, {tally.refused} '
          f'refused by its host; {self._reloads} reloads; RSS {before} KB in '
          f'the first {settled} s, {after} KB at most', flush=True)


def eventually_up(ballastd):
  def up():
    return all(numbers['up'] for servers in ballastd.statistics().values()
               for numbers in servers.values())
  network.eventually(up, 'every server is up', 20, 0.2)


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--seconds', type=int, default=600)
  options = parser.parse_args(sys.argv[1:])

  def soak(bed):
    Soak(bed, options.seconds).run()
  network.main(soak)


if __name__ == '__main__':
  main()
