"""The watched sessions of examples/session_load.h in a network.Bed: clients in its
client's namespace, a server in each of its servers'.

  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 150, 50), ('idle', network.VIP, 10, 1000))
  watched.window('takeover')
  ...
  report = watched.finish()   # {'completed': 160, 'lost': 0, 'windows': ...}
"""

import copy
import json
import subprocess

import network
from network import check_equal, eventually

PORT = 7000


class Sessions:
  """Clients and servers of examples/session_load.h in a network.Bed."""

  def __init__(self, bed):
    program = network.find('lb/interop/sessions')
    self._bed = bed
    self._program = program
    self.servers = [
        server.namespace.start([program, 'serve', str(PORT)],
                               stdout=subprocess.PIPE)
        for server in bed.servers
    ]
    for process in self.servers:
      check_equal(process.stdout.readline(), 'serving\n', 'a server says')
    self.client = None

  def more(self):
    """For another connect(): to the same servers."""
    other = copy.copy(self)
    other.client = None
    return other

  def connect(self, *groups):
    """Each (name, address, count, interval in ms) or with a source address. An
    address is (address, port) where the port is not PORT.
    """
    def target(address):
      if isinstance(address, tuple):
        return network.endpoint(*address)
      return network.endpoint(address, PORT)
    words = [','.join([name, target(address), str(count), str(interval),
                       *source])
             for name, address, count, interval, *source in groups]
    self.client = self._bed.client.start(
        [self._program, 'client', *words], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE)
    check_equal(self.client.stdout.readline(), 'established\n',
                'the client says')

  def _ask(self, line):
    self.client.stdin.write(line + '\n')
    self.client.stdin.flush()
    return self.client.stdout.readline()

  def window(self, name):
    check_equal(self._ask(f'window {name}'), 'ok\n', 'the client says')

  def now(self):
    return json.loads(self._ask('now'))

  def await_bytes(self, size, seconds=20):
    """So many more verified, and an answer for every session."""
    begin = self.now()
    def moved():
      now = self.now()
      return (now['bytes_verified'] >= begin['bytes_verified'] + size
              and now['answered'] == now['sessions'])
    eventually(moved, lambda: f'every session goes on: {begin}, {self.now()}',
               seconds)

  def finish(self, seconds=10):
    return json.loads(self._ask(f'finish {seconds}'))
