#!/usr/bin/python3 -B
"""What is no flow of a service reaches the host's own programs: a listener on
the virtual address, and what a server sends through the gateway address. All
beside an L4 service on the same address.
"""

import os
import socket
import threading

import network
from network import check, check_equal

PORT = 9090     # Of the host's listener, no service.
BULK = 4 << 20


class Listener(threading.Thread):
  """An HTTP server of one answer, in this process."""

  def __init__(self, namespace, address, body):
    super().__init__(daemon=True)
    self._socket = namespace.socket(socket.SOCK_STREAM, address)
    self._socket.listen()
    self._body = body
    self.peers = []
    self.start()

  def run(self):
    while True:
      connection, peer = self._socket.accept()
      self.peers.append(peer[0])
      with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n'
                           b'Content-Length: %d\r\n\r\n' % len(self._body)
                           + self._body)


def services():
  return 'punt_interface: "punt0"\n' + ''.join(
      network.service(f'web{family}', network.VIPS[family], 80,
                      [network.real_server(network.server_address(number,
                                                                  family))
                       for number in (1, 2, 3)])
      for family in (4, 6))


def fetch(namespace, url, wanted, what):
  text = namespace.run(['curl', '-sS', '-g', '--max-time', '10', url])
  check(text == wanted, f'{what}: {len(text)} characters, must be {len(wanted)}'
        ' (or they differ)')


def punt(bed):
  bed.start_nginx()
  bed.start_ballastd(services())
  bulk = os.urandom(BULK // 2).hex()
  clients = {4: network.CLIENT, 6: network.CLIENT6}
  for family, vip in network.VIPS.items():
    name = f'IPv{family}'
    url = f'http://{network.in_url(vip)}'
    host = Listener(bed.director, (vip, PORT), bulk.encode())
    forwarded = bed.director.counter('IpForwDatagrams')
    for _ in range(3):
      fetch(bed.client, f'{url}:{PORT}/', bulk, f'{name}: the host\'s listener')
      text = bed.curl('-H', 'Connection: close', *([f'{url}/'] * 6))
      check_equal(sorted(line.split()[1] for line in text.splitlines()),
                  list('112233'), f'{name}: the service, meanwhile')
    check_equal(set(host.peers), {clients[family]}, f'{name}: the host\'s peers')
    check_equal(bed.director.counter('IpForwDatagrams'), forwarded,
                f'{name}: packets the host forwarded')
    bed.client.run(['ping', '-c3', '-i0.1', '-W1', vip])
    closed = bed.client.run(['curl', '-sS', '-g', '--max-time', '3',
                             f'{url}:{PORT + 1}/'], check_status=False)
    check("Couldn't connect" in closed or 'refused' in closed,
          f'{name}: a closed port of the host: {closed}')

    # A server's own traffic, out by the gateway address and back.
    outside = Listener(bed.client, (clients[family], PORT), bulk.encode())
    server = bed.servers[1]
    fetch(server.namespace, f'http://{network.in_url(clients[family])}:{PORT}/',
          bulk, f'{name}: from a server outwards')
    check_equal(set(outside.peers), {server.address(family)},
                f'{name}: who asked outside')
    server.namespace.run(['ping', '-c3', '-i0.1', '-W1', clients[family]])
    gateway = network.GATEWAY if family == 4 else network.GATEWAY6
    server.namespace.run(['ping', '-c3', '-i0.1', '-W1', gateway])
    print(f'{name}: good', flush=True)
  bed.ballastd.stop()
  check('punt0' not in bed.director.run('ip link'), 'the punt link is gone')


if __name__ == '__main__':
  network.main(punt)
