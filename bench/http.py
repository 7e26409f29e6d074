#!/usr/bin/python3 -B
"""What does a request through Ballast's proxy cost, next to haproxy and nginx?

    ./bazelw run //bench:http
    ./bazelw run //bench:http -- --rounds 9 --only ballast,haproxy --loads new

Method   client - balancer - server, each a network namespace, joined by veth
         pairs. All subjects run from the start, each on ports of its own, and
         take turns within every load; the order changes from round to round.
         What the machine does else hits all of them; only ratios within a round
         are compared.
Subjects ballast        ballastd with one thread, on io_uring
         ballast_epoll  the same on epoll
         haproxy        2.6 with one thread
         nginx          1.22 with one process
         Nobody logs, checks servers or adds fields; all keep connections to the
         server, and speak the same TLS cipher with the same certificate.
Loads    requests   wrk, 32 keep-alive connections, a reply of 2 bytes
         new        the same, each request on a connection of its own
         bulk       wrk, 8 keep-alive connections, replies of 1 MB
         tls, tls_new, tls_bulk   these over TLS 1.3, no session resumed
         tls_resumed   connections with a resumed session, one at a time
         stream, stream_new, stream_bulk   bytes of which nothing is read
         idle, tls_idle   connections that have had one reply, and wait
         tls_idle_bulk    a tenth of them, the reply being of 1 MB
Numbers  CPU: user and system time of the balancer's process by request; of the
         machine: its busy time, client and server included. of best: by the
         better of haproxy and nginx in the same round. Memory: growth of the
         balancer's resident memory by idle connection.

Needs no root where user namespaces are allowed. Everything it starts ends with
it, also when it is killed.
"""

import argparse
import os
import re
import resource
import socket
import ssl
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

BALANCER = '10.1.0.1'
SERVER = '10.2.0.2'
SERVER_PORT = 8080
CIPHER = 'TLS_AES_128_GCM_SHA256'
SUBJECTS = ('ballast', 'ballast_epoll', 'haproxy', 'nginx')
PEERS = ('haproxy', 'nginx')
# The ports of the first subject; those of the others follow.
HTTP, TLS, STREAM = 8000, 8100, 8200

BALLAST_SERVICE = """
virtual_services {{
  name: "service{port}" address: "{address}" port: {port}
  health_check {{ type: NONE }}
  idle_timeout_s: 660
  real_servers {{ address: "{server}" port: {server_port} }}
  l7 {{ host_address: true {l7} }}
}}
"""

HAPROXY_CONFIG = """
global
  nbthread 1
  maxconn 8000
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites {cipher}
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 660s
  timeout server 660s
  timeout http-keep-alive 660s
frontend plain
  bind {address}:{http} backlog 4096
  default_backend servers
frontend secure
  bind {address}:{tls} backlog 4096 ssl crt {folder}/both.pem
  default_backend servers
backend servers
  server one {server}:{server_port}
listen bytes
  mode tcp
  bind {address}:{stream} backlog 4096
  server one {server}:{server_port}
"""

NGINX_CONFIG = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root root;
daemon off;
master_process off;
pid {folder}/proxy.pid;
worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 660s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_max_temp_file_size 0;
  upstream servers {{
    server {server}:{server_port};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address}:{http} backlog=4096;
    listen {address}:{tls} ssl backlog=4096;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {cipher};
    ssl_session_cache shared:tls:4m;
    location / {{
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
stream {{
  server {{
    listen {address}:{stream} backlog=4096;
    proxy_pass {server}:{server_port};
    proxy_timeout 660s;
  }}
}}
"""


def port(kind, subject):
  return kind + SUBJECTS.index(subject)


class Bed:
  """client - balancer - server, all subjects and the web server running."""

  def __init__(self, folder, subjects, ballastd):
    self._folder = folder
    self._subjects = subjects
    self._ballastd = ballastd
    self._namespaces = []
    self.processes = {}
    try:
      self.client, self.balancer, self.server = [
          self._namespace(name) for name in ('client', 'balancer', 'server')]
      self._links()
      self._make_certificate()
      side_by_side.start_web_server(self.server, folder, SERVER_PORT)
      for subject in subjects:
        self.processes[subject] = self._start(subject)
      for subject in subjects:
        eventually(lambda s=subject: self._answers(s),
                   f'{subject} answers', 20)
    except BaseException:
      self.close()
      raise

  def _namespace(self, name):
    self._namespaces.append(network.Namespace(name))
    return self._namespaces[-1]

  def _links(self):
    for end, name in ((self.client, 'client0'), (self.server, 'server0')):
      self.balancer.ip(f'link add {name} type veth peer name eth0 '
                       f'netns {end.path}', f'link set {name} up')
      end.ip('link set eth0 up')
      # Ends of connections that are gone hold no port of 50,000.
      end.sysctl('net/ipv4/ip_local_port_range', '10000 60999')
      end.sysctl('net/ipv4/tcp_tw_reuse', 1)
    self.balancer.sysctl('net/ipv4/ip_local_port_range', '10000 60999')
    self.balancer.sysctl('net/ipv4/tcp_tw_reuse', 1)
    self.client.ip('addr add 10.1.0.2/24 dev eth0')
    self.server.ip(f'addr add {SERVER}/24 dev eth0')
    self.balancer.ip(f'addr add {BALANCER}/24 dev client0',
                     'addr add 10.2.0.1/24 dev server0')

  def path(self, name):
    return os.path.join(self._folder, name)

  def _make_certificate(self):
    self.client.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                     'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=bench',
                     '-keyout', self.path('key.pem'), '-out',
                     self.path('cert.pem')])
    with open(self.path('both.pem'), 'w', encoding='ascii') as both:
      for name in ('cert.pem', 'key.pem'):
        with open(self.path(name), encoding='ascii') as file:
          both.write(file.read())

  def _values(self, subject):
    return {
        'folder': self._folder, 'cipher': CIPHER, 'address': BALANCER,
        'server': SERVER, 'server_port': SERVER_PORT,
        'http': port(HTTP, subject), 'tls': port(TLS, subject),
        'stream': port(STREAM, subject)}

  def _start(self, subject):
    values = self._values(subject)
    if subject == 'nginx':
      return side_by_side.start_nginx(self.balancer, self._folder, 'proxy',
                                      NGINX_CONFIG.format(**values))
    config = self.path(f'{subject}.conf')
    with open(config, 'w', encoding='ascii') as file:
      file.write(HAPROXY_CONFIG.format(**values) if subject == 'haproxy'
                 else self._ballast_config(values))
    command = (['haproxy', '-db', '-f', config] if subject == 'haproxy' else
               self._ballastd + ['--log=text', '--config', config] +
               ['--force_epoll'] * (subject == 'ballast_epoll'))
    with open(self.path(f'{subject}.log'), 'w', encoding='ascii') as log:
      return self.balancer.start(command, stdout=log, stderr=log)

  def _ballast_config(self, values):
    l7 = {
        'http': '',
        'tls': 'tls { certificates { chain_file: "%s" key_file: "%s" } '
               'only_tls13: true }' % (self.path('cert.pem'),
                                       self.path('key.pem')),
        'stream': 'type: GENERIC',
    }
    return 'statistics_period_s: 0\n' + ''.join(
        BALLAST_SERVICE.format(**{**values, 'port': values[kind], 'l7': text})
        for kind, text in l7.items())

  def _answers(self, subject):
    check(self.processes[subject].poll() is None,
          f'{subject} has ended:\n{self.last_words()}')
    return all(
        '200' in self.client.run(
            ['curl', '-sk', '--max-time', '2', '-o', '/dev/null', '-w',
             '%{http_code}', url], check_status=False)
        for url in (self.url(HTTP, subject, '/small'),
                    self.url(TLS, subject, '/small'),
                    self.url(STREAM, subject, '/small')))

  def url(self, kind, subject, path):
    scheme = 'https' if kind == TLS else 'http'
    return f'{scheme}://{BALANCER}:{port(kind, subject)}{path}'

  def connect(self, kind, subject, context=None, session=None):
    made = self.client.connect((BALANCER, port(kind, subject)), 10)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # As wrk does.
    if context is not None:
      made = context.wrap_socket(made, session=session)
    return made

  def resident_bytes(self, subject):
    path = f'/proc/{self.processes[subject].pid}/status'
    with open(path, encoding='ascii') as file:
      return 1024 * int(re.search(r'VmRSS:\s+(\d+)', file.read()).group(1))

  def last_words(self):
    text = ''
    for name in sorted(os.listdir(self._folder)):
      if name.endswith('.log'):
        with open(self.path(name), encoding='utf-8', errors='replace') as file:
          text += f'{name}: {file.read()[-2000:]}\n'
    return text

  def close(self):
    for namespace in reversed(self._namespaces):
      namespace.close()


# -- Measurements: each of one subject, giving a row -----------------------------


def cost(bed, subject, run):
  """The row of run(), which gives what side_by_side.wrk() gives."""
  pid = bed.processes[subject].pid
  busy = side_by_side.Busy()
  before = side_by_side.process_seconds(pid)
  row = run()
  row['cpu'] = side_by_side.process_seconds(pid) - before
  row['machine'] = busy.seconds()
  check(row['requests'] > 0, f'{subject}: nothing was answered')
  for name in ('cpu', 'machine'):
    row[f'{name}_us'] = row[name] / row['requests'] * 1e6
  row['rate'] = row['requests'] / row['seconds']
  return row


def by_wrk(kind, path, connections, *flags):
  def measure(bed, subject, options):
    return cost(bed, subject, lambda: side_by_side.wrk(
        bed.client, bed.url(kind, subject, path), options.seconds, connections,
        *flags))
  return measure


REQUEST = b'GET /small HTTP/1.1\r\nHost: bench\r\n\r\n'
LAST_REQUEST = REQUEST[:-2] + b'Connection: close\r\n\r\n'


def client_context():
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
  context.check_hostname = False
  context.verify_mode = ssl.CERT_NONE
  return context


def resumed(bed, subject, options):
  """wrk resumes no session. One connection at a time, so latency is without
  waiting for others."""
  context = client_context()

  def once(session):
    with bed.connect(TLS, subject, context, session) as made:
      made.sendall(LAST_REQUEST)
      reply = b''
      while part := made.recv(65536):
        reply += part
      check(reply.endswith(b'\r\n\r\nok'), f'{subject}: {reply!r}')
      check(session is None or made.session_reused,
            f'{subject}: the session was not resumed')
      return made.session

  session = once(None)

  def run():
    nonlocal session
    times = []
    begin = time.monotonic()
    while time.monotonic() < begin + options.seconds:
      began = time.monotonic()
      session = once(session)
      times.append(time.monotonic() - began)
    passed = time.monotonic() - begin
    times.sort()
    return {'requests': len(times), 'seconds': passed, 'trouble': [],
            'p50': times[len(times) // 2], 'p99': times[len(times) * 99 // 100]}
  return cost(bed, subject, run)


def idle(kind, path='/small', share=1):
  def measure(bed, subject, options):
    context = client_context() if kind == TLS else None
    request = REQUEST.replace(b'/small', path.encode())
    size = side_by_side.BULK_SIZE if path == '/bulk' else 2
    count = max(1, options.idle // share)
    before = bed.resident_bytes(subject)
    made = []
    try:
      for _ in range(count):
        made.append(bed.connect(kind, subject, context))
        made[-1].sendall(request)
        reply = made[-1].recv(65536)
        check(reply.startswith(b'HTTP/1.1 200'),
              f'{subject}: connection {len(made)}')
        left = size
        while True:
          head, end, body = reply.partition(b'\r\n\r\n')
          if end and len(body) >= left:
            break
          if end:
            left -= len(body)
            reply = end
          more = made[-1].recv(1 << 18)
          check(more, f'{subject}: connection {len(made)} ended')
          reply += more
      time.sleep(0.2)
      grown = bed.resident_bytes(subject) - before
    finally:
      for one in made:
        one.close()
    time.sleep(0.2)  # So that they do not end during the next measurement.
    return {'memory': grown / count}
  return measure


CLOSE = ('-H', 'Connection: close')
LOADS = {
    'requests': by_wrk(HTTP, '/small', 32),
    'new': by_wrk(HTTP, '/small', 32, *CLOSE),
    'bulk': by_wrk(HTTP, '/bulk', 8),
    'tls': by_wrk(TLS, '/small', 32),
    'tls_new': by_wrk(TLS, '/small', 32, *CLOSE),
    'tls_resumed': resumed,
    'tls_bulk': by_wrk(TLS, '/bulk', 8),
    'stream': by_wrk(STREAM, '/small', 32),
    'stream_new': by_wrk(STREAM, '/small', 32, *CLOSE),
    'stream_bulk': by_wrk(STREAM, '/bulk', 8),
    # Last: freed memory may stay with the process.
    'idle': idle(HTTP),
    'tls_idle': idle(TLS),
    'tls_idle_bulk': idle(TLS, '/bulk', 10),
}


# -- Report ----------------------------------------------------------------------


def ratios(results, load, subject, key):
  """To the better of the peers in the same round, if there are any."""
  peers = [results[load, peer] for peer in PEERS if results.get((load, peer))]
  return [row[key] / min(peer[key] for peer in in_round)
          for row, *in_round in zip(results[load, subject], *peers)
          if in_round and min(peer[key] for peer in in_round) > 0]


def report(results, loads, subjects):
  print('\n| load | subject | per second | CPU us | of best | machine us | '
        'p50 ms | p99 ms | of best |')
  print('|---|---|---|---|---|---|---|---|---|')
  for load in loads:
    for subject in subjects:
      rows = results[load, subject]
      if 'cpu_us' not in rows[0]:
        continue

      def middle(key, factor=1, values=rows):
        return statistics.median([factor * row[key] for row in values])
      cells = [load, subject, f'{middle("rate"):,.0f}',
               median_range([row['cpu_us'] for row in rows], 1)]
      of_best = {}
      for key in ('cpu_us', 'p99'):
        all_ratios = ratios(results, load, subject, key)
        of_best[key] = median_range(all_ratios, 2) if all_ratios else '-'
      cells += [of_best['cpu_us'], f'{middle("machine_us"):,.1f}',
                f'{middle("p50", 1e3):.2f}', f'{middle("p99", 1e3):.2f}',
                of_best['p99']]
      print('| ' + ' | '.join(cells) + ' |')
  print('\n| load | subject | bytes a connection |\n|---|---|---|')
  for load in loads:
    for subject in subjects:
      # What the process kept from the first round is used again in the next.
      first = results[load, subject][0]
      if 'memory' in first:
        print(f'| {load} | {subject} | {first["memory"]:,.0f} |')


def arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seconds', type=float, default=3,
                      help='of one measurement (default 3)')
  parser.add_argument('--idle', type=int, default=5000,
                      help='idle connections (default 5000)')
  parser.add_argument('--only', default='', help='subjects, comma-separated')
  parser.add_argument('--loads', default='', help='loads, comma-separated')
  parser.add_argument('--ballastd', default='',
                      help='another ballastd, with arguments if need be')
  parser.add_argument('--smoke', action='store_true',
                      help='one short round: does it all run?')
  options = parser.parse_args()
  if options.smoke:
    options.rounds, options.seconds, options.idle = 1, 0.3, 50
  return options


def main():
  options = arguments()
  _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
  resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
  subjects = options.only.split(',') if options.only else list(SUBJECTS)
  loads = options.loads.split(',') if options.loads else list(LOADS)
  ballastd = options.ballastd.split() or [network.find('examples/ballastd')]

  def side_by_side_runs(bed):
    print(side_by_side.machine(options), flush=True)
    results = {(load, subject): [] for load in loads for subject in subjects}
    for turn in range(options.rounds):
      first = turn % len(subjects)
      for load in loads:
        for subject in subjects[first:] + subjects[:first]:
          row = LOADS[load](bed, subject, options)
          results[load, subject].append(row)
          words = (f'{row["memory"]:10,.0f} bytes' if 'memory' in row else
                   f'{row["rate"]:10,.0f}/s {row["cpu_us"]:10.2f} us  p99 '
                   f'{row["p99"] * 1e3:.2f} ms {" ".join(row["trouble"])}')
          print(f'round {turn + 1} {load:11} {subject:13} {words}', flush=True)
    report(results, loads, subjects)

  network.main(side_by_side_runs,
               make_bed=lambda folder: Bed(folder, subjects, ballastd))


if __name__ == '__main__':
  main()
