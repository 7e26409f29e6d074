#!/usr/bin/python3 -B
"""A Linux director carries 200 live TCP sessions; Ballast stands by beside it,
takes them over when it is cut off, and gives them back: to the director when it
has returned, and to one that was booted anew and knows nothing.

  ./bazelw run //examples:lvs_takeover

The director is a real kernel (user-mode Linux) with IPVS and its sync daemon, an
ordinary program in a network of namespaces (lb/interop/uml.py, network.py):

  client ---- [clients] ----+---- LVS -----+---- [servers] ---- servers 1-3
                            +-- Ballast ---+

Ballast is examples/ipvs_standby --serve. Every session is one connection from
its first byte to its last, and every byte that comes back is compared
(examples/session_load.h).

Exit status 0: not one session was lost, or a line "SKIPPED: ..." says what this
machine lacks.
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                '../lb/interop'))
# pylint: disable=wrong-import-position
import network
import sessions
import standby
import uml
from network import Failure, check, check_equal, eventually

DIRECT = sessions.PORT  # The servers have the virtual addresses.
NAT = sessions.PORT + 1
PATIENCE = 60

ARGUMENTS = argparse.ArgumentParser(
    description='TCP sessions move from a Linux IPVS director to Ballast and '
    'back.')
ARGUMENTS.add_argument('--sessions', type=int, default=200,
                       help='20 to 1000; default 200')
ARGUMENTS.add_argument('--verbose', action='store_true',
                       help='print at the end what Ballast said')


# -- The two directors ---------------------------------------------------------


def serve(lvs, bed):
  for family, vip in network.VIPS.items():
    servers = [server.address(family) for server in bed.servers]
    lvs.service('tcp', vip, NAT, servers, '', '-m', sessions.PORT)
    lvs.service('tcp', vip, DIRECT, servers, '', '-g')


def ballast_services(bed):
  """The same of Ballast's."""
  text = ''
  for family, vip in network.VIPS.items():
    for name, port, method in (('nat', NAT, 'NAT'), ('direct', DIRECT, 'ROUTE')):
      text += network.service(
          f'{name}{family}', vip, port,
          [network.real_server(server.address(family), port=sessions.PORT,
                               forward=method)
           for server in bed.servers], protocol='TCP')
  return text


# -- What is seen of it --------------------------------------------------------


class Timeline:
  """Events in a row, each watched until every session flows again."""

  def __init__(self, watched):
    self._watched = watched
    self._start = time.monotonic()
    self.ballast = None  # There is none yet.
    self.lvs = 'active'  # What the director does, in a word.

  def _print(self, name, now, end):
    role, known = self.ballast.totals() if self.ballast else ('-', 0)
    print(f'{time.monotonic() - self._start:6.1f} s  LVS {self.lvs:<8} '
          f'Ballast {role:<8} knows {known:3d}   {now["alive"]} of '
          f'{now["sessions"]} alive, gap so far {now["longest_gap_ms"]:5.0f} ms'
          f'   {name:<28}', end=end, flush=True)

  def event(self, name, act, settled=lambda: True, seconds=2):
    """Does it, waits until it has settled, and looks on for a while."""
    self._watched.window(name)
    act()
    begin = time.monotonic()
    def flows():
      now = self._watched.now()
      if sys.stdout.isatty():
        self._print(name, now, '\r')
      check(now['lost'] == 0, f'{now["lost"]} sessions lost in "{name}"')
      return (now['answered'] == now['sessions'] and now['gap_now_ms'] < 500
              and time.monotonic() - begin > seconds and settled())
    eventually(flows, f'{name}: it has settled, and every session flows',
               PATIENCE, 0.1)
    self._print(name, self._watched.now(), '\n')


def table(report):
  print(f'\n{"event":<28} {"lasted":>10} {"longest gap":>14} {"blocks":>8} '
        f'{"lost":>6}')
  for window in report['windows']:
    print(f'{window["name"]:<28} {window["length_ms"] / 1000:8.1f} s '
          f'{window["longest_gap_ms"]:11.0f} ms {window["blocks"]:8d} '
          f'{window["lost"]:6d}')
  print(f'\n{report["sessions"]} sessions, {report["lost"]} lost; '
        f'{report["bytes_verified"]} bytes compared at the client, of '
        f'{report["completed"]} connections\nthat lived from the first byte to '
        'the last.', flush=True)
  for lost in report['losses']:
    print(f'  lost: {lost["session"]}: {lost["loss"]} in "{lost["window"]}" '
          f'{lost["detail"]}')


# -- The story -----------------------------------------------------------------


def connect(watched, count):
  idle, direct = max(1, count // 20), count // 10
  nat6 = count // 4
  nat = count - idle - 2 * direct - nat6
  print(f'{count} sessions: {nat} NAT IPv4, {nat6} NAT IPv6, {direct} direct '
        f'return IPv4, {direct} IPv6,\neach a block every 50 ms; {idle} NAT '
        'IPv4 a block every second.\n')
  nat_at, nat6_at = (network.VIP, NAT), (network.VIP6, NAT)
  watched.connect(('NAT IPv4', nat_at, nat, 50),
                  ('NAT IPv6', nat6_at, nat6, 50),
                  ('direct IPv4', (network.VIP, DIRECT), direct, 50),
                  ('direct IPv6', (network.VIP6, DIRECT), direct, 50),
                  ('nearly idle', nat_at, idle, 1000))


def tell_all(lvs):
  """A master tells of a connection whenever 50 more packets have come. From now
  on at the first after a second: one that stands by soon knows all.
  """
  lvs.sysctl('net/ipv4/vs/sync_threshold', '3 0')
  lvs.sysctl('net/ipv4/vs/sync_refresh_period', 1)


def take(lvs, ballast):
  """The director is cut off; it does not know."""
  lvs.cut_off()
  ballast.order('take')


def stand_by(lvs):
  """What an operator does before the cable is plugged in again."""
  lvs.stop_sync('master')
  lvs.drop_addresses()
  lvs.sync('backup', standby.SYNCID)
  lvs.plug_in()


def give(lvs, ballast):
  ballast.order('give')
  lvs.take_addresses()
  lvs.stop_sync('backup')
  lvs.sync('master', standby.SYNCID)


def established(lvs):
  return sum(known.state == 'ESTABLISHED' for known in lvs.table().values())


def tell_story(bed, lvs, timeline, count):
  timeline.event('steady, through LVS', lambda: None)

  def join():
    tell_all(lvs)
    timeline.ballast = standby.Serving(
        bed, standby.config(bed, lvs, ballast_services(bed)))
  timeline.event('Ballast stands by', join,
                 lambda: timeline.ballast.totals() == ('standby', count))
  ballast = timeline.ballast

  timeline.lvs = 'cut off'
  timeline.event('LVS cut off', lambda: take(lvs, ballast))
  timeline.lvs = 'backup'
  timeline.event('LVS is back, as backup', lambda: stand_by(lvs))
  timeline.event('resync to LVS', lambda: ballast.order('resync'),
                 lambda: established(lvs) == count)
  timeline.lvs = 'active'
  timeline.event('given back to LVS', lambda: give(lvs, ballast))
  timeline.lvs = 'dead'
  timeline.event('LVS loses power', lambda: take(lvs, ballast))
  lvs.kill()


def tell_end(bed, lvs, timeline, count):
  ballast = timeline.ballast
  serve(lvs, bed)
  lvs.sync('backup', standby.SYNCID)
  tell_all(lvs)
  timeline.lvs = 'backup'
  timeline.event('LVS booted anew', lambda: None)
  timeline.event('resync to the new LVS', lambda: ballast.order('resync'),
                 lambda: established(lvs) == count)
  timeline.lvs = 'active'
  timeline.event('given back to the new LVS', lambda: give(lvs, ballast))


def lvs_takeover(bed):
  arguments = ARGUMENTS.parse_args()
  count = arguments.sessions
  print('A client, three servers, a Linux kernel with IPVS and a Ballast unit, '
        'each in a\nnetwork namespace of its own or on a TAP of one.')
  watched = sessions.Sessions(bed)
  timeline = Timeline(watched)
  try:
    with uml.Lvs(bed) as lvs:
      serve(lvs, bed)
      lvs.sync('master', standby.SYNCID)
      connect(watched, count)
      tell_story(bed, lvs, timeline, count)
    with uml.Lvs(bed, 'lvs2', stands_by=True) as lvs:
      tell_end(bed, lvs, timeline, count)
      report = watched.finish()
      table(report)
      timeline.ballast.end()
      check_equal((report['completed'], report['lost']), (count, 0),
                  'sessions completed, lost')
  except Failure:
    if timeline.ballast is not None:
      print('\nWhat Ballast said:\n' + timeline.ballast.log()[-4000:])
    raise
  if arguments.verbose:
    print('\nWhat Ballast said:\n' + timeline.ballast.log())


if __name__ == '__main__':
  check(20 <= ARGUMENTS.parse_args().sessions <= 1000,
        '--sessions: must be 20 to 1000')
  network.main(lvs_takeover, make_bed=lambda folder: network.Bed(folder, ''))
