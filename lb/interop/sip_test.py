#!/usr/bin/python3 -B
"""SIP through ballastd: sipp as callers and as servers, persistence mode
UDP_SIP.

A caller sends all its calls from one address and port. Servers are sipp, too,
which refuses an ACK or a BYE of a call that it does not know: a call completes
only if each of its datagrams comes to the server that had its INVITE, and each
answer back.
"""

import collections
import csv
import glob
import os
import re

import network
from network import check, check_equal

PORT = 5060
CALLS = 60
CALLERS = {4: ('10.1.0.150', '10.1.0.151', '10.1.0.152'),
           6: ('2001:db8:1::150', '2001:db8:1::151', '2001:db8:1::152')}
NUMBERS = (1, 2, 3)

# One request and its answer, in whatever call.
ASK = """<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="asks">
  <send retrans="500"><![CDATA[
OPTIONS sip:service@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:asks@[local_ip]>;tag=[pid]SIPpTag[call_number]
To: <sip:service@[remote_ip]:[remote_port]>
{field}: [call_id]
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200" crlf="true"/>
</scenario>
"""
ANSWER = """<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="answers">
  <recv request="OPTIONS"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:];tag=[pid]SIPpTag[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


def service(family, timeout_s=60, **states):
  servers = [
      network.real_server(network.server_address(number, family), port=PORT,
                          **({'state': states[f'server{number}']}
                             if f'server{number}' in states else {}))
      for number in NUMBERS
  ]
  servers.append(f'persistence {{ mode: UDP_SIP name: "Call-ID" '
                 f'timeout_s: {timeout_s} }}')
  return network.service(f'sip{family}', network.VIPS[family], PORT, servers,
                         protocol='UDP', schedule='RR')


class Servers:
  """A sipp on each server, of one scenario; what each was sent."""

  def __init__(self, bed, family, name, *scenario):
    self._folder = os.path.join(bed.folder, f'{name}{family}')
    self._processes = {}
    for number in NUMBERS:
      folder = os.path.join(self._folder, str(number))
      os.makedirs(folder)
      server = bed.servers[number - 1]
      address = server.address(family)
      self._processes[number] = server.namespace.start(
          ['sipp', *scenario, '-i', network.in_url(address), '-bind_local',
           '-p', str(PORT), '-nostdin', '-trace_shortmsg', '-trace_err',
           '-deadcall_wait', '0', '-watchdog_interval', '0'],
          cwd=folder, stdout=open(os.path.join(folder, 'out'), 'w',
                                  encoding='utf-8'))
      network.eventually(
          lambda n=server.namespace: f':{PORT} ' in n.run('ss -lun'),
          f'server {number}: sipp listens')

  def calls(self):
    """{call: the servers that had a request of it}."""
    seen = collections.defaultdict(set)
    for number in NUMBERS:
      for path in glob.glob(f'{self._folder}/{number}/*_shortmessages.log'):
        with open(path, encoding='utf-8', errors='replace') as file:
          for line in csv.reader(file, delimiter='\t'):
            # Date, time, direction, call, ...; two words of date and time.
            if 'R' in line[:5]:
              seen[line[line.index('R') + 1]].add(number)
    return dict(seen)

  def complaints(self):
    texts = []
    for path in glob.glob(f'{self._folder}/*/*_errors.log'):
      with open(path, encoding='utf-8', errors='replace') as file:
        texts.append(file.read())
    return ''.join(texts)

  def stop(self):
    for process in self._processes.values():
      network.stop(process)


def caller(bed, family, address, calls, *more):
  """The words of a sipp that sends `calls` calls from one port."""
  return ['sipp', f'{network.in_url(network.VIPS[family])}:{PORT}',
          '-i', network.in_url(address), '-bind_local', '-p', str(PORT),
          '-m', str(calls), '-r', '100', '-nostdin', '-trace_err',
          # UDP may bring a 200 before its 180.
          '-default_behaviors', 'all,-abortunexp',
          '-watchdog_interval', '0', '-timeout', '50s', '-timeout_error', *more]


def folder_for(bed, name):
  folder = os.path.join(bed.folder, name)
  os.makedirs(folder, exist_ok=True)
  return folder


def complete_calls(bed, family):
  """INVITE, 180, 200, ACK, BYE, 200: from three callers."""
  servers = Servers(bed, family, 'uas', '-sn', 'uas')
  # One after the other: in step, three callers would share out three servers
  # among them, each always the same.
  for address in CALLERS[family]:
    folder = folder_for(bed, f'uac-{address}')
    said_to = os.path.join(folder, 'out')
    status = bed.client.start(
        caller(bed, family, address, CALLS, '-sn', 'uac', '-d', '100'),
        cwd=folder, stdout=open(said_to, 'w', encoding='utf-8')).wait(60)
    said = open(said_to, encoding='utf-8', errors='replace').read()
    check_equal(status, 0, f'IPv{family}: sipp at {address}\n{said[-2000:]}\n'
                f'{servers.complaints()[-2000:]}\nits exit status')
  calls = servers.calls()
  servers.stop()
  check_equal(len(calls), CALLS * len(CALLERS[family]), f'IPv{family}: calls')
  for call, at in calls.items():
    check_equal(len(at), 1, f'IPv{family}: servers of call {call}: {at}')
  share = collections.Counter(number for at in calls.values() for number in at)
  # Round robin on every packet thread.
  for number in NUMBERS:
    check(abs(share[number] - CALLS) <= 3,
          f'IPv{family}: calls by server: {dict(share)}, must be {CALLS} each')
  for address in CALLERS[family]:
    at = set().union(*(servers for call, servers in calls.items()
                       if call.endswith(f'@{address}')))
    check_equal(at, set(NUMBERS), f'IPv{family}: servers of the calls that come '
                f'from {address}, port {PORT}')
  print(f'IPv{family}: calls by server: {dict(share)}', flush=True)


def same_calls(bed, family):
  """The same calls from three addresses, one after the other."""
  answer = os.path.join(bed.folder, f'answer{family}.xml')
  with open(answer, 'w', encoding='utf-8') as file:
    file.write(ANSWER)
  servers = Servers(bed, family, 'answers', '-sf', answer)

  def ask(address, prefix, field='Call-ID'):
    scenario = os.path.join(bed.folder, f'ask-{field}.xml')
    with open(scenario, 'w', encoding='utf-8') as file:
      file.write(ASK.format(field=field))
    bed.client.run(
        ['env', '-C', folder_for(bed, f'ask-{address}'),
         *caller(bed, family, address, CALLS, '-sf', scenario, '-cid_str',
                 f'{prefix}-%u@example.com')])

  for address in CALLERS[family]:
    ask(address, 'same')
  # The compact form of the same field (RFC 3261 7.3.3).
  ask(CALLERS[family][0], 'same', 'i')
  calls = servers.calls()
  check_equal(len(calls), CALLS, f'IPv{family}: calls that were asked in')
  for call, at in calls.items():
    check_equal(len(at), 1, f'IPv{family}: servers of call {call}: {at}')
  share = collections.Counter(number for at in calls.values() for number in at)
  check(len(share) == len(NUMBERS) and min(share.values()) >= CALLS // 3 - 1,
        f'IPv{family}: same calls by server: {dict(share)}')
  print(f'IPv{family}: same calls by server: {dict(share)}', flush=True)

  # A server is disabled: its calls go elsewhere, nobody else's do (5.2).
  bed.reload(service(4, server2='DISABLED') + service(6, server2='DISABLED'))
  ask(CALLERS[family][1], 'same')
  after = servers.calls()
  for call, at in after.items():
    (before,) = calls[call]
    check((len(at) == 2) == (before == 2) and before in at,
          f'IPv{family}: call {call}: was at {before}, then also at {at}')
  bed.reload(service(4) + service(6))
  servers.stop()


def counted(bed, family):
  """What ballastd says of the service: (followed, keyless)."""
  begin = len(bed.ballastd.log())
  bed.ballastd.statistics()
  line = re.search(rf'service udp \S+ sip{family} .*followed (\d+), without '
                   r'key (\d+)', bed.ballastd.log()[begin:])
  check(line, 'ballastd tells of persistence by message')
  return int(line.group(1)), int(line.group(2))


def sip(bed):
  for family, addresses in CALLERS.items():
    for address in addresses:
      bed.client.ip(f'addr add {address}/24 dev eth0' if family == 4 else
                    f'addr add {address}/64 dev eth0 nodad')
  bed.start_ballastd(service(4) + service(6))
  for family in CALLERS:
    complete_calls(bed, family)
    # Each call sends INVITE, which makes the entry, then ACK and BYE. One that
    # was sent again follows it, too.
    followed, keyless = counted(bed, family)
    check(followed >= 2 * CALLS * 3, f'{followed} followed an entry')
    check_equal(keyless, 0, f'IPv{family}: messages without a key')
    same_calls(bed, family)
  bed.ballastd.stop()


if __name__ == '__main__':
  network.main(sip)
