#!/usr/bin/python3 -B
"""What a pair of ballastd is set to, changed while it runs: keys, wrong ones too,
and configuration; and a unit that starts over and over keeps out.
"""

import re
import signal
import time

import network
from network import check, check_equal, eventually
import pair
from pair import FLOATING


# -- Keys ----------------------------------------------------------------------


def reload(unit):
  begin = len(unit.log())
  unit.process.send_signal(signal.SIGHUP)
  eventually(lambda: 'reload' in unit.log()[begin:], f'{unit.name} reloads')
  return unit.log()[begin:]


def keys_change_live(bed):
  """As ballast.proto says of ha.keys; the second unit stands by meanwhile."""
  bed.start(pair.services())
  watched = pair.watch(bed)
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
  pair.check_nothing_lost(watched)
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
  watched = pair.watch(bed)
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
  pair.check_nothing_lost(watched)


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
       f'--socket={first.folder}/state/control'], check_status=False)
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
  pair.main(keys_change_live, wrong_key_does_not_pair, configuration_follows,
            starting_over_pacifies)
