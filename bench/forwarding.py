#!/usr/bin/python3 -B
"""What does forwarding through Ballast cost, next to the kernel's own NAT?

    ./bazelw run //bench:forwarding
    ./bazelw run //bench:forwarding -- --rounds 9 --only nft,ballast1

Method   client - director - server, each a network namespace, joined by veth
         pairs. The subjects take turns within every round, each in namespaces
         made for it and thrown away, and the order changes from round to round.
         What the machine does else hits all of them; only ratios within a round
         are compared.
Subjects plain     the kernel forwards, no NAT
         nft       the kernel's DNAT by nftables: what we are compared with
         ballastN  ballastd with N packet threads
Loads    udp       64-byte frames at a fixed rate, 256 flows
         flood     the same as fast as they can be sent
         requests  wrk, 32 keep-alive connections, a reply of 2 bytes
         bulk      wrk, 8 keep-alive connections, replies of 1 MB
Numbers  rate: what arrived per second. CPU: busy time of the whole machine,
         client and server included, by what arrived; it is time not idle, so
         keep the machine free of other work.

Needs no root where user namespaces are allowed. Everything it starts ends with
it, also when it is killed.
"""

import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../lb/interop')]
# pylint: disable=wrong-import-position
import network
import side_by_side
from network import check, eventually
from side_by_side import median_range

VIP = '10.1.0.100'
SERVER = '10.2.0.2'
GATEWAY = '10.2.0.254'  # Of the server, on the director's side.
HTTP_PORT = 8080
UDP_PORT = 9000

NFT_RULES = f"""
table ip nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    ip daddr {VIP} dnat to {SERVER}
  }}
}}
"""

BALLAST_CONFIG = """
interfaces {{ name: "client0" }}
interfaces {{ name: "server0" }}
floating_addresses {{ address: "{gateway}" interface: "server0" }}
threads: {threads}
statistics_period_s: 0
virtual_services {{
  name: "http" address: "{vip}" port: {http_port}
  health_check {{ type: NONE }}
  real_servers {{ address: "{server}" }}
}}
virtual_services {{
  name: "udp" address: "{vip}" port: {udp_port} protocol: UDP
  health_check {{ type: NONE }}
  real_servers {{ address: "{server}" }}
}}
"""


class Bed:
  """client - director - server, with a web server and the subject running."""

  def __init__(self, subject, ballastd, folder):
    self.subject = subject
    self.target = SERVER if subject == 'plain' else VIP
    self.log = os.devnull
    self._namespaces = []
    try:
      self.client, self.director, self.server = [
          self._namespace(name) for name in ('client', 'director', 'server')]
      self._links()
      self._start_subject(ballastd, folder)
      side_by_side.start_web_server(self.server, folder, HTTP_PORT)
      eventually(self._answers, lambda: f'{subject} answers:\n' +
                 self.last_words())
    except BaseException:
      self.close()
      raise

  def _namespace(self, name):
    self._namespaces.append(network.Namespace(name))
    return self._namespaces[-1]

  def _links(self):
    for end, name in ((self.client, 'client0'), (self.server, 'server0')):
      self.director.ip(f'link add {name} type veth peer name eth0 '
                       f'netns {end.path}', f'link set {name} up')
      end.ip('link set eth0 up')
    self.client.ip('addr add 10.1.0.2/24 dev eth0')
    self.server.ip(f'addr add {SERVER}/24 dev eth0')
    self.director.ip('addr add 10.1.0.1/24 dev client0',
                     'addr add 10.2.0.1/24 dev server0')
    self.client.ip('route add default via 10.1.0.1')
    self.server.ip(f'route add default via {GATEWAY}')
    self.director.sysctl('net/ipv4/ip_forward', 1)

  def _start_subject(self, ballastd, folder):
    if self.subject in ('plain', 'nft'):
      # The kernel has the addresses that the director would answer for.
      for address, name in ((VIP, 'client0'), (GATEWAY, 'server0')):
        self.director.ip(f'addr add {address}/24 dev {name}')
      if self.subject == 'nft':
        rules = os.path.join(folder, 'nft')
        with open(rules, 'w', encoding='ascii') as file:
          file.write(NFT_RULES)
        self.director.run(['nft', '-f', rules])
      return
    config = os.path.join(folder, f'{self.subject}.textproto')
    with open(config, 'w', encoding='utf-8') as file:
      file.write(BALLAST_CONFIG.format(
          vip=VIP, server=SERVER, gateway=GATEWAY, http_port=HTTP_PORT,
          udp_port=UDP_PORT, threads=int(self.subject[len('ballast'):])))
    self.log = os.path.join(folder, f'{self.subject}.log')
    with open(self.log, 'w', encoding='utf-8') as log:
      self.director.start(ballastd + ['--log=text', '--config', config],
                          stdout=log,
                          stderr=log)

  def _answers(self):
    return '200' in self.client.run(
        ['curl', '-s', '--max-time', '1', '-o', '/dev/null', '-w',
         '%{http_code}', f'http://{self.target}:{HTTP_PORT}/small'],
        check_status=False)

  def last_words(self):
    with open(self.log, encoding='utf-8', errors='replace') as log:
      return log.read()

  def close(self):
    for namespace in reversed(self._namespaces):
      namespace.close()


def measure_udp(bed, seconds, rate, udp_load):
  counter = bed.server.start([udp_load, 'count', str(UDP_PORT)],
                             stdout=subprocess.PIPE)
  time.sleep(0.1)
  busy = side_by_side.Busy()
  offered = int(bed.client.run([udp_load, 'send', bed.target, str(UDP_PORT),
                                str(seconds), str(rate), '256']))
  cpu = busy.seconds()
  time.sleep(0.05)  # What is still on its way.
  counter.terminate()
  arrived = int(counter.communicate(timeout=10)[0])
  return {
      'rate': arrived / seconds,
      'cpu_us': cpu / max(arrived, 1) * 1e6,
      'note': f'lost {100 * (1 - arrived / max(offered, 1)):.1f} %',
  }


def measure_http(bed, seconds, path, connections):
  busy = side_by_side.Busy()
  row = side_by_side.wrk(
      bed.client, f'http://{bed.target}:{HTTP_PORT}{path}', seconds, connections)
  cpu = busy.seconds()
  return {
      'rate': row['requests'] / row['seconds'],
      'cpu_us': cpu / max(row['requests'], 1) * 1e6,
      'note': ', '.join([f'p99 {row["p99"] * 1e3:.2f} ms'] + row['trouble']),
  }


def loads(options, udp_load):
  """{name: (unit, measure(bed))} in the order of measuring."""
  seconds = options.seconds
  return {
      'udp': ('packet',
              lambda bed: measure_udp(bed, seconds, options.rate, udp_load)),
      'flood': ('packet', lambda bed: measure_udp(bed, seconds, 0, udp_load)),
      'requests': ('request',
                   lambda bed: measure_http(bed, seconds, '/small', 32)),
      'bulk': ('MB reply', lambda bed: measure_http(bed, seconds, '/bulk', 8)),
  }


def report(results, units, subjects):
  """Prints medians, ranges and the ratios to nft of the same round."""
  print('\n| load | subject | per second | of nft | CPU us | of nft | last |')
  print('|---|---|---|---|---|---|---|')
  for load, unit in units.items():
    for subject in subjects:
      rows = results[load, subject]
      if not rows:
        continue
      cells = [f'{load}, by {unit}', subject]
      for key, digits in (('rate', 0), ('cpu_us', 2)):
        cells.append(median_range([row[key] for row in rows], digits))
        peers = results.get((load, 'nft')) or []
        ratios = [row[key] / peer[key] for row, peer in zip(rows, peers)
                  if peer[key]]
        cells.append(median_range(ratios, 2) if ratios else '-')
      cells.append(rows[-1]['note'])
      print('| ' + ' | '.join(cells) + ' |')


def arguments():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--seconds', type=float, default=3,
                      help='of one measurement (default 3)')
  parser.add_argument('--rate', type=int, default=50000,
                      help='packets per second of load udp (default 50000)')
  parser.add_argument('--only', default='', help='subjects, comma-separated')
  parser.add_argument('--loads', default='', help='loads, comma-separated')
  parser.add_argument('--ballastd', default='',
                      help='another ballastd, with arguments if need be')
  parser.add_argument('--smoke', action='store_true',
                      help='one short round: does it all run?')
  options = parser.parse_args()
  if options.smoke:
    options.rounds, options.seconds, options.rate = 1, 0.5, 5000
  return options


class Beds:
  """Where beds are made, one at a time; network.main() makes and closes it."""

  def __init__(self, folder):
    self.folder = folder

  def last_words(self):
    return ''

  def close(self):
    pass


def main():
  options = arguments()
  ballastd = options.ballastd.split() or [network.find('examples/ballastd')]
  udp_load = network.find('bench/udp_load')
  subjects = ['plain', 'nft', 'ballast1'] + ['ballast2'] * (not options.smoke)
  if options.only:
    subjects = options.only.split(',')
  chosen = loads(options, udp_load)
  if options.loads:
    chosen = {name: chosen[name] for name in options.loads.split(',')}

  def forwarding(beds):
    print(side_by_side.machine(options), flush=True)
    results = {(load, subject): [] for load in chosen for subject in subjects}
    for turn in range(options.rounds):
      first = turn % len(subjects)
      for subject in subjects[first:] + subjects[:first]:
        bed = Bed(subject, ballastd, beds.folder)
        try:
          for load, (_, measure) in chosen.items():
            row = measure(bed)
            results[load, subject].append(row)
            print(f'round {turn + 1} {subject:9} {load:9} '
                  f'{row["rate"]:10,.0f}/s {row["cpu_us"]:10.2f} us  '
                  f'{row["note"]}', flush=True)
            check(row['rate'] > 0, f'{subject} {load}: nothing arrived')
        finally:
          bed.close()
    report(results, {load: unit for load, (unit, _) in chosen.items()},
           subjects)

  network.main(forwarding, make_bed=Beds)


if __name__ == '__main__':
  main()
