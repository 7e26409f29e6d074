#!/usr/bin/python3 -B
"""Two ballastd as a pair, with someone who sees every frame they send.

The standby is silent, with addresses and MAC of its own; a takeover is announced
at once and again; flows of all packet threads outlive it; a split heals; and a
unit that starts over and over keeps out.
"""

import os
import re
import signal
import socket
import struct
import time

import network
from network import check, check_equal, eventually
import pair
from pair import FLOATING
import sessions

SESSIONS = 60
CLIENTS = 12
# What a loaded machine may add to any time here, in seconds.
SLACK = 1.0


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
  watched = watch(bed)
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
  check_nothing_lost(watched)


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
  watched = watch(bed)
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
  check_nothing_lost(watched)


def packet_threads(unit):
  tasks = os.listdir(f'/proc/{unit.process.pid}/task')
  return len(tasks) - 1  # But for the control thread.


def split_heals(bed):
  """The units' own cable is cut, nothing else: both serve; then it is whole."""
  bed.start(pair.services(), links=('pair',))
  watched = watch(bed)
  first, second = bed.units
  watched.window('split')
  bed.set_plugged(second, 'pair', False)
  eventually(lambda: second.role() == 'active', 'Second serves too')
  check_equal(first.role(), 'active', 'First, alone')
  time.sleep(2)  # Both say that the addresses are theirs; the last one wins.
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
  check_nothing_lost(begun)
  check_nothing_lost(watched)
  check_equal([unit.role() for unit in bed.units], ['active', 'standby'],
              'roles')


# -- Keys ----------------------------------------------------------------------


def reload(unit):
  begin = len(unit.log())
  unit.process.send_signal(signal.SIGHUP)
  eventually(lambda: 'reload' in unit.log()[begin:], f'{unit.name} reloads')
  return unit.log()[begin:]


def keys_change_live(bed):
  """As ballast.proto says of ha.keys; the second unit stands by meanwhile."""
  bed.start(pair.services())
  watched = watch(bed)
  old, new = bed.key, 'ab' * 32
  roles = [unit.changes() for unit in bed.units]
  for keys in ((old, new), (new, old), (new,)):
    for unit in bed.units:
      unit.write_keys(*keys)
      said = reload(unit)
      check('refused' not in said and 'not changed' not in said,
            f'{unit.name}: {said}')
      received = bed.units[1].status()
      time.sleep(4 * pair.INTERVAL_MS / 1000)  # Longer than a takeover takes.
      check_equal([unit.changes() for unit in bed.units], roles,
                  'changes of roles')
      eventually(lambda: records(bed.units[1].status()) > records(received),
                 f'records come with keys {keys}')
      check(bed.units[1].in_sync(), 'Second is in sync')
  for unit in bed.units:
    check_equal(unit.refused()['unknown_key'], 0,
                f'{unit.name}: messages with an unknown key')
    check('no longer in sync' not in unit.said(), unit.said())
  check_nothing_lost(watched)
  # The old one alone is worth nothing now.
  second = bed.units[1]
  second.write_keys(old)
  reload(second)
  eventually(lambda: bed.units[0].refused()['unknown_key'] > 0,
             'First refuses the old key')
  eventually(lambda: second.role() == 'active', 'Second hears nobody')


def records(status):
  return int(re.search(r'received (\d+)', status).group(1))


def wrong_key_does_not_pair(bed):
  """The second unit has an old key: it hears nobody, and both say so. With the
  right one, no restart, they are a pair."""
  for unit, key in zip(bed.units, (bed.key, 'cd' * 32)):
    unit.write_keys(key)
    unit.start(unit.config(pair.services(), links=('pair',)))
  for unit in bed.units:
    unit.await_log(r'pair 7: \d+ messages refused: not sealed with a key of '
                   'ha.keys')
    eventually(lambda: unit.role() == 'active', f'{unit.name} serves alone')
    check(unit.refused()['unknown_key'] > 0, unit.status())
    check('partner: not heard' in unit.status(), unit.status())
    check_equal(records(unit.status()), 0, f'{unit.name}: records received')
  bed.units[1].write_keys(bed.key)
  reload(bed.units[1])
  bed.await_pair(0)


# -- Configuration -------------------------------------------------------------


def configuration_follows(bed):
  first, second = bed.units
  first_fields = {'links': ('pair',), 'interfaces': ('pair',)}
  first.start(first.config(pair.services(), **first_fields))
  second.start(second.config(pair.services(), links=('pair',)))
  bed.await_pair(0)
  watched = watch(bed)
  more = pair.services() + pair.services(8000, 'more')
  first.reload(first.config(more, **first_fields))
  second.await_log(r'configuration \d+ taken from the partner')
  check_equal(second.written().count('virtual_services'), 4,
              'services in the file of Second')
  check('mode: SECOND' in second.written(), second.written())
  check('10.3.0.242/24' in second.written(), second.written())

  # What does not go with the second unit's own part is not taken: it has no
  # floating addresses on that link.
  before = second.written()
  first.reload('floating_addresses { address: "10.3.0.99" interface: "pair" }\n'
               + first.config(more, **first_fields))
  second.await_log(r"the partner's configuration \d+ is not taken: ")
  check_equal(second.written(), before, 'the file of Second')
  check_equal([unit.role() for unit in bed.units], ['active', 'standby'],
              'roles')

  # The standby's own file is not the place.
  second.write(before.replace('port: 8000', 'port: 8001'))
  said = reload(second)
  check('reload refused: this unit is standby' in said, said)

  first.reload(first.config(pair.services() + pair.services(9000, 'last'),
                            **first_fields))
  eventually(lambda: 'port: 9000' in second.written(),
             'Second takes the next one')
  first.kill()
  eventually(lambda: second.role() == 'active', 'Second takes over')
  for server in bed.servers:
    server.start_nginx([9000])
  check('server ' in bed.curl('http://10.1.0.100:9000/'), 'Second serves it')
  check_nothing_lost(watched)


# -- Pacified ------------------------------------------------------------------


def starting_over_pacifies(bed):
  """H9 to H12 of the LoadMaster behaviour document §2.3."""
  first, second = bed.units
  first.start(first.config(pair.services()))

  def start(**ha):
    if second.process is not None:
      second.kill()
    second.start(second.config(pair.services(), pacify_starts=None, **ha))

  def check_pacified(number):
    eventually(lambda: second.role() == 'passive',
               f'start {number} within the window pacifies: {second.said()}')
    check('pacified: restarted too often' in second.status(), second.status())

  for _ in range(3):
    start()
    bed.await_pair(0)
  start()  # H9: the fourth within 300 s.
  check_pacified(4)
  eventually(lambda: 'partner: pacified: restarted too often' in first.status(),
             lambda: f'First knows: {first.status()}')
  answer = second.namespace.run(
      [network.find('examples/ballastctl'), 'update',
       f'{first.folder}/state/control'], check_status=False)
  check('done' not in answer, f'a pacified unit is given no configuration: '
        f'{answer}')
  # H12: it takes nothing over.
  capture = bed.capture(1)
  first.kill()
  time.sleep(6 * 3 * pair.INTERVAL_MS / 1000)
  sent = capture.stop()
  check_equal(second.role(), 'passive', 'Second, alone')
  check_equal([frame for frame in sent if frame.source in FLOATING or
               frame.target in FLOATING], [], 'frames for floating addresses')
  first.start(first.written())
  eventually(lambda: first.role() == 'active', 'First serves again')
  # H10: again too early. H11: only a start after a long run clears it.
  window = 8
  start(pacify_window_s=window)
  check_pacified(5)
  time.sleep(1)
  start(pacify_window_s=window)
  check_pacified(6)
  time.sleep(window + 2)
  check_equal(second.role(), 'passive', 'Second: waiting alone clears nothing')
  start(pacify_window_s=window)
  bed.await_pair(0)


if __name__ == '__main__':
  network.main(standby_is_silent, standby_is_silent_with_virtual_mac,
               takeover_is_announced, split_heals, keys_change_live,
               wrong_key_does_not_pair, configuration_follows,
               starting_over_pacifies, make_bed=lambda folder: pair.PairBed(
                   folder, network.find('examples/ballastd')))
