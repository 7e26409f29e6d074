#!/usr/bin/python3 -B
"""What does checking thousands of servers cost, next to haproxy?

    ./bazelw run //bench:health
    ./bazelw run //bench:health -- --servers 8000 --windows 5

Method   one network namespace; each server an address of 127.0.0.0/8, where one
         nginx answers all of them. Every subject runs from the start and checks
         every server each 9 seconds; after two of these intervals all are
         measured at once, window by window, so that what the machine does else
         hits all of them. A server that is down, or a check that does not come,
         fails the benchmark.
Subjects ballast  ballastd with one thread; checks run on its control thread
         haproxy  2.6 with one thread
Checks   tcp      connects
         http     HEAD over HTTP/1.0, status 200
         https    the same over TLS, certificates not verified
Numbers  core: user and system time of the process in percent of one core. of
         haproxy: in the same window. checks: by the web server's log, whose
         time of arrival (in ms) also tells how they are spread: the busiest
         10 ms beside the mean.

Needs no root where user namespaces are allowed. Everything it starts ends with
it, also when it is killed.
"""

import argparse
import collections
import os
import resource
import statistics
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../lb/interop')]
# pylint: disable=wrong-import-position
import network
import side_by_side
from network import check, eventually
from side_by_side import median_range

INTERVAL_S = 9
SERVERS_PER_SERVICE = 1000
CHECKS = {'tcp': 'CONNECT', 'http': 'HTTP', 'https': 'HTTPS'}
SUBJECTS = ('ballast', 'haproxy')
# Each subject and check asks on a port of its own.
ASKED = {(subject, kind): 9000 + number for number, (subject, kind) in
         enumerate((s, k) for s in SUBJECTS for k in CHECKS)}

NGINX_CONFIG = """
user root root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  log_format arrival '$server_port $msec $server_addr';
  access_log {folder}/arrivals arrival buffer=64k flush=1s;
  ssl_certificate {folder}/cert.pem;
  ssl_certificate_key {folder}/key.pem;
  server {{
    {listens}
    location / {{ return 200 "ok"; }}
  }}
}}
"""

HAPROXY_CONFIG = """
global
  nbthread 1
  maxconn 1000
  stats socket {folder}/haproxy-{kind}.sock
defaults
  mode http
  timeout connect 4s
  timeout client 4s
  timeout server 4s
  timeout check 4s
"""


def address(number):
  return f'127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}'


class Bed:
  """All subjects and the web server running."""

  def __init__(self, folder, servers, ballastd):
    self._folder = folder
    self._servers = servers
    self._ballastd = ballastd
    self.processes = {}
    self._namespace = network.Namespace('host')
    try:
      # Ends of connections that are gone hold no port.
      self._namespace.sysctl('net/ipv4/tcp_tw_reuse', 1)
      self._namespace.sysctl('net/ipv4/ip_local_port_range', '10000 60999')
      self._start_web_server()
      for subject, kind in ASKED:
        self._start(subject, kind)
    except BaseException:
      self.close()
      raise

  def path(self, name):
    return os.path.join(self._folder, name)

  def _start_web_server(self):
    self._namespace.run([
        'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=bench', '-keyout',
        self.path('key.pem'), '-out', self.path('cert.pem')])
    listens = ' '.join(
        f'listen {port}{" ssl" if kind == "https" else ""} backlog=4096;'
        for (_, kind), port in ASKED.items())
    side_by_side.start_nginx(
        self._namespace, self._folder, 'server',
        NGINX_CONFIG.format(folder=self._folder, listens=listens))

    def answers():
      try:
        self._namespace.connect(('127.0.0.1', min(ASKED.values()))).close()
        return True
      except OSError:
        return False
    eventually(answers, 'the web server listens', 20)

  def _start(self, subject, kind):
    config = self.path(f'{subject}-{kind}.conf')
    with open(config, 'w', encoding='ascii') as file:
      file.write(getattr(self, f'_{subject}_config')(kind))
    command = (['haproxy', '-db', '-f', config] if subject == 'haproxy' else
               self._ballastd + ['--config', config])
    with open(self.path(f'{subject}-{kind}.log'), 'w', encoding='ascii') as log:
      self.processes[subject, kind] = self._namespace.start(
          command, stdout=log, stderr=log)

  def _pools(self):
    for first in range(0, self._servers, SERVERS_PER_SERVICE):
      yield range(first, min(first + SERVERS_PER_SERVICE, self._servers))

  def _ballast_config(self, kind):
    port = ASKED['ballast', kind]
    return 'statistics_period_s: 0\n' + ''.join(
        f'virtual_services {{ address: "127.0.0.1" port: {port + 100 * i} '
        f'health_check {{ type: {CHECKS[kind]} interval_s: {INTERVAL_S} }} '
        'l7 { host_address: true }\n' + ''.join(
            f'real_servers {{ address: "{address(n)}" port: {port} }}\n'
            for n in pool) + '}\n'
        for i, pool in enumerate(self._pools(), 100))

  def _haproxy_config(self, kind):
    port = ASKED['haproxy', kind]
    options = {'tcp': '', 'http': 'option httpchk HEAD /\n',
               'https': 'option httpchk HEAD /\n'}[kind]
    ssl = ' check-ssl verify none' if kind == 'https' else ''
    return HAPROXY_CONFIG.format(folder=self._folder, kind=kind) + ''.join(
        f'backend pool{i}\n{options}' + ''.join(
            f'server s{n} {address(n)}:{port} check inter {INTERVAL_S}s{ssl}\n'
            for n in pool)
        for i, pool in enumerate(self._pools()))

  def arrivals(self, since):
    """Times of each subject's checks that came after it, in ms."""
    times = collections.defaultdict(list)
    by_port = {port: asked for asked, port in ASKED.items()}
    with open(self.path('arrivals'), encoding='ascii') as file:
      for line in file:
        port, when, _ = line.split()
        if float(when) >= since:
          times[by_port[int(port)]].append(round(float(when) * 1000))
    return times

  def expect_all_up(self):
    """No server was ever reported down: neither by us nor by haproxy."""
    for (subject, kind), process in self.processes.items():
      check(process.poll() is None, f'{subject} {kind} has ended')
      with open(self.path(f'{subject}-{kind}.log'), encoding='utf-8') as file:
        text = file.read()
      check(' down: ' not in text and ' is DOWN' not in text,
            f'{subject} {kind}: a server is down:\n{text[-500:]}')

  def last_words(self):
    text = ''
    for name in sorted(os.listdir(self._folder)):
      if name.endswith('.log'):
        with open(self.path(name), encoding='utf-8', errors='replace') as file:
          text += f'{name}: {file.read()[-1000:]}\n'
    return text

  def close(self):
    self._namespace.close()


def busiest(times, width_ms=10):
  """Most checks in one slice, and the mean of a slice."""
  slices = collections.Counter(time_ms // width_ms for time_ms in times)
  count = max(slices) - min(slices) + 1
  return max(slices.values()), len(times) / count


def measure(bed, options):
  windows = {asked: [] for asked in ASKED}
  for number in range(options.windows):
    before = {asked: side_by_side.process_seconds(process.pid)
              for asked, process in bed.processes.items()}
    began = time.monotonic()
    time.sleep(options.seconds)
    passed = time.monotonic() - began
    for asked, process in bed.processes.items():
      used = side_by_side.process_seconds(process.pid) - before[asked]
      windows[asked].append(100 * used / passed)
    print(f'window {number + 1}: ' + ', '.join(
        f'{subject} {kind} {values[-1]:.2f} %'
        for (subject, kind), values in windows.items()), flush=True)
  return windows


def report(windows, arrivals, passed, options):
  print('\n| check | subject | checks a second | percent of a core | of haproxy '
        '| busiest 10 ms | mean 10 ms |\n|---|---|---|---|---|---|---|')
  for kind in CHECKS:
    for subject in SUBJECTS:
      values = windows[subject, kind]
      ratio = '-'
      if subject != 'haproxy':
        ratio = median_range(
            [ours / theirs for ours, theirs in
             zip(values, windows['haproxy', kind]) if theirs > 0] or [0], 2)
      cells = [kind, subject, f'{options.servers / INTERVAL_S:,.0f}',
               median_range(values, 2), ratio, '-', '-']
      if kind != 'tcp':  # The web server does not log these.
        times = arrivals[subject, kind]
        check(len(times) >= 0.8 * options.servers / INTERVAL_S * passed,
              f'{subject} {kind}: {len(times)} checks in {passed:.0f} s')
        most, mean = busiest(times)
        cells[2] = f'{len(times) / passed:,.0f}'
        cells[5:] = [f'{most}', f'{mean:.1f}']
      print('| ' + ' | '.join(cells) + ' |')


def arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--servers', type=int, default=4000)
  parser.add_argument('--windows', type=int, default=3)
  parser.add_argument('--seconds', type=float, default=2 * INTERVAL_S,
                      help='of one window (default 18)')
  parser.add_argument('--ballastd', default='',
                      help='another ballastd, with arguments if need be')
  parser.add_argument('--smoke', action='store_true',
                      help='few servers, one window: does it all run?')
  options = parser.parse_args()
  if options.smoke:
    options.servers, options.windows, options.seconds = 50, 1, INTERVAL_S
  return options


def main():
  options = arguments()
  _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
  resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
  ballastd = options.ballastd.split() or [network.find('examples/ballastd')]

  def checks(bed):
    options.rounds = options.windows
    print(side_by_side.machine(options), flush=True)
    time.sleep(0 if options.smoke else 2 * INTERVAL_S)
    since = time.time()
    began = time.monotonic()
    windows = measure(bed, options)
    passed = time.monotonic() - began
    time.sleep(1.5)  # The log is written each second.
    bed.expect_all_up()
    report(windows, bed.arrivals(since), passed, options)

  network.main(checks, make_bed=lambda folder: Bed(
      folder, options.servers, ballastd))


if __name__ == '__main__':
  main()
