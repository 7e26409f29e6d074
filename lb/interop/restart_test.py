#!/usr/bin/python3 -B
"""TCP connections live through a restart of ballastd with state_dir: the same
four-tuple, no reset, every byte in order both ways. NAT and direct return, IPv4
and IPv6. Without the file of flows they do not: the test can tell.
"""

import os
import socket
import threading
import time

import network
from network import check, check_equal, eventually

PORTS = {'NAT': 7000, 'ROUTE': 7001}
CHUNK = 4096
PAUSE = 0.002  # Between two chunks: about 2 MB/s each way.


def pattern(offset, size):
  """The bytes of the stream from `offset` on: 8-byte numbers."""
  first = offset // 8
  text = b''.join(number.to_bytes(8, 'big')
                  for number in range(first, (offset + size) // 8 + 1))
  return text[offset - first * 8:][:size]


class End:
  """One end of a connection: sends a known stream, checks the peer's."""

  def __init__(self, name, connection):
    self.name = name
    self._connection = connection
    connection.settimeout(20)
    self.sent = 0
    self.received = 0
    self.ended = False  # The peer's stream, in good order.
    self._stopping = threading.Event()
    self._threads = [network.Worker(self._send), network.Worker(self._receive)]
    for thread in self._threads:
      thread.start()

  def _send(self):
    while not self._stopping.is_set():
      self._connection.sendall(pattern(self.sent, CHUNK))
      self.sent += CHUNK
      time.sleep(PAUSE)
    self._connection.shutdown(socket.SHUT_WR)

  def _receive(self):
    while True:
      data = self._connection.recv(65536)
      if not data:
        self.ended = True
        return
      check(data == pattern(self.received, len(data)),
            f'{self.name}: other bytes than were sent at {self.received}')
      self.received += len(data)

  def stop_sending(self):
    self._stopping.set()

  def join(self):
    for thread in self._threads:
      thread.join(20)
    self._connection.close()

  def abandon(self):
    self._stopping.set()
    self._connection.close()


class Stream:
  """A connection through the director with both its ends."""

  def __init__(self, bed, forward, family):
    self.name = f'{forward} IPv{family}'
    port = PORTS[forward]
    server = bed.servers[1]
    address = (server.address(family) if forward == 'NAT'
               else network.VIPS[family])
    listener = server.namespace.socket(socket.SOCK_STREAM, (address, port))
    listener.listen()
    listener.settimeout(10)
    client = bed.client.connect((network.VIPS[family], port))
    accepted, peer = listener.accept()
    check_equal(peer[:2], client.getsockname()[:2], f'{self.name}: the client')
    listener.close()
    self.tuple = client.getsockname()
    self.ends = [End(f'{self.name} client', client),
                 End(f'{self.name} server', accepted)]

  def received(self):
    return [end.received for end in self.ends]

  def await_progress(self, size, seconds):
    begin = self.received()
    eventually(lambda: all(now - then >= size for now, then in
                           zip(self.received(), begin)),
               lambda: f'{self.name}: {size} bytes more both ways; before '
               f'{begin}, now {self.received()}', seconds)

  def finish(self):
    for end in self.ends:
      end.stop_sending()
    for end in self.ends:
      end.join()
    client, server = self.ends
    check(client.ended and server.ended, f'{self.name}: ended with FIN')
    check_equal(server.received, client.sent, f'{self.name}: bytes to the server')
    check_equal(client.received, server.sent, f'{self.name}: bytes to the client')


def services(bed):
  blocks = [f'state_dir: "{bed.folder}/state"\n']
  for forward, port in PORTS.items():
    for family in (4, 6):
      blocks.append(network.service(
          f'{forward}-{family}', network.VIPS[family], port,
          [network.real_server(network.server_address(2, family), port=port,
                               forward=forward)]))
  return ''.join(blocks)


def resets(bed):
  return sum(namespace.counter(name)
             for namespace in (bed.client, bed.servers[1].namespace)
             for name in ('TcpOutRsts', 'TcpEstabResets'))


def restart(bed):
  bed.start_ballastd(services(bed))
  streams = [Stream(bed, forward, family) for forward in PORTS
             for family in (4, 6)]
  for stream in streams:
    stream.await_progress(100_000, 10)
  for turn in (1, 2):
    bed.ballastd.stop()
    time.sleep(0.3)
    bed.start_ballastd(services(bed))
    bed.ballastd.await_log(r'flows of the last run: 4 of 4 restored')
    began = time.monotonic()
    for stream in streams:
      stream.await_progress(200_000, 15)
    print(f'restart {turn}: all streams go on, after '
          f'{time.monotonic() - began:.2f} s {[s.received() for s in streams]}',
          flush=True)
  for stream in streams:
    stream.finish()
  check_equal(resets(bed), 0, 'TCP resets at client and server')

  # Without the file the director must not know the connection.
  stream = Stream(bed, 'NAT', 4)
  stream.await_progress(100_000, 10)
  bed.ballastd.stop()
  os.remove(f'{bed.folder}/state/flows')
  bed.start_ballastd(services(bed))
  time.sleep(0.3)
  before = stream.received()
  time.sleep(1.5)
  check_equal(stream.received(), before, 'bytes of a forgotten connection')
  for end in stream.ends:
    end.abandon()
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(restart)
