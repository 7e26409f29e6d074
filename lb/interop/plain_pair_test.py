#!/usr/bin/python3 -B
"""Two ballastd with wire PLAIN: CARP between them, and IPVS sync. 200 watched TCP
sessions outlive kill -9 of the active unit, its return and kill -9 of the other, a
stopped process, and a planned switchover. A split that heals leaves one active, and
the other knows what it missed.
"""

import re
import signal
import subprocess
import time

import network
import plain
import sessions
from network import check, check_equal, eventually

COUNT = 200
SLACK = 3  # What a busy machine may add to a takeover.


def start(unit, more=''):
  unit.start(plain.carp(more=more), plain.services())


def start_both(bed, more=''):
  start(bed.first, more)
  bed.first.await_role('active', plain.TIMEOUT + SLACK)
  start(bed.second, more)
  check_equal(bed.second.role(), 'standby', 'the second')


def sessions_outlive_kills_and_returns(bed):
  first, second = bed.first, bed.second
  start_both(bed)
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 150, 50), ('v6', network.VIP6, 40, 50),
                  ('idle', network.VIP, 10, 1000))
  second.await_connections(COUNT)
  watched.window('first killed')
  first.kill()
  second.await_role('active', plain.TIMEOUT + SLACK)
  watched.await_bytes(300_000)

  start(first)
  time.sleep(plain.TIMEOUT + 1)
  check_equal(first.role(), 'standby', 'the first, returned')
  check_equal(first.status()['partner'], 'active', 'what it hears')
  check_equal(len(plain.who_has(bed)), 1, 'who answers for the address')
  second.ask('resync')
  first.await_connections(COUNT)
  watched.window('second killed')
  second.kill()
  first.await_role('active', plain.TIMEOUT + SLACK)
  watched.await_bytes(300_000)

  # A process that was stopped wakes up with frames in its queues, and without
  # the role: not one of them goes out.
  start(second)
  first.ask('resync')
  second.await_connections(COUNT)
  watched.window('first stopped')
  first.ballastd.process.send_signal(signal.SIGSTOP)
  second.await_role('active', plain.TIMEOUT + SLACK)
  watched.await_bytes(300_000)
  captures = [network.start_tcpdump(
      bed.switch, ['-lnn', '--immediate-mode', '-Q', 'in', '-i', port,
                   f'tcp port {sessions.PORT}'], stdout=subprocess.PIPE)
              for port in first.ports]
  first.ballastd.process.send_signal(signal.SIGCONT)
  first.await_role('standby', 2)
  check_equal(first.status()['reason'],
              'was not scheduled for the takeover time', 'reason')
  check_equal(len(plain.who_has(bed)), 1, 'who answers for the address')
  watched.await_bytes(300_000)
  report = watched.finish()
  print('longest gaps: ' + ', '.join(
      f'{window["name"]} {window["longest_gap_ms"]:.0f} ms'
      for window in report['windows']))
  check_equal((report['completed'], report['lost']), (COUNT, 0),
              f'sessions completed and lost: {report}')
  check_equal([first.role(), second.role()], ['standby', 'active'], 'roles')
  for capture in captures:
    network.stop(capture)
    check_equal(capture.stdout.read().strip(), '',
                'what the stopped unit forwarded')
  first.ballastd.stop()
  # By the packet thread or by the control thread, whichever woke up first.
  check(re.search('(lease_expired|standby)=', first.ballastd.log()),
        'what was queued while it was stopped is dropped, and counted')


def a_planned_switchover_is_quick_with_trust(bed):
  first, second = bed.first, bed.second
  start_both(bed, 'allow_bow_out: true')
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 50, 50))
  second.await_connections(50)
  watched.window('switchover')
  began = time.monotonic()
  first.switchover()
  second.await_role('active', 2)
  check(time.monotonic() - began < 2, 'nobody waits for silence')
  check_equal(second.status()['reason'], 'the partner left the role', 'reason')
  check_equal(first.status()['reason'], 'yielded to the partner', 'reason')
  watched.await_bytes(100_000)
  # An end in good order is one, too.
  second.ballastd.stop()
  first.await_role('active', 2)
  watched.await_bytes(100_000)
  report = watched.finish()
  check_equal((report['completed'], report['lost']), (50, 0), f'{report}')


def a_planned_switchover_without_trust_waits(bed):
  """The peer needs its whole wait; the unit that gave the role lets it."""
  first, second = bed.first, bed.second
  # The second is the slower one, so the first's own wait is the shorter.
  first.start(plain.carp(0, 200), plain.services())
  first.await_role('active', plain.TIMEOUT + SLACK)
  second.start(plain.carp(200, 0), plain.services())
  time.sleep(1)
  first.switchover()
  second.await_role('active', plain.TIMEOUT + 1 + SLACK)
  check_equal(first.role(), 'standby', 'the one that gave it')
  check_equal(second.status()['refused'], {'carp_bow_out': 1}, 'refused')


def after_a_split_both_know_all(bed):
  first, second = bed.first, bed.second
  start(first)
  first.await_role('active', plain.TIMEOUT + SLACK)
  second.cut()
  start(second)
  second.await_role('active', plain.TIMEOUT + SLACK)
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 20, 50), ('idle', network.VIP, 10, 1000))
  time.sleep(3)
  check_equal(second.connections(), 0, 'what the second knows')
  second.join()
  # Equal units: to CARP the lower address is the better.
  second.await_role('standby', 3)
  check_equal(second.reasons()[-1], 'both were active, the partner stays',
              'reason')
  check_equal(first.role(), 'active', 'the first')
  second.await_connections(30, 5)
  check_equal(len(plain.who_has(bed)), 1, 'who answers for the address')
  watched.await_bytes(50_000)
  check_equal(watched.finish()['lost'], 0, 'sessions lost')


def ipv6_does_as_well(bed):
  """Adverts to ff02::12, updates to ff02::51."""
  first, second = bed.first, bed.second
  first.start(plain.carp(), plain.services(), family=6)
  first.await_role('active', plain.TIMEOUT + SLACK)
  second.start(plain.carp(), plain.services(), family=6)
  time.sleep(plain.TIMEOUT + 1)
  check_equal((second.role(), second.status()['partner']), ('standby', 'active'),
              'the second')
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 20, 50), ('v6', network.VIP6, 20, 50))
  second.await_connections(40)
  first.kill()
  second.await_role('active', plain.TIMEOUT + SLACK)
  watched.await_bytes(50_000)
  report = watched.finish()
  check_equal((report['completed'], report['lost']), (40, 0), f'{report}')
  check_equal(second.status()['refused'], {}, 'refused')


def a_link_that_fails_ends_the_role(bed):
  first, second = bed.first, bed.second
  start_both(bed)
  bed.switch.ip('link set director0 down')  # The far end: the carrier goes.
  first.await_role('passive', 3)
  check_equal(first.status()['reason'], 'the HA interface is down', 'reason')
  second.await_role('active', plain.TIMEOUT + SLACK)
  bed.switch.ip('link set director0 up')
  first.await_role('standby', 3)
  time.sleep(plain.TIMEOUT + 0.5)
  check_equal([first.role(), second.role()], ['standby', 'active'], 'roles')


if __name__ == '__main__':
  network.main(sessions_outlive_kills_and_returns,
               a_planned_switchover_is_quick_with_trust,
               a_planned_switchover_without_trust_waits,
               after_a_split_both_know_all, ipv6_does_as_well,
               a_link_that_fails_ends_the_role,
               make_bed=plain.Bed)
