"""Visits of curl to services of layer 7, each on a connection of its own, and
where they come out: for tests of persistence.
"""

import network
from network import check_equal

BACKENDS = (1, 2, 3)


def service(name, port, l7='', servers=BACKENDS, **fields):
  blocks = [network.real_server(network.server_address(number), port=80)
            for number in servers]
  return network.service(name, network.VIP, port, [*blocks, f'l7 {{ {l7} }}'],
                         **fields)


def mode(name, port, text, **fields):
  return service(name, port, persistence='{ ' + text + ' }', **fields)


def get(bed, port, *flags, path='/', client=None):
  """Which server answers curl on a connection of its own."""
  where = ['--interface', client] if client else []
  text = bed.curl(*where, *flags, f'http://{network.VIP}:{port}{path}')
  return int(text.split()[1])


def start(bed, *services, before=''):
  bed.start_nginx([80])
  bed.client.ip('addr add 10.1.0.3/24 dev eth0', 'addr add 10.1.0.4/24 dev eth0')
  bed.start_ballastd(before + ''.join(services))


def sticks(bed, port, name, of_key, keys=9, **kwargs):
  """of_key(i) are curl's flags for key i: each has one server, and together
  they have all; interleaved with each other. Returns {key: server}."""
  homes = {}
  for _ in range(2):
    for key in range(keys):
      server = get(bed, port, *of_key(key), **kwargs)
      check_equal(homes.setdefault(key, server), server, f'{name}: key {key}')
  check_equal(set(homes.values()), {1, 2, 3}, f'{name}: servers of {keys} keys')
  return homes


def spreads(bed, port, name, *flags, **kwargs):
  servers = {get(bed, port, *flags, **kwargs) for _ in range(6)}
  check_equal(servers, {1, 2, 3}, f'{name}: servers without a key')


def by_source(bed, port, name, *flags):
  """Without a key the client's address is it."""
  for client in (network.CLIENT, '10.1.0.3', '10.1.0.4'):
    servers = {get(bed, port, *flags, client=client) for _ in range(4)}
    check_equal(len(servers), 1, f'{name}: servers of {client} without a key')
