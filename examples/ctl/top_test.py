#!/usr/bin/python3 -B
"""ballastctl top on a terminal of its own: it draws, follows the terminal's size
and the unit, and leaves the terminal as it was.

Arguments: ballastd, ballastctl. Needs no privilege.
"""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

PATIENCE = 60
ENTER, LEAVE = b'\x1b[?1049h', b'\x1b[?25h\x1b[?1049l'


def check(condition, what):
  if not condition:
    raise SystemExit(f'FAILED: {what}')


class Top:
  """A running one, on a terminal of so many characters."""

  def __init__(self, ctl, control, width, height, stdin=None):
    self.master, self.slave = pty.openpty()
    self.resize(width, height)
    self.before = termios.tcgetattr(self.slave)
    self.said = b''
    self.process = subprocess.Popen(
        [ctl, 'top', f'--socket={control}'],
        stdin=self.slave if stdin is None else stdin, stdout=self.slave,
        stderr=self.slave, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0))

  def resize(self, width, height):
    fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                struct.pack('HHHH', height, width, 0, 0))

  def read(self, seconds):
    if select.select([self.master], [], [], seconds)[0]:
      try:
        self.said += os.read(self.master, 65536)
      except OSError:  # Nobody has the other end any more.
        return

  def await_said(self, pattern):
    """Something new, and then forgets what was said up to there."""
    end = time.monotonic() + PATIENCE
    while not (found := re.search(pattern, self.said, re.S)):
      check(time.monotonic() < end, f'{pattern} in {self.said[-3000:]}')
      self.read(0.1)
    self.said = self.said[found.end():]
    return found

  def frame(self):
    """The lines of the next whole one, without their styles."""
    found = self.await_said(rb'\x1b\[H(.*?)\x1b\[J')
    text = re.sub(r'\x1b\[[0-9;]*[mK]', '', found.group(1).decode())
    return text.replace('\r', '').split('\n')

  def await_frame(self, wanted):
    end = time.monotonic() + PATIENCE
    while not wanted(lines := self.frame()):
      check(time.monotonic() < end, lines)
    return lines

  def end(self):
    """As it must be after whatever has told it to."""
    end = time.monotonic() + PATIENCE
    while self.process.poll() is None:
      check(time.monotonic() < end, 'it ends')
      self.read(0.1)
    self.read(0.1)
    check(self.process.returncode == 0, self.process.returncode)
    check(LEAVE in self.said and ENTER not in self.said.split(LEAVE)[-1],
          f'it leaves its screen: {self.said[-200:]}')
    check(termios.tcgetattr(self.slave) == self.before,
          'the terminal is as it was')
    os.close(self.master)
    os.close(self.slave)


def start(ballastd, folder, services):
  path = os.path.join(folder, 'ballast.textproto')
  with open(path, 'w', encoding='utf-8') as file:
    file.write(f'state_dir: "{folder}/state" statistics_period_s: 0\n')
    for _ in range(services):
      with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
      file.write(f"""virtual_services {{
          address: "127.0.0.1" port: {port} l7 {{ host_address: true }}
          health_check {{ type: NONE }}
          real_servers {{ address: "127.0.0.1" port: 9 }} }}\n""")
  log_path = os.path.join(folder, 'log')
  with open(log_path, 'w', encoding='utf-8') as log:
    process = subprocess.Popen([ballastd, f'--config={path}'], stdout=log,
                               stderr=log)
  end = time.monotonic() + PATIENCE
  while True:
    with open(log_path, encoding='utf-8') as log:
      if f'serving {services} services' in (said := log.read()):
        return process
    check(process.poll() is None and time.monotonic() < end, said)
    time.sleep(0.05)


def test(ctl, control, daemon):
  once = subprocess.run([ctl, 'top', '--once', f'--socket={control}'],
                        check=True, text=True, stdout=subprocess.PIPE).stdout
  check(once.startswith('ballastctl top  ') and '\x1b' not in once and
        once.count('127.0.0.1:9 ') == 30, once)
  piped = subprocess.run([ctl, 'top', f'--socket={control}'], check=True,
                         text=True, stdout=subprocess.PIPE).stdout
  check(len(piped.splitlines()) == len(once.splitlines()), piped)

  top = Top(ctl, control, 80, 24)
  top.await_said(re.escape(ENTER))
  lines = top.frame()
  check(len(lines) == 24 and max(map(len, lines)) <= 80, lines)
  check(lines[0].startswith('ballastctl top  ') and
        lines[1].startswith('generation 1, services up 30 of 30'), lines)
  check(sum('... and ' in line for line in lines) == 2, lines)
  first = lines[0]
  top.await_frame(lambda lines: lines[0] != first)  # It goes on.
  top.resize(120, 70)
  lines = top.await_frame(lambda lines: len(lines) > 24)
  check(len(lines) == 68 and '... and ' not in ''.join(lines), lines)
  top.resize(20, 5)
  lines = top.await_frame(lambda lines: len(lines) <= 5)
  check(max(map(len, lines)) <= 20, lines)
  os.write(top.master, b'xq')
  top.end()

  top = Top(ctl, control, 80, 24)
  top.frame()
  os.write(top.master, b'\x03')
  top.end()
  top = Top(ctl, control, 80, 24)
  top.frame()
  top.process.send_signal(signal.SIGTERM)
  top.end()
  # No keys to be had.
  top = Top(ctl, control, 80, 24, stdin=subprocess.DEVNULL)
  top.frame()
  top.process.send_signal(signal.SIGINT)
  top.end()

  top = Top(ctl, control, 80, 24)
  top.frame()
  daemon.kill()
  daemon.wait()
  top.await_frame(lambda lines: any('nobody listens' in line
                                    for line in lines))
  os.write(top.master, b'q')
  top.end()
  gone = subprocess.run([ctl, 'top', f'--socket={control}'], text=True,
                        check=False, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT)
  check(gone.returncode == 1 and 'nobody listens' in gone.stdout, gone)


def main():
  ballastd, ctl = [os.path.abspath(path) for path in sys.argv[1:3]]
  # Short: a socket's name has 107 characters at most.
  folder = tempfile.mkdtemp(prefix='ballast.', dir='/tmp')
  daemon = start(ballastd, folder, 30)
  try:
    test(ctl, os.path.join(folder, 'state', 'control'), daemon)
  finally:
    daemon.kill()
    daemon.wait()
    shutil.rmtree(folder)


if __name__ == '__main__':
  main()
