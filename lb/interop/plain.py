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
SHARED = '10.1.0.99'
VHID = 99


class Unit:
  """A ballastd of a pair."""

  def __init__(self, bed, namespace, number, own, partner):
    self.bed = bed
    self.namespace = namespace
    self.number = number
    self.own, self.partner = own, partner
    self.folder = os.path.join(bed.folder, f'unit{number}')
    os.mkdir(self.folder)
    self.ballastd = network.Ballastd(namespace, self.folder,
                                     network.find('examples/ballastd'))
    self._control = os.path.join(self.folder, 'state', 'control')

  def start(self, plain, services, ha=''):
    """`plain` is what stands in plain { }, `ha` what else in ha { }."""
    self.ballastd.start(self.bed.config(f"""
state_dir: "{self.folder}/state"
ha {{
  mode: {'FIRST' if self.number == 1 else 'SECOND'}
  links {{
    interface: "outside"
    own_address: "{self.own}/24"
    partner_address: "{self.partner}"
  }}
  shared_address: "{SHARED}"
  pacify_starts: 0
  l4_updates: true
  {ha}
  wire: PLAIN
  plain {{ {plain} }}
}}
{services}"""))

  def ask(self, command, check_status=True):
    return self.namespace.run(
        [network.find('examples/ballastctl'), command, self._control],
        check_status)

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

  def last_words(self):
    if not os.path.exists(self.ballastd.log_path):
      return ''
    return f'-- unit {self.number}\n{self.ballastd.log()[-3000:]}'


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
                      'addr add 2001:db8:1::3/64 dev outside nodad',
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
