#!/usr/bin/python3 -B
"""What a Linux director serves, ballastd serves: curl through a real IPVS, then
through ballastd in its place with what ballastctl convert makes of what
ipvsadm-save -n prints there.
"""

import os
import subprocess

import network
import uml
from network import check, check_equal, eventually

FLOWS = 24
PORTS = (80, 81)


def urls():
  for port in PORTS:
    for vip in network.VIPS.values():
      yield f'http://{network.in_url(vip)}:{port}/'


def shares(bed):
  """Of each service, how many flows each server gets."""
  bed.requests()
  found = {}
  for url in urls():  # A connection for each.
    bed.curl('-H', 'Connection: close', *(('-o', '/dev/null', url) * FLOWS))
    found[url] = {number: len(asked) for number, asked in bed.requests().items()}
  return found


def configure(lvs, servers):
  """One in proportion to weights, one that is full of one server."""
  for vip in network.VIPS.values():
    family = 6 if ':' in vip else 4
    for port, scheduler in zip(PORTS, ('wrr', 'rr')):
      service = network.endpoint(vip, port)
      lvs.ipvsadm(f'-A -t {service} -s {scheduler}')
      for server in servers:
        # The last of rr's is to get nothing.
        weight = (server.number if scheduler == 'wrr'
                  else int(server.number < 3))
        address = network.endpoint(server.address(family), 80)
        lvs.ipvsadm(f'-a -t {service} -r {address} -m -w {weight}')
  lvs.ipvsadm('-A -f 7 -s rr')


def ballastd_takes_the_place_of_ipvs(bed):
  ctl = network.find('examples/ballastctl')
  bed.start_nginx()
  with uml.Lvs(bed) as lvs:
    lvs.modprobe('ip_vs_wrr')
    configure(lvs, bed.servers)
    before = shares(bed)
    saved = lvs.run('ipvsadm-save -n')
  print(saved)
  made = subprocess.run([ctl, 'convert', 'ipvsadm', '--interface=outside'],
                        input=saved, text=True, check=False,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
  check(made.returncode == 0, made.stderr)
  lost = [line for line in made.stderr.splitlines()
          if line.startswith('standard input:')]
  check(len(lost) == 1 and ': -f 7: ' in lost[0], made.stderr)
  # What it says is left to do: the way to the servers, and their gateway.
  bed.ballastd.start(made.stdout + f"""
      interfaces {{ name: "inside" }}
      floating_addresses {{ address: "{network.GATEWAY}" interface: "inside" }}
      floating_addresses {{ address: "{network.GATEWAY6}" interface: "inside" }}
      statistics_period_s: 0
      state_dir: "{os.path.join(bed.folder, 'state')}"
      """, '--claim_at_once')
  eventually(lambda: bed.client.run(
      ['curl', '-s', '-o', '/dev/null', '-m', '2', f'http://{network.VIP}/'],
      check_status=False) == '', 'it serves', 20)
  after = shares(bed)
  print(before, after, sep='\n')
  for url, wanted in before.items():
    check_equal(sum(wanted.values()), FLOWS, f'{url}: flows by IPVS')
    for number, count in wanted.items():
      # In turn, but from where it was.
      check(abs(after[url][number] - count) <= 1,
            f'{url}: {wanted} by IPVS, {after[url]} by ballastd')


if __name__ == '__main__':
  network.main(ballastd_takes_the_place_of_ipvs)
