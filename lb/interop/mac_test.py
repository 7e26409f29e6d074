#!/usr/bin/python3 -B
"""The director's frames are kept from the host's stack (ip_forward is on, in
both families): on veth by a MAC address of their own, on macvlan, which lets no
other address through, by the card's and a guard.

Traffic passes, and nothing reaches a server that was not translated, nor a
client that was: what a host would do that routed the director's frames as well.
"""

import re
import time

import network
from network import check, check_equal
from neighbour_test import Capture, mac_of

REQUESTS = 20


def services():
  return ''.join(
      network.service(f'web{family}', network.VIPS[family], 8080,
                      [network.real_server(network.server_address(number,
                                                                  family),
                                           port=80)
                       for number in (1, 2, 3)])
      for family in (4, 6))


def forwarded(namespace):
  return {name: namespace.counter(name)
          for name in ('IpForwDatagrams', 'Ip6OutForwDatagrams')}


def floating_mac(bed, address):
  match = re.search(r'lladdr (\S+)',
                    bed.client.run(['ip', 'neigh', 'show', address]))
  check(match, f'the client has no neighbour {address}')
  return match.group(1)


def passes(bed, own_mac):
  """Requests in both families, and what else is seen of them."""
  bed.start_nginx()
  # Else the servers would take for theirs what came untranslated.
  for server in bed.servers:
    server.namespace.ip(f'addr del {network.VIP}/32 dev lo',
                        f'addr del {network.VIP6}/128 dev lo')
  bed.start_ballastd(services())
  outside = mac_of(bed.director, 'outside')
  before = forwarded(bed.director)
  captures = []
  for server in bed.servers:
    captures.append(Capture(server.namespace, 'eth0', 'tcp'))
  at_client = Capture(bed.client, 'eth0', 'tcp')
  for family, address in network.VIPS.items():
    url = f'http://{network.in_url(address)}:8080/'
    text = bed.curl('-H', 'Connection: close', *([url] * REQUESTS))
    check_equal(text.count('server '), REQUESTS, f'IPv{family}: answers')
    mac = floating_mac(bed, address)
    check_equal(mac != outside, own_mac,
                f'IPv{family}: {mac} is not the card\'s {outside}')
  time.sleep(0.3)
  check_equal(forwarded(bed.director), before, 'packets the host forwarded')
  vip = rf'({re.escape(network.VIP)}|{network.VIP6})\.'
  for capture in captures:
    check(capture.lines(r'> (10\.2\.0\.1\d|2001:db8:2::1\d)\.80:'),
          'the capture sees traffic')
    check_equal(capture.lines(vip), [],
                'packets to or from the virtual address, at a server')
  check(at_client.lines(vip), 'the capture sees traffic')
  check_equal(at_client.lines(r'10\.2\.0\.1\d\.|2001:db8:2::1\d\.'), [],
              'packets to or from a server, at the client')
  resets = bed.client.counter('TcpOutRsts')
  check_equal(resets, 0, 'resets by the client, for untranslated answers')
  for capture in captures + [at_client]:
    capture.stop()
  bed.ballastd.stop()


def mac_of_its_own_on_veth(bed):
  passes(bed, own_mac=True)


def become_macvlan(bed):
  """The director's links become macvlans on the cables."""
  for name, address, address6 in (
      ('outside', network.DIRECTOR, network.DIRECTOR6),
      ('inside', network.DIRECTOR_INSIDE, network.DIRECTOR_INSIDE6)):
    bed.director.ip(
        f'link set {name} down',
        f'addr flush dev {name}',
        f'link set {name} name {name}_cable',
        f'link set {name}_cable up',
        f'link add {name} link {name}_cable type macvlan mode private',
        f'link set {name} up',
        f'addr add {address}/24 dev {name}',
        f'addr add {address6}/64 dev {name} nodad')
  network.eventually(lambda: all('1 received' in bed.director.run(
      ['ping', '-c1', '-W1', address], check_status=False)
                                 for address in (network.CLIENT,
                                                 network.server_address(1))),
                     'macvlan carries frames')


def macvlan(bed):
  become_macvlan(bed)
  passes(bed, own_mac=False)
  check_equal(bed.director.run('nft list ruleset').strip(), '',
              'rules of the guard after the end of ballastd')
  # Without the guard the host forwards what the director does: the test would
  # have seen it.
  bed.start_ballastd(services())
  before = forwarded(bed.director)

  def host_forwards():
    # News of the network has ballastd put the guard back at any time.
    bed.director.run('nft flush ruleset')
    bed.client.run(['curl', '-s', '--max-time', '2',
                    f'http://{network.VIP}:8080/'], check_status=False)
    return forwarded(bed.director) != before

  network.eventually(host_forwards, 'the host forwards without a guard')
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(mac_of_its_own_on_veth, macvlan)
