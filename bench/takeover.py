#!/usr/bin/python3 -B
"""How long is a client without an answer when the active unit goes?

    ./bazelw run //bench:takeover
    ./bazelw run //bench:takeover -- --rounds 5 --only death,ucarp

Method   client - two units - server, each a network namespace; a switch on
         either side of the units. Every 2 ms the client sends a UDP datagram to
         the virtual address, which comes back (Ballast: through the active unit
         from the server; ucarp moves only an address, so from the host that has
         it). A round does each event once, in an order that changes from round
         to round; the units it does not concern only advert meanwhile.
Events   death       kill -9 of the active ballastd; adverts each second, so that
                     it is the pair's closed stream by which the other knows
         silence     both cables of the active unit's host are pulled at once
                     (its own links stay up); adverts each 20 ms
         switchover  planned, by command; adverts each 20 ms
         ucarp       two ucarp at their default; the master is killed, and its
                     cable pulled, else its host would go on answering
Numbers  gap: the longest time between two answers at the client. Lost: datagrams
         that were never answered, of some 500 a second.

Needs no root where user namespaces are allowed. Everything it starts ends with
it, also when it is killed.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                '../lb/interop'))
import network  # pylint: disable=wrong-import-position
from network import check, eventually  # pylint: disable=wrong-import-position

VIP = '10.1.0.100'
GATEWAY = '10.2.0.254'
SERVER = '10.2.0.2'
CLIENT = '10.1.0.2'
PORT = 7000
PERIOD_US = 2000
SETTLE_S = 0.3  # Before an event and after what ends it.

CONFIG = """
interfaces {{ name: "outside" }}
interfaces {{ name: "inside" }}
floating_addresses {{ address: "{gateway}" interface: "inside" }}
state_dir: "{folder}"
statistics_period_s: 0
hash_key: "000102030405060708090a0b0c0d0e0f"
ha {{
  mode: {mode}
  advert_interval_ms: {advert_ms}
  virtual_id: 7
  links {{ interface: "inside" own_address: "10.2.0.{own}/24"
          partner_address: "10.2.0.{partner}" check: true }}
  links {{ interface: "outside" own_address: "10.1.0.{own}/24"
          partner_address: "10.1.0.{partner}" check: true }}
  l4_updates: true
  pacify_starts: 0
  keys: "{key}"
}}
virtual_services {{
  address: "{vip}" port: {port} protocol: UDP
  health_check {{ type: NONE }}
  real_servers {{ address: "{server}" }}
}}
"""


class Switch:
  """Bridges in a namespace of their own, and cables that can be pulled."""

  def __init__(self, bridges):
    self.namespace = network.Namespace('switch')
    for bridge in bridges:
      self.namespace.ip(f'link add {bridge} type bridge mcast_snooping 0',
                        f'link set {bridge} up')

  def plug(self, namespace, name, bridge, port, address):
    self.namespace.ip(
        f'link add {port} type veth peer name {name} netns {namespace.path}',
        f'link set {port} master {bridge} up')
    namespace.ip(f'addr add {address} dev {name}', f'link set {name} up')

  def _batch(self, lines):
    process = self.namespace.start(['ip', '-batch', '-'],
                                   stdin=subprocess.PIPE)
    process.communicate('\n'.join(lines) + '\n', timeout=10)
    check(process.returncode == 0, f'ip -batch: {lines}')

  def pull(self, *ports):
    self._batch([f'link set {port} nomaster' for port in ports])

  def put_back(self, cables):
    self._batch([f'link set {port} master {bridge}'
                 for port, bridge in cables.items()])


class Bed:
  """Two units, and a client that asks without a pause."""

  def __init__(self, folder, bridges):
    self.folder = folder
    self.switch = Switch(bridges)
    self.client = network.Namespace('client')
    self.switch.plug(self.client, 'eth0', bridges[0], 'client',
                     f'{CLIENT}/24')
    self.load = network.find('bench/udp_load')
    self._namespaces = [self.client, self.switch.namespace]

  def namespace(self, name):
    made = network.Namespace(name)
    self._namespaces.insert(0, made)
    return made

  def measure(self, event, done):
    """The gap in ms and the datagrams lost around event(), until done()."""
    probe = self.client.start([self.load, 'probe', VIP, str(PORT),
                               str(PERIOD_US)], stdout=subprocess.PIPE)
    time.sleep(SETTLE_S)
    event()
    eventually(done, f'{type(self).__name__}: the other unit took over', 30,
               0.02)
    # Until it is answered, whoever says that he has taken over.
    eventually(self._answers, f'{type(self).__name__}: an answer', 30, 0.02)
    time.sleep(SETTLE_S)
    probe.terminate()
    text = probe.communicate(timeout=10)[0]
    answers = []
    lost = 0
    for line in text.splitlines():
      _, received_us = map(int, line.split())
      if received_us == 0:
        lost += 1
      else:
        answers.append(received_us)
    answers.sort()
    check(len(answers) > 2 * SETTLE_S * 1e6 / PERIOD_US / 4,
          f'{len(answers)} answers')
    return {
        'gap': max(b - a for a, b in zip(answers, answers[1:])) / 1e3,
        'lost': lost,
    }

  def _answers(self):
    with self.client.socket(network.socket.SOCK_DGRAM) as asker:
      asker.settimeout(0.05)
      asker.sendto(b'?', (VIP, PORT))
      try:
        return asker.recv(64)
      except OSError:
        return None

  def close(self):
    for namespace in self._namespaces:
      namespace.close()


class BallastBed(Bed):
  """A pair of ballastd in front of a server."""

  def __init__(self, folder, advert_ms):
    super().__init__(folder, ('clients', 'servers'))
    self._advert_ms = advert_ms
    self._key = os.urandom(32).hex()
    self._control = network.find('examples/ballastctl')
    server = self.namespace('server')
    self.switch.plug(server, 'eth0', 'servers', 'server', f'{SERVER}/24')
    server.ip(f'route add default via {GATEWAY}')
    server.start([self.load, 'echo', SERVER, str(PORT)])
    self._units = []
    self._begin = [0, 0]  # Of each unit's log, since its start.
    for number in (0, 1):
      unit = self.namespace(f'unit {number}')
      own = 11 + number
      self.switch.plug(unit, 'outside', 'clients', f'outside{number}',
                       f'10.1.0.{own}/24')
      self.switch.plug(unit, 'inside', 'servers', f'inside{number}',
                       f'10.2.0.{own}/24')
      path = os.path.join(folder, f'unit{number}')
      os.mkdir(path)
      self._units.append(
          network.Ballastd(unit, path, network.find('examples/ballastd')))
    for number in (0, 1):
      self._start(number)
    self.active = 0
    eventually(lambda: self._paired(0) or self._paired(1), self._logs, 60)
    self.active = 0 if self._paired(0) else 1
    eventually(self._answers, f'an answer\n{self._logs()}', 30)

  def _logs(self):
    return 'a pair\n' + '\n'.join(unit.log()[-2000:] for unit in self._units)

  def _start(self, number):
    own, partner = 11 + number, 12 - number
    unit = self._units[number]
    if os.path.exists(unit.log_path):
      self._begin[number] = len(unit.log())
    unit.start(CONFIG.format(
        mode=('FIRST', 'SECOND')[number], advert_ms=self._advert_ms, own=own,
        partner=partner, key=self._key, vip=VIP, gateway=GATEWAY,
        server=SERVER, port=PORT,
        folder=os.path.join(self.folder, f'unit{number}')))

  def _said(self, number):
    """What it has logged since its start, from its last role on."""
    text = self._units[number].log()[self._begin[number]:]
    return text[max(text.rfind(' -> '), 0):]

  def _is_active(self, number):
    return self._said(number).startswith(' -> active')

  def _paired(self, active):
    standby = self._said(1 - active)
    return (self._is_active(active) and standby.startswith(' -> standby')
            and ' in sync with the active unit:' in standby)

  def _event(self, event, restore=lambda gone: None):
    gone = self.active
    result = self.measure(lambda: event(gone),
                          lambda: self._is_active(1 - gone))
    self.active = 1 - gone
    restore(gone)
    eventually(lambda: self._paired(self.active), self._logs, 60)
    time.sleep(1.1)  # Within a second of a change Linux trusts no other.
    return result

  def death(self):
    return self._event(
        lambda number: network.stop(self._units[number].process,
                                    signal.SIGKILL),
        self._start)

  def silence(self):
    def restore(number):
      network.stop(self._units[number].process, signal.SIGKILL)
      self.switch.put_back({f'outside{number}': 'clients',
                            f'inside{number}': 'servers'})
      self._start(number)
    return self._event(
        lambda number: self.switch.pull(f'outside{number}', f'inside{number}'),
        restore)

  def switchover(self):
    def order(number):
      path = os.path.join(self.folder, f'unit{number}', 'control')
      self.client.run([self._control, 'switchover', f'--socket={path}'])
    return self._event(order)


class UcarpBed(Bed):
  """Two hosts that answer at an address which ucarp moves."""

  def __init__(self, folder):
    super().__init__(folder, ('clients',))
    self._hosts = []
    self._processes = [None, None]
    for name, word in (('up', 'add'), ('down', 'del')):
      path = os.path.join(folder, name)
      with open(path, 'w', encoding='ascii') as file:
        file.write(f'#!/bin/sh\nip addr {word} {VIP}/32 dev "$1"\n')
      os.chmod(path, 0o755)
    for number in (0, 1):
      host = self.namespace(f'host {number}')
      self.switch.plug(host, 'eth0', 'clients', f'host{number}',
                       f'10.1.0.{11 + number}/24')
      host.start([self.load, 'echo', VIP, str(PORT)])
      self._hosts.append(host)
    self._start(0)
    eventually(lambda: self._has(0), 'a master', 20)
    self._start(1)
    self.active = 0
    eventually(self._answers, 'an answer', 20)

  def _start(self, number):
    with open(os.path.join(self.folder, f'log{number}'), 'a',
              encoding='utf-8') as log:
      self._processes[number] = self._hosts[number].start(
          ['ucarp', '-i', 'eth0', '-s', f'10.1.0.{11 + number}', '-v', '7',
           '-p', 'secret', '-a', VIP, '-u', os.path.join(self.folder, 'up'),
           '-d', os.path.join(self.folder, 'down')], stdout=log, stderr=log)

  def _has(self, number):
    return VIP in self._hosts[number].run('ip -4 addr show dev eth0')

  def ucarp(self):
    gone = self.active

    def event():
      self.switch.pull(f'host{gone}')
      network.stop(self._processes[gone], signal.SIGKILL)
    result = self.measure(event, lambda: self._has(1 - gone))
    self.active = 1 - gone
    self._hosts[gone].ip(f'addr del {VIP}/32 dev eth0')
    self.switch.put_back({f'host{gone}': 'clients'})
    self._start(gone)
    time.sleep(4.5)  # Longer than it listens before it would be master.
    check(not self._has(gone), 'ucarp: the one that returns is backup')
    return result


EVENTS = ('death', 'silence', 'switchover', 'ucarp')


def report(results):
  print('\n| event | rounds | gap, median ms | range | lost, median | range |')
  print('|---|---|---|---|---|---|')
  for event, rows in results.items():
    gaps = [row['gap'] for row in rows]
    lost = [row['lost'] for row in rows]
    print(f'| {event} | {len(rows)} | {statistics.median(gaps):,.0f} | '
          f'{min(gaps):,.0f}-{max(gaps):,.0f} | '
          f'{statistics.median(lost):,.0f} | {min(lost)}-{max(lost)} |')


class Beds:
  """What the events need; network.main() makes and closes it."""

  def __init__(self, folder, events):
    self._beds = []
    self.events = {}
    for names, make in (
        (('death',), lambda path: BallastBed(path, 1000)),
        (('silence', 'switchover'), lambda path: BallastBed(path, 20)),
        (('ucarp',), UcarpBed)):
      wanted = [name for name in names if name in events]
      if not wanted:
        continue
      path = os.path.join(folder, names[0])
      os.mkdir(path)
      bed = make(path)
      self._beds.append(bed)
      for name in wanted:
        self.events[name] = getattr(bed, name)

  def last_words(self):
    return ''

  def close(self):
    for bed in self._beds:
      bed.close()


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--rounds', type=int, default=20)
  parser.add_argument('--only', default='', help='events, comma-separated')
  parser.add_argument('--smoke', action='store_true',
                      help='one round without ucarp: does it run?')
  options = parser.parse_args()
  if options.smoke:
    options.rounds = 1
  events = options.only.split(',') if options.only else EVENTS
  if options.smoke and not options.only:
    events = ('death', 'silence', 'switchover')

  def takeover(beds):
    results = {event: [] for event in EVENTS if event in events}
    for turn in range(options.rounds):
      order = list(results)
      first = turn % len(order)
      for event in order[first:] + order[:first]:
        row = beds.events[event]()
        results[event].append(row)
        print(f'round {turn + 1} {event:10} gap {row["gap"]:8.1f} ms, lost '
              f'{row["lost"]}', flush=True)
    report(results)

  network.main(takeover, make_bed=lambda folder: Beds(folder, events))


if __name__ == '__main__':
  main()
