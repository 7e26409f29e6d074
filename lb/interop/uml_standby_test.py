#!/usr/bin/python3 -B
"""Ballast beside live Linux directors.

It lists what a master tells of: every connection and template. As a standby that
serves, it learns them all from one kernel, each with state and server; told to
take over, it tells another kernel, and that lists them as the first one did, with
flags and times. What belonged to a client's server goes there still. And of what
Ballast carries itself a kernel knows as much.
"""

import re

import network
import standby
import uml
import uml_backup_test
import uml_master_test
from network import check, check_equal, endpoint, eventually
from uml_master_test import PERSISTENCE, Service, wanted_fields

PORT = 7000
# IPVS's own, of an open connection.
TIMEOUTS = {'tcp': uml_master_test.TCP_STATES['ESTABLISHED'][1],
            'udp': uml_master_test.UDP_TIMEOUT}
FROM_SYNC = 0x20


def lists_what_a_master_tells(bed):
  with uml.Lvs(bed) as lvs:
    servers = {family: [server.address(family) for server in bed.servers]
               for family in network.VIPS}
    for family, vip in network.VIPS.items():
      lvs.service('tcp', vip, PORT, servers[family], f'-p {PERSISTENCE}')
      lvs.service('tcp', vip, PORT + 1, servers[family], '', '-g')
    lvs.sync('master', standby.SYNCID)
    listing = standby.Listing(bed, f'--syncid={standby.SYNCID}')
    other = standby.Listing(bed, f'--syncid={standby.SYNCID + 1}')
    kept = []
    for server in bed.servers:
      for family in network.VIPS:
        for address, port in ((server.address(family), PORT),
                              (network.VIPS[family], PORT + 1)):
          made = server.namespace.socket(1, (address, port))
          made.listen(64)
          kept.append(made)
    for _ in range(8):
      for vip in network.VIPS.values():
        for port in (PORT, PORT + 1):
          made = bed.client.connect((vip, port))
          made.sendall(b'three packets from the client')
          kept.append(made)
    eventually(lambda: len(listing.entries()) == 34,
               lambda: f'32 connections, 2 templates: {listing.log()[-2000:]}',
               15, 0.5)
    listed = listing.entries()
    known = lvs.table()
    check_equal(set(listed), set(known), 'connections and templates')
    for identity, (server, state, rest) in listed.items():
      check_equal((server, state), known[identity][:2], f'{identity}')
      wanted = ('direct' if identity[2].endswith(f':{PORT + 1}') else 'NAT')
      check_equal(rest.split()[0], wanted, f'{identity}: method')
      check_equal(rest.endswith('template'), identity[1].endswith(':0'),
                  f'{identity}: a template')
    check('a master at 10.1.0.50: version 1, syncid 5' in listing.log(),
          f'it names the master: {listing.log()[:300]}')
    said = listing.end()
    check('32 connections (32 ESTABLISHED), 2 templates' in said,
          f'it says how many: {said[-500:]}')
    # The table once more: eight connections and their template.
    check_equal(said.count(f' {endpoint(network.VIP, PORT)} '), 9,
                'lines of the IPv4 NAT service')
    said = other.end()
    check(re.search(r'0 connections, 0 templates; heard 0 entries in 0 messages,'
                    r' left out: other_syncid \d', said),
          f'another syncid: {said[-500:]}')


# -- From one kernel through Ballast to another ----------------------------------


def ballast_services(bed, services):
  text = ''
  for number, one in enumerate(services):
    servers = [network.real_server(
        server.address(one.family), port=one.server_port,
        forward='NAT' if one.method == '-m' else 'ROUTE')
               for server in bed.servers]
    if one.persistent:
      servers.append(f'persistence {{ timeout_s: {PERSISTENCE} }}')
    text += network.service(
        f'service{number}', one.vip, one.port, servers,
        protocol=one.protocol.upper(),
        idle_timeout_s=TIMEOUTS[one.protocol])
  return text


def make_connections(services):
  """In every state that is told and lasts longer than this test."""
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
      for state in ('ESTABLISHED', 'FIN_WAIT', 'TIME_WAIT', 'TIME_WAIT'):
        kept += service.tcp(state)
  return kept


def is_template(identity):
  return identity[1].endswith(':0')


def check_learned(ballast, wanted):
  connections = {identity: value[1:] for identity, value in wanted.items()
                 if not is_template(identity)}
  eventually(lambda: ballast.connections() == connections,
             lambda: 'Ballast learned: '
             f'{set(ballast.connections().items()) ^ set(connections.items())}',
             15, 0.5)


def check_told(lvs, wanted, version):
  """The second kernel lists them as the first one did."""
  eventually(lambda: set(lvs.table()) >= set(wanted),
             lambda: f'not told: {set(wanted) - set(lvs.table())}', 15, 0.5)
  table = lvs.table()
  check_equal(sorted(table), sorted(wanted), 'what the second kernel lists')
  bound = uml_backup_test.bound_flags(lvs.log())
  for identity, (service, server, state) in wanted.items():
    known = table[identity]
    check_equal((known.server, known.state, known.origin),
                (server, state, 'SYNC'), f'{identity}')
    fields = wanted_fields(service, server, state, version)
    # With version 0, the second kernel's own.
    timeout = int(fields['timeout_s']) or {
        'UDP': uml_master_test.UDP_TIMEOUT, 'ASSURED': 180}.get(
            state) or uml_master_test.TCP_STATES[state][1]
    check(timeout - 25 <= known.expires_s <= timeout,
          f'{identity}: {known.expires_s} s to live, of {timeout}')
    # As they were when it was told of for the first time; whether it is inactive
    # may have changed since.
    mask = ~uml_master_test.INACTIVE
    flags = int(fields['flags'], 16) | FROM_SYNC
    check_equal(hex(bound[identity] & mask), hex(flags & mask),
                f'{identity}: flags')
  check_inactive(lvs, wanted)


def check_inactive(lvs, wanted):
  """Which are: the kernel counts them by server."""
  counts = {server: [0, 0] for server in lvs.counts()}
  for identity, (_, server, state) in wanted.items():
    if not is_template(identity):
      counts[(f'{identity[0]} {identity[2]}', server)][
          state != 'ESTABLISHED'] += 1
  check_equal({server: list(found) for server, found in lvs.counts().items()},
              counts, 'active and inactive connections')


def wanted_of(services, version):
  wanted = {}
  for service in services:
    if version == 0 and service.family == 6:
      continue  # It has no words for them.
    for identity, (server, state) in service.wanted().items():
      wanted[identity] = (service, server, state)
  return wanted


def from_ballast_to_kernel(bed, version):
  """What goes through Ballast is told as it changes, by IPVS's rule."""
  with uml.Lvs(bed, stands_by=True) as lvs:
    services = uml_master_test.make_services(bed, lvs)
    ballast = standby.Serving(bed, standby.config(
        bed, lvs, ballast_services(bed, services), version,
        'l4_sync_threshold: 0 l4_sync_period: 1'))  # As '0 1' of the kernel.
    lvs.sysctl('net/ipv4/vs/debug_level', 7)
    lvs.log()
    lvs.sync('backup', standby.SYNCID)
    ballast.order('take')
    kept = make_connections(services)
    check_told(lvs, wanted_of(services, version), version)
    print(f'version {version}: {ballast.end().splitlines()[0].strip()}',
          flush=True)
    del kept


def from_kernel_to_kernel(bed, version):
  with uml.Lvs(bed, 'one') as one, uml.Lvs(bed, 'two', True, 1) as two:
    services = uml_master_test.make_services(bed, one)
    for service in services:
      two.service(service.protocol, service.vip, service.port,
                  [server.address(service.family) for server in bed.servers],
                  f'-p {PERSISTENCE}' if service.persistent else '',
                  service.method, service.server_port)
    ballast = standby.Serving(bed, standby.config(
        bed, one, ballast_services(bed, services), version))
    one.sysctl('net/ipv4/vs/sync_version', version)
    one.sysctl('net/ipv4/vs/sync_threshold', '0 1')  # Each packet from the 2nd.
    one.sync('master', standby.SYNCID)
    kept = make_connections(services)
    wanted = wanted_of(services, version)
    check_learned(ballast, wanted)

    two.sysctl('net/ipv4/vs/debug_level', 7)
    two.log()
    two.sync('backup', standby.SYNCID)
    one.cut_off()
    ballast.order('take')
    ballast.order('resync')
    check_told(two, wanted, version)

    # Templates work here, too: a client's next connection has its server.
    for service in services:
      if service.persistent and (version == 1 or service.family == 4):
        before = service.expected[0][1]
        kept += service.tcp('ESTABLISHED')
        check_equal(service.expected[-1][1], before,
                    f'the server of port {service.port}')
    said = ballast.end()
    print(f'version {version}: {len(wanted)} entries from kernel to kernel; '
          f'{said.splitlines()[0]}', flush=True)
    del kept


def version_1(bed):
  from_kernel_to_kernel(bed, 1)


def version_0(bed):
  from_kernel_to_kernel(bed, 0)


def told_in_version_1(bed):
  from_ballast_to_kernel(bed, 1)


def told_in_version_0(bed):
  from_ballast_to_kernel(bed, 0)


if __name__ == '__main__':
  network.main(lists_what_a_master_tells, version_1, version_0,
               told_in_version_1, told_in_version_0)
