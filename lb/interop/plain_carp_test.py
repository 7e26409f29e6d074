#!/usr/bin/python3 -B
"""A ballastd with wire PLAIN and the real ucarp, as a pair: who has the addresses,
who takes them over when the other dies, yields or leaves, and that units that do
not believe each other say so.

ucarp as a backup hears up to a second late, and looks at the clock once in an
interval: its takeovers are given 2 s more than the rule's.
"""

import time

import network
import plain
from network import check, check_equal, eventually

WAIT = 3 + 100 / 256  # Of a unit of skew 100.
BUSY = 1.5  # What a busy machine may add.


def owners(bed):
  """Who answers for the shared and for a service's address."""
  return (len(plain.who_has(bed, plain.SHARED)), len(plain.who_has(bed)))


def check_owners(bed, wanted, what):
  # A switch and a kernel may need a moment.
  eventually(lambda: owners(bed) == wanted,
             lambda: f'{what}: {owners(bed)} answer, must be {wanted}', 3)


def check_takeover(since, what):
  took = time.monotonic() - since
  # The dead one's last advert is up to an interval old.
  check(WAIT - 1.5 <= took <= WAIT + BUSY, f'{what}: took {took:.2f} s')


def roles_go_both_ways(bed):
  unit, ucarp = bed.first, plain.Ucarp(bed.second)
  ucarp.start()
  ucarp.await_role('master', 10)
  unit.start(plain.carp(skew=100), plain.services())
  time.sleep(WAIT + 1)
  check_equal(unit.role(), 'standby', 'beside a master')
  check_equal(unit.status()['partner'], 'active', 'what it hears')
  check_owners(bed, (1, 0), 'ucarp has the shared address alone')
  check('has no role to give' in unit.ask('switchover', check_status=False),
        'a standby cannot take it by command')

  ucarp.kill()
  died = time.monotonic()
  unit.await_role('active', WAIT + BUSY)
  check_takeover(died, 'from a dead ucarp')
  check_owners(bed, (1, 1), 'the unit has both addresses')
  check_equal(unit.status()['reason'], 'no active partner heard', 'reason')

  # It comes back, and waits: nobody preempts.
  ucarp.start()
  time.sleep(WAIT + 1.5)
  check_equal((unit.role(), ucarp.role()), ('active', 'backup'), 'roles')
  check_equal(unit.status()['partner'], 'silent, as a standby is', 'partner')
  ucarp.kill()
  # Now one that does, and is faster.
  ucarp.start('-P')
  ucarp.await_role('master', 5)
  unit.await_role('standby', 2)
  check_equal(unit.status()['reason'], 'the partner is the faster one', 'reason')
  check_owners(bed, (1, 0), 'ucarp preempted')

  ucarp.kill()
  unit.await_role('active', WAIT + BUSY)
  ucarp.start(skew=0)
  time.sleep(2)
  # A planned switchover: ucarp believes the bow-out.
  asked = time.monotonic()
  unit.switchover()
  unit.await_role('standby', 1)
  check_equal(unit.status()['reason'], 'yielded to the partner', 'reason')
  ucarp.await_role('master', 3)
  check(time.monotonic() - asked < 3, 'without the wait for silence')
  check_owners(bed, (1, 0), 'ucarp was given the role')

  ucarp.kill()
  unit.await_role('active', WAIT + BUSY)
  ucarp.start()
  time.sleep(2)
  unit.kill()
  ucarp.await_role('master', WAIT + 2 + BUSY)
  check_owners(bed, (1, 0), 'ucarp took over from a dead unit')
  # And the unit, back, stands by; at ucarp's end it takes over once more.
  unit.start(plain.carp(skew=100), plain.services())
  time.sleep(WAIT + 0.5)
  check_equal(unit.role(), 'standby', 'back')
  ucarp.kill()
  unit.await_role('active', WAIT + BUSY)
  check_equal(unit.status()['refused'], {}, 'refused')
  unit.ballastd.stop()
  check_equal(unit.reasons()[-1], 'shutting down', 'reason of the end')


def without_trust_both_serve(bed):
  """Another password, and another pin: each is alone, and says why."""
  unit, ucarp = bed.first, plain.Ucarp(bed.second)
  ucarp.start(password='kemp-secreT')
  unit.start(plain.carp(skew=100), plain.services())
  ucarp.await_role('master', 10)
  unit.await_role('active', WAIT + BUSY)
  check(unit.status()['refused'].get('carp_bad_digest', 0) > 0,
        f'bad_digest is counted: {unit.status()}')
  unit.ballastd.await_log(r'CARP adverts from 10\.1\.0\.3 refused: another '
                          'password', 2)
  ucarp.kill()
  unit.kill()

  ucarp.start()
  unit.start(plain.carp(skew=100, peer_skew=1), plain.services())
  ucarp.await_role('master', 10)
  unit.await_role('active', WAIT + BUSY)
  # ucarp is faster: it would be yielded to, if it were the one that is pinned.
  check_equal(set(unit.status()['refused']), {'carp_other_timing'}, 'counted')
  unit.ballastd.await_log(r'refused: not plain\.peer_advbase', 2)


def tie(bed, unit, other, delivery, unit_stays):
  """Equal units, both active while the link is cut: the lower address stays, by
  its last octet."""
  ucarp = plain.Ucarp(other)
  ucarp.start(*(['-M'] if delivery == 'broadcast' else []), skew=5)
  unit.start(plain.carp(5, 5), plain.services(),
             'broadcast: true' if delivery == 'broadcast' else '')
  other.cut()
  unit.await_role('active', WAIT + BUSY)
  ucarp.await_role('master', WAIT + 2 + BUSY)
  time.sleep(2)
  other.join()
  if unit_stays:
    ucarp.await_role('backup', 5)
    check_equal(unit.role(), 'active', 'the lower address stays')
    check_owners(bed, (1, 1), 'the unit has the addresses')
  else:
    unit.await_role('standby', 5)
    check_equal(unit.status()['reason'], 'both were active, the partner stays',
                'reason')
    check_equal(ucarp.role(), 'master', 'the lower address stays')
    check_owners(bed, (1, 0), 'ucarp has the shared address')


def a_tie_that_ballastd_wins(bed):
  tie(bed, bed.first, bed.second, 'broadcast', True)


def a_tie_that_ucarp_wins(bed):
  tie(bed, bed.second, bed.first, 'multicast', False)


if __name__ == '__main__':
  network.main(roles_go_both_ways, without_trust_both_serve,
               a_tie_that_ballastd_wins, a_tie_that_ucarp_wins,
               make_bed=plain.Bed)
