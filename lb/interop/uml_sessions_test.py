#!/usr/bin/python3 -B
"""A real Linux IPVS director carries 200 watched TCP sessions: it is a director
worth taking over from. While it is cut off nothing moves, and that is seen; when
it is back every session goes on. Another one that heard of the connections takes
them over; one that did not loses them, and that is seen, too.
"""

import time

import network
import sessions
import uml
from network import check, check_equal, eventually


def serve(lvs, bed):
  for family, vip in network.VIPS.items():
    lvs.service('tcp', vip, sessions.PORT,
                [server.address(family) for server in bed.servers])


def describe(report, lvs, seconds):
  print(f'{report["bytes_verified"]} bytes verified in {seconds:.1f} s, the '
        f'kernel used {lvs.cpu_seconds():.1f} s of a processor; longest gaps '
        + ', '.join(f'{window["name"]} {window["longest_gap_ms"]:.0f} ms'
                    for window in report['windows']), flush=True)


def sessions_outlive_a_cut(bed):
  began = time.monotonic()
  with uml.Lvs(bed) as lvs:
    print(f'up in {time.monotonic() - began:.1f} s', flush=True)
    serve(lvs, bed)
    watched = sessions.Sessions(bed)
    began = time.monotonic()
    watched.connect(('v4', network.VIP, 150, 50), ('v6', network.VIP6, 40, 50),
                    ('idle', network.VIP, 10, 1000))
    watched.window('steady')
    watched.await_bytes(500_000)
    check_equal(len(lvs.entries()), 200, 'connections of the director')
    watched.window('cut off')
    lvs.cut_off()
    eventually(lambda: watched.now()['gap_now_ms'] > 1000,
               'the gap is seen', 10)
    lvs.plug_in()
    watched.await_bytes(500_000)
    check_equal(watched.now()['alive'], 200, 'sessions alive')
    report = watched.finish()
    describe(report, lvs, time.monotonic() - began)
    check_equal(report['completed'], 200, f'sessions completed: {report}')
    check_equal(report['lost'], 0, 'sessions lost')
    steady, cut = report['windows'][1:]
    check(cut['longest_gap_ms'] > 1000, f'the gap of the cut: {cut}')
    check_equal(steady['answered'], 200, 'sessions answered when steady')
    lvs.power_off()


def synced(unit):
  return [known for known in unit.table().values() if known.origin == 'SYNC']


def connections_move_between_directors(bed):
  """What a pair of them has in common, without any of ours: the sync messages,
  the addresses that move, and servers and clients that follow. To the standby
  when the director is cut off, and to the first machine, booted anew.
  """
  with uml.Lvs(bed, 'one') as one, uml.Lvs(bed, 'two', True, 1) as two:
    for unit in (one, two):
      serve(unit, bed)
    two.sync('backup')
    one.sync('master')
    watched = sessions.Sessions(bed)
    watched.connect(('v4', network.VIP, 150, 50), ('v6', network.VIP6, 40, 50),
                    ('idle', network.VIP, 10, 1000))
    eventually(lambda: len(synced(two)) == 200,
               lambda: f'{len(synced(two))} connections are synced', 15, 0.5)
    watched.window('takeover')
    one.cut_off()
    two.take_addresses()
    watched.await_bytes(300_000)
    one.kill()

    # The whole table again: each entry with its second packet.
    two.sysctl('net/ipv4/vs/sync_threshold', '0 2')
    with uml.Lvs(bed, 'new', True, 2) as new:
      serve(new, bed)
      new.sync('backup')
      two.stop_sync('backup')
      two.sync('master')
      eventually(lambda: len(synced(new)) == 200,
                 lambda: f'{len(synced(new))} connections are synced', 20, 0.5)
      watched.window('return')
      two.cut_off()
      new.take_addresses()
      watched.await_bytes(300_000)
      report = watched.finish()
      print('longest gaps: ' + ', '.join(
          f'{window["name"]} {window["longest_gap_ms"]:.0f} ms'
          for window in report['windows']), flush=True)
      check_equal(report['completed'], 200, f'sessions completed: {report}')
      check_equal(report['lost'], 0, 'sessions lost')


def sessions_do_not_outlive_their_director(bed):
  with uml.Lvs(bed) as lvs:
    serve(lvs, bed)
    watched = sessions.Sessions(bed)
    watched.connect(('v4', network.VIP, 20, 50))
    lvs.kill()
    # Another one with the addresses, but without the connections.
    with uml.Lvs(bed, 'other', number=1) as other:
      serve(other, bed)
      eventually(lambda: watched.now()['lost'] == 20,
                 lambda: f'all are lost: {watched.now()}', 30)
      report = watched.finish()
      check_equal(report['lost_by']['reset'], 20, f'sessions reset: {report}')


if __name__ == '__main__':
  network.main(sessions_outlive_a_cut, connections_move_between_directors,
               sessions_do_not_outlive_their_director)
