#!/usr/bin/python3 -B
"""How ballastd claims its addresses, with other people's stacks watching:
announced by ARP and neighbour discovery, found behind a switch that snoops
multicast, and left alone while another host has them.
"""

import re
import socket
import subprocess
import time

import network
from network import VIP, VIP6, check, check_equal, eventually



class Capture:
  """tcpdump's lines about ARP and neighbour discovery in a namespace."""

  def __init__(self, namespace, name, expression='arp or icmp6', flags=()):
    self._process = network.start_tcpdump(
        namespace, ['-lnne', '--immediate-mode', '-i', name, *flags,
                    expression], stdout=subprocess.PIPE)
    self._lines = []
    self._reader = network.Worker(self._read)
    self._reader.start()

  def _read(self):
    for line in self._process.stdout:
      self._lines.append(line)

  def lines(self, pattern):
    return [line for line in list(self._lines) if re.search(pattern, line)]

  def stop(self):
    network.stop(self._process)
    self._reader.join(5)


def services():
  return ''.join(
      network.service(f'web{family}', network.VIPS[family], 80,
                      [network.real_server(network.server_address(number,
                                                                  family))
                       for number in (1, 2, 3)])
      for family in (4, 6))


def mac_of(namespace, name):
  return re.search(r'link/ether (\S+)',
                   namespace.run(['ip', 'link', 'show', name])).group(1)


def neighbour(namespace, address):
  """The MAC address that a namespace's stack found for `address`, or None."""
  match = re.search(r'lladdr (\S+)',
                    namespace.run(['ip', 'neigh', 'show', address]))
  return match.group(1) if match else None


def curl(bed, address):
  return bed.client.run(['curl', '-sS', '-g', '--max-time', '3',
                         f'http://{network.in_url(address)}/'],
                        check_status=False)


def asked_in_vain(bed, at_director, number):
  """Whether the director hears the client ask for an address nobody has."""
  address = f'2001:db8:1::b:{number:x}'
  bed.client.run(['ping', '-c1', '-W1', address], check_status=False)
  return at_director.lines(f'who has {address}')


def await_snooping(bed, at_director):
  """Multicast that nobody joined reaches the director no more."""
  numbers = iter(range(1, 100))
  eventually(lambda: not asked_in_vain(bed, at_director, next(numbers)),
             'the switch snoops', 30)


def announced_and_found(bed):
  """Behind a snooping switch with a querier."""
  bed.start_nginx()
  # What nobody renews is forgotten after three seconds.
  bed.switch.ip('link set clients type bridge mcast_startup_query_interval 100 '
                'mcast_query_interval 100 mcast_query_response_interval 50 '
                'mcast_membership_interval 300',
                'link set clients type bridge mcast_querier 1',
                'link set clients type bridge mcast_snooping 1')
  at_client = Capture(bed.client, 'eth0')
  at_director = Capture(bed.director, 'outside')
  await_snooping(bed, at_director)
  began = time.monotonic()
  bed.start_ballastd(services(), '--claim_at_once=false')
  arp = rf'Request who-has {VIP} .*tell {VIP}|Reply {VIP} is-at'
  unsolicited = rf'ff02::1: .*neighbor advertisement, tgt is {VIP6}'
  for what, pattern in (('ARP', arp), ('ND', unsolicited)):
    # Asked for a while, then said twice.
    eventually(lambda p=pattern: len(at_client.lines(p)) >= 2,
               f'{what}: announced twice')
  print(f'announced twice within {time.monotonic() - began:.1f} s', flush=True)
  first = at_client.lines(rf'who-has {VIP} .*tell 0\.0\.0\.0')
  check(len(first) >= 3, f'ARP probes before: {first}')
  probes = at_client.lines(rf':: > ff02::1:ff00:100: .*who has {VIP6}')
  print(f'ND probes that reached the client: {len(probes)}')
  # Long after the switch has forgotten what nobody renews.
  time.sleep(4)
  bed.client.ip('neigh flush all')
  for address in (VIP6, VIP):
    text = curl(bed, address)
    check(text.startswith('server '), f'{address}: {text}')
  check(at_director.lines(f'who has {VIP6}'),
        'solicitations for the VIP, at the director')
  check(not asked_in_vain(bed, at_director, 0xffff), 'the switch still snoops')
  at_client.stop()
  at_director.stop()
  bed.ballastd.stop()


def left_to_another_host(bed):
  bed.start_nginx()
  other = network.Namespace('another host')
  try:
    bed.plug(other, 'eth0', 'clients', 'other')
    other.ip(f'addr add {VIP}/24 dev eth0', f'addr add {VIP6}/64 dev eth0 nodad')
    its_mac = mac_of(other, 'eth0')
    eventually(lambda: '1 received' in bed.client.run(
        ['ping', '-c1', '-W1', VIP], check_status=False),
               'the other host answers')
    bed.start_ballastd(services(), '--claim_at_once=false')
    for address in (VIP, VIP6):
      bed.ballastd.await_log(
          rf'{re.escape(address)}: in use by another host', 5)
    time.sleep(1.5)  # A claim would have been made by now.
    bed.client.ip('neigh flush all')
    for address in (VIP, VIP6):
      bed.client.run(['ping', '-c1', '-W1', address])
      check_equal(neighbour(bed.client, address), its_mac,
                  f'{address}: whose MAC')
      check(not curl(bed, address).startswith('server'), f'{address}: served')
    log = bed.ballastd.log()
    check('free now' not in log, f'claimed all the same:\n{log}')
  finally:
    other.close()
  began = time.monotonic()
  for address in (VIP, VIP6):
    bed.ballastd.await_log(rf'{re.escape(address)}: free now, claimed', 20)
  print(f'claimed {time.monotonic() - began:.1f} s after the other host left')
  bed.client.ip('neigh flush all')
  for address in (VIP, VIP6):
    text = curl(bed, address)
    check(text.startswith('server '), f'{address}: {text}')
  bed.ballastd.stop()
  check(re.search(r'address conflicts [1-9]', bed.ballastd.log()),
        'the statistics count the conflicts')


def kept_resolved(bed):
  """Neighbours that only the director uses stay known, and are found again at
  once when somebody takes them away."""
  ends = []
  bed.start_ballastd(''.join(
      network.service(f'udp{family}', network.VIPS[family], 5353,
                      [network.real_server(network.server_address(1, family))],
                      protocol='UDP')
      for family in (4, 6)))
  for family, vip in network.VIPS.items():
    server = bed.servers[0].namespace.socket(
        socket.SOCK_DGRAM, (network.server_address(1, family), 5353))
    client = bed.client.socket(
        socket.SOCK_DGRAM,
        family=socket.AF_INET if family == 4 else socket.AF_INET6)
    client.connect((vip, 5353))
    for end in (server, client):
      end.settimeout(3)
    ends.append((family, client, server))

  def exchange(what):
    for family, client, server in ends:
      client.send(what.encode())
      data, peer = server.recvfrom(100)
      server.sendto(data, peer)
      check_equal(client.recv(100), what.encode(), f'IPv{family}: {what}')

  exchange('first')
  for address in (network.CLIENT, network.CLIENT6, network.server_address(1, 4),
                  network.server_address(1, 6)):
    eventually(lambda a=address: 'managed' in bed.director.run(
        ['ip', 'neigh', 'show', a]), f'{address} is kept by the kernel')
  for turn in range(5):
    bed.director.run('ip neigh flush all')
    for again in range(5):
      exchange(f'{turn}.{again}')
  for end in ('outside', 'inside'):
    bed.director.ip(f'link set {end} down', f'link set {end} up')
  # IPv6 addresses went with the links.
  bed.director.ip(
      f'addr replace {network.DIRECTOR6}/64 dev outside nodad',
      f'addr replace {network.DIRECTOR_INSIDE6}/64 dev inside nodad')

  def answers():
    try:
      exchange('after the links')
      return True
    except socket.timeout:
      return False
  eventually(answers, 'traffic after the links were down', 20)
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(announced_and_found, left_to_another_host, kept_resolved)
