"""Two units of ballastd with wire PLAIN: the director of a network.Bed, and another
that stands beside it on both switches.

  def test(bed):
    bed.first.start('election: BY_COMMAND', plain.services())
    bed.first.switchover()
    bed.first.status()   # {'role': 'active', 'reason': 'by command', ...}

  network.main(test, make_bed=plain.Bed)
"""

import os
import re
import socket
import struct
import time

import network
import sessions
from network import eventually

ARP = 0x0806

SECOND = '10.1.0.3'
SECOND_INSIDE = '10.2.0.3'
SECOND6 = '2001:db8:1::3'
SHARED = '10.1.0.99'
SHARED6 = '2001:db8:1::99'
VHID = 99
PASSWORD = 'kemp-secret'
# Of all units here: an advert a second and a bit, takeover after three.
TIMEOUT = 3


def carp(skew=0, peer_skew=0, password=PASSWORD, more=''):
  """What stands in plain { }."""
  return (f'password: "{password}" advskew: {skew} peer_advskew: {peer_skew} '
          f'{more}')


class Unit:
  """A ballastd of a pair."""

  def __init__(self, bed, namespace, number, own, partner):
    self.bed = bed
    self.namespace = namespace
    self.number = number
    self.own, self.partner = own, partner
    # Where it is plugged in.
    self.ports = (('director0', 'director1') if number == 1
                  else ('second0', 'second1'))
    self.folder = os.path.join(bed.folder, f'unit{number}')
    os.mkdir(self.folder)
    self.ballastd = network.Ballastd(namespace, self.folder,
                                     network.find('examples/ballastd'))
    self._control = os.path.join(self.folder, 'state', 'control')

  def start(self, plain, services, ha='', family=4):
    """`plain` is what stands in plain { }, `ha` what else in ha { }."""
    own, partner, shared, length = self.own, self.partner, SHARED, 24
    if family == 6:
      own, partner = network.DIRECTOR6, SECOND6
      if self.number == 2:
        own, partner = partner, own
      shared, length = SHARED6, 64
    self.ballastd.start(self.bed.config(f"""
state_dir: "{self.folder}/state"
ha {{
  mode: {'FIRST' if self.number == 1 else 'SECOND'}
  links {{
    interface: "outside"
    own_address: "{own}/{length}"
    partner_address: "{partner}"
  }}
  shared_address: "{shared}"
  virtual_id: {VHID}
  {'' if 'BY_COMMAND' in plain else f'timeout_s: {TIMEOUT}'}
  pacify_starts: 0
  l4_updates: true
  {ha}
  wire: PLAIN
  plain {{ {plain} }}
}}
{services}"""))

  def ask(self, command, check_status=True):
    return self.namespace.run(
        [network.find('examples/ballastctl'), command,
         f'--socket={self._control}'], check_status)

  def status(self):
    text = self.ask('status')
    role, reason = re.search(r'^role (\w+) \((.*)\)$', text, re.M).groups()
    sent, received = re.search(r'^records sent (\d+), received (\d+)', text,
                               re.M).groups()
    refused = re.search(r'messages refused (\d+)(.*)$', text, re.M)
    return {
        'role': role, 'reason': reason, 'sent': int(sent),
        'received': int(received),
        'partner': re.search(r'^partner: (.*)$', text, re.M).group(1),
        'refused': dict((name, int(count)) for name, count in
                        re.findall(r'(\w+)=(\d+)', refused.group(2))),
    }

  def role(self):
    return self.status()['role']

  def await_role(self, role, seconds):
    eventually(lambda: self.role() == role,
               lambda: f'unit {self.number} is {role}, not {self.role()}',
               seconds)

  def connections(self):
    """How many it has."""
    return sum(server['open'] for service in self.ballastd.statistics().values()
               for server in service.values())

  def await_connections(self, count, seconds=20):
    eventually(lambda: self.connections() == count,
               lambda: f'unit {self.number} has {self.connections()} of {count}'
               f' connections: {self.status()}', seconds, 0.5)

  def switchover(self):
    self.ask('switchover')

  def kill(self):
    self.ballastd.process.kill()
    self.ballastd.process.wait()

  def reasons(self):
    """Of each change of its role, in order."""
    return re.findall(r'role \w+ -> \w+: (.*)$', self.ballastd.log(), re.M)

  def cut(self):
    """Off both switches."""
    for port in self.ports:
      self.bed.switch.ip(f'link set {port} nomaster')

  def join(self):
    for port, bridge in zip(self.ports, ('clients', 'servers')):
      self.bed.switch.ip(f'link set {port} master {bridge}')

  def last_words(self):
    if not os.path.exists(self.ballastd.log_path):
      return ''
    return f'-- unit {self.number}\n{self.ballastd.log()[-3000:]}'


class Ucarp:
  """The real one, in the place of a unit; master, it has SHARED."""

  def __init__(self, unit):
    self._unit = unit
    self._folder = os.path.join(unit.folder, 'ucarp')
    os.mkdir(self._folder)
    self._roles = os.path.join(self._folder, 'roles')
    self._process = None
    for name, role, verb in (('up', 'master', 'add'), ('down', 'backup', 'del')):
      path = os.path.join(self._folder, name)
      with open(path, 'w', encoding='ascii') as file:
        file.write(f'#!/bin/sh\nip addr {verb} {SHARED}/32 dev outside\n'
                   f'echo {role} >> {self._roles}\n')
      os.chmod(path, 0o755)

  def start(self, *options, skew=0, password=PASSWORD):
    command = ['ucarp', '-i', 'outside', '-s', self._unit.own, '-v', str(VHID),
               '-p', password, '-a', SHARED, '-b', '1', '-k', str(skew),
               '-u', os.path.join(self._folder, 'up'),
               '-d', os.path.join(self._folder, 'down'), '-n', *options]
    open(self._roles, 'w', encoding='ascii').close()
    with open(os.path.join(self._folder, 'log'), 'a', encoding='utf-8') as log:
      self._process = self._unit.namespace.start(command, stdout=log, stderr=log)

  def role(self):
    with open(self._roles, encoding='ascii') as file:
      roles = file.read().split()
    return roles[-1] if roles else 'backup'

  def await_role(self, role, seconds):
    eventually(lambda: self.role() == role,
               lambda: f'ucarp is {role}, not {self.role()}', seconds, 0.02)

  def kill(self):
    """Without a word, its address gone with it."""
    self._process.kill()
    self._process.wait()
    self._unit.namespace.run(f'ip addr del {SHARED}/32 dev outside',
                             check_status=False)


class Bed(network.Bed):
  """With two units: `first` and `second`."""

  def __init__(self, folder):
    super().__init__(folder, network.find('examples/ballastd'))
    self.director2 = self._namespace('director2')
    self.plug(self.director2, 'outside', 'clients', 'second0')
    self.plug(self.director2, 'inside', 'servers', 'second1')
    self.director2.sysctl('net/ipv4/ip_forward', 1)
    self.director2.ip(f'addr add {SECOND}/24 dev outside',
                      f'addr add {SECOND_INSIDE}/24 dev inside',
                      f'addr add {SECOND6}/64 dev outside nodad',
                      'addr add 2001:db8:2::3/64 dev inside nodad')
    eventually(lambda: '1 received' in self.director2.run(
        f'ping -c1 -W1 -q {network.CLIENT}', check_status=False),
               'the second director is reached', 15)
    self.first = Unit(self, self.director, 1, network.DIRECTOR, SECOND)
    self.second = Unit(self, self.director2, 2, SECOND, network.DIRECTOR)

  def last_words(self):
    return '\n'.join(unit.last_words() for unit in (self.first, self.second))


def services():
  """One a family for the watched sessions."""
  return ''.join(
      network.service(f'sessions{family}', network.VIPS[family], sessions.PORT,
                      [network.real_server(server_address, port=sessions.PORT)
                       for server_address in (
                           network.server_address(number, family)
                           for number in (1, 2, 3))])
      for family in (4, 6))


def who_has(bed, address=network.VIP, seconds=0.5):
  """The MAC addresses that the client is told of, asking once."""
  with bed.client.entered():
    asking = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ARP))
  with asking:
    asking.bind(('eth0', ARP))
    mac = asking.getsockname()[4]
    target = socket.inet_aton(address)
    asking.send(b'\xff' * 6 + mac + struct.pack('!HHHBBH', ARP, 1, 0x800, 6, 4, 1)
                + mac + socket.inet_aton(network.CLIENT) + bytes(6) + target)
    asking.settimeout(0.1)
    answers = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
      try:
        frame = asking.recv(100)
      except socket.timeout:
        continue
      if frame[20:22] == b'\0\2' and frame[28:32] == target:
        answers.add(frame[22:28].hex())
    return answers
