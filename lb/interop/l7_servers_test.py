#!/usr/bin/python3 -B
"""Servers of layer 7 that drain, fail or are full, through ballastd with two
threads: plain sockets, real servers (nginx), and what is counted of them."""

import re
import socket

import network
from network import check, check_equal

VIP = network.VIPS[4]
OTHER = '10.1.0.77'  # Another client.
TOP = 'threads: 2\ndrain_time_s: {drain_time_s} drop_at_drain_end: {drop}\n'


def stream(name, port, draining=0, extra='', limit=0, **fields):
  """Any bytes, to servers of which the one numbered `draining` drains."""
  servers = []
  for number in (1, 2, 3):
    more = {'state': 'DRAINING'} if number == draining else {}
    if limit:
      more['connection_limit'] = limit
    servers.append(network.real_server(network.server_address(number), port=80,
                                       **more))
  return network.service(name, VIP, port,
                         servers + ['l7 { type: GENERIC }', extra], **fields)


def connect(bed, port, source=None):
  """A stream, and the number of its server; None if it is cut."""
  made = bed.client.connect((VIP, port), 5,
                            None if source is None else (source, 0))
  made.settimeout(5)
  try:
    return made, ask(made)
  except (ConnectionResetError, BrokenPipeError):
    made.close()
    return made, None


def ask(connection):
  connection.sendall(b'GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  text = connection.recv(65536).decode()
  found = re.search(r'server (\d)', text)
  return int(found.group(1)) if found else None


def is_cut(connection, seconds=3):
  connection.settimeout(seconds)
  try:
    return connection.recv(100) == b''
  except ConnectionResetError:
    return True
  except socket.timeout:
    return False


def drain(bed):
  """No new clients; known ones for the drain time; what is open is cut at its
  end if wanted, at once without entries or without a drain time."""
  bed.client.ip(f'addr add {OTHER}/24 dev eth0')
  bed.start_nginx([80])

  def config(draining, drain_time_s, drop):
    return (TOP.format(drain_time_s=drain_time_s, drop=drop)
            + stream('plain', 81, draining)
            + stream('known', 82, draining,
                     persistence='{ mode: SOURCE_IP }'))
  bed.start_ballastd(config(0, 60, 'true'))
  known, number = connect(bed, 82)
  plain = [connect(bed, 81) for _ in range(6)]
  check(number in [at for _, at in plain], f'streams to server {number}')

  bed.reload(config(number, 60, 'true'))
  for connection, at in plain:
    if at == number:
      check(is_cut(connection), f'of server {at}, which nobody is tied to')
    else:
      check_equal(ask(connection), at, 'another server\'s')
  check_equal(ask(known), number, 'a client\'s that is tied to it')
  again, at = connect(bed, 82)
  check_equal(at, number, 'the client comes back to its server')
  for port in (81, 82):
    for _ in range(6):
      _, at = connect(bed, port, OTHER)
      check(at not in (number, None), f'a new client at {at}')

  bed.reload(config(number, 0, 'false'))
  check(is_cut(known) and is_cut(again), 'without a drain time: at once')


def fail(bed):
  """drop_on_fail: a server that is silent loses what it has open once its
  check says so; the others' lives on."""
  bed.start_nginx([80])
  bed.start_ballastd(
      'threads: 2 drop_on_fail: true\n'
      'health { interval_s: 9 timeout_s: 4 retry_count: 2 }\n'
      + stream('plain', 81, check='CONNECT'))

  def up():
    servers = bed.ballastd.statistics()['plain'].values()
    return len(servers) == 3 and all(server['up'] for server in servers)
  network.eventually(up, 'every server is up', 20, 0.2)
  streams = [connect(bed, 81) for _ in range(6)]
  check(3 in [at for _, at in streams], 'a stream to server 3')
  bed.servers[2].namespace.ip('link set eth0 down')
  for connection, at in streams:
    if at == 3:
      check(is_cut(connection, 40), 'server 3 is silent')
  for connection, at in streams:
    if at != 3:
      check_equal(ask(connection), at, 'another server\'s')


def counted(bed):
  """Limits and least connection are the unit's, not a thread's; statistics."""
  bed.start_nginx([80])
  bed.start_ballastd(
      'threads: 2\n' + stream('full', 81, limit=2)
      + stream('least', 82, schedule='LC')
      + network.service('web', VIP, 80, [
          network.real_server(network.server_address(number), port=80)
          for number in (1, 2, 3)] + ['l7 { }'],
          persistence='{ mode: SOURCE_IP }'))
  streams = [connect(bed, 81) for _ in range(6)]
  check_equal(sorted(at for _, at in streams), [1, 1, 2, 2, 3, 3],
              'servers of six streams, two each')
  for _ in range(8):
    check_equal(connect(bed, 81)[1], None, 'one more')
  streams.pop()[0].close()
  network.eventually(lambda: connect(bed, 81)[1] is not None, 'room again')

  streams = [connect(bed, 82) for _ in range(30)]
  numbers = [at for _, at in streams]
  check(all(9 <= numbers.count(at) <= 11 for at in (1, 2, 3)),
        f'of thirty streams each has about ten: {sorted(numbers)}')

  for _ in range(7):
    bed.curl(f'http://{VIP}/', f'http://{VIP}/', '-o', '/dev/null', '-o',
             '/dev/null')
  services = bed.ballastd.statistics()
  check_equal(sum(server['active'] for server in services['least'].values()),
              30, 'active streams')
  used = [server for server in services['web'].values()
          if server['connections'] > 0]
  check_equal(len(used), 1, 'servers of one client')
  check(used[0]['bytes_in'] > 14 * 40 and used[0]['bytes_out'] > 14 * 100,
        f'bytes: {used}')
  text = bed.ballastd.log()
  lines = re.findall(r'service \S+ \S+ web .*|  server .*persistence.*', text)
  found = re.search(r'(\d+) requests \((\d+) persisted\)', lines[-2])
  # A connection's later requests follow its first.
  check_equal(found.groups(), ('14', '6'), 'requests, and by an entry')
  check('1 persistence entries' in lines[-1], f'entries: {lines[-1]}')


if __name__ == '__main__':
  network.main(drain, counted, fail)
