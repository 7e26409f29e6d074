#!/usr/bin/python3 -B
"""What a service manager and a log collector have of ballastd.

Argument: ballastd. Needs no privilege.
"""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60


def check(condition, what):
  if not condition:
    raise SystemExit(f'FAILED: {what}')


class Daemon:
  """ballastd with a proxy on a port of the host's own."""

  def __init__(self, program, folder, *flags, text='', env=None):
    self.file = os.path.join(folder, 'ballast.textproto')
    with socket.create_server(('127.0.0.1', 0)) as taken:
      self.port = taken.getsockname()[1]
    self._server = socket.create_server(('127.0.0.1', 0))
    self.server = f'127.0.0.1:{self._server.getsockname()[1]}'
    self.write(text)
    self.lines = []
    self.process = subprocess.Popen(
        [program, f'--config={self.file}', *flags], text=True,
        stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})))
    self._reader = threading.Thread(target=self._read, daemon=True)
    self._reader.start()

  def write(self, text=''):
    with open(self.file, 'w', encoding='utf-8') as file:
      file.write(f"""
          virtual_services {{
            address: "127.0.0.1" port: {self.port} name: "web"
            l7 {{ host_address: true }}
            real_servers {{ address: "127.0.0.1"
                            port: {self.server.split(':')[1]} }} }} {text}""")

  def _read(self):
    for line in self.process.stderr:
      self.lines.append(line)

  def wait(self, what, test, begin=0):
    """The first line that `test` is true of."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
      done = self.process.poll() is not None
      for line in self.lines[begin:]:
        if test(line):
          return line
      if done and not self._reader.is_alive():
        break
      time.sleep(0.01)
    return check(False, f'{what}: {"".join(self.lines)}')

  def end(self):
    self.process.send_signal(signal.SIGTERM)
    check(self.process.wait(PATIENCE) == 0, f'its end: {"".join(self.lines)}')
    self._reader.join(PATIENCE)


def event(name):
  return lambda line: json.loads(line)['event'] == name


def lines_for_programs(program, folder):
  """Standard error is no terminal: JSON."""
  daemon = Daemon(program, folder)
  up = json.loads(daemon.wait('its server is up', event('server_up')))
  check(up['level'] == 'info' and up['server'] == daemon.server and
        up['service'] == f'tcp 127.0.0.1:{daemon.port}', up)
  check(set(up) == {'time', 'level', 'event', 'message', 'service',
                    'service_name', 'server', 'reason'}, up)
  told = datetime.datetime.fromisoformat(up['time'].replace('Z', '+00:00'))
  now = datetime.datetime.now(datetime.timezone.utc)
  check(abs((now - told).total_seconds()) < PATIENCE, up)
  daemon.wait('serving', event('serving'))

  begin = len(daemon.lines)
  daemon.write('threads: 65')
  daemon.process.send_signal(signal.SIGHUP)
  refused = json.loads(
      daemon.wait('refused', event('configuration_refused'), begin))
  check(refused['level'] == 'warning' and 'threads' in refused['message'] and
        refused['user'] == 'SIGHUP' and refused['generation'] == '1', refused)
  daemon.write('statistics_period_s: 3600')
  daemon.process.send_signal(signal.SIGHUP)
  taken = json.loads(
      daemon.wait('taken', event('configuration_accepted'), begin))
  check(taken['level'] == 'info' and taken['generation'] == '2', taken)
  daemon.end()
  events = [json.loads(line)['event'] for line in daemon.lines]
  check(events[-2:] == ['ending', 'ended'], events)


def lines_for_people(program, folder):
  daemon = Daemon(program, folder, '--log=text')
  daemon.wait('serving', lambda line: ' serving 1 services' in line)
  daemon.write('threads: 65')
  daemon.process.send_signal(signal.SIGHUP)
  daemon.wait('warnings say so',
              lambda line: ' warning: reload refused: ' in line)
  daemon.end()


def what_it_does_not_take(program, folder):
  for flags, code, said in (
      (['--log=xml'], 1, '--log=xml: must be auto, text or json'),
      ([], 1, '"event":"configuration_refused"')):
    daemon = Daemon(program, folder, *flags, text='threads: 65')
    check(daemon.process.wait(PATIENCE) == code, flags)
    daemon.wait(said, lambda line, said=said: said in line)


def who_reads_the_log_may_hang(program, folder):
  """A full pipe costs lines, never the daemon's time."""
  with open(os.path.join(folder, 'full'), 'w', encoding='utf-8'):
    pass
  read_end, write_end = os.pipe()
  os.set_blocking(write_end, False)
  try:
    while True:
      os.write(write_end, b'x' * 4096)
  except BlockingIOError:
    pass
  os.set_blocking(write_end, True)
  with socket.create_server(('127.0.0.1', 0)) as taken:
    port = taken.getsockname()[1]
  file = os.path.join(folder, 'ballast.textproto')
  with open(file, 'w', encoding='utf-8') as config:
    config.write(f"""virtual_services {{
        address: "127.0.0.1" port: {port} l7 {{ host_address: true }}
        health_check {{ type: NONE }}
        real_servers {{ address: "127.0.0.1" port: 9 }} }}""")
  process = subprocess.Popen([program, f'--config={file}'], stderr=write_end)
  end = time.monotonic() + PATIENCE
  while True:  # It listens although it could not say so.
    check(process.poll() is None and time.monotonic() < end, 'it listens')
    try:
      socket.create_connection(('127.0.0.1', port)).close()
      break
    except ConnectionRefusedError:
      time.sleep(0.01)
  os.read(read_end, 1 << 20)
  process.send_signal(signal.SIGTERM)
  check(process.wait(PATIENCE) == 0, 'its end')
  os.close(write_end)
  with open(read_end, encoding='utf-8') as log:
    events = [json.loads(line)['event'] for line in log]
  check('log_lost' in events and events[-1] == 'ended', events)


class Notified:
  """A service manager's end of sd_notify(3)."""

  def __init__(self, path):
    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    self._socket.bind(path)
    self._socket.settimeout(PATIENCE)

  def next(self, ping=False):
    """The next message; pings of the watchdog only if wanted."""
    while True:
      try:
        text = self._socket.recv(4096).decode()
      except socket.timeout:
        check(False, 'nothing came')
      if ping or text != 'WATCHDOG=1':
        return text


def the_service_manager_is_told(program, folder):
  for path, name in ((os.path.join(folder, 'notify'),) * 2,
                     (f'\0ballastd.{os.getpid()}', f'@ballastd.{os.getpid()}')):
    manager = Notified(path)
    daemon = Daemon(program, folder, env={'NOTIFY_SOCKET': name})
    check(manager.next() == 'READY=1', 'ready')
    socket.create_connection(('127.0.0.1', daemon.port)).close()  # It serves.
    said = manager.next()
    check(re.fullmatch(
        r'STATUS=serving, [01] of 1 services up, configuration 1', said), said)
    while '1 of 1 services up' not in said:
      said = manager.next()

    daemon.write('statistics_period_s: 3600')
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.process.send_signal(signal.SIGHUP)
    said = manager.next()
    when = re.fullmatch(r'RELOADING=1\nMONOTONIC_USEC=(\d+)', said)
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    check(when and began <= int(when.group(1)) <= now, said)
    check(manager.next() == 'READY=1', 'ready again')
    said = manager.next()
    check(said.startswith('STATUS=') and said.endswith('configuration 2'), said)
    daemon.process.send_signal(signal.SIGTERM)
    check(manager.next() == 'STOPPING=1\nSTATUS=ending', 'stopping')
    check(daemon.process.wait(PATIENCE) == 0, 'its end')


def the_watchdog_hears_the_loop(program, folder):
  path = os.path.join(folder, 'notify')
  manager = Notified(path)
  daemon = Daemon(program, folder, env={
      'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '1000000'})
  pings = 0
  while pings < 4:
    pings += manager.next(ping=True) == 'WATCHDOG=1'
  daemon.end()


def main():
  program = os.path.abspath(sys.argv[1])
  for case in (lines_for_programs, lines_for_people, what_it_does_not_take,
               who_reads_the_log_may_hang, the_service_manager_is_told,
               the_watchdog_hears_the_loop):
    with tempfile.TemporaryDirectory(prefix='ballastd_service.') as folder:
      case(program, folder)
    print(f'{case.__name__}: good')


main()
