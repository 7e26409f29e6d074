#!/usr/bin/python3 -B
"""Layer 7 under load: large bodies, reloads, and the daemon's end.
"""

import hashlib
import os
import re
import signal
import time

import network
from l7_peers import OK, Rest, Scripted, dial, request, say
from network import check, check_equal

HEAD = b'HTTP/1.1 200 OK\r\n'


def proxy(name, port, servers=(1, 2, 3), backend=80, **fields):
  blocks = [network.real_server(network.server_address(number), port=backend)
            for number in servers]
  return network.service(name, network.VIP, port, [*blocks, 'l7 { }'], **fields)


def _make(path, size):
  """A file with holes, which need not be on the disk; its digest."""
  with open(path, 'wb') as file:
    for at in range(0, size, 1 << 26):
      file.seek(at)
      file.write(os.urandom(1 << 20))
    file.truncate(size)
  digest = hashlib.sha256()
  with open(path, 'rb') as file:
    while block := file.read(1 << 20):
      digest.update(block)
  return digest.hexdigest()


def large_bodies(bed):
  """A gigabyte down and a quarter up: the same bytes, and memory stays
  bounded."""
  bed.start_nginx([80])
  size = 1 << 30
  path = os.path.join(bed.files, 'large')
  part = os.path.join(bed.files, 'part')
  wanted = _make(path, size)
  wanted_up = _make(part, size // 4)
  bed.start_ballastd(proxy('down', 8000, (2,)) + proxy('up', 8001, (1,), 7000))
  rest = Rest(bed)
  began = time.monotonic()
  text = bed.client.run(['sh', '-c', 'curl -sS --max-time 50 '
                         f'http://{network.VIP}:8000/files/large | sha256sum'])
  check_equal(text.split()[0], wanted, 'a gigabyte down')
  down = time.monotonic() - began
  def take(stream):
    stream.send(b'HTTP/1.1 100 Continue\r\n\r\n')
    got, left = hashlib.sha256(), int(stream.fields['content-length'])
    while left:
      if not stream.buffer:
        check(stream.more(), 'the body ends early')
      got.update(stream.buffer)
      left -= len(stream.buffer)
      stream.buffer = b''
    stream.send(HEAD + b'Content-Length: 64\r\n\r\n' + got.hexdigest().encode())
  with Scripted(bed.servers[0], 7000) as server:
    server.on('/large', take)
    began = time.monotonic()
    text = bed.curl('-T', part, f'http://{network.VIP}:8001/large', timeout=50)
    check_equal(text, wanted_up, 'a quarter up')
    up = time.monotonic() - began
    grown = rest.grown_kb()
    print(f'large_bodies: {size / down / 1e6:.0f} MB/s down, '
          f'{size / 4 / up / 1e6:.0f} MB/s up, {grown} KiB of memory', flush=True)
    # The reactor's 8 MiB of receive buffers are touched, too.
    check(grown < 24 << 10, f'{grown} KiB more for it')
    check_equal(server.errors, [], 'errors of the server itself')


def wrk(bed, port, seconds):
  return bed.client.start(
      ['wrk', '-t1', '-c32', f'-d{seconds}s', '--timeout', '8s',
       f'http://{network.VIP}:{port}/'], stdout=-1)


def reloads(bed):
  """Reloads under wrk, with servers added and taken out: nothing fails."""
  bed.start_nginx([80])
  def config(turn):
    return (proxy('web', 8000, (1, 2, 3) if turn % 2 else (3, 1))
            + (proxy('other', 8001) if turn % 3 else ''))
  bed.start_ballastd(config(1))
  load = wrk(bed, 8000, 8)
  time.sleep(0.5)
  for turn in range(10):
    bed.reload(config(turn))
    time.sleep(0.5)
  said = load.communicate(timeout=30)[0]
  requests = int(re.search(r'(\d+) requests in', said).group(1))
  print(f'reloads: {requests} requests of wrk', flush=True)
  check(requests > 1000, said)
  check('Socket errors' not in said and 'Non-2xx' not in said, said)


def ends(bed):
  """SIGTERM: what is under way is completed, for five seconds; the rest is
  closed."""
  bed.start_ballastd(proxy('web', 8000, (1,), 7000))
  with Scripted(bed.servers[0], 7000) as server:
    def slow(stream):
      stream.send(HEAD + b'Content-Length: 10\r\n\r\n')
      for _ in range(10):
        time.sleep(0.2)
        stream.send(b'x')
    server.on('/slow', slow)
    server.on('/late', lambda s: time.sleep(1) or slow(s))
    server.on('/stuck', lambda s: time.sleep(20))
    server.on('/now', say(OK))
    idle = dial(bed, 8000)
    idle.send(request('GET /now'))
    check_equal(idle.answer()[2], b'ok', 'before the end')
    asked = {path: dial(bed, 8000) for path in ('/slow', '/late', '/stuck')}
    for path, stream in asked.items():
      stream.send(request(f'GET {path}'))
    network.eventually(lambda: len(server.heads) == 4, 'all have come')
    began = time.monotonic()
    bed.ballastd.process.send_signal(signal.SIGTERM)
    check_equal(idle.rest(), (b'', 'end'), 'an idle connection')
    check(time.monotonic() - began < 1, 'an idle connection is closed at once')
    for path in ('/slow', '/late'):
      status, fields, body = asked[path].answer()
      check_equal((status, body), (200, b'x' * 10), path)
    check_equal(fields.get('connection'), 'close', 'the last answer says so')
    check_equal(asked['/stuck'].rest()[0], b'', 'one that takes too long')
    check_equal(bed.ballastd.process.wait(10), 0, 'exit status')
    took = time.monotonic() - began
    check(4 < took < 8, f'the daemon ended after {took:.1f} s')


if __name__ == '__main__':
  network.main(large_bodies, reloads, ends)
