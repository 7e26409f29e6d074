#!/usr/bin/python3 -B
"""A pair without a hash_key of its own places every client alike: after changes that
one unit has missed, and whichever of the two is asked. Two real units with sealed
wires, service schedule SH, fill EVEN.
"""

import re
import subprocess

import network
import plain
from network import check, check_equal, eventually

CLIENTS = 40


def config(unit, key, servers):
  service = network.service(
      'hashed', network.VIP, 80,
      [network.real_server(network.server_address(number), port=80)
       for number in servers], schedule='SH', fill='EVEN')
  return unit.bed.config(f"""
state_dir: "{unit.folder}/state"
ha {{
  mode: {'FIRST' if unit.number == 1 else 'SECOND'}
  links {{
    interface: "outside"
    own_address: "{unit.own}/24"
    partner_address: "{unit.partner}"
  }}
  shared_address: "{plain.SHARED}"
  advert_interval_ms: 200
  pacify_starts: 0
  l4_updates: true
  keys: "{key}"
}}
{service}""")


def client_address(number):
  return f'10.1.0.{120 + number}'


def server_of(bed, client):
  """The number of the server that a new connection of this client meets."""
  with bed.client.connect((network.VIP, 80),
                          source=(client_address(client), 0)) as connection:
    connection.sendall(b'GET / HTTP/1.1\r\nHost: vip\r\n\r\n')
    text = b''
    while not text.endswith(b' /\n'):
      data = connection.recv(4096)
      check(data, f'the connection ended after {text!r}')
      text += data
  return int(re.search(rb'^server (\d) ', text, re.M).group(1))


def places(bed):
  return [server_of(bed, client) for client in range(CLIENTS)]


def hand_over(source, target):
  """Once the partner is ready, which its next advert says."""
  eventually(lambda: 'done' in source.ask('switchover', check_status=False),
             'the switchover is accepted', 10, 0.1)
  target.await_role('active', 10)


def clients_stay_at_their_servers(bed):
  first, second = bed.first, bed.second
  key = subprocess.run([network.find('examples/ballastctl'), 'key', 'new'],
                       check=True, capture_output=True, text=True).stdout.strip()
  for client in range(CLIENTS):
    bed.client.ip(f'addr add {client_address(client)}/24 dev eth0')
  bed.start_nginx()

  first.ballastd.start(config(first, key, [1, 2]))
  first.await_role('active', 20)
  # What EVEN makes of these depends on the steps; the second misses all of them.
  first.ballastd.reload(config(first, key, [1, 2, 3]))
  first.ballastd.reload(config(first, key, [3, 2]))
  eventually(lambda: server_of(bed, 0) in (2, 3), 'servers are up', 20, 0.2)
  wanted = places(bed)
  check_equal(sorted(set(wanted)), [2, 3], 'servers of the clients')

  second.ballastd.start(config(second, key, [3, 2]))
  hand_over(first, second)
  check_equal(places(bed), wanted, 'servers asked through the second unit')

  # A first start without its own state: it is given all again.
  first.ballastd.stop()
  subprocess.run(['rm', '-r', f'{first.folder}/state'], check=True)
  second.ballastd.reload(config(second, key, [1, 2, 3]))
  eventually(lambda: 1 in places(bed), 'server 1 is up', 20, 0.2)
  wanted = places(bed)
  first.ballastd.start(config(first, key, [1]))
  first.ballastd.await_log(r'configuration \d+ taken from the partner', 20)
  hand_over(second, first)
  eventually(lambda: places(bed) == wanted,
             'servers asked through the first unit again', 10, 0.5)


if __name__ == '__main__':
  network.main(clients_stay_at_their_servers, make_bed=plain.Bed)
