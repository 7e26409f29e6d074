#!/usr/bin/python3 -B
"""Traffic limits of layer 7 through ballastd: real clients (curl, wrk, plain
sockets), real servers (nginx)."""

import hashlib
import os
import re
import socket
import threading
import time

import network
from network import check, check_equal

VIP = network.VIPS[4]
OTHER = '10.1.0.77'  # Another client.
GET = b'GET / HTTP/1.1\r\nHost: h\r\n\r\n'


def proxy(name, port=80, l7='', limits=''):
  return network.service(
      name, VIP, port,
      [network.real_server(network.server_address(number), port=80)
       for number in (1, 2, 3)]
      + ['l7 { ' + l7 + (' limits { ' + limits + ' }' if limits else '') + ' }'])


def limited(bed, name):
  """{limit: how often it was exceeded} of a service."""
  bed.ballastd.statistics()
  lines = re.findall(rf'service \S+ \S+ {name} .*', bed.ballastd.log())
  return {reason: int(count) for reason, count
          in re.findall(r'([a-z0-9_.]+)=(\d+)', lines[-1])}


def connect(bed, port=80, source=None):
  made = bed.client.connect((VIP, port), 5,
                            None if source is None else (source, 0))
  made.settimeout(5)
  return made


def answer(connection, request=GET):
  """What a request is answered; b'' if the connection is closed."""
  try:
    connection.sendall(request)
    return connection.recv(65536)
  except (ConnectionResetError, BrokenPipeError):
    return b''


def ok(connection):
  return answer(connection).startswith(b'HTTP/1.1 200 ')


def connections(bed):
  """So many at once, of all and of each client; changed by a reload."""
  bed.client.ip(f'addr add {OTHER}/24 dev eth0')
  bed.start_nginx([80])

  def config(connections):
    return (proxy('told', limits=f'connections: {connections} '
                                 'excess: STATUS_503')
            + proxy('closed', port=81, limits='client_connections: 2')
            + proxy('bytes', port=82, l7='type: GENERIC',
                    limits='connections: 1'))
  bed.start_ballastd(config(5))
  held = [connect(bed) for _ in range(5)]
  check(all(ok(one) for one in held), 'five connections')
  text = answer(connect(bed))
  check(text.startswith(b'HTTP/1.1 503 ') and b'\r\nRetry-After: 1\r\n' in text
        and b'\r\nConnection: close\r\n' in text, f'the sixth: {text!r}')
  check(all(ok(one) for one in held), 'the five, still')
  held.pop().close()
  network.eventually(lambda: ok(connect(bed)), 'room for another')

  bed.reload(config(3))
  check(answer(connect(bed)).startswith(b'HTTP/1.1 503 '), 'a lower limit')
  check(all(ok(one) for one in held), 'those that are open live on')
  bed.reload(config(50))
  more = [connect(bed) for _ in range(40)]
  check(all(ok(one) for one in more), 'a higher limit')

  for source in (network.CLIENT, OTHER):
    own = [connect(bed, 81, source) for _ in range(2)]
    check(all(ok(one) for one in own), f'{source}: two')
    check_equal(answer(connect(bed, 81, source)), b'', f'{source}: the third')
    check(all(ok(one) for one in own), f'{source}: its two, still')
    held += own
  check_equal(limited(bed, 'closed'), {'client_connections': 2}, 'counted')
  check(limited(bed, 'told')['connections'] >= 2, 'counted, too')

  stream = connect(bed, 82)
  check(ok(stream), 'a stream')
  check_equal(answer(connect(bed, 82)), b'', 'the second stream')


def wrk(bed, port, seconds=5, count=4):
  """Requests answered 200 a second; and the others."""
  text = bed.client.run(
      ['wrk', '-t1', f'-c{count}', f'-d{seconds}s', f'http://{VIP}:{port}/'],
      timeout=seconds + 20)
  total, took = re.search(r'(\d+) requests in ([\d.]+)s', text).groups()
  bad = re.search(r'Non-2xx or 3xx responses: (\d+)', text)
  bad = int(bad.group(1)) if bad else 0
  return (int(total) - bad) / float(took), bad


def near(got, wanted, what):
  print(f'{what}: {got:.4g}, wanted {wanted}', flush=True)
  check(abs(got - wanted) <= wanted / 10, f'{what}: {got}, wanted {wanted}')


def rates(bed):
  """Requests and connections a second, over five seconds, within a tenth."""
  bed.client.ip(f'addr add {OTHER}/24 dev eth0')
  bed.start_nginx([80])
  bed.start_ballastd(
      proxy('requests', limits='requests_per_second: 200 excess: STATUS_429')
      + proxy('free', port=81)
      + proxy('opened', port=82, limits='connections_per_second: 100')
      + proxy('each', port=83, limits='client_requests_per_second: 50 '
              'excess: STATUS_503'))
  rate, refused = wrk(bed, 80)
  near(rate, 200, 'requests a second')
  check(refused > 200, f'refused: {refused}')
  # wrk leaves those unread that are under way when it ends: one a connection.
  check(0 <= limited(bed, 'requests')['requests_per_second'] - refused <= 4,
        f'refused: {refused}, counted: {limited(bed, "requests")}')
  rate, refused = wrk(bed, 81, 1)
  check(rate > 500 and refused == 0, f'without a limit: {rate}, {refused}')

  good = 0
  began = time.monotonic()
  while time.monotonic() - began < 5:
    with connect(bed, 82) as connection:
      good += ok(connection)
  near(good / 5, 100, 'connections a second')

  rate, _ = wrk(bed, 83)
  near(rate, 50, 'a client\'s requests a second')
  # Another client has its own.
  connection = connect(bed, 83, OTHER)
  check(all(ok(connection) for _ in range(10)), 'another client\'s')


def bandwidth(bed):
  """Bytes come as fast as the limit allows, all of them, whoever sends; two
  connections share it; a limit that is lifted holds nobody up."""
  bed.start_nginx([80])
  size = 25_000_000
  bed.file('bulk', size)
  with open(os.path.join(bed.files, 'bulk'), 'rb') as file:
    digest = hashlib.sha256(file.read()).hexdigest()
  sink = bed.servers[0].namespace.socket(
      socket.SOCK_STREAM, (network.server_address(1), 7000))
  sink.listen()

  def swallow():
    while True:
      try:
        connection, _ = sink.accept()
      except OSError:
        return
      with connection:
        text = hashlib.sha256()
        while data := connection.recv(1 << 20):
          text.update(data)
        connection.sendall(text.hexdigest().encode())
  threading.Thread(target=swallow, daemon=True).start()

  def config(limits):
    return (proxy('web', limits=limits)
            + proxy('each', port=82, limits='client_bandwidth_kbit_s: 40000')
            + network.service(
                'bytes', VIP, 81,
                [network.real_server(network.server_address(1), port=7000),
                 'l7 { type: GENERIC limits { ' + limits + ' } }']))
  # Five megabytes a second.
  bed.start_ballastd(config('bandwidth_kbit_s: 40000'))

  def download(port=80):
    connection = connect(bed, port)
    connection.settimeout(20)
    began = time.monotonic()
    connection.sendall(b'GET /files/bulk HTTP/1.0\r\nHost: h\r\n\r\n')
    text = bytearray()
    while data := connection.recv(1 << 20):
      text += data
    took = time.monotonic() - began
    body = bytes(text).partition(b'\r\n\r\n')[2]
    check_equal(hashlib.sha256(body).hexdigest(), digest, 'every byte')
    return took
  near(size / download() / 1e6, 5, 'MB/s down')
  near(size / download(82) / 1e6, 5, 'MB/s down, a client\'s own')

  took = []
  workers = [network.Worker(lambda: took.append(download())) for _ in range(2)]
  for worker in workers:
    worker.start()
  for worker in workers:
    worker.join(30)
  near(2 * size / max(took) / 1e6, 5, 'MB/s down, of two')

  data = os.urandom(size)
  connection = connect(bed, 81)
  connection.settimeout(20)
  began = time.monotonic()
  connection.sendall(data)
  connection.shutdown(socket.SHUT_WR)
  check_equal(connection.recv(100).decode(), hashlib.sha256(data).hexdigest(),
              'every byte up')
  near(size / (time.monotonic() - began) / 1e6, 5, 'MB/s up')

  slow = config('bandwidth_kbit_s: 100')  # It would take minutes.
  bed.reload(slow)
  worker = network.Worker(lambda: took.append(download()))
  worker.start()
  time.sleep(1)
  check_equal(len(took), 2, 'downloads so far')
  bed.reload(config(''))
  worker.join(5)
  check_equal(len(took), 3, 'downloads once the limit was lifted')


if __name__ == '__main__':
  network.main(connections, rates, bandwidth)
