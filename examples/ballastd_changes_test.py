#!/usr/bin/python3 -B
"""Changes to a running ballastd's configuration last: what ballastctl shows and
does, and kill -9 in the middle of a hundred changes.

Arguments: ballastd, ballastctl. Needs no privilege.
"""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

CHANGES = 100
KILLS = 10


def check(condition, what):
  if not condition:
    raise SystemExit(f'FAILED: {what}')


class Daemon:

  def __init__(self, program, ctl, folder):
    self.program, self.ctl_program, self.folder = program, ctl, folder
    self.file = os.path.join(folder, 'ballast.textproto')
    self.control = os.path.join(folder, 'state', 'control')
    self.log = os.path.join(folder, 'log')
    self.process = None
    os.environ['BALLAST_SOCKET'] = self.control
    with socket.create_server(('127.0.0.1', 0)) as taken:
      self.port = taken.getsockname()[1]

  def text(self, weight):
    return f"""
      state_dir: "{self.folder}/state"  statistics_period_s: 0
      history {{ revisions: 200 }}
      virtual_services {{
        address: "127.0.0.1" port: {self.port} l7 {{ host_address: true }}
        health_check {{ type: NONE }} schedule: WRR
        real_servers {{ address: "127.0.0.1" port: 9 weight: {weight} }} }}"""

  def write(self, path, weight):
    with open(path, 'w', encoding='utf-8') as file:
      file.write('# by hand\n' + self.text(weight))

  def start(self):
    with open(self.log, 'a', encoding='utf-8') as log:
      begin = log.tell()
      self.process = subprocess.Popen(
          [self.program, '--log=text', f'--config={self.file}'],
          stdout=log, stderr=log)
    end = time.monotonic() + 60
    while ' serving ' not in (said := self.said(begin)):
      check(self.process.poll() is None and time.monotonic() < end,
            f'ballastd starts: {said}')
      time.sleep(0.01)

  def said(self, begin=0):
    with open(self.log, encoding='utf-8') as log:
      log.seek(begin)
      return log.read()

  def kill(self):
    self.process.kill()
    self.process.wait()

  def ask(self, command):
    """"ok" or "error" and a text, or None: it died first."""
    try:
      with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker:
        asker.settimeout(60)
        asker.connect(self.control)
        asker.send(command.encode())
        head, _, text = asker.recv(1 << 16).partition(b'\n')
        if not head:
          return None
        word, length = head.decode().split()
        while len(text) < int(length):
          piece = asker.recv(1 << 16)
          if not piece:
            return None
          text += piece
    except OSError:
      return None
    return f'{word}\n{text.decode()}'

  def generations(self):
    """Of the history, the newest first."""
    word, _, text = self.ask('v1 GET /v1/history').partition('\n')
    check(word == 'ok' and text.startswith('200 '), text)
    return [int(one['generation'])
            for one in json.loads(text[len('200 '):])['revisions']]

  def ctl(self, *words, good=True):
    done = subprocess.run(
        [self.ctl_program, *words], text=True, check=False, timeout=60,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check((done.returncode == 0) == good, f'{words}: {done.stdout}')
    return done.stdout

  def weight(self):
    """Of the file, which must be whole."""
    done = subprocess.run(
        [self.program, '--check', f'--config={self.file}'], text=True,
        check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(done.returncode == 0, f'the file is whole: {done.stdout}')
    with open(self.file, encoding='utf-8') as file:
      return int(re.search(r'weight: (\d+)', file.read()).group(1))


def commands_do_what_they_say(daemon):
  """On relative paths too: they are this program's, not the daemon's."""
  os.chdir(daemon.folder)
  daemon.write(daemon.file, 500)
  daemon.start()
  daemon.write('other', 600)
  check(daemon.ctl('restore', 'other') ==
        'generation 2 is in force\n', 'restore')
  history = daemon.ctl('history', '--socket=state/control')
  check(re.fullmatch(
      r' +2  \S+ \S+Z  ballastctl from control socket: restore from \S+/other\n'
      r' +1  \S+ \S+Z  start: as found at the start\n', history), history)
  difference = daemon.ctl('diff', '1', '2')
  check(difference == f'~ virtual_services[127.0.0.1:{daemon.port}].'
        'real_servers[127.0.0.1:9].weight: 500 -> 600\n', difference)
  check(daemon.ctl('diff', '2', '2') == 'no difference\n',
        'no difference')
  daemon.ctl('rollback', '1')
  check(daemon.weight() == 500, 'rolled back')
  daemon.ctl('backup', 'saved')
  daemon.ctl('backup', '--without-secrets', 'bare')
  check(os.stat('saved').st_mode & 0o777 == 0o600, 'mode of a backup')
  daemon.ctl('restore', 'other')
  daemon.ctl('restore', 'saved')
  check(daemon.weight() == 500, 'restored')
  for words in (('rollback', '99'),
                ('rollback', 'x'),
                ('diff', '1', '99'),
                ('restore', 'none')):
    daemon.ctl(*words, good=False)
  with open('bad', 'w', encoding='utf-8') as file:
    file.write('threads: 65')
  said = daemon.ctl('restore', 'bad', good=False)
  check('threads: 65, must be 0 or 1 to 64' in said, said)
  with open('restart', 'w', encoding='utf-8') as file:
    file.write(daemon.text(500) + 'threads: 2')
  said = daemon.ctl('restore', 'restart', good=False)
  check('threads: cannot change while running' in said, said)
  check(daemon.weight() == 500, 'as it was')
  audit = daemon.ctl('audit', '2').splitlines()
  check(len(audit) == 2 and '"refused":"threads: cannot' in audit[1] and
        '"user":"ballastctl"' in audit[1], audit)
  daemon.kill()


def the_unit_is_seen_and_told(daemon):
  """By the names its status shows."""
  service, server = f'127.0.0.1:{daemon.port}', '127.0.0.1:9'
  said = daemon.ctl('status', good=False)
  check('nobody listens' in said and 'state_dir' in said, said)
  daemon.write(daemon.file, 500)
  daemon.start()
  said = daemon.ctl('status')
  check(re.match(r'serving, generation 1, services up 1 of 1\n'
                 r'0 connections, .*\ndropped none\n', said)
        and said.endswith('no pair is configured\n'), said)
  said = daemon.ctl('services')
  check(re.search(rf'^{service}/tcp +7 +up +WRR +1/1 +0 ', said, re.M), said)

  def shown():
    return re.search(rf'^{server} +(\S+) +up +(\d+) ', daemon.ctl('servers'),
                     re.M).groups()
  check(shown() == ('enabled', '500'), shown())
  check(daemon.ctl('drain', service, server) == 'done\n', 'drain')
  check(shown() == ('draining', '500'), shown())
  daemon.ctl('disable', f'{service}/tcp', server)
  check(shown() == ('disabled', '500'), shown())
  daemon.ctl('weight', service, server, '700')
  daemon.ctl('enable', service, server)
  check(shown() == ('enabled', '700') and daemon.weight() == 700, shown())
  newest = daemon.ctl('history').splitlines()[0]
  check(newest.endswith('ballastctl from control socket: enable: server '
                        f'{server} of {service}/tcp'), newest)
  status = json.loads(daemon.ctl('servers', '--json'))
  check(status['user'] == 'ballastctl' and status['role'] == 'ADMIN' and
        status['services'][0]['servers'][0]['weight'] == 700, status)
  check(json.loads(daemon.ctl('weight', service, server, '1', '--json')) == {},
        'a reply as it is')
  for words, why in (
      (('drain', service, '127.0.0.1:8'), f'there is {server}'),
      (('drain', '127.0.0.1:1', server), f'there is {service}/tcp'),
      (('weight', service, server, '65536'), 'must be 0 to 65535'),
      (('weight', service, server, 'x'), 'must be a number'),
      (('switchover',), 'no partner'),
      (('update',), 'no pair is configured'),
      (('servers', 'none'), f'there is {service}/tcp')):
    said = daemon.ctl(*words, good=False)
    check(why in said, f'{words}: {said}')
  said = json.loads(daemon.ctl('switchover', '--json', good=False))
  check('no partner' in said['error'], said)
  for command, why in (('v1 PUT /v1/status', 'v1: must be'),
                       ('v1', 'v1: must be'),
                       ('status', 'must be one of v1, pair')):
    check(why in daemon.ask(command), command)
  check(daemon.ask('v1 GET /v1/none').startswith('ok\n404 {'), 'no such path')
  daemon.kill()


def no_change_is_lost(daemon):
  """Killed once in every so many changes, some time within one of them."""
  seed = random.randrange(1 << 32)
  rng = random.Random(seed)
  print(f'seed {seed}')
  change = os.path.join(daemon.folder, 'change')
  daemon.write(daemon.file, 1000)
  daemon.start()
  each = CHANGES // KILLS
  kill_at = [1000 + i * each + rng.randint(1, each) for i in range(KILLS)]
  acknowledged, took, kills, cut = 1000, 0.01, 0, 0
  while acknowledged < 1000 + CHANGES:
    asked = acknowledged + 1
    daemon.write(change, asked)
    killer = None
    if kills < KILLS and asked >= kill_at[kills]:
      killer = threading.Timer(rng.uniform(0, took), daemon.process.kill)
      killer.start()
    begin = time.monotonic()
    answer = daemon.ask(f'restore {change}')
    if answer is not None:
      check(answer.startswith('ok\n'), f'change {asked}: {answer}')
      acknowledged = asked
    if killer is None:
      took = time.monotonic() - begin
      continue
    killer.join()
    daemon.process.wait()
    kills += 1
    cut += answer is None
    found = daemon.weight()
    check(found in (acknowledged, asked),
          f'after a kill: {found}, acknowledged {acknowledged}, asked {asked}')
    daemon.start()
    check(daemon.weight() == found, 'a start changes nothing')
    acknowledged = found
    newest = daemon.generations()[0]
    kept = daemon.ask(f'diff {newest} {newest}')
    check(kept == 'ok\nno difference\n', f'{newest}: {kept}')
  check(kills == KILLS and daemon.weight() == 1000 + CHANGES, f'{kills} kills')
  print(f'{cut} of {kills} kills before an answer')
  # Each one is in the history, in its order.
  numbers = daemon.generations()
  check(numbers == sorted(numbers, reverse=True), numbers)
  check(len(numbers) >= CHANGES, f'{len(numbers)} revisions')
  daemon.process.terminate()
  check(daemon.process.wait() == 0, 'ends as told')


def main():
  programs = [os.path.abspath(path) for path in sys.argv[1:3]]
  for test in (commands_do_what_they_say, the_unit_is_seen_and_told,
               no_change_is_lost):
    # Short: a socket's name has 107 characters at most.
    folder = tempfile.mkdtemp(prefix='ballast.', dir='/tmp')
    daemon = Daemon(*programs, folder)
    try:
      test(daemon)
    except BaseException:
      print(daemon.said()[-4000:])
      raise
    finally:
      if daemon.process is not None and daemon.process.poll() is None:
        daemon.kill()
      os.chdir('/')
      shutil.rmtree(folder)


if __name__ == '__main__':
  main()
