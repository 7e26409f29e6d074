#!/usr/bin/python3 -B
"""What a unit with wire PLAIN puts on the wire is what a Linux director would: each
connection's records, by ipvs-sync.md, as syncdump and as tshark read them. Version
1 and version 0; NAT, direct return, UDP, persistence, IPv6.
"""

import collections
import os
import shutil
import socket
import time

import network
import plain
from network import check, check_equal, eventually

TCP, UDP = 6, 17
# Linux 6.1: states of TCP with the time each is given, which a record states.
ESTABLISHED, FIN_WAIT, TIME_WAIT, CLOSE_WAIT = (1, 900), (4, 120), (5, 120), (7, 60)
NO_STATE = 0
# Flags, ipvs-sync.md section 4.
NAT, DIRECT, INACTIVE, TEMPLATE = 0, 0x83, 0x100, 0x1000
PERSISTENCE = 120
WEB, DIRECT_PORT, PERSISTENT, DNS = 80, 81, 82, 53


def services(families):
  text = ''
  for family in families:
    vip = network.VIPS[family]
    server = network.server_address(1, family)
    for name, port, protocol, forward, more in (
        ('web', WEB, 'TCP', 'NAT', ''),
        ('direct', DIRECT_PORT, 'TCP', 'ROUTE', ''),
        ('persistent', PERSISTENT, 'TCP', 'NAT',
         f'persistence {{ timeout_s: {PERSISTENCE} }}'),
        ('dns', DNS, 'UDP', 'NAT', '')):
      text += (f'virtual_services {{ name: "{name}{family}" address: "{vip}" '
               f'port: {port} protocol: {protocol} idle_timeout_s: 900 {more} '
               'health_check { type: NONE } real_servers { '
               f'address: "{server}" port: {port} forward: {forward} }} }}\n')
  return text


class Record(collections.namedtuple(
    'Record', 'protocol client virtual server flags state timeout')):
  """What a record says; endpoints are (host, port). Version 0 has no timeout."""

  def connection(self):
    return self[:3]

  def is_template(self):
    return self.flags & TEMPLATE != 0


def from_syncdump(namespace, path, version):
  """The records of a capture, in order, as our decoder reads them."""
  header, *lines = namespace.run(
      [network.find('examples/syncdump'), path]).splitlines()
  columns = header.split(',')
  records = []
  for line in lines:
    row = dict(zip(columns, line.split(',')))
    check_equal((int(row['version']), row['syncid'], row['options']),
                (version, '5', ''), f'version, syncid, options of {line}')
    records.append(Record(
        int(row['proto']), (row['caddr'], int(row['cport'])),
        (row['vaddr'], int(row['vport'])), (row['daddr'], int(row['dport'])),
        int(row['flags'], 16), int(row['state']),
        int(row['timeout_s']) if version == 1 else None))
  return records


def from_tshark(namespace, path, version):
  """The same as tshark reads them; it knows IPv4 alone."""
  flags = 'ipvs.flags.v1' if version == 1 else 'ipvs.flags'
  fields = ['ipvs.proto', 'ipvs.caddr', 'ipvs.cport', 'ipvs.vaddr', 'ipvs.vport',
            'ipvs.daddr', 'ipvs.dport', flags, 'ipvs.state']
  if version == 1:
    fields.append('ipvs.timeout')
  text = namespace.run(
      ['tshark', '-r', path, '-T', 'fields', '-E', 'separator=/s']
      + [word for field in ['ipvs.conncount', *fields] for word in ('-e', field)])
  records = []
  for line in text.splitlines():
    if not line or not line[0].isdigit():  # A warning.
      continue
    count, *columns = line.split(' ')
    rows = list(zip(*(column.split(',') for column in columns)))
    check_equal(len(rows), int(count), f'entries of {line}')
    for row in rows:
      (protocol, caddr, cport, vaddr, vport, daddr, dport, flags,
       state) = row[:9]
      records.append(Record(
          int(protocol, 0), (caddr, int(cport)), (vaddr, int(vport)),
          (daddr, int(dport)), int(flags, 0), int(state, 0),
          int(row[9]) if version == 1 else None))
  return records


class Capture:

  def __init__(self, bed, name):
    self.path = os.path.join(bed.folder, name)
    self._process = network.start_tcpdump(
        bed.switch, ['-U', '--immediate-mode', '-i', 'clients', '-w', self.path,
                     'udp port 8848'])

  def stop(self):
    time.sleep(0.5)  # What was sent last, and tcpdump's own buffer.
    network.stop(self._process)


def converse(bed, family, port):
  """A connection that lasts: four packets of the client's, and its end.

  Its address and port.
  """
  vip = network.VIPS[family]
  with bed.client.connect((vip, port)) as made:
    own = made.getsockname()[:2]
    made.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    check(made.recv(4096).startswith(b'HTTP/1.1 200'), 'an answer')
    time.sleep(0.2)  # The answer is acknowledged by itself.
    made.shutdown(socket.SHUT_WR)
    while made.recv(4096):
      pass
    time.sleep(0.2)
  return own


def send_datagrams(bed, family, count):
  kind = socket.AF_INET if family == 4 else socket.AF_INET6
  with bed.client.socket(socket.SOCK_DGRAM, family=kind) as made:
    made.connect((network.VIPS[family], DNS))
    for _ in range(count):
      made.send(b'x')
      time.sleep(0.02)
    return made.getsockname()[:2]


def wanted(family, clients):
  """Section 5's states for each client, the first record at its third packet."""
  vip, server = network.VIPS[family], network.server_address(1, family)

  def records(protocol, port, rows):
    return [Record(protocol, clients[port], (vip, port), (server, port), *row)
            for row in rows]

  closed_by_client = [(NAT, *ESTABLISHED), (NAT | INACTIVE, *CLOSE_WAIT),
                      (NAT | INACTIVE, *TIME_WAIT)]
  return (
      records(TCP, WEB, closed_by_client)
      + records(TCP, PERSISTENT, closed_by_client)
      # Nothing of the server's is seen: the client's FIN is the last change.
      + records(TCP, DIRECT_PORT, [(DIRECT, *ESTABLISHED),
                                   (DIRECT | INACTIVE, *FIN_WAIT)])
      + records(UDP, DNS, [(NAT | INACTIVE, NO_STATE, 900)]))


def template(family, clients):
  return Record(TCP, (clients[PERSISTENT][0], 0),
                (network.VIPS[family], PERSISTENT),
                (network.server_address(1, family), PERSISTENT),
                TEMPLATE | INACTIVE, 1, PERSISTENCE)


def check_records(records, family, clients, version):
  connections = [record for record in records if not record.is_template()]
  expected = wanted(family, clients)
  if version == 0:
    expected = [record._replace(timeout=None) for record in expected]
  # One connection's in the order of their packets.
  def by_connection(these):
    return sorted(these, key=Record.connection)

  check_equal(by_connection(connections), by_connection(expected),
              f'IPv{family} version {version}: records of connections')
  templates = [record for record in records if record.is_template()]
  assured = template(family, clients)
  if version == 0:
    assured = assured._replace(timeout=None)
  check_equal(templates[-1], assured, 'the last record of the template')
  # Version 1 tells it at each of its connection's packets, version 0 with each of
  # its connection's records.
  if version == 0:
    check_equal(len(templates), 3, 'records of the template')
    kinds = [record.is_template() for record in records
             if record.virtual[1] == PERSISTENT]
    check_equal(kinds, [False, True] * 3, 'a template after its connection')
  else:
    check(len(templates) >= 6, f'{len(templates)} records of the template')


def told(bed, family, version):
  capture = Capture(bed, f'ipv{family}-version{version}.pcap')
  clients = {port: converse(bed, family, port)
             for port in (WEB, DIRECT_PORT, PERSISTENT)}
  clients[DNS] = send_datagrams(bed, family, 3)
  capture.stop()
  return capture.path, clients


def serve(bed, version, families):
  bed.start_nginx((WEB, DIRECT_PORT, PERSISTENT))
  # They take datagrams, and answer none.
  bed.silent = [
      bed.servers[0].namespace.socket(
          socket.SOCK_DGRAM, (network.server_address(1, family), DNS))
      for family in families]
  bed.first.start(f'election: BY_COMMAND ipvs_version: {version}',
                  services(families), 'sync_id: 5')
  bed.first.switchover()
  eventually(lambda: plain.who_has(bed), 'somebody has the address')


def version_1(bed):
  serve(bed, 1, (4, 6))
  for family in (4, 6):
    path, clients = told(bed, family, 1)
    records = from_syncdump(bed.switch, path, 1)
    check_records(records, family, clients, 1)
    if family == 4 and shutil.which('tshark'):
      check_equal(from_tshark(bed.switch, path, 1), records, 'tshark reads')


def version_0(bed):
  serve(bed, 0, (4, 6))
  path, clients = told(bed, 4, 0)
  records = from_syncdump(bed.switch, path, 0)
  check_records(records, 4, clients, 0)
  if shutil.which('tshark'):
    check_equal(from_tshark(bed.switch, path, 0), records, 'tshark reads')
  path, _ = told(bed, 6, 0)
  check_equal(from_syncdump(bed.switch, path, 0), [], 'it has no words for IPv6')


if __name__ == '__main__':
  if not shutil.which('tshark'):
    print('SKIPPED: comparison with tshark: it is not installed')
  network.main(version_1, version_0, make_bed=plain.Bed)
