"""What the side-by-side benchmarks share: a web server to ask, wrk as the
client, the machine's and a process's CPU time, medians with ranges.
"""

import os
import re
import statistics
import time

BULK_SIZE = 1 << 20

# GET /small: 2 bytes. GET /bulk: BULK_SIZE bytes.
WEB_SERVER = """
user root root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
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


def start_web_server(namespace, folder, port):
  """nginx with WEB_SERVER's files; it may not listen yet."""
  with open(os.path.join(folder, 'bulk'), 'wb') as file:
    file.write(bytes(BULK_SIZE))
  start_nginx(namespace, folder, 'server',
              WEB_SERVER.format(folder=folder, port=port))


def start_nginx(namespace, folder, name, text):
  config = os.path.join(folder, f'{name}.conf')
  with open(config, 'w', encoding='utf-8') as file:
    file.write(text)
  return namespace.start(['nginx', '-p', folder, '-c', config, '-e',
                          os.path.join(folder, f'{name}.log')])


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


def process_seconds(pid):
  """User and system time of a process, all its threads, so far; to the
  nanosecond, other than /proc/PID/stat."""
  # CPUCLOCK_SCHED of a process: clock_getcpuclockid(3), which Python lacks.
  return time.clock_gettime((~pid << 3) | 2)


def machine(options):
  """A line about the machine, and how busy others keep it."""
  busy = Busy()
  time.sleep(min(1, options.seconds))
  other = busy.seconds() / min(1, options.seconds) / os.cpu_count()
  return (f'{os.cpu_count()} cores, Linux {os.uname().release}, {other:.0%} '
          f'busy with other things, {options.rounds} rounds of '
          f'{options.seconds} s')


def _seconds(text):
  number, unit = re.fullmatch(r'([\d.]+)(us|ms|s|m)', text).groups()
  return float(number) * {'us': 1e-6, 'ms': 1e-3, 's': 1, 'm': 60}[unit]


def wrk(namespace, url, seconds, connections, *flags):
  """Runs wrk on one thread. 'requests', 'seconds', 'p50' and 'p99' in seconds,
  and 'trouble': what it says of errors."""
  text = namespace.run(['wrk', '--latency', '-t1', f'-c{connections}',
                        f'-d{max(1, round(seconds))}s', *flags, url])
  requests, passed = re.search(r'(\d+) requests in (\S+),', text).groups()
  quantile = {
      name: re.search(rf'^\s+{name}%\s+(\S+)', text, re.MULTILINE).group(1)
      for name in ('50', '99')}
  return {
      'requests': int(requests),
      'seconds': _seconds(passed),
      'p50': _seconds(quantile['50']),
      'p99': _seconds(quantile['99']),
      'trouble': re.findall(r'Socket errors.*|Non-2xx.*', text),
  }


def median_range(values, digits):
  low, middle, high = min(values), statistics.median(values), max(values)
  return f'{middle:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})'
