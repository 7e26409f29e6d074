#!/usr/bin/python3 -B
"""Links of different MTU around the director, and other people's stacks that
rely on what routers tell them: errors from the director about packets too big
for its links or out of time, and errors from a router behind the client, that
must reach the server. IPv4 and IPv6, NAT and direct return, one packet thread
and two.

  far clients ---- hop ---- [client switch] ---- ...

Clients and servers announce a segment size (advmss) that their links could not
carry: as if a tunnel was on the way. So without these errors transfers hang.
"""

import os
import re
import select
import socket
import struct

import network
from network import check, check_equal, eventually

PORTS = {'NAT': 8000, 'ROUTE': 8001}
ADVMSS = {4: 1460, 6: 1440}   # Of a link with MTU 1500.
HEADERS = {4: 28, 6: 48}      # IP and UDP.
BULK = os.urandom(3 << 20)
HOP = {4: '10.1.0.200', 6: '2001:db8:1::c8'}
FAR_NETWORKS = {4: '10.3.0.0/24', 6: '2001:db8:3::/64'}
FAR_GATEWAYS = {4: '10.3.0.1', 6: '2001:db8:3::1'}
FAR_CLIENTS = 6
CASES = [(forward, family) for forward in PORTS for family in (4, 6)]

# linux/in.h, linux/in6.h, linux/errqueue.h
IP_MTU_DISCOVER, IP_RECVERR = 10, 11
IPV6_MTU_DISCOVER, IPV6_RECVERR = 23, 25
PMTUDISC_PROBE = 3            # Never fragment, whatever is known of the path.
# RFC 792 and RFC 1191; RFC 4443: type, code.
TOO_BIG = {4: (3, 4), 6: (2, 0)}
TIME_EXCEEDED = {4: (11, 0), 6: (3, 0)}


def far_address(family, number):
  return f'10.3.0.{10 + number}' if family == 4 else f'2001:db8:3::a:{number}'


def services(threads):
  blocks = [f'threads: {threads}\n']
  for forward, family in CASES:
    fields = {'forward': forward} if forward != 'NAT' else {}
    for protocol in ('TCP', 'UDP'):
      blocks.append(network.service(
          f'{protocol}-{forward}-{family}', network.VIPS[family],
          PORTS[forward],
          [network.real_server(network.server_address(1, family), **fields)],
          protocol=protocol))
  return ''.join(blocks)


def set_mtu(mtu, *links):
  for namespace, names in links:
    for name in names.split():
      namespace.ip(f'link set {name} mtu {mtu}')


def flags_of(family):
  return '-6 ' if family == 6 else ''


def change_route(namespace, family, words):
  namespace.ip(f'{flags_of(family)}route change {words} '
               f'advmss {ADVMSS[family]}')


def path_mtu(namespace, family, words):
  """What the namespace's stack has learned of a path, or None."""
  text = namespace.run(f'ip {flags_of(family)}route get {words}')
  match = re.search(r'\bmtu (\d+)', text)
  return int(match.group(1)) if match else None


def forget(namespace):
  namespace.ip('route flush cache', '-6 route flush cache')


def pump(connections):
  """Sends BULK on both, and what each received."""
  sent = [0, 0]
  received = [bytearray(), bytearray()]
  while any(len(data) < len(BULK) for data in received):
    readable, writable, _ = select.select(
        connections, [end for i, end in enumerate(connections)
                      if sent[i] < len(BULK)], [], 5)
    check(readable or writable, f'no byte moves: {sent} sent, '
          f'{[len(data) for data in received]} received')
    for i, end in enumerate(connections):
      if end in readable:
        data = end.recv(1 << 17)
        check(data, 'ended early')
        received[i] += data
      if end in writable:
        sent[i] += end.send(BULK[sent[i]:sent[i] + (1 << 17)])
  return received


def transfer(bed, client, source, forward, family):
  """All of BULK both ways at once, through the director."""
  what = f'{forward} IPv{family}'
  server = bed.servers[0].namespace
  target = (network.VIPS[family], PORTS[forward])
  local = (target[0] if forward == 'ROUTE'
           else network.server_address(1, family))
  with server.socket(socket.SOCK_STREAM, (local, PORTS[forward])) as listener:
    listener.listen()
    listener.settimeout(5)
    with client.connect(target, source=(source, 0)) as begun:
      with listener.accept()[0] as accepted:
        for end in (begun, accepted):
          end.setblocking(False)
        for data in pump([begun, accepted]):
          check(data == BULK, f'{what}: other bytes than were sent')


class Probe:
  """A UDP socket to the virtual address that sends packets as they are, and
  hears of errors.
  """

  def __init__(self, bed, forward, family):
    self._what = f'{forward} IPv{family}'
    self._family = family
    target = (network.VIPS[family], PORTS[forward])
    local = (target[0] if forward == 'ROUTE'
             else network.server_address(1, family))
    self._server = bed.servers[0].namespace.socket(
        socket.SOCK_DGRAM, (local, PORTS[forward]))
    self._server.settimeout(3)
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    self._socket = bed.client.socket(socket.SOCK_DGRAM, family=kind)
    if family == 4:
      self._level = socket.IPPROTO_IP
      self._socket.setsockopt(self._level, IP_MTU_DISCOVER, PMTUDISC_PROBE)
      self._socket.setsockopt(self._level, IP_RECVERR, 1)
    else:
      self._level = socket.IPPROTO_IPV6
      self._socket.setsockopt(self._level, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
      self._socket.setsockopt(self._level, IPV6_RECVERR, 1)
    self._socket.connect(target)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._server.close()
    self._socket.close()

  def send(self, size):
    """An IP packet of `size` bytes."""
    self._socket.send(bytes(size - HEADERS[self._family]))

  def set_ttl(self, ttl):
    self._socket.setsockopt(
        self._level, socket.IP_TTL if self._family == 4
        else socket.IPV6_UNICAST_HOPS, ttl)

  def check_arrived(self, size):
    data = self._server.recv(2048)
    check_equal(len(data) + HEADERS[self._family], size,
                f'{self._what}: bytes of the packet at the server')

  def error(self):
    """((type, code), info, who says so)."""
    poll = select.poll()
    poll.register(self._socket, 0)
    check(poll.poll(3000), f'{self._what}: no error came')
    _, ancillary, _, _ = self._socket.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    for level, _, data in ancillary:
      if level != self._level:
        continue
      _, origin, kind, code, _, info, _ = struct.unpack('=IBBBBII', data[:16])
      check_equal(origin, 2 if self._family == 4 else 3,
                  f'{self._what}: origin of the error')  # ICMP
      if self._family == 4:
        offender = socket.inet_ntop(socket.AF_INET, data[20:24])
      else:
        offender = socket.inet_ntop(socket.AF_INET6, data[24:40])
      # The error is also the result of the next call.
      self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
      return (kind, code), info, offender
    raise network.Failure(f'{self._what}: an error without words')


def probe_link(bed, forward, family, mtu):
  """What the director says of packets of a UDP flow."""
  vip = network.VIPS[family]
  what = f'{forward} IPv{family}'
  with Probe(bed, forward, family) as probe:
    probe.send(mtu)
    probe.check_arrived(mtu)
    probe.send(mtu + 1)
    check_equal(probe.error(), (TOO_BIG[family], mtu, vip),
                f'{what}: answer to {mtu + 1} bytes')
    probe.set_ttl(1)
    probe.send(100)
    check_equal(probe.error(), (TIME_EXCEEDED[family], 0, vip),
                f'{what}: answer to TTL 1')
    probe.set_ttl(2)
    probe.send(101)
    probe.check_arrived(101)  # And none of the others.


def narrow_servers(bed):
  """The servers' network has a smaller MTU than the client's."""
  mtu = 1400
  set_mtu(mtu, (bed.director, 'inside'),
          (bed.switch, 'director1 server1 server2 server3 servers'),
          *((server.namespace, 'eth0') for server in bed.servers))
  server = bed.servers[0].namespace
  for family, gateway, router in (
      (4, network.GATEWAY, network.ROUTER_INSIDE),
      (6, network.GATEWAY6, network.ROUTER_INSIDE6)):
    for way in (f'default via {gateway} dev eth0',
                f'default via {router} dev eth0 table 100'):
      change_route(server, family, way)
  bed.start_ballastd(services(1))
  own = {4: network.CLIENT, 6: network.CLIENT6}
  for forward, family in CASES:
    forget(bed.client)
    check_equal(path_mtu(bed.client, family, network.VIPS[family]), None,
                'path MTU before')
    transfer(bed, bed.client, own[family], forward, family)
    check_equal(path_mtu(bed.client, family, network.VIPS[family]), mtu,
                f'{forward} IPv{family}: the client\'s path MTU')
    probe_link(bed, forward, family, mtu)
  bed.ballastd.stop()
  check(re.search(r'dropped.* too.big=', bed.ballastd.log()),
        'the statistics count packets that were too big')


def narrow_clients(bed):
  """The clients' network gets a smaller MTU under the running ballastd."""
  mtu = 1300
  bed.start_ballastd(services(1))
  set_mtu(mtu, (bed.director, 'outside'), (bed.client, 'eth0'),
          (bed.switch, 'director0 client clients'))
  bed.client.ip(*(f'{flags_of(family)}route replace {to} dev eth0 '
                  f'advmss {ADVMSS[family]}'
                  for family, to in ((4, '10.1.0.0/24'),
                                     (6, '2001:db8:1::/64 metric 256'))))
  server = bed.servers[0].namespace
  for family, client in ((4, network.CLIENT), (6, network.CLIENT6)):
    transfer(bed, bed.client, client, 'NAT', family)
    check_equal(path_mtu(server, family, client), mtu,
                f'IPv{family}: the server\'s path MTU')
  bed.ballastd.stop()


def add_far_clients(bed, mtu):
  """Behind a router; returns their namespace."""
  hop = network.Namespace('hop')
  far = network.Namespace('far clients')
  bed.plug(hop, 'eth0', 'clients', 'hop')
  hop.ip(f'link add eth1 type veth peer name eth0 netns {far.path}',
         f'link set eth1 up mtu {mtu}')
  far.ip(f'link set eth0 up mtu {mtu}')
  hop.sysctl('net/ipv4/ip_forward', 1)
  hop.sysctl('net/ipv6/conf/all/forwarding', 1)
  for family, bits, nodad in ((4, 24, ''), (6, 64, ' nodad')):
    hop.ip(f'addr add {HOP[family]}/{bits} dev eth0{nodad}',
           f'addr add {FAR_GATEWAYS[family]}/{bits} dev eth1{nodad}')
    for number in range(FAR_CLIENTS):
      far.ip(f'addr add {far_address(family, number)}/{bits} dev eth0{nodad}')
    far.ip(f'{flags_of(family)}route add default via {FAR_GATEWAYS[family]} '
           f'advmss {ADVMSS[family]}')
    for router in (bed.director, bed.switch):
      router.ip(f'{flags_of(family)}route add {FAR_NETWORKS[family]} '
                f'via {HOP[family]}')
  return hop, far


def narrow_beyond(bed):
  """A router between director and clients cannot pass what servers send."""
  mtu = 1340
  hop, far = add_far_clients(bed, mtu)
  try:
    for address in (network.DIRECTOR, network.DIRECTOR6):
      eventually(lambda a=address: '1 received' in far.run(
          ['ping', '-c1', '-W1', a], check_status=False),
                 'far clients reach the network', 15)
    bed.start_ballastd(services(2))
    server = bed.servers[0].namespace
    for forward, family in CASES:
      forget(server)
      for number in range(FAR_CLIENTS):
        client = far_address(family, number)
        path = client
        if forward == 'ROUTE':
          path += f' from {network.VIPS[family]}'
        check_equal(path_mtu(server, family, path), None, 'path MTU before')
        transfer(bed, far, client, forward, family)
        check_equal(path_mtu(server, family, path), mtu,
                    f'{forward} {client}: the server\'s path MTU')
    bed.ballastd.stop()
  finally:
    far.close()
    hop.close()


if __name__ == '__main__':
  network.main(narrow_servers, narrow_clients, narrow_beyond)
