"""Tests of the examples that embed a proxy: small servers, the program without
any privilege, curl.
"""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time


def check(condition, what):
  if not condition:
    sys.exit(f'FAILED: {what}')


class Server(http.server.ThreadingHTTPServer):
  """Answers "NAME TARGET", then the fields it got."""
  daemon_threads = True

  def __init__(self, name):
    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = 'HTTP/1.1'

      def do_GET(self):  # pylint: disable=invalid-name
        body = f'{name} {self.path}\n{self.headers}'.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

      def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass
    self._connections = []
    super().__init__(('127.0.0.1', 0), Handler)
    threading.Thread(target=self.serve_forever, daemon=True).start()

  def process_request(self, request, client_address):
    self._connections.append(request)
    super().process_request(request, client_address)

  def stop(self):
    """As if its process ended."""
    self.shutdown()
    self.server_close()
    for connection in self._connections:
      try:
        connection.shutdown(socket.SHUT_RDWR)
      except OSError:
        pass  # It has ended by itself.

  @property
  def address(self):
    return f'127.0.0.1:{self.server_port}'


def free_port():
  with socket.create_server(('127.0.0.1', 0)) as taken:
    return taken.getsockname()[1]


def without_privilege():
  """Words before a command that take every capability away."""
  if os.geteuid() != 0:
    return []
  check(shutil.which('setpriv'), 'setpriv is not installed')
  return ['setpriv', '--inh-caps=-all', '--ambient-caps=-all',
          '--bounding-set=-all', '--no-new-privs', '--']


class Program:
  """The program under test, the first argument of this one."""

  def __init__(self, *arguments):
    """Returns when it has found every server up."""
    self.port = free_port()
    self._log = tempfile.TemporaryFile()
    self.process = subprocess.Popen(
        [*without_privilege(), sys.argv[1], f'--listen=127.0.0.1:{self.port}',
         *arguments], stdout=subprocess.PIPE, stderr=self._log, text=True)
    check(self.process.stdout.readline(), f'it ends: {self.log()}')
    servers = sum(not word.startswith('--') for word in arguments)
    deadline = time.monotonic() + 20
    while self.log().count(' up: ') < servers:
      check(time.monotonic() < deadline, f'servers are not up: {self.log()}')
      time.sleep(0.05)
    with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
      effective = [line.split()[1] for line in file if
                   line.startswith('CapEff:')]
    check(effective == ['0' * 16], f'it has privileges: {effective}')

  def log(self):
    return os.pread(self._log.fileno(), 1 << 20, 0).decode()

  def curl(self, path, *flags):
    return subprocess.run(
        ['curl', '-sS', '--max-time', '10', *flags,
         f'http://127.0.0.1:{self.port}{path}'], text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

  def stop(self):
    """What it says at last."""
    self.process.send_signal(signal.SIGTERM)
    said, _ = self.process.communicate(timeout=10)
    check(self.process.returncode == 0, f'exit {self.process.returncode}')
    return said

  def kill(self):
    if self.process.poll() is None:
      self.process.kill()
      self.process.wait()


def refused(*arguments):
  """The last words of a call that must not succeed."""
  done = subprocess.run([sys.argv[1], *arguments], text=True, check=False,
                        timeout=10, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT)
  check(done.returncode == 2, f'{arguments}: exit {done.returncode}')
  return done.stdout
