#!/usr/bin/python3 -B
"""A Linux director listens to our encoder, and lists what it was told: state,
server, flags and time to live, both versions, both families. Then messages made
by hand, good and bad: our decoder takes of them what the kernel takes.
"""

import random
import re
import socket
import struct
import subprocess

import listener as listening
import network
import uml
from network import check, check_equal, endpoint, eventually

SYNCID = 5
GROUP = '224.0.0.81:8848'
PERSISTENCE = 240

TCP, UDP = 6, 17
# Linux 6.1 net/netfilter/ipvs/ip_vs_proto_tcp.c: tcp_state_name_table and
# tcp_timeouts, in the order of their numbers.
TCP_STATES = [('NONE', 2), ('ESTABLISHED', 900), ('SYN_SENT', 120),
              ('SYN_RECV', 60), ('FIN_WAIT', 120), ('TIME_WAIT', 120),
              ('CLOSE', 10), ('CLOSE_WAIT', 60), ('LAST_ACK', 30),
              ('LISTEN', 120), ('SYNACK', 120)]
INACTIVE = 0x100
TEMPLATE = 0x1000
FROM_SYNC = 0x20
VPORT, DPORT = 80, 8080
DIRECT_PORT = 81  # A service with direct routing.
NO_SERVICE_PORT = 99
SIP_PORT = 5060


def send(bed, *lines):
  """Through our encoder, from the director's side of the clients' switch."""
  sender = bed.director.start(
      [network.find('lb/interop/ipvs_sender'), 'outside', GROUP],
      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
  said, _ = sender.communicate('\n'.join(lines) + '\n', timeout=20)
  check_equal((sender.returncode, said), (0, ''), 'the sender')


class Told:
  """What is told of one connection, and what must come of it."""

  def __init__(self, family, state, flags=0, protocol=TCP, vport=VPORT,
               dport=DPORT, timeout=0, cport=None, server=1, extra=''):
    self.client = (network.CLIENT if family == 4 else network.CLIENT6,
                   cport if cport is not None else next(Told.ports))
    self.virtual = (network.VIPS[family], vport)
    self.server = (network.server_address(server, family), dport)
    self.family = family
    self.protocol = protocol
    self.state = state
    self.flags = flags
    self.timeout = timeout
    self.extra = extra

  ports = iter(range(20000, 60000))

  def line(self, version):
    fields = [version, SYNCID, self.protocol, *self.client, *self.virtual,
              *self.server, hex(self.flags), self.state, self.timeout, 0]
    return ','.join(map(str, fields)) + self.extra

  def identity(self):
    return ({TCP: 'TCP', UDP: 'UDP'}[self.protocol], endpoint(*self.client),
            endpoint(*self.virtual))

  def state_name(self):
    if self.flags & TEMPLATE:
      return ('NONE', 'ASSURED')[self.state]
    return 'UDP' if self.protocol == UDP else TCP_STATES[self.state][0]

  def lifetime(self, version):
    if self.timeout and version == 1:
      return self.timeout
    if self.flags & TEMPLATE:
      return 180
    return 300 if self.protocol == UDP else TCP_STATES[self.state][1]


def make_services(bed, lvs):
  for family, vip in network.VIPS.items():
    servers = [server.address(family) for server in bed.servers]
    for protocol in ('tcp', 'udp'):
      lvs.service(protocol, vip, VPORT, servers, f'-p {PERSISTENCE}', '-m',
                  DPORT)
      lvs.service(protocol, vip, DIRECT_PORT, servers, '', '-g')


def what_is_told(version):
  told = []
  for family in (4, 6) if version == 1 else (4,):
    for state, (_, seconds) in enumerate(TCP_STATES):
      # What ends before it is looked at has a time of its own, or is left out.
      timeout = 0 if seconds > 20 else 600
      if version == 1 or timeout == 0:
        told.append(Told(family, state, 0 if state == 1 else INACTIVE,
                         timeout=timeout, server=1 + state % 3))
    told += [
        # Times of its own; 70 s would be 300 with the kernel's.
        Told(family, 1, timeout=1234),
        Told(family, 0, INACTIVE, UDP, timeout=70),
        Told(family, 0, INACTIVE, UDP),
        # Told with NAT, bound by this director's own method, and the reverse.
        Told(family, 1, 0, vport=DIRECT_PORT, dport=DIRECT_PORT),
        Told(family, 1, 0x83),
        # Templates: assured or not, with and without a time.
        Told(family, 1, TEMPLATE | INACTIVE, timeout=PERSISTENCE, cport=0),
        Told(family, 0, TEMPLATE | INACTIVE, UDP, cport=0),
        # Nobody's service: kept all the same.
        Told(family, 1, 0x83, vport=NO_SERVICE_PORT, dport=NO_SERVICE_PORT),
    ]
  return told


def check_listed(lvs, told, version):
  eventually(lambda: len(lvs.table()) >= len(told),
             lambda: f'{len(told)} entries; there are {lvs.table()}', 5, 0.2)
  listed = lvs.table()
  check_equal(sorted(listed), sorted(one.identity() for one in told),
              'what the kernel lists')
  for one in told:
    known = listed[one.identity()]
    check_equal((known.server, known.state, known.origin),
                (endpoint(*one.server), one.state_name(), 'SYNC'),
                f'{one.identity()}')
    life = one.lifetime(version)
    check(life - 25 <= known.expires_s <= life,
          f'{one.identity()}: {known.expires_s} s to live, was told {life}')


def check_counters(lvs, told):
  """Each server's active and inactive connections; templates do not count."""
  wanted = {server: [0, 0] for server in lvs.counts()}
  for one in told:
    if one.flags & TEMPLATE or one.virtual[1] == NO_SERVICE_PORT:
      continue
    protocol, _, virtual = one.identity()
    inactive = 1 if one.flags & INACTIVE else 0
    wanted[(f'{protocol} {virtual}', endpoint(*one.server))][inactive] += 1
  check_equal({server: list(counts) for server, counts in lvs.counts().items()},
              wanted, 'active and inactive connections')


def bound_flags(log):
  """The flags of each connection as the kernel's own log (debug_level 7) gives
  them when it binds its server: {(protocol, client, virtual): flags}.
  """
  # 0x40: it is in the table.
  return {(match[1], match[2], match[3]): int(match[7], 16) & ~0x40
          for match in re.finditer(
              r'Bind-dest (\S+) c:(\S+) v:(\S+) d:(\S+) fwd:(\S) s:(\d+) '
              r'conn->flags:([0-9A-F]+)', log)}


def check_flags(log, told):
  """They are what was told, marked as synced; the method is its own."""
  bound = bound_flags(log)
  for one in told:
    if one.virtual[1] == NO_SERVICE_PORT:
      check(one.identity() not in bound, f'{one.identity()} is bound')
      continue
    method = 0x83 if one.virtual[1] == DIRECT_PORT else 0
    wanted = one.flags & ~0x87 | method | FROM_SYNC
    got = bound.get(one.identity())
    check(got is not None, f'{one.identity()} is not bound; log:\n{log[-2000:]}')
    check_equal(hex(got), hex(wanted), f'{one.identity()}: flags')


def listed_as_told(bed, version):
  with uml.Lvs(bed) as lvs:
    make_services(bed, lvs)
    lvs.sysctl('net/ipv4/vs/debug_level', 7)
    lvs.log()
    lvs.sync('backup', SYNCID)
    told = what_is_told(version)
    # Several in a message, and v4 and v6 mixed.
    random.Random(1).shuffle(told)
    lines = []
    for at in range(0, len(told), 7):
      lines += [one.line(version) for one in told[at:at + 7]] + ['send']
    send(bed, *lines)
    check_listed(lvs, told, version)
    check_counters(lvs, told)
    check_flags(lvs.log(), told)

    # The same connection again, in another state: nothing new, one moves.
    one = next(one for one in told if one.state == 1 and not one.flags)
    one.state, one.flags, one.timeout = 4, INACTIVE, 120
    send(bed, one.line(version), 'send')
    eventually(lambda: lvs.table()[one.identity()].state == 'FIN_WAIT',
               'the new state is listed', 5, 0.2)
    check_listed(lvs, told, version)
    check_counters(lvs, told)
    print(f'version {version}: {len(told)} entries listed as told', flush=True)


def version_1(bed):
  listed_as_told(bed, 1)


def version_0(bed):
  listed_as_told(bed, 0)


def engine_data(bed):
  """Templates of a persistence engine keep its data."""
  with uml.Lvs(bed) as lvs:
    lvs.modprobe('ip_vs_pe_sip')
    lvs.service('udp', network.VIP, SIP_PORT,
                [server.address() for server in bed.servers],
                f'-p {PERSISTENCE} --pe sip')
    lvs.sync('backup', SYNCID)
    calls = {f'call{number}@10.1.0.2': Told(
        4, 1, TEMPLATE | INACTIVE, UDP, SIP_PORT, SIP_PORT, PERSISTENCE, 0,
        1 + number % 3, f',sip=call{number}@10.1.0.2') for number in range(9)}
    send(bed, *(one.line(1) for one in calls.values()), 'send')
    def listed():
      return {words[-1]: words[5:7] for words in map(
          str.split, lvs.run('cat /proc/net/ip_vs_conn').splitlines()[1:])}
    eventually(lambda: len(listed()) == len(calls),
               lambda: f'the templates are listed: {listed()}', 5, 0.2)
    for call, one in calls.items():
      check_equal(listed().get(call),
                  [socket.inet_aton(one.server[0]).hex().upper(),
                   f'{SIP_PORT:04X}'], f'the server of {call}')


# -- By hand -------------------------------------------------------------------


def entry(cport, kind=0, protocol=TCP, size=None, nibble=0, flags=0, state=1,
          options=b'', timeout=900, vport=NO_SERVICE_PORT):
  body = struct.pack('>IHHHHII', flags, state, cport, vport, DPORT, 0, timeout)
  for address in (network.CLIENT, network.VIP, network.server_address(1)):
    body += socket.inet_aton(address)
  body += options
  stated = len(body) + 4 if size is None else size
  return struct.pack('>BBH', kind, protocol, nibble << 12 | stated) + body


def message(*entries, count=None, longer=0, syncid=SYNCID, version=1, spare=0):
  body = b''
  for one in entries:
    body += b'\0' * (-len(body) % 4) + one
  return struct.pack('>BBHBbH', 0, syncid, 8 + len(body) + longer,
                     len(entries) if count is None else count, version,
                     spare) + body


def option(kind, data, length=None):
  return struct.pack('BB', kind, len(data) if length is None else length) + data


def cases():
  """(name, message, first, which of its entries a kernel takes, and which we);
  message and entries from client port `first` on.
  """
  base = 30000
  def make(name, build, kernel, ours=None):
    nonlocal base
    base += 10
    first = base
    return (name, build(first), first, kernel, kernel if ours is None else ours)

  def bad(**fields):
    return lambda p: message(entry(p), entry(p + 1, **fields), entry(p + 2))

  sequence = option(1, bytes(24))
  stop, skip, take = {0}, {0, 2}, {0, 1, 2}
  return [
      make('plain', bad(), take),
      make('under four bytes', lambda p: message(entry(p))[:3], set()),
      make('longer than stated', lambda p: message(entry(p), longer=-1), set()),
      make('shorter than stated', lambda p: message(entry(p), longer=1), set()),
      make('another syncid', lambda p: message(entry(p), syncid=6), set()),
      make('syncid 0', lambda p: message(entry(p), syncid=0), set()),
      make('version 2', lambda p: message(entry(p), version=2), set()),
      make('spare not 0', lambda p: message(entry(p), spare=1), set()),
      make('count too high', lambda p: message(entry(p), count=3), {0}),
      make('count too low',
           lambda p: message(entry(p), entry(p + 1), count=1), {0}),
      make('cut', lambda p: message(entry(p), entry(p + 1)[:-1]), stop),
      make('size beyond the end', bad(size=100), stop),
      make('size too small', bad(size=32), stop),
      make('entry version 1', bad(nibble=1), stop),
      make('type 2', bad(kind=2), stop),
      make('stray byte', bad(options=b'\x01'), stop),
      make('option without length', bad(options=option(5, b'', 0)), stop),
      make('option too long', bad(options=option(0x45, b'abc', 9)), stop),
      make('short sequence', bad(flags=0x200, options=option(1, bytes(23))),
           stop),
      make('sequence', bad(flags=0x600, options=sequence), take),
      make('sequence twice', bad(flags=0x200, options=sequence + sequence),
           stop),
      make('long engine name', bad(options=option(3, b'n' * 17)), stop),
      make('unknown option', bad(options=option(5, b'abc')), skip),
      make('unknown option to ignore', bad(options=option(0x45, b'abc')), take),
      make('our own option', bad(options=option(0x7d, bytes(16))), take),
      make('engine data without name', bad(options=option(2, b'abc')), skip),
      # Which engines there are is for the reader of our decoder to know.
      make('unknown engine',
           bad(options=option(2, b'abc') + option(3, b'xyz')), skip, take),
      make('ICMP', bad(protocol=1), skip),
      make('TCP state 11', bad(state=11), skip),
      make('UDP state 1', bad(protocol=UDP), skip),
      # Linux 6.1.192 and later skip these two; we do.
      make('one packet', bad(flags=0x2000), take, skip),
      make('template state 2', bad(flags=TEMPLATE, state=2), take, skip),
      make('template state 1', bad(flags=TEMPLATE), take),
      make('timeout 0', bad(timeout=0), take),
      make('unknown flag bits', bad(flags=0x80010000), take),
  ]


def ports(identities):
  return {int(client.rpartition(':')[2]) for _, client, _ in identities}


def taken_by_hand(bed):
  """Message by message, the kernel takes what the list says; and we."""
  with uml.Lvs(bed) as lvs:
    lvs.sync('backup', SYNCID)
    ours = listening.Listener(bed, bed.client, 'eth0', GROUP, SYNCID)
    listed = cases()
    send(bed, *(f'raw {case[1].hex()}' for case in listed))
    wanted = {first + one for _, _, first, taken, _ in listed for one in taken}
    eventually(lambda: len(lvs.table()) >= len(wanted), 'entries are listed', 5,
               0.2)
    kernel = ports(lvs.table())
    decoded = ports(map(listening.identity, ours.records()))
    for name, _, first, by_kernel, by_us in listed:
      for who, found, taken in (('the kernel', kernel, by_kernel),
                                ('our decoder', decoded, by_us)):
        check_equal({port - first for port in found
                     if first <= port < first + 10}, taken,
                    f'{name}: {who} takes')
    check_equal(kernel, wanted, 'what the kernel lists')
    print(f'{len(listed)} messages by hand; the listener: {ours.stop()}',
          flush=True)


def flip_a_bit(prng, whole, kept):
  """Anywhere but at the offsets `kept`."""
  at = prng.choice([at for at in range(len(whole)) if at not in kept])
  whole[at] ^= 1 << prng.randrange(8)


def spoiled_1(prng, first):
  """A message of version 1 with four entries and one wrong bit; where each
  entry's flags and state stand, by its client port."""
  whole = bytearray(message(
      entry(first), entry(first + 1, flags=TEMPLATE),
      entry(first + 2, protocol=UDP, state=0, options=option(0x45, b'abc')),
      entry(first + 3)))
  begins = {first: 8, first + 1: 44, first + 2: 80, first + 3: 124}
  # The client's port, by which they are known; the timeout, lest they be gone
  # too soon; byte 0, for it would become a message of version 0.
  flip_a_bit(prng, whole, {0} | {
      begin + at for begin in begins.values() for at in (10, 11, *range(20, 24))})
  return whole, {port: struct.unpack_from('>IH', whole, begin + 4)
                 for port, begin in begins.items()}


def spoiled_0(prng, first):
  """The same of version 0, where the timeout follows from the state."""
  body = b''
  for number in range(4):
    body += struct.pack('>BBHHH', 0, TCP, first + number, NO_SERVICE_PORT, DPORT)
    for address in (network.CLIENT, network.VIP, network.server_address(1)):
      body += socket.inet_aton(address)
    body += struct.pack('>HH', TEMPLATE if number == 1 else 0, 1)
  whole = bytearray(struct.pack('>BBH', 4, SYNCID, 4 + len(body)) + body)
  begins = {first + number: 4 + 24 * number for number in range(4)}
  # As above; and where a sequence is announced, all after it moves.
  flip_a_bit(prng, whole, {
      begin + at for begin in begins.values() for at in (2, 3, 22, 23)})
  return whole, {port: struct.unpack_from('>HH', whole, begin + 20)
                 for port, begin in begins.items()}


def taken_with_an_error(bed):
  """Messages with one wrong bit: we take what the kernel takes, but for what
  only newer kernels refuse.
  """
  prng = random.Random(4711)
  messages, fields = [], {}
  for first in range(10000, 14000, 10):
    whole, at = (spoiled_0 if first % 40 == 0 else spoiled_1)(prng, first)
    messages.append(whole)
    fields.update(at)
  with uml.Lvs(bed) as lvs:
    lvs.sync('backup', SYNCID)
    ours = listening.Listener(bed, bed.client, 'eth0', GROUP, SYNCID)
    # No more at a time than the socket's buffer holds; the last is a good one.
    for number, at in enumerate(range(0, len(messages), 40)):
      last = 50000 + number
      fields[last] = (0, 1)
      send(bed, *(f'raw {whole.hex()}' for whole in
                  (*messages[at:at + 40], message(entry(last)))))
      eventually(lambda: last in ports(lvs.table()),  # pylint: disable=W0640
                 'the last message is heard', 10)
    kernel = ports(lvs.table())
    decoded = ports(map(listening.identity, ours.records()))
    check(decoded <= kernel, f'only we take {sorted(decoded - kernel)}')
    for port in sorted(kernel - decoded):
      flags, state = fields[port]
      check(flags & 0x2000 or flags & TEMPLATE and (state > 1 or flags & 0x800),
            f'only the kernel takes {port}: flags {flags:#x}, state {state}')
    check(len(decoded) > len(messages) * 2, f'of 4: {len(decoded)} taken')
    print(f'{len(messages)} messages with a wrong bit: {len(kernel)} entries '
          f'taken by the kernel, {len(decoded)} by us; the listener: '
          f'{ours.stop()}', flush=True)


if __name__ == '__main__':
  network.main(version_1, version_0, engine_data, taken_by_hand,
               taken_with_an_error)
