#!/usr/bin/python3 -B
"""hard_reboot_on_link_failure: a link that carries no HA checks counts as well, on an
active and on a standby unit, once.
"""

import os
import subprocess

import network
import plain
from network import check, check_equal, eventually


def config(unit, key):
  return unit.bed.config(f"""
state_dir: "{unit.folder}/state"
ha {{
  mode: {'FIRST' if unit.number == 1 else 'SECOND'}
  links {{
    interface: "outside"
    own_address: "{unit.own}/24"
    partner_address: "{unit.partner}"
  }}
  shared_address: "{plain.SHARED}"
  advert_interval_ms: 200
  pacify_starts: 0
  l4_updates: true
  keys: "{key}"
  hard_reboot_on_link_failure: true
  reboot_command: "/usr/bin/mkdir"
  reboot_command: "{unit.folder}/rebooted"
}}
{plain.services()}""")


def any_lost_link_reboots(bed):
  first, second = bed.first, bed.second
  key = subprocess.run([network.find('examples/ballastctl'), 'key', 'new'],
                       check=True, capture_output=True, text=True).stdout.strip()
  first.ballastd.start(config(first, key))
  first.await_role('active', 20)
  second.ballastd.start(config(second, key))
  second.await_role('standby', 20)
  for unit in (first, second):
    rebooted = os.path.join(unit.folder, 'rebooted')
    check(not os.path.exists(rebooted), f'unit {unit.number} rebooted already')
    unit.namespace.ip('link set inside down')
    eventually(lambda path=rebooted: os.path.exists(path),
               f'unit {unit.number} reboots', 10)
    unit.namespace.ip('link set inside up')
    unit.ballastd.await_log('a link failed: reboot')
  unit.namespace.ip('link set inside down')
  eventually(lambda: 'state DOWN' in unit.namespace.run('ip link show inside'),
             'the link is down again', 5)
  check_equal(unit.role(), 'standby', 'role')
  check_equal(unit.ballastd.log().count('a link failed: reboot'), 1, 'reboots')


if __name__ == '__main__':
  network.main(any_lost_link_reboots, make_bed=plain.Bed)
