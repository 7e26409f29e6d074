#!/usr/bin/python3 -B
"""ballastd beside a real conntrackd: connections through the director are in the
daemon's cache with their NAT, and can be committed to its kernel; what its
kernel tracks becomes connections of the director. In FTFW and NOTRACK.
"""

import os
import re
import shutil
import socket
import struct

import network
from network import check, check_equal, eventually

LOCAL = '10.9.0.1'
PEER = '10.9.0.2'
PATIENCE = 30

MODES = {
    'FTFW': 'Mode FTFW { }',
    'NOTRACK': 'Mode NOTRACK { }',
}
DAEMON_CONFIG = """
Sync {{
  {mode}
  UDP {{
    IPv4_address {peer}
    IPv4_Destination_Address {local}
    Port 3780
    Interface sync0
    SndSocketBuffer 65536
    RcvSocketBuffer 65536
    Checksum on
  }}
}}
General {{
  HashSize 1024
  HashLimit 8192
  LogFile {folder}/conntrackd.log
  LockFile {folder}/conntrackd.lock
  UNIX {{
    Path {folder}/conntrackd.ctl
  }}
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  Filter From Userspace {{
    Protocol Accept {{
      TCP
      UDP
    }}
    Address Ignore {{
      IPv4_address 127.0.0.1
      IPv4_address {local}
      IPv4_address {peer}
    }}
  }}
}}
"""
# Tracking is on where a rule asks for it.
TRACKING = 'add table inet t; add chain inet t i { type filter hook input ' \
           'priority 0 ; }; add rule inet t i ct state established accept; ' \
           'add table ip n; add chain ip n p { type nat hook prerouting ' \
           'priority -100 ; }'


class Daemon:
  """A conntrackd on a host of its own, with a cable to the director."""

  def __init__(self, bed, mode):
    self.host = network.Namespace('firewall')
    self._config = os.path.join(bed.folder, 'conntrackd.conf')
    self._process = None
    bed.director.ip(
        f'link add sync0 type veth peer name sync0 netns {self.host.path}',
        'link set sync0 up', f'addr add {LOCAL}/24 dev sync0')
    self.host.ip('link set sync0 up', f'addr add {PEER}/24 dev sync0')
    if shutil.which('conntrackd') is None or shutil.which('conntrack') is None:
      raise network.Skip('no conntrackd here')
    said = self.host.run(['nft', TRACKING], check_status=False)
    said += self.host.run('conntrack -L', check_status=False)
    if 'flow entries have been shown' not in said:
      raise network.Skip(f'no connection tracking here: {said.strip()}')
    with open(self._config, 'w', encoding='utf-8') as file:
      file.write(DAEMON_CONFIG.format(mode=MODES[mode], folder=bed.folder,
                                      local=LOCAL, peer=PEER))

  def start(self):
    self._process = self.host.start(['conntrackd', '-C', self._config])
    eventually(lambda: 'cache internal' in self.order('-s'),
               'conntrackd answers', PATIENCE)

  def order(self, flag, *more):
    return self.host.run(['conntrackd', '-C', self._config, flag, *more],
                         check_status=False)

  def stop(self):
    self.order('-k')
    self._process.wait(PATIENCE)

  def known(self, port):
    """The line of its external cache for a client's port."""
    match = re.search(rf'^.* sport={port} .*$', self.order('-e'), re.MULTILINE)
    return match.group(0) if match else ''


def config(mode, buffer=65536):
  servers = [network.real_server(network.server_address(number))
             for number in (1, 2)]
  return (network.service('web', network.VIP, 80, servers)
          + f'connection_sync {{ enable: true mode: {mode} interface: "sync0" '
          f'local: "{LOCAL}/24" peer: "{PEER}/24" '
          f'send_buffer: {buffer} receive_buffer: {buffer} }}')


def connect(bed):
  """A connection that has been used; its port and the server it has."""
  connection = bed.client.connect((network.VIP, 80))
  connection.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  said = b''
  while b'server ' not in said:
    said += connection.recv(4096)
  number = int(re.search(rb'server (\d)', said).group(1))
  return connection, connection.getsockname()[1], number


def open_flows(bed):
  return {address: numbers['open']
          for address, numbers in bed.ballastd.statistics()['web'].items()}


def ours(bed, daemon):
  """What goes through the director is known there."""
  connection, port, number = connect(bed)
  server = network.server_address(number)
  line = eventually(lambda: daemon.known(port), 'conntrackd knows it', PATIENCE)
  check('ESTABLISHED' in line, f'state: {line}')
  check(f'src={network.CLIENT} dst={network.VIP} sport={port} dport=80' in line,
        f'original tuple: {line}')

  # All of it again, when it is asked for.
  daemon.order('-f', 'external')
  check_equal(daemon.known(port), '', 'flushed')
  daemon.order('-n')
  eventually(lambda: daemon.known(port), 'known again after -n', PATIENCE)

  # Its kernel takes it over.
  daemon.order('-c')
  tracked = eventually(
      lambda: daemon.host.run(['conntrack', '-L', '-p', 'tcp', '--orig-port-src',
                               str(port)]), 'committed', PATIENCE)
  # The reply's tuple: from the server to the client.
  check(f'src={server} dst={network.CLIENT} sport=80 dport={port}' in tracked,
        f'kernel: {tracked}')
  check('ASSURED' in tracked, f'kernel: {tracked}')

  # Its change, and with it the state.
  connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack('ii', 1, 0))
  connection.close()
  eventually(lambda: 'ESTABLISHED' not in daemon.known(port),
             'conntrackd knows of its end', PATIENCE)


def theirs(bed, daemon):
  """What the firewall tracks becomes ours, where a service has it."""
  before = open_flows(bed)
  server = network.server_address(2)
  made = ['conntrack', '-I', '-p', 'tcp', '-s', network.CLIENT, '--state',
          'ESTABLISHED', '-t', '300', '-u', 'ASSURED,SEEN_REPLY', '--sport']
  daemon.host.run(made + ['7000', '-d', network.VIP, '--dport', '80',
                          '--dst-nat', f'{server}:80'])
  daemon.host.run(made + ['7001', '-d', '10.1.0.77', '--dport', '80'])
  eventually(lambda: open_flows(bed)[server] == before[server] + 1,
             'the director has the connection', PATIENCE)
  check_equal(sum(open_flows(bed).values()), sum(before.values()) + 1,
              'connections: the other has no service')
  check_equal(daemon.known(7000), '', 'told back')
  daemon.host.run('conntrack -D -p tcp --orig-port-src 7000')
  eventually(lambda: open_flows(bed)[server] == before[server],
             'the director knows of its end', PATIENCE)


def returns(bed, daemon):
  """A daemon that starts anew is told everything without asking."""
  connection, port, _ = connect(bed)
  eventually(lambda: daemon.known(port), 'conntrackd knows it', PATIENCE)
  daemon.stop()
  daemon.start()
  eventually(lambda: daemon.known(port), 'known again after a restart',
             PATIENCE)
  connection.close()


def changes(bed, daemon):
  """Settings change while it runs."""
  bed.reload(config('FTFW', 131072))
  connection, port, _ = connect(bed)
  eventually(lambda: daemon.known(port), 'known with other buffers', PATIENCE)
  connection.close()


def run(bed, mode):
  daemon = Daemon(bed, mode)
  try:
    bed.start_nginx()
    bed.start_ballastd(config(mode))
    daemon.start()
    bed.ballastd.await_log(f'connection sync: peer {PEER} is heard', PATIENCE)
    ours(bed, daemon)
    theirs(bed, daemon)
    if mode == 'FTFW':  # NOTRACK has no greeting.
      returns(bed, daemon)
      changes(bed, daemon)
    bed.ballastd.stop()
  finally:
    daemon.host.close()


def ftfw(bed):
  run(bed, 'FTFW')


def notrack(bed):
  run(bed, 'NOTRACK')


if __name__ == '__main__':
  network.main(ftfw, notrack)
