#!/usr/bin/python3 -B
"""Weights that move, at layers 4 and 7: by what servers say of their load, and
by a controller of the network. What is open stays where it is."""

import collections
import http.server
import json
import re
import socket
import threading

import network
from network import check, check_equal

LOAD_PORT = 8080
SERVICES = ('four', 'seven')
PORTS = {'four': 81, 'seven': 82, 'sdn': 83}


class Loads:
  """Documents at /load of each server, and of a controller on the first one:
  a load by number; None: not found."""

  def __init__(self, bed):
    self.of = {1: 50, 2: 50, 3: 50}
    self.report = {}
    self.asked = collections.Counter()
    for server in bed.servers:
      self._serve(server)

  def _serve(self, server):
    loads = self

    class Handler(http.server.BaseHTTPRequestHandler):
      def do_GET(self):  # pylint: disable=invalid-name
        loads.asked[self.path] += 1
        if self.path == '/load':
          load = loads.of[server.number]
          body = None if load is None else f'{load}\n'
        else:
          body = json.dumps({'servers': [
              {'address': network.server_address(number), 'load': load}
              for number, load in loads.report.items()]})
        if body is None:
          self.send_error(404)
          return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

      def log_message(self, *_):  # pylint: disable=arguments-differ
        pass
    bound = server.namespace.socket(socket.SOCK_STREAM,
                                    (server.address(), LOAD_PORT))
    bound.listen(16)
    made = http.server.ThreadingHTTPServer(('', 0), Handler,
                                           bind_and_activate=False)
    made.socket.close()
    made.socket = bound
    threading.Thread(target=made.serve_forever, daemon=True).start()


def ask(connection):
  connection.sendall(b'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  return int(re.search(r'server (\d)', connection.recv(65536).decode())
             .group(1))


def shares(bed, port, count=90):
  """How many of `count` connections each server got."""
  numbers = collections.Counter()
  for _ in range(count):
    connection = bed.client.connect((network.VIP, port), 5)
    numbers[ask(connection)] += 1
    connection.close()
  return numbers


def weights(bed, name):
  found, inside = {}, False
  for line in bed.ballastd.report().splitlines():
    match = re.search(r'service \S+ \S+ (\S+)', line)
    if match:
      inside = match.group(1) == name
    match = re.search(r'  server 10\.2\.0\.1(\d):\d+ .*weight (\d+)', line)
    if match and inside:
      found[int(match.group(1))] = int(match.group(2))
  return found


def await_weights(bed, names, wanted):
  for name in names:
    network.eventually(
        lambda name=name: weights(bed, name) == wanted,
        lambda name=name: f'{name}: {weights(bed, name)}, must be {wanted}',
        8, 0.2)


def moving(bed):
  loads = Loads(bed)
  bed.start_nginx([80])
  servers = [network.real_server(network.server_address(number), port=80)
             for number in (1, 2, 3)]
  adaptive = f'{{ port: {LOAD_PORT} interval_s: 1 }}'
  bed.start_ballastd(
      'threads: 2\n'
      + network.service('four', network.VIP, PORTS['four'], servers,
                        schedule='ADAPTIVE', adaptive=adaptive)
      + network.service('seven', network.VIP, PORTS['seven'],
                        servers + ['l7 { type: GENERIC }'],
                        schedule='ADAPTIVE', adaptive=adaptive)
      + network.service(
          'sdn', network.VIP, PORTS['sdn'], servers, schedule='SDN_ADAPTIVE',
          adaptive=f'{{ url: "/report" port: {LOAD_PORT} interval_s: 1 '
                   f'controller: "{network.server_address(1)}" }}'))
  await_weights(bed, SERVICES, {1: 1000, 2: 1000, 3: 1000})
  open_before = {name: [] for name in SERVICES}
  for name in SERVICES:
    for _ in range(3):
      connection = bed.client.connect((network.VIP, PORTS[name]), 10)
      open_before[name].append((connection, ask(connection)))

  # By the formula of load_weights.h.
  loads.of = {1: 20, 2: 60, 3: 100}
  loads.report = {1: 90, 2: 30, 3: 30}
  await_weights(bed, SERVICES, {1: 1000, 2: 500, 3: 1})
  for name in SERVICES:
    found = shares(bed, PORTS[name])
    check(53 <= found[1] <= 67 and 23 <= found[2] <= 37 and found[3] <= 2,
          f'{name}: two thirds and one third, {dict(found)}')
  # A controller's loads stay unequal here whatever we do: the loop goes on.
  def driven():
    found = weights(bed, 'sdn')
    return found[1] < 300 and found[2] == found[3] == 1000
  network.eventually(driven, lambda: f'sdn: {weights(bed, "sdn")}', 10, 0.2)
  found = shares(bed, PORTS['sdn'])
  check(found[1] < 20 and found[2] > 30 and found[3] > 30, f'sdn: {found}')

  loads.of = {1: 101, 2: 60, 3: 102}
  await_weights(bed, SERVICES, {1: 0, 2: 1000, 3: 0})
  for name in SERVICES:
    check_equal(shares(bed, PORTS[name], 10), {2: 10}, f'{name}: one is left')
    for connection, number in open_before[name]:
      check_equal(ask(connection), number, f'{name}: what was open stays')
  bed.ballastd.await_log(r'10\.2\.0\.11 says that it is down: load 101')
  bed.ballastd.await_log(r'10\.2\.0\.13 says that it is disabled: load 102')

  loads.of = {1: None, 2: 'much', 3: 40}
  loads.report = {}
  await_weights(bed, SERVICES, {1: 1, 2: 1, 3: 1000})
  loads.of = {1: None, 2: None, 3: None}
  await_weights(bed, SERVICES, {1: 1000, 2: 1000, 3: 1000})
  await_weights(bed, ['sdn'], {1: 1000, 2: 1000, 3: 1000})


if __name__ == '__main__':
  network.main(moving)
