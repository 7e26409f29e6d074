#!/usr/bin/python3 -B
"""Bad servers and bad clients of layer 7, on both reactors. What must come is
said by RFC 9110 and 9112 and by rules E1 to E5 of lb/l7/exchange.h. All the
while others are served, and afterwards nothing is left behind.
"""

import hashlib
import os
import struct
import threading
import time

import network
from l7_peers import (OK, Gone, Others, Rest, Scripted, ask, counted, dial,
                      request, say, status_of, then)
from network import check, check_equal

FAULTY = 80  # Its one server is Scripted.
OTHERS = 82  # nginx.
SLOW = 83    # As FAULTY, with a longer idle timeout.
DEAD = 84    # Nobody listens there.
IDLE = 2     # Seconds, of FAULTY.
HEAD = b'HTTP/1.1 200 OK\r\n'
LENGTH = HEAD + b'Content-Length: 100\r\n\r\n'
CHUNKED = HEAD + b'Transfer-Encoding: chunked\r\n\r\n'


def start(bed, *flags):
  def service(name, port, backend, idle, servers=(1,)):
    return network.service(
        name, network.VIP, port,
        [network.real_server(network.server_address(number), port=backend)
         for number in servers] + ['l7 { }'], idle_timeout_s=idle)
  bed.start_nginx([80])
  bed.start_ballastd(
      service('faulty', FAULTY, 7000, IDLE)
      + service('slow', SLOW, 7000, 60)
      + service('others', OTHERS, 80, 60, (2, 3))
      + service('dead', DEAD, 7999, IDLE), '--claim_at_once', *flags)


def answers_in_pieces(bed, server):
  """Servers that break off: before an answer 502; in it, the client sees that
  it is not whole (E3)."""
  before = bed.ballastd.events('faulty')
  server.on('/reset', lambda s: s.reset())
  server.on('/close', lambda s: s.close())
  server.on('/mid-head', then(say(HEAD + b'Content-'), 'close'))
  server.on('/mid-head-reset', then(say(HEAD + b'Content-'), 'reset'))
  for path in ('/reset', '/close', '/mid-head', '/mid-head-reset'):
    text, how = ask(bed, f'GET {path}')
    check_equal((status_of(text), how), (502, 'end'), path)
    check_equal(len(server.asked(path)), 1, f'{path}: how often it was sent')
  counted(bed, 'faulty', before, {'server_closed': 4, 'replied_5xx': 4})

  before = bed.ballastd.events('faulty')
  for end in ('close', 'reset'):
    server.on(f'/length-{end}', then(say(LENGTH + b'x' * 40), end))
    text, how = ask(bed, f'GET /length-{end}')
    check_equal(status_of(text), 200, end)
    check(b'Content-Length: 100\r\n' in text, f'{end}: {text!r}')
    check(len(text.split(b'\r\n\r\n')[1]) <= 40 and how != 'timeout',
          f'{end} in a body of a length: {text!r}, {how}')
    server.on(f'/chunked-{end}', then(say(CHUNKED + b'5\r\nhello\r\n'), end))
    text, how = ask(bed, f'GET /chunked-{end}')
    check(b'0\r\n\r\n' not in text and how != 'timeout',
          f'{end} in a body of chunks: {text!r}, {how}')
    # HTTP/1.0 knows no chunks; a reset is how it learns.
    text, how = ask(bed, f'GET /chunked-{end}', version='1.0')
    check_equal(how, 'reset', f'{end}, HTTP/1.0: {text!r}')
  # A body until the end: an end is its end, a reset is none.
  server.on('/until-close', then(say(HEAD + b'\r\nhello'), 'close'))
  text, how = ask(bed, 'GET /until-close')
  check(text.endswith(b'5\r\nhello\r\n0\r\n\r\n'), f'until close: {text!r}')
  server.on('/until-reset', then(say(HEAD + b'\r\nhello'), 'reset'))
  text, how = ask(bed, 'GET /until-reset')
  check(b'0\r\n\r\n' not in text, f'until reset: {text!r}, {how}')
  # All but /until-close.
  counted(bed, 'faulty', before, {'server_broke': 7, 'answered': 1})


def invalid_answers(bed, server):
  """Answers that are none: 502 and a reason."""
  def refused(name, text, reason, status=502):
    server.on('/invalid', then(say(text), 0.5))
    before = bed.ballastd.events('faulty')
    got, _ = ask(bed, 'GET /invalid')
    check_equal(status_of(got), status, name)
    check(b'EVIL' not in got, f'{name}: {got!r}')
    counted(bed, 'faulty', before,
            {'server_invalid': 1, f'response_{reason}': 1} if reason else
            {'server_invalid': 1})
  refused('garbage', b'\x16\x03\x01\x02\x00\x01EVIL\r\n\r\n',
          'version_unsupported')
  refused('HTTP/0.9', b'<html>EVIL</html>\r\n', 'version_unsupported')
  refused('HTTP/2', b'HTTP/2 200 OK\r\n\r\nEVIL', 'version_unsupported')
  refused('status 99', b'HTTP/1.1 99 No\r\n\r\nEVIL', 'status_invalid')
  refused('two lengths', HEAD + b'Content-Length: 4\r\nContent-Length: 5\r\n'
          b'\r\nEVIL', 'content_length_repeated')
  refused('length and chunked', HEAD + b'Content-Length: 4\r\n'
          b'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nEVIL',
          'length_and_transfer_encoding')
  refused('a NUL', HEAD + b'A: b\0c\r\n\r\nEVIL', 'control_character')
  refused('bare line feeds', b'HTTP/1.1 200 OK\nA: b\n\nEVIL',
          'bare_line_feed')
  refused('a head of 1 MB', HEAD + b'A: ' + b'EVIL' * (1 << 18) + b'\r\n\r\n',
          'head_too_large')
  refused('a thousand fields', HEAD + b'A: EVIL\r\n' * 1000 + b'\r\n',
          'too_many_fields')
  refused('101 that nobody asked for', b'HTTP/1.1 101 S\r\nUpgrade: x\r\n'
          b'Connection: Upgrade\r\n\r\nEVIL', None)
  server.on('/interim', then(
      say(*[b'HTTP/1.1 100 Continue\r\n\r\n'] * 1000, OK), 0.5))
  before = bed.ballastd.events('faulty')
  text, _ = ask(bed, 'GET /interim')
  check(text.count(b'HTTP/1.1 100 ') <= 16 and b'HTTP/1.1 502 ' in text,
        f'1000 interim answers: {len(text)} bytes, {text[-200:]!r}')
  counted(bed, 'faulty', before, {'server_invalid': 1})
  server.on('/early-hints', say(
      *[b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'] * 3, OK))
  text, _ = ask(bed, 'GET /early-hints')
  check_equal((text.count(b'HTTP/1.1 103 '), text[-2:]), (3, b'ok'),
              'three interim answers')
  text, _ = ask(bed, 'GET /early-hints', version='1.0')
  check(text.startswith(b'HTTP/1.1 200 '), f'interim, HTTP/1.0: {text!r}')
  for size in (b'zz', b'-1', b'0x5', b'1' + b'0' * 16, b'5 5', b' 5', b'+5',
               b'', b'5' * 5000):
    server.on('/chunk', then(say(CHUNKED + size + b'\r\nEVIL5\r\n0\r\n\r\n'),
                             0.5))
    text, how = ask(bed, 'GET /chunk')
    check(b'EVIL' not in text and b'0\r\n\r\n' not in text
          and how != 'timeout', f'chunk size {size[:20]!r}: {text!r}, {how}')


def desynchronised(bed, server):
  """Bytes that belong to no request reach nobody (response splitting)."""
  evil = HEAD + b'Content-Length: 4\r\n\r\nEVIL'
  server.on('/two', say(OK + evil))
  server.on('/late', then(say(OK), 0))
  server.on('/no-content', say(b'HTTP/1.1 204 No Content\r\n\r\n' + evil))
  server.on('/not-modified', say(
      b'HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n' + evil))
  server.on('/head', say(HEAD + b'Content-Length: 4\r\n\r\n' + evil))
  server.on('/too-long', say(OK + b'EVIL'))
  def late(stream):
    stream.send(OK)
    time.sleep(0.1)
    stream.send(evil)
  server.on('/late', late)
  server.on('/next', say(OK))
  for line in ('GET /two', 'GET /no-content', 'GET /not-modified',
               'HEAD /head', 'GET /too-long', 'GET /late'):
    stream = dial(bed)
    stream.send(request(line))
    first, fields = stream.head()
    if first.split()[1] == '200' and not line.startswith('HEAD'):
      check_equal(stream.body(fields), b'ok', line)
    if 'late' in line:
      time.sleep(0.3)
    stream.send(request('GET /next'))
    check_equal(stream.answer()[2], b'ok', f'the request after {line}')
    stream.close()
    path = line.split()[1]
    check(server.asked(path)[-1][0] != server.asked('/next')[-1][0],
          f'{line}: its connection was used again')
  events = bed.ballastd.events()
  check(events['servers_unasked_bytes'] >= 1, f'{events}')


def closed_at_reuse(bed, server):
  """A server closes as the next request comes: E2."""
  def once(stream):
    if stream.requests > 1:
      return stream.close()
    return say(OK)(stream)
  server.on('/once', once)
  stream = dial(bed)
  before = bed.ballastd.events('faulty')
  for _ in range(5):
    stream.send(request('GET /once'))
    check_equal(stream.answer()[0], 200, 'GET at a connection that closes')
  # All but the first are sent twice; that too if a connection was left over.
  sent = len(server.asked('/once'))
  check(sent in (9, 10), f'{sent} requests sent')
  counted(bed, 'faulty', before, {'retries': sent - 5})
  stream.send(request('POST /once', body=b'once'))
  check_equal(stream.answer()[0], 502, 'POST is not sent again')
  stream.close()
  check_equal(len(server.asked('/once')), sent + 1, 'requests sent')
  # A server that says so, or that closes while idle, is no failure.
  server.on('/bye', then(say(HEAD + b'Connection: close\r\n'
                             b'Content-Length: 2\r\n\r\nok'), 'close'))
  server.on('/idle', then(say(OK), 'close'))
  stream = dial(bed)
  for path in ('/bye', '/idle') * 3:
    stream.send(request(f'POST {path}', body=b'x'))
    check_equal(stream.answer()[0], 200, path)
    time.sleep(0.05)
  stream.close()


def answers_early(bed, server):
  """An answer before the body is whole reaches the client, and so does one
  whose connection is then reset because nobody read that body."""
  def early(stream):
    stream.send(b'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n'
                b'Content-Length: 3\r\n\r\nbig')
    stream.close()  # With bytes unread: a reset.
  def patient(stream):
    stream.send(b'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\n'
                b'big')
    stream.body(stream.fields)
  server.on('/early', early)
  server.on('/patient', patient)
  body = b'x' * 100_000
  for path, count in (('/early', 40), ('/patient', 5)):
    for turn in range(count):
      stream = dial(bed)
      try:
        stream.send(request(f'POST {path}', body=body))
      except Gone:
        pass
      check_equal(stream.answer()[::2], (413, b'big'), f'{path}, {turn}')
      stream.close()


def stalls(bed, server):
  """Nothing for the idle timeout: 504, or the end in the middle; 408 for
  clients. One byte now and then is not nothing."""
  server.on('/silent', lambda s: time.sleep(IDLE + 3))
  server.on('/half', then(say(LENGTH + b'x' * 50), IDLE + 3))
  def drip(stream):
    stream.body(stream.fields)
    for byte in OK:
      stream.send(bytes([byte]))
      time.sleep(0.1)
  server.on('/drip', drip)
  server.on('/body', say(OK))
  before = bed.ballastd.events('faulty')

  def silent():
    text, _ = ask(bed, 'GET /silent')
    check_equal(status_of(text), 504, 'a silent server')
  def half():
    text, how = ask(bed, 'GET /half')
    check((status_of(text), how) == (200, 'end') and len(text) < 150,
          f'a server that stalls: {text!r}, {how}')
  def dripped():
    check_equal(ask(bed, 'GET /drip')[0][-2:], b'ok', 'a slow answer')
  def half_head():
    stream = dial(bed)
    stream.send(b'GET / HTTP/1.1\r\nHost: h\r\nX')
    began = time.monotonic()
    text, how = stream.rest()
    check_equal((status_of(text), how), (408, 'end'), 'half a head')
    check(IDLE - 0.5 < time.monotonic() - began < IDLE + 2,
          f'half a head: after {time.monotonic() - began} s')
  def half_body():
    stream = dial(bed)
    stream.send(request('POST /body', 'Content-Length: 10') + b'12345')
    text, how = stream.rest()
    check_equal((status_of(text), how), (408, 'end'), 'half a body')
  def slow_body():
    stream = dial(bed)
    stream.send(request('POST /body', 'Content-Length: 10'))
    for _ in range(10):
      time.sleep(0.4)
      stream.send(b'x')
    check_equal(stream.answer()[0], 200, 'a slow body')
    stream.close()
  def nothing():
    stream = dial(bed)
    check_equal(stream.rest(), (b'', 'end'), 'a client that says nothing')
  def kept():
    stream = dial(bed)
    stream.send(request('GET /body'))
    check_equal(stream.answer()[0], 200, 'before it is idle')
    check_equal(stream.rest(), (b'', 'end'), 'an idle client')
  workers = [network.Worker(work) for work in (
      silent, half, dripped, half_head, half_body, slow_body, nothing, kept)]
  for worker in workers:
    worker.start()
  for worker in workers:
    worker.join(20)
  counted(bed, 'faulty', before, {
      'server_silent': 1, 'server_stalled': 1, 'heads_timed_out': 1,
      'client_stalled': 1, 'idle_closed': 2})


def unreachable(bed):
  """E1, and nobody else to try: 503."""
  before = bed.ballastd.events('dead')
  text, _ = ask(bed, 'GET /', port=DEAD)
  check_equal(status_of(text), 503, 'nobody listens')
  counted(bed, 'dead', before, {'connect_failed': 1, 'replied_5xx': 1})


def clients_vanish(bed, server):
  """Resets in the middle of either way end the server's connection, too."""
  ended = []
  def sink(stream):
    try:
      stream.body(stream.fields)
    except Gone:
      ended.append('up')
  def source(stream):
    try:
      stream.send(HEAD + b'Content-Length: 1000000000\r\n\r\n')
      while True:
        stream.send(b'x' * (1 << 16))
    except Gone:
      ended.append('down')
      raise
  server.on('/up', sink)
  server.on('/down', source)
  server.on('/wait', lambda s: s.more() or ended.append('wait') or s.close())
  before = bed.ballastd.events('slow')
  clients = []
  for _ in range(10):
    stream = dial(bed, SLOW)
    stream.send(request('POST /up', 'Content-Length: 1000000') + b'x' * 5000)
    clients.append(stream)
    stream = dial(bed, SLOW)
    stream.send(request('GET /down'))
    check(len(stream.exactly(1000)) == 1000, 'the beginning')
    clients.append(stream)
    stream = dial(bed, SLOW)
    stream.send(request('GET /wait'))
    clients.append(stream)
  network.eventually(lambda: len(server.asked('/wait')) == 10, 'all came')
  for stream in clients:
    stream.reset()
  network.eventually(lambda: sorted(ended) == ['down'] * 10 + ['up'] * 10
                     + ['wait'] * 10, lambda: f'servers see it: {ended}')
  counted(bed, 'slow', before, {'client_aborted': 30})


def slow_readers(bed, server, rest):
  """Clients that read a byte a second: servers are slowed down, and memory
  stays bounded."""
  sent = []
  def source(stream):
    stream.send(HEAD + b'Content-Length: 100000000\r\n\r\n')
    block = b'x' * (1 << 16)
    number = len(sent)
    sent.append(0)
    for _ in range(100_000_000 // len(block)):
      stream.send(block)
      sent[number] += len(block)
  server.on('/endless', source)

  def grown(clients, seconds):
    before = rest.grown_kb()
    readers = [dial(bed, SLOW) for _ in range(clients)]
    for stream in readers:
      stream.send(request('GET /endless'))
    highest = 0
    for _ in range(seconds):
      time.sleep(1)
      for stream in readers:
        stream.socket.recv(1)
      highest = max(highest, rest.grown_kb() - before)
    for stream in readers:
      stream.reset()
    return highest
  grown(20, 2)  # The reactor's own buffers are touched once and for all.
  clients = 60
  highest = grown(clients, 4)
  print(f'slow_readers: {clients} clients, {highest} KiB of memory, '
        f'{max(sent) >> 10} KiB taken of a server', flush=True)
  # 64 KiB each are held, and a few received bytes on top, in two buffers that
  # keep up to twice as much each; the rest is the kernel's.
  check(highest < clients * 448, f'{highest} KiB more for {clients} clients')
  check(max(sent) < 50_000_000, f'a server could send {max(sent)} bytes')


def pipelines(bed, server):
  """A thousand requests at once: a thousand answers, in order."""
  def echo(stream):
    text = stream.line.split()[1].split('?')[1].encode()
    say(HEAD + b'Content-Length: %d\r\n\r\n' % len(text) + text)(stream)
  server.on('/echo', echo)
  stream = dial(bed)
  whole = b''.join(request(f'GET /echo?{i}') for i in range(1000))
  sender = threading.Thread(target=stream.send, args=(whole,))
  sender.start()
  for i in range(1000):
    check_equal(stream.answer()[2], str(i).encode(), 'the answer')
  sender.join()
  stream.close()
  # One that never reads what it asks for is slowed down, not kept in memory.
  server.on('/page', say(HEAD + b'Content-Length: 10000\r\n\r\n' + b'x' * 10000))
  stream = dial(bed, SLOW, timeout=2)
  sent = 0
  block = request('GET /page') * 100
  try:
    for _ in range(2000):
      stream.send(block)
      sent += 100
  except Gone:
    pass
  answered = len(server.asked('/page'))
  check(answered < 20_000, f'{answered} answers for nobody')
  stream.reset()


def uploads(bed, server):
  """Bodies of either framing arrive as they were sent."""
  def digest(stream):
    text = hashlib.sha256(stream.body(stream.fields)).hexdigest().encode()
    stream.send(HEAD + b'Content-Length: 64\r\n\r\n' + text)
  server.on('/digest', digest)
  body = os.urandom(1 << 20)
  wanted = hashlib.sha256(body).hexdigest().encode()
  stream = dial(bed)
  stream.send(request('POST /digest', body=body))
  check_equal(stream.answer()[2], wanted, 'a body with a length')
  stream.send(request('POST /digest', 'Transfer-Encoding: chunked'))
  at = 0
  while at < len(body):
    size = struct.unpack('H', os.urandom(2))[0] + 1
    piece = body[at:at + size]
    stream.send(b'%x\r\n%s\r\n' % (len(piece), piece))
    at += size
  stream.send(b'0\r\n\r\n')
  check_equal(stream.answer()[2], wanted, 'a body in chunks')
  stream.close()


def bad_peers(bed, *flags):
  start(bed, *flags)
  check_equal(status_of(ask(bed, 'GET /', port=OTHERS)[0]), 200, 'nginx')
  rest = Rest(bed)
  with Scripted(bed.servers[0], 7000) as server:
    with Others(bed, OTHERS) as others:
      for story in (answers_in_pieces, invalid_answers, desynchronised,
                    closed_at_reuse, answers_early, stalls, clients_vanish,
                    pipelines, uploads):
        began = time.monotonic()
        story(bed, server)
        print(f'{story.__name__}: {time.monotonic() - began:.1f} s',
              flush=True)
      unreachable(bed)
      slow_readers(bed, server, rest)
    check_equal(others.failed, [], 'requests of others that failed')
    check(others.good > 500, f'{others.good} requests of others')
    check_equal(server.errors, [], 'errors of the server itself')
    rest.check_same()
    print(f'others: {others.good} requests, the slowest took '
          f'{others.slowest * 1000:.0f} ms; {rest.grown_kb()} KiB more',
          flush=True)
    # The reactor's 8 MiB of receive buffers, and pages the allocator keeps.
    check(rest.grown_kb() < 32 << 10, f'{rest.grown_kb()} KiB are left')
  bed.ballastd.stop()


def with_io_uring(bed):
  bad_peers(bed)


def with_epoll(bed):
  bad_peers(bed, '--force_epoll')


if __name__ == '__main__':
  network.main(with_io_uring, with_epoll)
