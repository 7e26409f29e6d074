#!/usr/bin/python3 -B
"""Beside a live Linux director: examples/ipvs_standby lists what it tells of,
every connection and template with state, server and method.
"""

import os
import re
import signal
import subprocess

import network
import uml
from network import check, check_equal, endpoint, eventually

SYNCID = 5
PORT = 7000
PERSISTENCE = 300


class Standby:
  """ipvs_standby at the director's place on the clients' switch."""

  def __init__(self, bed, name, *flags):
    self._path = os.path.join(bed.folder, f'{name}.log')
    with open(self._path, 'w', encoding='ascii') as log:
      self._process = bed.director.start(
          [network.find('examples/ipvs_standby'), '--interface=outside',
           *flags], stdout=log, stderr=subprocess.STDOUT)
    eventually(lambda: 'listening on' in self.log(), 'the standby listens')

  def log(self):
    with open(self._path, encoding='ascii') as file:
      return file.read()

  def listed(self):
    """What it says on SIGUSR1: {(protocol, client, virtual): (server, state,
    rest of the line)}."""
    begin = len(self.log())
    self._process.send_signal(signal.SIGUSR1)
    text = eventually(
        lambda: re.search(r'^pro .*\n((?:.*\n)*?) *\d+ s  ',
                          self.log()[begin:], re.MULTILINE),
        'the standby lists').group(1)
    found = {}
    for line in text.splitlines():
      protocol, _, state, client, virtual, server, rest = line.split(None, 6)
      found[(protocol, client, virtual)] = (server, state, rest)
    return found

  def end(self):
    self._process.send_signal(signal.SIGTERM)
    check_equal(self._process.wait(5), 0, 'the standby: exit status')
    return self.log()


def lists_what_a_master_tells(bed):
  with uml.Lvs(bed) as lvs:
    servers = {family: [server.address(family) for server in bed.servers]
               for family in network.VIPS}
    for family, vip in network.VIPS.items():
      lvs.service('tcp', vip, PORT, servers[family], f'-p {PERSISTENCE}')
      lvs.service('tcp', vip, PORT + 1, servers[family], '', '-g')
    lvs.sync('master', SYNCID)
    standby = Standby(bed, 'standby', f'--syncid={SYNCID}')
    other = Standby(bed, 'other', f'--syncid={SYNCID + 1}')
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
    eventually(lambda: len(standby.listed()) == 34,
               lambda: f'32 connections, 2 templates: {standby.log()[-2000:]}',
               15, 0.5)
    listed = standby.listed()
    known = lvs.table()
    check_equal(set(listed), set(known), 'connections and templates')
    for identity, (server, state, rest) in listed.items():
      check_equal((server, state), known[identity][:2], f'{identity}')
      wanted = ('direct' if identity[2].endswith(f':{PORT + 1}') else 'NAT')
      check_equal(rest.split()[0], wanted, f'{identity}: method')
      check_equal(rest.endswith('template'), identity[1].endswith(':0'),
                  f'{identity}: a template')
    said = standby.end()
    check(re.search(r'a master at 10\.1\.0\.50: version 1, syncid 5', said),
          f'it names the master: {said[:300]}')
    check('32 connections (32 ESTABLISHED), 2 templates' in said,
          f'it says how many: {said[-500:]}')
    # The table once more: eight connections and their template.
    check_equal(said.rpartition('\npro ')[2].count(
        f' {endpoint(network.VIP, PORT)} '), 9, 'lines of the IPv4 NAT service')
    said = other.end()
    check('0 connections, 0 templates; heard 0 entries in 0 messages, '
          'left out: other_syncid' in said, f'another syncid: {said[-500:]}')
    print(said.splitlines()[-1], flush=True)


if __name__ == '__main__':
  network.main(lists_what_a_master_tells)
