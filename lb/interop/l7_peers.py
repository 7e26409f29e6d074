"""Servers and clients of layer 7 that do what they are told, byte by byte.

  with Scripted(bed.servers[0], 7000) as server:
    server.on('/cut', lambda c: c.send(b'HTTP/1.1 200 OK\\r\\n').reset())
    answer = ask(bed, 'GET /cut')

Also: who else is served meanwhile (Others), and what is left afterwards (Rest).
"""

import collections
import http.client
import os
import socket
import struct
import threading
import time

import network
from network import check, check_equal

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'


class Gone(Exception):
  """The peer has closed or reset."""


class Stream:
  """A TCP connection and what was read of it too early."""

  def __init__(self, connection, timeout=15):
    self.socket = connection
    self.socket.settimeout(timeout)
    self.buffer = b''
    self.requests = 0

  def send(self, data):
    try:
      self.socket.sendall(data)
    except OSError as error:
      raise Gone(repr(error)) from error
    return self

  def more(self):
    """Reads something into the buffer; False at the end."""
    try:
      data = self.socket.recv(1 << 16)
    except OSError as error:
      raise Gone(repr(error)) from error
    self.buffer += data
    return bool(data)

  def until(self, mark):
    while mark not in self.buffer:
      if not self.more():
        raise Gone('end of stream')
    text, self.buffer = self.buffer.split(mark, 1)
    return text

  def exactly(self, count):
    while len(self.buffer) < count:
      if not self.more():
        raise Gone('end of stream')
    text, self.buffer = self.buffer[:count], self.buffer[count:]
    return text

  def rest(self):
    """All up to the end, and how that came: 'end' or 'reset'."""
    try:
      while self.more():
        pass
      how = 'end'
    except Gone as error:
      how = 'timeout' if 'timed out' in str(error) else 'reset'
    text, self.buffer = self.buffer, b''
    return text, how

  def head(self):
    """(first line, {name in lower case: value})."""
    lines = self.until(b'\r\n\r\n').split(b'\r\n')
    fields = {}
    for line in lines[1:]:
      name, value = line.split(b':', 1)
      fields.setdefault(name.lower().decode(), value.strip().decode())
    return lines[0].decode(), fields

  def chunks(self):
    """A chunked body, without its trailers' fields."""
    body = b''
    while size := int(self.until(b'\r\n').split(b';')[0], 16):
      body += self.exactly(size)
      check_equal(self.exactly(2), b'\r\n', 'the end of a chunk')
    while self.until(b'\r\n'):
      pass
    return body

  def body(self, fields):
    if fields.get('transfer-encoding') == 'chunked':
      return self.chunks()
    return self.exactly(int(fields.get('content-length', '0')))

  def answer(self):
    """(status, fields, body) of a final answer."""
    line, fields = self.head()
    status = int(line.split()[1])
    if status in (204, 304):
      return status, fields, b''
    if 'content-length' in fields or 'transfer-encoding' in fields:
      return status, fields, self.body(fields)
    return status, fields, self.rest()[0]

  def end_writing(self):
    self.socket.shutdown(socket.SHUT_WR)
    return self

  def close(self):
    self.socket.close()

  def reset(self):
    self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack('ii', 1, 0))
    self.socket.close()


class Scripted:
  """A server whose paths each have a behaviour: what is called with the Stream
  once the request's head was read (`stream.line`, `stream.fields`). It goes on
  with the next request unless the stream was closed."""

  def __init__(self, server, port):
    self._listener = server.namespace.socket(
        socket.SOCK_STREAM, (server.address(), port))
    self._listener.listen(1024)
    self._behaviours = {}
    self._lock = threading.Lock()
    self.accepting = lambda stream: None  # Before anything is read.
    self.heads = []  # (connection's number, first line, fields)
    self.connections = 0
    self.open = set()
    self.errors = []

  def on(self, path, behaviour):
    self._behaviours[path] = behaviour

  def __enter__(self):
    threading.Thread(target=self._accept, daemon=True).start()
    return self

  def __exit__(self, *_):
    self._listener.close()
    for stream in list(self.open):
      stream.close()

  def asked(self, path):
    """[(connection's number, fields)] of the requests for a path."""
    return [(number, fields) for number, line, fields in list(self.heads)
            if line.split()[1].split('?')[0] == path]

  def _accept(self):
    while True:
      try:
        connection, _ = self._listener.accept()
      except OSError:
        return
      self.connections += 1
      threading.Thread(target=self._serve, daemon=True,
                       args=(self.connections, connection)).start()

  def _serve(self, number, connection):
    stream = Stream(connection, timeout=60)
    self.open.add(stream)
    try:
      self.accepting(stream)
      while stream.socket.fileno() >= 0:
        stream.line, stream.fields = stream.head()
        stream.requests += 1
        self.heads.append((number, stream.line, stream.fields))
        path = stream.line.split()[1].split('?')[0]
        self._behaviours[path](stream)
    except Gone:
      pass
    except Exception as error:  # pylint: disable=broad-except
      self.errors.append(repr(error))
    finally:
      stream.close()
      self.open.discard(stream)


def say(*parts):
  """A behaviour: reads the body, then sends these."""
  def behave(stream):
    stream.body(stream.fields)
    for part in parts:
      stream.send(part)
  return behave


def then(behaviour, last):
  """A behaviour and then 'close', 'reset' or a time to wait before closing."""
  def behave(stream):
    behaviour(stream)
    if last == 'reset':
      stream.reset()
    elif last == 'close':
      stream.close()
    else:
      time.sleep(last)
      stream.close()
  return behave


def dial(bed, port=80, timeout=15):
  return Stream(bed.client.connect((network.VIP, port), 5), timeout)


def request(line, *fields, body=b'', host='h', version='1.1'):
  """The bytes of a request; a body gets its length."""
  lines = [f'{line} HTTP/{version}', f'Host: {host}', *fields]
  if body:
    lines.append(f'Content-Length: {len(body)}')
  return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def ask(bed, line, *fields, port=80, **kwargs):
  """One request on a connection of its own: all that came, and how it ended."""
  stream = dial(bed, port)
  stream.send(request(line, *fields, 'Connection: close', **kwargs))
  try:
    return stream.rest()
  finally:
    stream.close()


def status_of(text):
  check(text.startswith(b'HTTP/1.1 '), f'no answer: {text[:200]!r}')
  return int(text[9:12])


class Others:
  """Requests of others on kept connections, from threads, until told to stop:
  none of them may fail or take long."""

  def __init__(self, bed, port, threads=2, pause=0.005):
    self._bed = bed
    self._port = port
    self._pause = pause
    self.good = 0
    self.slowest = 0.0
    self.failed = []
    self._stopping = threading.Event()
    self._workers = [network.Worker(self._run) for _ in range(threads)]

  def __enter__(self):
    for worker in self._workers:
      worker.start()
    return self

  def __exit__(self, *_):
    self._stopping.set()
    for worker in self._workers:
      worker.join(20)

  def _run(self):
    connection = None
    while not self._stopping.is_set():
      began = time.monotonic()
      try:
        if connection is None:
          connection = http.client.HTTPConnection(network.VIP, self._port)
          connection.sock = self._bed.client.connect(
              (network.VIP, self._port), 5)
          connection.sock.settimeout(10)
        connection.request('GET', '/others')
        reply = connection.getresponse()
        reply.read()
        check_equal(reply.status, 200, 'status')
        self.good += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
      except (OSError, http.client.HTTPException, network.Failure) as error:
        self.failed.append(repr(error))
        connection = None
      time.sleep(self._pause)
    if connection is not None:
      connection.close()


class Rest:
  """What a daemon holds; after a test it must be what it was before."""

  def __init__(self, bed):
    self._bed = bed
    self._descriptors = self._busy()
    self.resident_kb = bed.ballastd.resident_kb()

  def _busy(self):
    """Descriptors but those of idle connections to servers."""
    folder = f'/proc/{self._bed.ballastd.process.pid}/fd'
    return (len(os.listdir(folder))
            - self._bed.ballastd.events().get('servers_idle', 0))

  def grown_kb(self):
    return self._bed.ballastd.resident_kb() - self.resident_kb

  def check_same(self, seconds=10):
    """Nothing open, and the descriptors as they were."""
    network.eventually(
        lambda: self._bed.ballastd.events()['open'] == 0,
        lambda: f'no connection is open: {self._bed.ballastd.events()}',
        seconds, 0.2)
    network.eventually(
        lambda: self._busy() == self._descriptors,
        lambda: f'{self._busy()} descriptors, were {self._descriptors}',
        seconds, 0.2)


def counted(bed, service, before, what):
  """That each of `what` ({name: at least}) has been counted since `before`."""
  after = {}
  def reached():
    after.clear()
    after.update(bed.ballastd.events(service))
    grown = collections.Counter(after)
    grown.subtract(before)
    return all(grown[name] >= count for name, count in what.items())
  network.eventually(
      reached, lambda: f'{service} counts {what}; before {before}, now {after}',
      5, 0.1)
