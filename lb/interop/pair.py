"""Two ballastd that stand in for each other, and everything each of them sends.

  client ---- [client switch] ---- unit 0, unit 1 ---- [server switch] ---- servers
                     |                   |
                     |              [pair switch]  a cable of the units' own
                     +------------- router -------------+

The rest is network.Bed's. Unit 0 is First. The units hear each other on all three
links, or with links=('pair',) only on their own.

  def test(bed):
    bed.start(pair.service())
    capture = bed.capture(1)
    bed.units[0].kill()
    ...

  if __name__ == '__main__':
    pair.main(test)
"""

import collections
import ipaddress
import os
import re
import secrets
import signal
import socket
import struct
import threading
import time

import network
from network import check, eventually
import sessions

# Of unit 0; those of unit 1 end in one more.
OUTSIDE = '10.1.0.241', '2001:db8:1::f1'
INSIDE = '10.2.0.241', '2001:db8:2::f1'
PAIR = '10.3.0.241', '2001:db8:3::f1'
LINKS = {'outside': OUTSIDE, 'inside': INSIDE, 'pair': PAIR}
SESSIONS = 60  # Of each family, by so many clients.
CLIENTS = 12
# In networks of the two links that carry traffic.
FLOATING = (network.VIP, network.VIP6, network.GATEWAY, network.GATEWAY6)
VIRTUAL_ID = 7
VIRTUAL_MAC = f'00:00:5e:00:01:{VIRTUAL_ID:02x}'
# Three of these make the takeover time: more than a loaded machine forgets a
# process for.
INTERVAL_MS = 200


def own_address(index, link, family=4):
  first = ipaddress.ip_address(LINKS[link][0 if family == 4 else 1])
  return str(first + index)


def services(port=sessions.PORT, name='web'):
  """NAT, in both families, to all servers."""
  return ''.join(
      network.service(f'{name}{family}', network.VIPS[family], port,
                      [network.real_server(
                          network.server_address(number, family))
                       for number in (1, 2, 3)]) for family in (4, 6))


class Unit(network.Ballastd):
  """One ballastd of the pair; 0 is First."""

  def __init__(self, index, namespace, folder, program):
    os.mkdir(folder)
    super().__init__(namespace, folder, program)
    self.index = index
    self.name = ('First', 'Second')[index]
    self.namespace = namespace
    self.folder = folder
    self.key_path = os.path.join(folder, 'pair.key')
    self._log_begin = 0  # Of what the running process has said.

  def write_keys(self, *keys):
    with open(self.key_path, 'w', encoding='ascii') as file:
      file.write('\n'.join(keys) + '\n')

  def config(self, body, links=('outside', 'inside'), interfaces=(), **ha):
    """A configuration of this unit. `links` are checked; `ha` has fields of that
    message, None leaves it at its default."""
    fields = {'advert_interval_ms': INTERVAL_MS, 'pacify_starts': 0, **ha}
    parts = [f'interfaces {{ name: "{name}" }}'
             for name in ('outside', 'inside', *interfaces)]
    parts += [f'floating_addresses {{ address: "{address}" interface: "inside" }}'
              for address in (network.GATEWAY, network.GATEWAY6)]
    parts += [f'state_dir: "{self.folder}/state"', 'statistics_period_s: 0',
              'hash_key: "000102030405060708090a0b0c0d0e0f"', 'ha {',
              f'mode: {self.name.upper()} virtual_id: {VIRTUAL_ID}',
              f'l4_updates: true key_file: "{self.key_path}"']
    parts += [f'links {{ interface: "{link}" check: true '
              f'own_address: "{own_address(self.index, link)}/24" '
              f'partner_address: "{own_address(1 - self.index, link)}" }}'
              for link in links]
    parts += [f'{key}: {value}' for key, value in fields.items()
              if value is not None]
    return '\n'.join(parts) + '\n}\n' + body

  def written(self):
    """The configuration file as it is."""
    with open(os.path.join(self.folder, 'ballast.textproto'),
              encoding='utf-8') as file:
      return file.read()

  def start(self, config, *flags):
    self._log_begin = len(self.log()) if os.path.exists(self.log_path) else 0
    super().start(config, *flags)

  def said(self):
    """Since its start."""
    return self.log()[self._log_begin:]

  def kill(self):
    self.process.send_signal(signal.SIGKILL)
    self.process.wait()

  def role(self):
    roles = re.findall(r'role \S+ -> (\S+):', self.said())
    if self.process is None or self.process.poll() is not None:
      return 'gone'
    return roles[-1] if roles else 'none yet'

  def changes(self):
    """Of its role, as logged: [('standby', 'active', why), ...]."""
    return re.findall(r'role (\S+) -> (\S+): (.*)', self.said())

  def in_sync(self):
    """It stands by with a table equal to the active unit's."""
    said = re.findall(r'role \S+ -> \S+:|in sync with|no longer in sync',
                      self.said())
    return said[-1:] == ['in sync with'] and self.role() == 'standby'

  def control(self, command):
    return self.namespace.run([network.find('examples/ballastctl'), command,
                               f'--socket={self.folder}/state/control'])

  def status(self):
    return self.control('status')

  def refused(self):
    """{reason: messages refused}."""
    line = re.search(r'messages refused \d+(.*)', self.status()).group(1)
    return collections.Counter({key: int(value) for key, value in
                                re.findall(r'(\w+)=(\d+)', line)})


class PairBed(network.Bed):
  """The whole network."""

  def _make_directors(self, program):
    self.key = secrets.token_hex(32)
    self.units = [
        Unit(index, self._namespace(name), os.path.join(self.folder, name),
             program) for index, name in enumerate(('first', 'second'))
    ]
    for unit in self.units:
      unit.write_keys(self.key)

  def _plug_directors(self):
    self.switch.ip('link add pair type bridge mcast_snooping 0',
                   'link set pair up')
    for unit in self.units:
      i = unit.index
      self.plug_director(unit.namespace, f'unit{i}', own_address(i, 'outside'),
                         own_address(i, 'outside', 6), own_address(i, 'inside'),
                         own_address(i, 'inside', 6))
      self.plug(unit.namespace, 'pair', 'pair', f'unit{i}2')
      unit.namespace.ip(f'addr add {own_address(i, "pair")}/24 dev pair',
                        f'addr add {own_address(i, "pair", 6)}/64 dev pair '
                        'nodad')

  def _reachable(self):
    hosts = [(self.client, own_address(i, 'outside', family))
             for i in (0, 1) for family in (4, 6)]
    hosts += [(server.namespace, own_address(i, 'inside'))
              for i in (0, 1) for server in self.servers]
    hosts.append((self.units[0].namespace, own_address(1, 'pair')))
    return all('1 received' in namespace.run(['ping', '-c1', '-W1', address],
                                             check_status=False)
               for namespace, address in hosts)

  def start(self, body, **fields):
    """Both units, First active; see Unit.config()."""
    for unit in self.units:
      unit.start(unit.config(body, **fields))
    self.await_pair(0)

  def await_pair(self, active, seconds=20):
    """`active` serves, and the other stands by with an equal table."""
    eventually(
        lambda: (self.units[active].role() == 'active'
                 and self.units[1 - active].in_sync()),
        lambda: f'{self.units[active].name} is active and the other in sync:\n'
        + self.last_words(), seconds)

  def set_plugged(self, unit, link, plugged):
    """Its carrier stays, as behind a switch that is broken."""
    port = f'unit{unit.index}{list(LINKS).index(link)}'
    bridge = {'outside': 'clients', 'inside': 'servers', 'pair': 'pair'}[link]
    self.switch.ip(f'link set {port} ' +
                   (f'master {bridge}' if plugged else 'nomaster'))

  def capture(self, index, links=('outside', 'inside')):
    return Capture(self, self.units[index], links)

  def last_words(self):
    return ''.join(f'What {unit.name} said:\n{unit.log()[-6000:]}\n'
                   for unit in self.units if os.path.exists(unit.log_path))

  def close(self):
    for unit in self.units:
      if unit.process is not None and unit.process.poll() is None:
        unit.kill()
    super().close()


def main(*tests):
  """network.main() with such a network for each."""
  network.main(*tests, make_bed=lambda folder: PairBed(
      folder, network.find('examples/ballastd')))


# -- Sessions through the pair -------------------------------------------------


def client_address(family, number):
  return f'10.1.0.{150 + number}' if family == 4 else f'2001:db8:1::1:{number}'


def watch(bed):
  """Sessions of CLIENTS clients through the pair."""
  watched = sessions.Sessions(bed)
  for number in range(CLIENTS):
    bed.client.ip(f'addr add {client_address(4, number)}/24 dev eth0',
                  f'addr add {client_address(6, number)}/64 dev eth0 nodad')
  watched.connect(*((f'client{number}v{family}', network.VIPS[family],
                     SESSIONS // CLIENTS, 50, client_address(family, number))
                    for number in range(CLIENTS) for family in (4, 6)))
  # Behind the threshold at which the partner hears of them.
  watched.await_bytes(50_000)
  return watched


def check_nothing_lost(watched):
  watched.await_bytes(50_000)
  report = watched.finish()
  check(report['lost'] == 0 and report['completed'] == report['sessions'],
        f'sessions: {report}')
  print('longest gaps: ' + ', '.join(
      f'{window["name"]} {window["longest_gap_ms"]:.0f} ms'
      for window in report['windows']), flush=True)


# -- What a unit sends ---------------------------------------------------------

# `kind` is arp, ipv4, ipv6 or the EtherType in hex; `source` and `target` are IP
# addresses, of ARP the sender's and the one asked for; `protocol` that of IP, of
# ARP the operation; `icmp` the type of ICMPv6. `target` is the advertised
# address of a neighbour advertisement.
Sent = collections.namedtuple(
    'Sent', 'time link mac to_mac kind source target protocol icmp')

_PACKET_IGNORE_OUTGOING = 23
_PACKET_STATISTICS = 6
_SOL_PACKET = 263
_SO_TIMESTAMPNS = 35
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86dd
ICMPV6 = 58
NEIGHBOUR_ADVERTISEMENT = 136


def _mac(data):
  return ':'.join(f'{byte:02x}' for byte in data)


def _decode(when, link, frame):
  kind = struct.unpack('!H', frame[12:14])[0]
  body = frame[14:]
  source = target = protocol = icmp = None
  if kind == _ARP:
    protocol, source, target = (struct.unpack('!H', body[6:8])[0],
                                socket.inet_ntop(socket.AF_INET, body[14:18]),
                                socket.inet_ntop(socket.AF_INET, body[24:28]))
  elif kind == _IPV4:
    protocol = body[9]
    source, target = (socket.inet_ntop(socket.AF_INET, body[i:i + 4])
                      for i in (12, 16))
  elif kind == _IPV6:
    protocol = body[6]
    source, target = (socket.inet_ntop(socket.AF_INET6, body[i:i + 16])
                      for i in (8, 24))
    if protocol == ICMPV6:
      icmp = body[40]
      if icmp == NEIGHBOUR_ADVERTISEMENT:
        target = socket.inet_ntop(socket.AF_INET6, body[48:64])
  name = {_ARP: 'arp', _IPV4: 'ipv4', _IPV6: 'ipv6'}.get(kind, f'{kind:#06x}')
  return Sent(when, link, _mac(frame[6:12]), _mac(frame[:6]), name, source,
              target, protocol, icmp)


class Capture:
  """Every frame that a unit sends on some of its links, as the switch's ports
  get them, with the kernel's time of it."""

  def __init__(self, bed, unit, links):
    self._sent = []
    self._sockets = []
    self._ends = threading.Event()
    self._threads = []
    for link in links:
      port = f'unit{unit.index}{list(LINKS).index(link)}'
      with bed.switch.entered():
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
      made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
      made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
      made.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
      made.settimeout(0.1)
      with bed.switch.entered():
        made.bind((port, 3))  # ETH_P_ALL.
      self._sockets.append(made)
      self._threads.append(network.Worker(
          lambda made=made, link=link: self._read(made, link)))
    for thread in self._threads:
      thread.start()

  def _read(self, made, link):
    while not self._ends.is_set():
      try:
        frame, ancillary, _, _ = made.recvmsg(256, 64)
      except socket.timeout:
        continue
      seconds, nanos = struct.unpack('qq', ancillary[0][2])
      self._sent.append(_decode(seconds + nanos / 1e9, link, frame))

  def so_far(self):
    return sorted(list(self._sent), key=lambda sent: sent.time)

  def stop(self):
    """All of them, by time; none was missed."""
    time.sleep(0.2)  # What is still to be read.
    self._ends.set()
    for thread in self._threads:
      thread.join(5)
    for made in self._sockets:
      missed = struct.unpack('II', made.getsockopt(_SOL_PACKET,
                                                   _PACKET_STATISTICS, 8))[1]
      check(missed == 0, f'the capture missed {missed} frames')
      made.close()
    return self.so_far()


def announcements(sent, address):
  """When it was told unasked that `address` is at the sender: gratuitous ARP,
  or a neighbour advertisement to all nodes."""
  if ':' in address:
    return [frame.time for frame in sent
            if frame.icmp == NEIGHBOUR_ADVERTISEMENT
            and frame.target == address
            and frame.to_mac == '33:33:00:00:00:01']
  return [frame.time for frame in sent
          if frame.kind == 'arp' and frame.source == address
          and frame.target == address and frame.to_mac == 'ff:ff:ff:ff:ff:ff']


def link_mac(namespace, link):
  text = namespace.run(['ip', '-o', 'link', 'show', link])
  return re.search(r'link/ether (\S+)', text).group(1)


def own_addresses(unit):
  """All that its host has, and what stands for none."""
  text = unit.namespace.run(['ip', '-o', 'addr', 'show'])
  return set(re.findall(r'inet6? (\S+)/', text)) | {'0.0.0.0', '::'}
