#!/usr/bin/python3 -B
"""Bulk TCP through NAT, both directions at once, IPv4 and IPv6: every byte
arrives, and no receiver finds a wrong checksum.

Twice: with the offloads of all links on (frames larger than the MTU, checksums
left to the card) and off, where the receivers and tshark verify each packet.
The second time the offloads go off and on again under the running ballastd.
"""

import hashlib
import os
import re
import socket

import network
from network import check, check_equal

PORT = 7000
BLOCK = os.urandom(1 << 20)
OFFLOADS = ('tx', 'rx', 'tso', 'gso', 'gro')
COUNTERS = ('TcpInCsumErrors', 'UdpInCsumErrors', 'Udp6InCsumErrors',
            'IcmpInCsumErrors', 'Icmp6InCsumErrors', 'IpExtInCsumErrors',
            'IpInHdrErrors', 'Ip6InHdrErrors')
# What tshark says of a checksum. (A TCP checksum of 0xffff is 0 in the other of
# its two forms, which kernels write too, and which tshark calls bad: one frame
# in 65,536.)
BAD = ' || '.join(
    [f'{layer}.checksum.status == 0' for layer in ('ip', 'udp', 'icmp',
                                                   'icmpv6')]
    + ['(tcp.checksum.status == 0 && tcp.checksum != 0xffff)'])
GOOD = 'tcp.checksum.status == 1'


def services():
  return ''.join(
      network.service(f'bulk{family}', network.VIPS[family], PORT,
                      [network.real_server(network.server_address(1, family),
                                           port=PORT + 1)])
      for family in (4, 6))


def links(bed):
  """(namespace, interface) of every end of every cable."""
  found = [(bed.client, 'eth0'), (bed.director, 'outside'),
           (bed.director, 'inside')]
  found += [(server.namespace, 'eth0') for server in bed.servers]
  found += [(bed.switch, name) for name in
            ('client', 'director0', 'director1', 'server1', 'server2',
             'server3', 'clients', 'servers')]
  return found


def set_offloads(bed, state):
  for namespace, name in links(bed):
    words = [word for offload in OFFLOADS for word in (offload, state)]
    # A bridge has no receive checksum to set.
    said = namespace.run(['ethtool', '-K', name, *words], check_status=False)
    if name not in ('clients', 'servers'):
      check('Cannot' not in said, f'{namespace.name} {name}: {said}')
      features = namespace.run(['ethtool', '-k', name])
      for feature in ('rx-checksumming', 'tx-checksumming',
                      'tcp-segmentation-offload',
                      'generic-segmentation-offload'):
        check(f'{feature}: {state}' in features,
              f'{namespace.name} {name}: {feature} is not {state}')


class Sums:
  """Sends `blocks` MiB and receives to the end; digests of both."""

  def __init__(self, connection, blocks, seed):
    self.sent = hashlib.sha256()
    self.received = hashlib.sha256()
    self.bytes = 0
    self._connection = connection
    self._blocks = blocks
    self._seed = seed
    connection.settimeout(10)
    self._threads = [network.Worker(self._send), network.Worker(self._receive)]
    for thread in self._threads:
      thread.start()

  def _send(self):
    for number in range(self._blocks):
      # Every block is another: odd lengths, so nothing stays aligned.
      data = self._seed + number.to_bytes(8, 'big') + BLOCK
      self.sent.update(data)
      self._connection.sendall(data)
    self._connection.shutdown(socket.SHUT_WR)

  def _receive(self):
    while True:
      data = self._connection.recv(1 << 18)
      if not data:
        return
      self.received.update(data)
      self.bytes += len(data)

  def join(self):
    for thread in self._threads:
      thread.join(20)
      check(not thread.is_alive(), 'the transfer ends')
    self._connection.close()


def transfer(bed, family, blocks):
  """`blocks` MiB each way, at the same time."""
  listener = bed.servers[0].namespace.socket(
      socket.SOCK_STREAM, (network.server_address(1, family), PORT + 1))
  listener.listen()
  listener.settimeout(10)
  ends = [Sums(bed.client.connect((network.VIPS[family], PORT)), blocks,
               b'client '),
          Sums(listener.accept()[0], blocks, b'a server ')]
  for end in ends:
    end.join()
  listener.close()
  for end, peer, what in ((ends[0], ends[1], 'to the client'),
                          (ends[1], ends[0], 'to the server')):
    check(end.bytes > blocks << 20, f'IPv{family} {what}: {end.bytes} bytes')
    check_equal(end.received.hexdigest(), peer.sent.hexdigest(),
                f'IPv{family} {what}: digest of {end.bytes} bytes')


def check_counters(bed):
  for namespace in (bed.client, bed.director,
                    *(server.namespace for server in bed.servers)):
    for name in COUNTERS:
      check_equal(namespace.counter(name), 0, f'{namespace.name}: {name}')


class Capture:
  """All that comes in at an interface, to a file; tshark verifies it. (What its
  host sends is not ours, and now and then seen before its checksum is made.)"""

  def __init__(self, namespace, name, path):
    self._what = f'{namespace.name} {name}'
    self._path = path
    self._process = network.start_tcpdump(
        namespace, ['-ni', name, '-Qin', '-s0', '-B65536', '-w', path])
    self._namespace = namespace

  def _tshark(self, expression):
    return self._namespace.run(
        ['tshark', '-n', '-r', self._path, '-o', 'ip.check_checksum:TRUE',
         '-o', 'tcp.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE',
         '-o', 'tcp.desegment_tcp_streams:FALSE', '-Y', expression,
         '-T', 'fields', '-e', 'frame.number', '-e', 'frame.len',
         '-e', 'ip.src', '-e', 'ipv6.src'])

  def verify(self, at_least):
    network.stop(self._process)
    bad = re.findall(r'^\d+\t.*$', self._tshark(BAD), re.MULTILINE)
    check_equal(bad[:5], [], f'{self._what}: {len(bad)} packets with a wrong '
                'checksum: number, length, source')
    good = re.findall(r'^\d+\t(\d+)', self._tshark(GOOD), re.MULTILINE)
    check(len(good) > at_least, f'{self._what}: {len(good)} packets verified')
    check(max(map(int, good)) <= 1514, f'{self._what}: larger than the MTU')
    print(f'{self._what}: {len(good)} packets verified')


def offloads_on(bed):
  set_offloads(bed, 'on')
  bed.start_ballastd(services())
  for family in (4, 6):
    transfer(bed, family, 50)
  check_counters(bed)
  bed.ballastd.stop()


def offloads_off(bed):
  set_offloads(bed, 'off')
  bed.start_ballastd(services())
  blocks = 8
  captures = [Capture(bed.client, 'eth0', os.path.join(bed.folder, 'client')),
              Capture(bed.servers[0].namespace, 'eth0',
                      os.path.join(bed.folder, 'server'))]
  for family in (4, 6):
    transfer(bed, family, blocks)
  check_counters(bed)
  # Two families, at most 1460 bytes a packet.
  for capture in captures:
    capture.verify(2 * (blocks << 20) // 1460 * 9 // 10)
  for state in ('on', 'off'):
    set_offloads(bed, state)
    for family in (4, 6):
      transfer(bed, family, 8)
    check_counters(bed)
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(offloads_on, offloads_off)
