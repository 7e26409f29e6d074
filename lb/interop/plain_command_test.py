#!/usr/bin/python3 -B
"""Two units with wire PLAIN, whose role is taken and given by command, carry
watched TCP sessions: they go from unit to unit as Linux directors' would, by IPVS
sync alone. Also to one that was killed and comes back with nothing, once it has
been told all.
"""

import network
import plain
import sessions
from network import check, check_equal

COUNT = 200


def start(unit):
  unit.start('election: BY_COMMAND', plain.services())


def hand_over(source, target):
  source.switchover()
  check_equal(plain.who_has(source.bed), set(), 'nobody answers meanwhile')
  target.switchover()
  check_equal([source.role(), target.role()], ['standby', 'active'], 'roles')


def sessions_move_by_command(bed):
  first, second = bed.first, bed.second
  start(first)
  start(second)
  check_equal([first.role(), second.role()], ['standby'] * 2, 'roles at first')
  check_equal(plain.who_has(bed), set(), 'who answers for the address')
  check('only the active unit has a table to give'
        in second.ask('resync', check_status=False), 'a standby tells nothing')
  check('a plain partner takes no configuration'
        in first.ask('update', check_status=False), 'no configuration is given')
  # A standby of the sealed wire would refuse this.
  second.ballastd.reload()

  first.switchover()
  first.await_role('active', 1)
  check_equal(first.status()['reason'], 'by command', 'reason')
  check_equal(len(plain.who_has(bed)), 1, 'who answers for the address')
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 150, 50), ('v6', network.VIP6, 40, 50),
                  ('idle', network.VIP, 10, 1000))
  second.await_connections(COUNT)
  watched.window('to the second')
  hand_over(first, second)
  watched.await_bytes(300_000)

  # Back to one that was killed: it has what it was told since, and with resync
  # all of it.
  first.kill()
  start(first)
  check_equal(first.connections(), 0, 'connections of a new start')
  second.ask('resync')
  first.await_connections(COUNT)
  watched.window('to the first')
  hand_over(second, first)
  watched.await_bytes(300_000)
  report = watched.finish()
  print('longest gaps: ' + ', '.join(
      f'{window["name"]} {window["longest_gap_ms"]:.0f} ms'
      for window in report['windows']))
  check_equal((report['completed'], report['lost']), (COUNT, 0),
              f'sessions completed and lost: {report}')
  for unit in (first, second):
    check_equal(unit.status()['refused'], {}, 'refused')

  # An end in good order leaves the addresses to nobody.
  first.ballastd.stop()
  check('role active -> leaving: shutting down' in first.ballastd.log(),
        'the end is told')
  check_equal(plain.who_has(bed), set(), 'who answers for the address')
  check_equal(second.role(), 'standby', 'the other one waits for a command')


def strangers_are_not_believed(bed):
  """What the protocol has to tell them by: the sender's address."""
  bed.first.start('election: BY_COMMAND peer_address: "10.1.0.250"',
                  plain.services())
  start(bed.second)
  bed.second.switchover()
  watched = sessions.Sessions(bed)
  watched.connect(('v4', network.VIP, 10, 50))
  bed.second.await_connections(10)
  network.eventually(
      lambda: bed.first.status()['refused'].get('sync_not_the_partner'),
      'counted', 10)
  check_equal(bed.first.connections(), 0, 'learned from another sender')
  check_equal(watched.finish()['lost'], 0, 'sessions lost')


if __name__ == '__main__':
  network.main(sessions_move_by_command, strangers_are_not_believed,
               make_bed=plain.Bed)
