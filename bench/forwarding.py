#!/usr/bin/python3
"""What does forwarding through Ballast cost, next to the kernel's own NAT?

    ./bazelw run //bench:forwarding
    ./bazelw run //bench:forwarding -- --rounds 9 --only nft,ballast1

Method   client - director - server, each a network namespace, joined by veth
         pairs. The subjects take turns within every round, each in namespaces
         made for it and thrown away, and the order changes from round to round.
         What the machine does else hits all of them; only ratios within a round
         are compared.
Subjects plain     the kernel forwards, no NAT
         nft       the kernel's DNAT by nftables: what we are compared with
         ballastN  ballastd with N packet threads
Loads    udp       64-byte frames at a fixed rate, 256 flows
         flood     the same as fast as they can be sent
         requests  wrk, 32 keep-alive connections, a reply of 2 bytes
         bulk      wrk, 8 keep-alive connections, replies of 1 MB
Numbers  rate: what arrived per second. CPU: busy time of the whole machine,
         client and server included, by what arrived; it is time not idle, so
         keep the machine free of other work.

Needs no root where user namespaces are allowed. Everything it starts ends with
it, also when it is killed.
"""

import argparse
import ctypes
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

VIP = '10.1.0.100'
SERVER = '10.2.0.2'
GATEWAY = '10.2.0.254'  # Of the server, on the director's side.
HTTP_PORT = 8080
UDP_PORT = 9000
BULK_SIZE = 1 << 20

NFT_RULES = f"""
table ip nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    ip daddr {VIP} dnat to {SERVER}
  }}
}}
"""

BALLAST_CONFIG = """
interfaces {{ name: "client0" }}
interfaces {{ name: "server0" }}
floating_addresses {{ address: "{gateway}" interface: "server0" }}
threads: {threads}
statistics_period_s: 0
virtual_services {{
  name: "http" address: "{vip}" port: {http_port}
  health_check {{ type: NONE }}
  real_servers {{ address: "{server}" }}
}}
virtual_services {{
  name: "udp" address: "{vip}" port: {udp_port} protocol: UDP
  health_check {{ type: NONE }}
  real_servers {{ address: "{server}" }}
}}
"""

NGINX_CONFIG = """
user root root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  sendfile on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen {port} backlog=4096;
    location /small {{ return 200 "ok"; }}
    location /bulk {{ root {folder}; }}
  }}
}}
"""


def die_with_parent():
  """Ends the child when this program ends, however it ends."""
  pr_set_pdeathsig = 1
  ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def run(command, text_in=''):
  """Runs a list of words to its end; returns what it printed."""
  done = subprocess.run(command, text=True, input=text_in,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                        preexec_fn=die_with_parent, check=False, timeout=120)
  if done.returncode != 0:
    raise RuntimeError(f'{" ".join(command)}: {done.stdout.strip()}')
  return done.stdout


class Namespace:
  """A network namespace, alive as long as the process that holds it."""

  def __init__(self):
    self._processes = [
        subprocess.Popen(['unshare', '--net', 'sleep', 'infinity'],
                         stdin=subprocess.DEVNULL,
                         preexec_fn=die_with_parent)
    ]
    self.pid = self._processes[0].pid
    own = os.readlink('/proc/self/ns/net')
    deadline = time.monotonic() + 5
    while os.readlink(f'/proc/{self.pid}/ns/net') == own:
      if self._processes[0].poll() is not None or time.monotonic() > deadline:
        raise RuntimeError('unshare --net failed')
      time.sleep(0.005)

  def enter(self, command):
    return ['nsenter', f'--net=/proc/{self.pid}/ns/net', '--'] + command

  def run(self, command, text_in=''):
    return run(self.enter(command), text_in)

  def start(self, command, **kwargs):
    process = subprocess.Popen(self.enter(command), text=True,
                               stdin=subprocess.DEVNULL,
                               preexec_fn=die_with_parent, **kwargs)
    self._processes.append(process)
    return process

  def sysctl(self, name, value):
    self.run(['tee', f'/proc/sys/{name}'], str(value))

  def close(self):
    for process in reversed(self._processes):
      if process.poll() is None:
        process.terminate()
        try:
          process.wait(5)
        except subprocess.TimeoutExpired:
          process.kill()
          process.wait()


class Bed:
  """client - director - server, with a web server and the subject running."""

  def __init__(self, subject, ballastd, folder):
    self.subject = subject
    self.target = SERVER if subject == 'plain' else VIP
    self.log = os.devnull
    self._namespaces = []
    try:
      self.client = self._namespace()
      self.director = self._namespace()
      self.server = self._namespace()
      self._links()
      self._start_subject(ballastd, folder)
      self._start_server(folder)
      self._await_answer()
    except BaseException:
      self.close()
      raise

  def _namespace(self):
    self._namespaces.append(Namespace())
    return self._namespaces[-1]

  def _links(self):
    for end, name in ((self.client, 'client0'), (self.server, 'server0')):
      self.director.run(['ip', 'link', 'add', name, 'type', 'veth', 'peer',
                         'name', 'eth0', 'netns', str(end.pid)])
      self.director.run(['ip', 'link', 'set', name, 'up'])
      end.run(['ip', 'link', 'set', 'lo', 'up'])
      end.run(['ip', 'link', 'set', 'eth0', 'up'])
    self.client.run(['ip', 'addr', 'add', '10.1.0.2/24', 'dev', 'eth0'])
    self.server.run(['ip', 'addr', 'add', f'{SERVER}/24', 'dev', 'eth0'])
    self.director.run(['ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'client0'])
    self.director.run(['ip', 'addr', 'add', '10.2.0.1/24', 'dev', 'server0'])
    self.client.run(['ip', 'route', 'add', 'default', 'via', '10.1.0.1'])
    self.server.run(['ip', 'route', 'add', 'default', 'via', GATEWAY])
    self.director.sysctl('net/ipv4/ip_forward', 1)

  def _start_subject(self, ballastd, folder):
    if self.subject in ('plain', 'nft'):
      # The kernel has the addresses that the director would answer for.
      for address, name in ((VIP, 'client0'), (GATEWAY, 'server0')):
        self.director.run(['ip', 'addr', 'add', f'{address}/24', 'dev', name])
      if self.subject == 'nft':
        self.director.run(['nft', '-f', '-'], NFT_RULES)
      return
    config = os.path.join(folder, f'{self.subject}.textproto')
    with open(config, 'w', encoding='utf-8') as file:
      file.write(BALLAST_CONFIG.format(
          vip=VIP, server=SERVER, gateway=GATEWAY, http_port=HTTP_PORT,
          udp_port=UDP_PORT, threads=int(self.subject[len('ballast'):])))
    self.log = os.path.join(folder, f'{self.subject}.log')
    with open(self.log, 'w', encoding='utf-8') as log:
      self.director.start(ballastd + ['--config', config], stdout=log,
                          stderr=log)

  def _start_server(self, folder):
    config = os.path.join(folder, 'nginx.conf')
    with open(config, 'w', encoding='utf-8') as file:
      file.write(NGINX_CONFIG.format(folder=folder, port=HTTP_PORT))
    self.server.start(['nginx', '-p', folder, '-c', config, '-e',
                       os.path.join(folder, 'error.log')])

  def _await_answer(self):
    deadline = time.monotonic() + 10
    while True:
      try:
        self.client.run(['curl', '-sf', '--max-time', '1', '-o', '/dev/null',
                         f'http://{self.target}:{HTTP_PORT}/small'])
        return
      except RuntimeError as error:
        if time.monotonic() > deadline:
          with open(self.log, encoding='utf-8', errors='replace') as log:
            raise RuntimeError(
                f'{self.subject}: no answer: {error}\n{log.read()}') from error
        time.sleep(0.05)

  def close(self):
    for namespace in reversed(self._namespaces):
      namespace.close()


class Busy:
  """The machine's busy seconds since it was made."""

  def __init__(self):
    self._begin = time.monotonic()
    self._idle = self._read()

  @staticmethod
  def _read():
    with open('/proc/stat', encoding='ascii') as stat:
      fields = stat.readline().split()
    # idle and iowait; stolen time is not ours either.
    idle = int(fields[4]) + int(fields[5]) + int(fields[8])
    return idle / os.sysconf('SC_CLK_TCK')

  def seconds(self):
    passed = time.monotonic() - self._begin
    return max(0.0, passed * os.cpu_count() - (self._read() - self._idle))


def measure_udp(bed, seconds, rate, udp_load):
  counter = bed.server.start([udp_load, 'count', str(UDP_PORT)],
                             stdout=subprocess.PIPE)
  time.sleep(0.1)
  busy = Busy()
  offered = int(bed.client.run([udp_load, 'send', bed.target, str(UDP_PORT),
                                str(seconds), str(rate), '256']))
  cpu = busy.seconds()
  time.sleep(0.05)  # What is still on its way.
  counter.terminate()
  arrived = int(counter.communicate(timeout=10)[0])
  return {
      'rate': arrived / seconds,
      'cpu_us': cpu / max(arrived, 1) * 1e6,
      'note': f'lost {100 * (1 - arrived / max(offered, 1)):.1f} %',
  }


def measure_http(bed, seconds, path, connections):
  busy = Busy()
  text = bed.client.run(['wrk', '--latency', '-t1', f'-c{connections}',
                         f'-d{max(1, round(seconds))}s',
                         f'http://{bed.target}:{HTTP_PORT}{path}'])
  cpu = busy.seconds()
  total, passed, unit = re.search(r'(\d+) requests in ([\d.]+)(ms|s|m)',
                                  text).groups()
  passed = float(passed) * {'ms': 0.001, 's': 1, 'm': 60}[unit]
  p99 = re.search(r'^\s+99%\s+(\S+)', text, re.MULTILINE).group(1)
  note = f'p99 {p99}'
  for trouble in re.findall(r'Socket errors.*|Non-2xx.*', text):
    note += f', {trouble.strip()}'
  return {
      'rate': int(total) / passed,
      'cpu_us': cpu / max(int(total), 1) * 1e6,
      'note': note,
  }


def loads(options, udp_load):
  """{name: (unit, measure(bed))} in the order of measuring."""
  seconds = options.seconds
  return {
      'udp': ('packet',
              lambda bed: measure_udp(bed, seconds, options.rate, udp_load)),
      'flood': ('packet', lambda bed: measure_udp(bed, seconds, 0, udp_load)),
      'requests': ('request',
                   lambda bed: measure_http(bed, seconds, '/small', 32)),
      'bulk': ('MB reply', lambda bed: measure_http(bed, seconds, '/bulk', 8)),
  }


def median_range(values, digits):
  low, middle, high = min(values), statistics.median(values), max(values)
  return f'{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})'


def report(results, units, subjects):
  """Prints medians, ranges and the ratios to nft of the same round."""
  print('\n| load | subject | per second | of nft | CPU us | of nft | last |')
  print('|---|---|---|---|---|---|---|')
  for load, unit in units.items():
    for subject in subjects:
      rows = results[load, subject]
      if not rows:
        continue
      cells = [f'{load}, by {unit}', subject]
      for key, digits in (('rate', 0), ('cpu_us', 2)):
        cells.append(median_range([row[key] for row in rows], digits))
        peers = results.get((load, 'nft')) or []
        ratios = [row[key] / peer[key] for row, peer in zip(rows, peers)
                  if peer[key]]
        cells.append(median_range(ratios, 2) if ratios else '-')
      cells.append(rows[-1]['note'])
      print('| ' + ' | '.join(cells) + ' |')


def find(label):
  """A program of this tree, as built or as `bazel run` presents it; or None."""
  beside = os.path.join(os.path.dirname(sys.argv[0]), '..')
  for folder in (beside, '.'):
    path = os.path.abspath(os.path.join(folder, label))
    if os.access(path, os.X_OK):
      return path
  return None


def arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seconds', type=float, default=3,
                      help='of one measurement (default 3)')
  parser.add_argument('--rate', type=int, default=50000,
                      help='packets per second of load udp (default 50000)')
  parser.add_argument('--only', default='', help='subjects, comma-separated')
  parser.add_argument('--loads', default='', help='loads, comma-separated')
  parser.add_argument('--ballastd', default='',
                      help='another ballastd, with arguments if need be')
  parser.add_argument('--smoke', action='store_true',
                      help='one short round: does it all run?')
  options = parser.parse_args()
  if options.smoke:
    options.rounds, options.seconds, options.rate = 1, 0.5, 5000
  return options


def become_root():
  """Runs this program again in a user namespace if need be."""
  if os.geteuid() == 0:
    probe = ['unshare', '--net', 'true']
  else:
    probe = ['unshare', '--user', '--map-root-user', '--net', 'true']
  done = subprocess.run(probe, text=True, stderr=subprocess.PIPE, check=False)
  if done.returncode != 0:
    print(f'SKIPPED: no network namespaces here: {done.stderr.strip()}')
    sys.exit(0)
  if os.geteuid() != 0:
    os.execvp('unshare', ['unshare', '--user', '--map-root-user', '--',
                          sys.executable] + sys.argv)


def main():
  options = arguments()
  become_root()
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
  signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
  ballastd = options.ballastd.split() or list(
      filter(None, [find('examples/ballastd')]))
  udp_load = find('bench/udp_load')
  subjects = ['plain', 'nft']
  if ballastd:
    subjects += ['ballast1'] if options.smoke else ['ballast1', 'ballast2']
  if options.only:
    subjects = options.only.split(',')
  chosen = loads(options, udp_load)
  if options.loads:
    chosen = {name: chosen[name] for name in options.loads.split(',')}

  busy = Busy()
  time.sleep(min(1, options.seconds))
  other = busy.seconds() / min(1, options.seconds) / os.cpu_count()
  print(f'{os.cpu_count()} cores, Linux {os.uname().release}, {other:.0%} busy '
        f'with other things, {options.rounds} rounds of {options.seconds} s',
        flush=True)
  results = {(load, subject): [] for load in chosen for subject in subjects}
  folder = tempfile.mkdtemp(prefix='ballast_forwarding.')
  try:
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, 'bulk'), 'wb') as file:
      file.write(bytes(BULK_SIZE))
    for turn in range(options.rounds):
      first = turn % len(subjects)
      for subject in subjects[first:] + subjects[:first]:
        bed = Bed(subject, ballastd, folder)
        try:
          for load, (_, measure) in chosen.items():
            row = measure(bed)
            results[load, subject].append(row)
            print(f'round {turn + 1} {subject:9} {load:9} '
                  f'{row["rate"]:10,.0f}/s {row["cpu_us"]:10.2f} us  '
                  f'{row["note"]}', flush=True)
            if row['rate'] == 0:
              raise RuntimeError(f'{subject} {load}: nothing arrived')
        finally:
          bed.close()
    report(results, {load: unit for load, (unit, _) in chosen.items()},
           subjects)
  finally:
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
  main()
