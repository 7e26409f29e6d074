#!/usr/bin/python3 -B
"""Calls of SIP, sipp at both ends, over a failover of a pair: the unit that
takes over has each call's server from its partner, and lets the servers'
answers through before their caller says anything to it.
"""

import os
import time

import network
from network import check, check_equal, eventually
import pair
import sip_test

CALLS = 60
TALK_S = 6
CALLER = sip_test.CALLERS[4][0]


def calls_outlive_a_failover(bed):
  bed.client.ip(f'addr add {CALLER}/24 dev eth0')
  bed.start(sip_test.service(4), l7_updates='true')
  servers = sip_test.Servers(bed, 4, 'uas', '-sn', 'uas')
  folder = sip_test.folder_for(bed, 'uac')
  out = os.path.join(folder, 'out')
  caller = bed.client.start(
      sip_test.caller(bed, 4, CALLER, CALLS, '-sn', 'uac', '-d',
                      str(1000 * TALK_S)),
      cwd=folder, stdout=open(out, 'w', encoding='utf-8'))
  eventually(lambda: len(servers.calls()) == CALLS, 'all calls are under way')
  time.sleep(1)  # Answered, acknowledged, and told to the partner.
  bed.units[0].kill()
  eventually(lambda: bed.units[1].role() == 'active', 'Second takes over')
  check(caller.poll() is None, 'the calls ended before the failover')
  status = caller.wait(60)
  with open(out, encoding='utf-8', errors='replace') as file:
    check_equal(status, 0, f'sipp\n{file.read()[-2000:]}\nits exit status')
  calls = servers.calls()
  check_equal(len(calls), CALLS, 'calls')
  for call, at in calls.items():
    check_equal(len(at), 1, f'servers of call {call}: {at}')
  servers.stop()


if __name__ == '__main__':
  pair.main(calls_outlive_a_failover)
