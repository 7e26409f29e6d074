#!/usr/bin/python3 -B
"""Two ballastd as a pair, with someone who sees every frame they send.

The standby is silent, with addresses and MAC of its own; a takeover is announced
at once and again; flows of all packet threads outlive it; a split heals.
"""

import os
import socket
import struct
import time

import network
from network import check, check_equal, eventually
import pair
from pair import FLOATING
import sessions

# What a loaded machine may add to any time here, in seconds.
SLACK = 1.0


# -- The standby is silent -----------------------------------------------------


def ethernet(to, kind, body):
  return (bytes.fromhex(to.replace(':', '')) + b'\x02\x00\x00\x00\x00\x09'
          + struct.pack('!H', kind) + body)


def checksum(data):
  total = sum(struct.unpack(f'!{len(data) // 2}H', data))
  while total >> 16:
    total = (total & 0xffff) + (total >> 16)
  return ~total & 0xffff


def arp_request(to, address, sender):
  return ethernet(to, 0x0806, struct.pack('!HHBBH', 1, 0x0800, 6, 4, 1)
                  + b'\x02\x00\x00\x00\x00\x09' + socket.inet_aton(sender)
                  + bytes(6) + socket.inet_aton(address))


def ipv4(to, source, target, protocol, body):
  head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(body), 1, 0x4000, 64,
                     protocol, 0, socket.inet_aton(source),
                     socket.inet_aton(target))
  head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
  return ethernet(to, 0x0800, head + body)


def ipv6(to, source, target, protocol, body):
  """`body` with a zero at its checksum."""
  pseudo = (socket.inet_pton(socket.AF_INET6, source)
            + socket.inet_pton(socket.AF_INET6, target)
            + struct.pack('!II', len(body), protocol))
  at = 2 if protocol == pair.ICMPV6 else 16
  body = (body[:at] + struct.pack('!H', checksum(pseudo + body))
          + body[at + 2:])
  return ethernet(to, 0x86dd, struct.pack('!IHBB', 0x60000000, len(body),
                                          protocol, 255)
                  + pseudo[:32] + body)


def echo(kind):
  text = struct.pack('!BBHHH', kind, 0, 0, 9, 9)
  if kind == 8:
    text = text[:2] + struct.pack('!H', checksum(text)) + text[4:]
  return text


def tcp(flags):
  """A segment to the sessions' port. No director looks at its checksum."""
  return struct.pack('!HHIIBBHHH', 40000, sessions.PORT, 1000, 0, 0x50, flags,
                     1000, 0, 0)


def questions(macs):
  """Frames that whoever has the role answers or forwards, for the two links:
  asked of everyone, and sent to the director's MACs on them."""
  vip, vip6, gateway, gateway6 = FLOATING
  links = {
      'outside': (vip, vip6, '10.1.0.99', '2001:db8:1::99'),
      'inside': (gateway, gateway6, '10.2.0.99', '2001:db8:2::99'),
  }
  frames = {}
  for link, (v4, v6, asker, asker6) in links.items():
    group = socket.inet_ntop(
        socket.AF_INET6, socket.inet_pton(socket.AF_INET6, 'ff02::1:ff00:0')[:13]
        + socket.inet_pton(socket.AF_INET6, v6)[13:])
    solicitation = (struct.pack('!BBHI', 135, 0, 0, 0)
                    + socket.inet_pton(socket.AF_INET6, v6)
                    + bytes.fromhex('0101020000000009'))
    tail = socket.inet_pton(socket.AF_INET6, group)[12:]
    asked = [arp_request('ff:ff:ff:ff:ff:ff', v4, asker),
             ipv6('33:33:' + ':'.join(f'{byte:02x}' for byte in tail), asker6,
                  group, pair.ICMPV6, solicitation)]
    for mac in macs[link]:
      asked += [arp_request(mac, v4, asker),
                ipv6(mac, asker6, v6, pair.ICMPV6, solicitation),
                ipv4(mac, asker, v4, 1, echo(8)),
                ipv6(mac, asker6, v6, pair.ICMPV6, echo(128))]
      if link == 'outside':
        asked += [ipv4(mac, asker, v4, 6, tcp(flags))
                  for flags in (0x02, 0x18)]
        asked += [ipv6(mac, asker6, v6, 6, tcp(flags))
                  for flags in (0x02, 0x18)]
    frames[link] = asked
  return frames


def ask(bed, macs, seconds):
  """Puts the questions to the links several times a second."""
  frames = questions(macs)
  ends = {}
  for link, namespace in (('outside', bed.client),
                          ('inside', bed.servers[0].namespace)):
    with namespace.entered():
      ends[link] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
      ends[link].bind(('eth0', 0))
  until = time.monotonic() + seconds
  while time.monotonic() < until:
    for link, end in ends.items():
      for frame in frames[link]:
        end.send(frame)
    time.sleep(0.1)
  for end in ends.values():
    end.close()


def standby_is_silent(bed):
  silent_standby(bed)


def standby_is_silent_with_virtual_mac(bed):
  silent_standby(bed, virtual_mac='true')


def silent_standby(bed, **ha):
  """The second unit is active for a moment, so that its director's MAC is
  known to the switch and to us; then it stands by under load."""
  bed.start(pair.services(), **ha)
  watched = pair.watch(bed)
  first, second = bed.units
  capture = bed.capture(1)
  first.control('switchover')
  bed.await_pair(1)
  time.sleep(0.5)
  served = capture.stop()
  own = {link: pair.link_mac(second.namespace, link)
         for link in ('outside', 'inside')}
  macs = {link: {frame.mac for frame in served
                 if frame.link == link and frame.mac != own[link]}
          for link in own}
  for link, found in macs.items():
    check_equal(len(found), 1, f'MACs of the director on {link}: {found}')
    check_equal(found == {pair.VIRTUAL_MAC}, 'virtual_mac' in ha,
                f'{link}: {found} is the virtual MAC')
  second.control('switchover')
  bed.await_pair(0)
  # The switch has heard the first unit with it.
  capture = bed.capture(1)
  at_active = bed.capture(0)
  ask(bed, macs, 3)
  sent = capture.stop()
  served = at_active.stop()
  addresses = pair.own_addresses(second)
  for frame in sent:
    check(frame.mac == own[frame.link], f'from a MAC not its own: {frame}')
    check(frame.source is None or frame.source in addresses,
          f'from an address not its own: {frame}')
    check(frame.icmp != pair.NEIGHBOUR_ADVERTISEMENT
          or frame.target in addresses,
          f'advertises an address not its own: {frame}')
    check(frame.kind in ('arp', 'ipv4', 'ipv6'), f'of another kind: {frame}')
  adverts = sum(frame.protocol == 112 for frame in sent)
  check(adverts > 10, f'only {adverts} adverts in 3 s: does the capture hear?')
  # The test can tell: the active unit speaks for every address.
  host = {pair.link_mac(first.namespace, link) for link in own}
  spoken = {address for frame in served if frame.mac not in host
            for address in (frame.source, frame.target)}
  check(spoken >= set(FLOATING),
        f'the active unit speaks for {spoken & set(FLOATING)} only')
  print(f'the standby sent {len(sent)} frames, {adverts} of them adverts; the '
        f'active unit {len(served)}', flush=True)
  pair.check_nothing_lost(watched)


# -- Takeover ------------------------------------------------------------------


def check_announced(sent, since, what):
  """Each floating address: within SLACK of `since`, and 1 to 2 s later again."""
  for address in FLOATING:
    times = [when - since for when in pair.announcements(sent, address)
             if when >= since]
    check(times and times[0] <= SLACK,
          f'{what}: {address} announced after {times} s')
    check(any(1.0 <= when - times[0] <= 2.0 + SLACK for when in times),
          f'{what}: {address} not announced again 1 to 2 s later: {times}')


def takeover_is_announced(bed):
  """kill -9 of the active unit, with two packet threads on each: they share the
  clients."""
  bed.start('threads: 2\n' + pair.services())
  watched = pair.watch(bed)
  for turn in range(2):
    active, other = bed.units[turn], bed.units[1 - turn]
    capture = bed.capture(other.index)
    watched.window(f'kill {active.name}')
    killed = time.time()
    active.kill()
    eventually(lambda: other.role() == 'active', f'{other.name} takes over')
    time.sleep(3)
    check_announced(capture.stop(), killed, f'{active.name} is killed')
    check('took over incomplete' not in ''.join(map(str, other.changes())),
          f'{other.name}: {other.changes()}')
    watched.await_bytes(50_000)
    check_equal(packet_threads(other), 2, f'{other.name}: packet threads')
    watched.window(f'{active.name} returns')
    active.start(active.written())
    bed.await_pair(other.index)
  pair.check_nothing_lost(watched)


def packet_threads(unit):
  tasks = os.listdir(f'/proc/{unit.process.pid}/task')
  return len(tasks) - 1  # But for the control thread.


def said_again(sent, address):
  times = pair.announcements(sent, address)
  return times and times[-1] - times[0] >= 1.0


def split_heals(bed):
  """The units' own cable is cut, nothing else: both serve; then it is whole."""
  bed.start(pair.services(), links=('pair',))
  watched = pair.watch(bed)
  first, second = bed.units
  watched.window('split')
  capture = bed.capture(1)
  bed.set_plugged(second, 'pair', False)
  eventually(lambda: second.role() == 'active', 'Second serves too')
  check_equal(first.role(), 'active', 'First, alone')
  # Both say that the addresses are theirs, at once; the last one wins, which
  # says so again.
  eventually(lambda: all(said_again(capture.so_far(), address)
                         for address in FLOATING), 'Second says so again')
  capture.stop()
  begun = watched.more()
  begun.connect(('begun in the split', network.VIP, 20, 50))
  watched.await_bytes(50_000)
  capture = bed.capture(0)
  watched.window('healed')
  healed = time.time()
  bed.set_plugged(second, 'pair', True)
  bed.await_pair(0)
  check_equal(second.changes()[-1][2], 'both were active, the partner stays',
              'Second, why')
  check_equal([new for _, new, _ in first.changes()][-1], 'active', 'First')
  yielded = time.time()
  watched.await_bytes(50_000)
  sent = capture.stop()
  for address in FLOATING:
    times = [when - healed for when in pair.announcements(sent, address)
             if when >= healed]
    check(times, f'{address} is not announced again by First')
  print(f'healed after {yielded - healed:.2f} s', flush=True)
  pair.check_nothing_lost(begun)
  pair.check_nothing_lost(watched)
  check_equal([unit.role() for unit in bed.units], ['active', 'standby'],
              'roles')


if __name__ == '__main__':
  pair.main(standby_is_silent, standby_is_silent_with_virtual_mac,
            takeover_is_announced, split_heals)
