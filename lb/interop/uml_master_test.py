#!/usr/bin/python3 -B
"""A Linux director tells of its connections, and our decoder understands: of
every connection and template, the state, the server, the flags and the timeout
that the kernel itself lists, or that its documentation says. Both versions of
the wire, both families, NAT and direct routing, TCP and UDP, persistence.
"""

import itertools
import re
import select
import socket
import struct

import listener
import network
import uml
from network import check, check_equal, endpoint, eventually

SYNCID = 5
GROUP = '224.0.0.81:8848'
GROUP6 = 'ff02::51'
PERSISTENCE = 120

# Linux 6.1 net/netfilter/ipvs/ip_vs_proto_tcp.c: tcp_state_name_table,
# tcp_timeouts. Number and timeout of the states a master tells of.
TCP_STATES = {
    'ESTABLISHED': (1, 900),
    'FIN_WAIT': (4, 120),
    'TIME_WAIT': (5, 120),
    'CLOSE': (6, 10),
    'CLOSE_WAIT': (7, 60),
}
UDP_TIMEOUT = 300
# include/uapi/linux/ip_vs.h: IP_VS_CONN_F_DROUTE, _NOOUTPUT, _INACTIVE,
# _TEMPLATE.
METHOD_FLAGS = {'-m': 0, '-g': 0x83}
INACTIVE = 0x100
TEMPLATE = 0x1000


class Service:
  """A virtual service of the director with real sockets behind it."""

  ports = itertools.count(8000)
  client_ports = itertools.count(20000)

  def __init__(self, bed, lvs, protocol, family, method, flags=''):
    self._bed = bed
    self.protocol = protocol
    self.family = family
    self.method = method
    self.persistent = '-p' in flags
    self.vip = network.VIPS[family]
    self.port = next(Service.ports)
    self.server_port = self.port + (1000 if method == '-m' else 0)
    lvs.service(protocol, self.vip, self.port,
                [server.address(family) for server in bed.servers], flags,
                method, self.server_port)
    self._listeners = {}
    for server in bed.servers:
      address = server.address(family) if method == '-m' else self.vip
      kind = (socket.SOCK_STREAM if protocol == 'tcp' else socket.SOCK_DGRAM)
      made = server.namespace.socket(kind, (address, self.server_port))
      if protocol == 'tcp':
        made.listen(256)
      self._listeners[made] = server
    self.expected = []  # (client endpoint, server endpoint, state name)

  def _note(self, source, listener, state):
    server = self._listeners[listener].address(self.family)
    self.expected.append((endpoint(*source[:2]),
                          endpoint(server, self.server_port), state))

  def _source(self):
    return (network.CLIENT if self.family == 4 else network.CLIENT6,
            next(Service.client_ports))

  def tcp(self, state):
    """A connection that ends up in `state`; its two sockets, to be kept."""
    client = self._bed.client.connect((self.vip, self.port),
                                      source=self._source())
    client.sendall(b'question')
    ready, _, _ = select.select(list(self._listeners), [], [], 5)
    check_equal(len(ready), 1, 'servers that are asked')
    server, _ = ready[0].accept()
    server.settimeout(5)
    check_equal(server.recv(100), b'question', 'a server reads')
    server.sendall(b'answer')
    check_equal(client.recv(100), b'answer', 'a client reads')
    self._note(client.getsockname(), ready[0], state)
    kept = [client, server]
    if state == 'CLOSE_WAIT' or state == 'FIN_WAIT' and self.method == '-g':
      client.shutdown(socket.SHUT_WR)
      check_equal(server.recv(100), b'', 'the end of a stream')
    elif state == 'FIN_WAIT':
      server.shutdown(socket.SHUT_WR)
      check_equal(client.recv(100), b'', 'the end of a stream')
    elif state == 'TIME_WAIT':  # The client first, or the server.
      first, second = kept[::1 if client.getsockname()[1] % 2 else -1]
      first.shutdown(socket.SHUT_WR)
      check_equal(second.recv(100), b'', 'the end of a stream')
      second.close()
      check_equal(first.recv(100), b'', 'the end of the other stream')
    elif state == 'CLOSE':
      client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
      client.close()
    return kept

  def udp(self, answered):
    client = self._bed.client.socket(socket.SOCK_DGRAM, self._source())
    client.settimeout(5)
    for text in (b'one', b'two'):
      client.sendto(text, (self.vip, self.port))
    ready, _, _ = select.select(list(self._listeners), [], [], 5)
    check_equal(len(ready), 1, 'servers that are asked')
    for _ in range(2):
      _, source = ready[0].recvfrom(100)
    self._note(client.getsockname(), ready[0], 'UDP')
    if answered:
      ready[0].sendto(b'answer', source)
      check_equal(client.recv(100), b'answer', 'a client reads')
      client.sendto(b'three', (self.vip, self.port))
      ready[0].recv(100)
    return [client]

  def wanted(self):
    """{(protocol, client, virtual): (server, state name)} of this service."""
    number = 'TCP' if self.protocol == 'tcp' else 'UDP'
    virtual = endpoint(self.vip, self.port)
    found = {(number, client, virtual): (server, state)
             for client, server, state in self.expected}
    if self.persistent:
      client, server, _ = self.expected[-1]
      found[(number, client.rpartition(':')[0] + ':0', virtual)] = (
          server, 'ASSURED')
    return found


def wanted_fields(service, server, state, version):
  """What the last record of an entry must say besides its addresses."""
  flags = METHOD_FLAGS[service.method]
  if state == 'UDP':
    number, timeout = 0, UDP_TIMEOUT
    flags |= INACTIVE
  elif state == 'ASSURED':
    number, timeout = 1, PERSISTENCE
    flags |= INACTIVE | TEMPLATE
  else:
    number, timeout = TCP_STATES[state]
    flags |= 0 if state == 'ESTABLISHED' else INACTIVE
  daddr, _, dport = server.rpartition(':')
  return {
      'version': str(version), 'syncid': str(SYNCID),
      'rec_size': '24' if version == 0 else '72' if '[' in daddr else '36',
      'daddr': daddr.strip('[]'), 'dport': dport,
      'flags': hex(flags), 'state': str(number),
      'timeout_s': '0' if version == 0 else str(timeout), 'fwmark': '0',
      'options': '',
  }


def make_services(bed, lvs):
  persistence = f'-p {PERSISTENCE}'
  return [
      Service(bed, lvs, protocol, family, method, flags)
      for family in (4, 6)
      for protocol, method, flags in (
          ('tcp', '-m', ''), ('tcp', '-g', ''), ('tcp', '-m', persistence),
          ('tcp', '-g', persistence), ('udp', '-m', ''), ('udp', '-g', ''))
  ]


def make_connections(services):
  """Each service's; the sockets that must stay open meanwhile."""
  kept = []
  for service in services:
    if service.protocol == 'udp':
      kept += service.udp(answered=service.method == '-m')
      kept += service.udp(answered=False)
    elif service.persistent:
      kept += service.tcp('ESTABLISHED') + service.tcp('ESTABLISHED')
    elif service.method == '-g':
      kept += service.tcp('ESTABLISHED') + service.tcp('FIN_WAIT')
    else:
      for state in TCP_STATES:
        kept += service.tcp(state)
      kept += service.tcp('TIME_WAIT')  # Begun by the other end.
  return kept


def everything_is_understood(bed, version):
  with uml.Lvs(bed) as lvs:
    services = make_services(bed, lvs)
    lvs.sysctl('net/ipv4/vs/sync_version', version)
    lvs.sysctl('net/ipv4/vs/sync_threshold', '0 1')  # Each packet from the 2nd.
    lvs.sync('master', SYNCID)
    heard = listener.Listener(bed, bed.director, 'outside', GROUP, SYNCID)
    kept = make_connections(services)
    listed = {(entry.protocol, entry.client, entry.virtual): entry
              for entry in lvs.entries()}

    wanted = {}
    for service in services:
      for identity, (server, state) in service.wanted().items():
        wanted[identity] = (service, server, state)
    # First of all, the kernel itself thinks so.
    check_equal(sorted(listed), sorted(wanted), 'what the kernel lists')
    for identity, (_, server, state) in wanted.items():
      check_equal((listed[identity].server, listed[identity].state),
                  (server, state), f'the kernel lists {identity}')

    if version == 0:  # IPv4 only.
      wanted = {identity: value for identity, value in wanted.items()
                if value[0].family == 4}
    fields = {identity: wanted_fields(*value, version)
              for identity, value in wanted.items()}

    def differences():
      told = heard.last()
      found = [f'{identity}: told without being there'
               for identity in told.keys() - fields.keys()]
      for identity, want in fields.items():
        if identity not in told:
          found.append(f'{identity}: not told')
          continue
        got = {name: told[identity][name] for name in want}
        if got != want:
          found.append(f'{identity}: told {got}, must be {want}')
      return found
    # A record may wait for three seconds.
    eventually(lambda: not differences(), lambda: '\n'.join(differences()), 8,
               0.25)

    said = heard.stop()
    records = heard.records()
    check(re.fullmatch(r'\d+ messages, \d+ entries', said),
          f'the listener left something out: {said}')
    check_equal(int(said.split()[2]), len(records), 'entries and lines')
    print(f'version {version}: {len(wanted)} entries as the kernel lists them, '
          f'in {said}', flush=True)
    del kept


def version_1(bed):
  everything_is_understood(bed, 1)


def version_0(bed):
  everything_is_understood(bed, 0)


def full_messages(bed):
  """More than one message holds, by the kernel's own rule (packets 3, 53, ...),
  to an IPv6 group.
  """
  count = 100
  with uml.Lvs(bed) as lvs:
    service = Service(bed, lvs, 'tcp', 4, '-m')
    lvs.sync('master', SYNCID, flags=f'--mcast-group {GROUP6}')
    heard = listener.Listener(bed, bed.director, 'outside', f'[{GROUP6}]:8848',
                              SYNCID)
    kept = [service.tcp('ESTABLISHED') for _ in range(count)]
    eventually(lambda: len(heard.last()) == count,
               lambda: f'told of {len(heard.last())}', 8, 0.25)
    check_equal(set(heard.last()), set(service.wanted()),
                'connections told of')
    largest = max(int(record['nr_conns']) for record in heard.records())
    check_equal(largest, 40, 'entries of the largest message')
    heard.stop()
    del kept


if __name__ == '__main__':
  network.main(version_1, version_0, full_messages)
