#!/usr/bin/python3 -B
"""What a server of layer 7 sees of a connection: source address (LoadMaster
behaviour 4.2, table A1 to A6), port (4.3) and ToS (4.11), and when it sees it
(4.4, idle timeout of 4.1). Both families; servers are small programs here that
answer with what they see, and tcpdump.
"""

import http.client
import os
import re
import socket
import subprocess
import threading
import time

import network
from mac_test import become_macvlan
from network import check, check_equal

ALTERNATES = {4: ['10.2.0.201', '10.2.0.202'],
              6: ['2001:db8:2::c9', '2001:db8:2::ca']}
CLIENTS = {4: network.CLIENT, 6: network.CLIENT6}
INSIDE = {4: network.DIRECTOR_INSIDE, 6: network.DIRECTOR_INSIDE6}
OUTSIDE = {4: network.DIRECTOR, 6: network.DIRECTOR6}
# Of a server that no network of the unit's holds: behind server 1.
REMOTE = {4: '10.3.0.11', 6: '2001:db8:3::b'}
BULK = 8 << 20


class Mirror:
  """An HTTP server: each answer is "CONNECTION PEER LOCAL-PORT BODY-LENGTH",
  and as many bytes more as the path says."""

  def __init__(self, server, port=80, greeting=b''):
    self.connections = 0
    self.peers = []
    self._greeting = greeting
    self._listeners = []
    for family in (4, 6):
      listener = server.namespace.socket(
          socket.SOCK_STREAM, ('0.0.0.0' if family == 4 else '::', port))
      listener.listen(64)
      self._listeners.append(listener)
      threading.Thread(target=self._accept, args=(listener,),
                       daemon=True).start()

  def _accept(self, listener):
    while True:
      connection, peer = listener.accept()
      self.connections += 1
      self.peers.append(peer[0])
      threading.Thread(target=self._serve, daemon=True,
                       args=(connection, peer[0], self.connections)).start()

  def _serve(self, connection, peer, number):
    port = connection.getsockname()[1]
    try:
      if self._greeting:
        connection.sendall(self._greeting)
      stream = connection.makefile('rb')
      while request := stream.readline():
        length = 0
        while (line := stream.readline()) not in (b'\r\n', b''):
          name, _, value = line.decode().partition(':')
          if name.lower() == 'content-length':
            length = int(value)
        stream.read(length)
        more = int(request.split()[1].strip(b'/') or b'0')
        body = f'{number} {peer} {port} {length}\n'.encode() + b'x' * more
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n'
                           % len(body) + body)
    except OSError:
      pass
    finally:
      connection.close()


def proxy(name, family, port, l7='', servers=(1,), server_port=80, **fields):
  """A service of layer 7; servers are numbers or blocks."""
  blocks = [server if isinstance(server, str) else network.real_server(
      network.server_address(server, family),
      **({'port': server_port} if server_port else {})) for server in servers]
  return network.service(name, network.VIPS[family], port,
                         [*blocks, 'l7 { ' + l7 + ' }'], **fields)


def remove_direct_return(bed):
  """Servers hold no virtual address: here it is the unit's."""
  for server in bed.servers:
    server.namespace.ip(f'addr del {network.VIP}/32 dev lo',
                        f'addr del {network.VIP6}/128 dev lo')


def ask(namespace, address, port, path='/', source=None, body=b''):
  """(connection, peer, port, length of the body) as the server has them."""
  connection = http.client.HTTPConnection(address, port)
  connection.sock = namespace.connect(
      (address, port), 5, None if source is None else (source, 0))
  connection.sock.settimeout(20)
  connection.request('POST' if body else 'GET', path, body)
  reply = connection.getresponse()
  text = reply.read()
  connection.close()
  check_equal(reply.status, 200, f'{address} {port}: status')
  line, _, more = text.partition(b'\n')
  check_equal(len(more), int(path.strip('/') or 0), 'the rest of the answer')
  number, peer, at, length = line.decode().split()
  return int(number), peer, int(at), int(length)


def peer_of(namespace, address, port, source=None):
  return ask(namespace, address, port, source=source)[1]


def kernel_state(bed):
  """All that the unit might leave in the kernel."""
  return bed.director.run([
      'sh', '-c', 'nft list ruleset; ip rule; ip -6 rule; '
      'ip route show table all; ip -6 route show table all'])


def rows(bed):
  """Table A1 to A6, in order."""
  remove_direct_return(bed)
  mirrors = [Mirror(server) for server in bed.servers]
  body = ['l7 { connection_scaling: true }\n']
  for family in (4, 6):
    bed.servers[0].namespace.ip(
        f'addr add {REMOTE[family]}/{32 if family == 4 else 128} dev lo')
    bed.director.ip(f'route add {REMOTE[family]} via '
                    f'{network.server_address(1, family)} dev inside')
    for address in ALTERNATES[family]:
      # Deprecated, or the kernel would choose them for others, too.
      bed.director.ip(f'addr add {address}/24 dev inside' if family == 4 else
                      f'addr add {address}/64 dev inside nodad preferred_lft 0')
    sources = ' '.join(f'alternate_source_addresses: "{address}"'
                       for address in ALTERNATES[family])
    remote = [network.real_server(REMOTE[family], port=80)]
    # A client that is a server as well, of the service on 8004 only.
    client = network.real_server(CLIENTS[family], port=80, weight=0)
    body += [
        proxy(f'a1_{family}', family, 8001, sources),
        proxy(f'a1_over_a6_{family}', family, 8011,
              sources + ' subnet_originating: false'),
        network.service(f'a2_{family}', network.VIPS[family], 8002,
                        [network.real_server(
                            network.server_address(1, family), port=80)]),
        proxy(f'a3_{family}', family, 8003, 'transparent: true'),
        proxy(f'a3_over_a1_{family}', family, 8013,
              'transparent: true ' + sources),
        proxy(f'a3_rs_{family}', family, 8004, 'transparent: true',
              servers=(1, client)),
        proxy(f'a3_local_a6_{family}', family, 8023,
              'transparent: true subnet_originating: false'),
        proxy(f'a4_{family}', family, 8005),
        proxy(f'a5_{family}', family, 8006, servers=remote),
        proxy(f'a6_{family}', family, 8007, 'subnet_originating: false'),
        proxy(f'a6_remote_{family}', family, 8017, 'subnet_originating: false',
              servers=remote),
    ]
  bed.start_ballastd(''.join(body))
  for family in (4, 6):
    vip = network.VIPS[family]
    def seen(port, namespace=bed.client):
      return peer_of(namespace, vip, port)  # pylint: disable=cell-var-from-loop
    name = f'IPv{family} '
    for _ in range(2):
      check_equal([seen(8001), seen(8001)], ALTERNATES[family], name + 'A1')
    check(seen(8011) in ALTERNATES[family], name + 'A1 before A6')
    check_equal(seen(8002), CLIENTS[family], name + 'A2')
    check_equal(seen(8003), CLIENTS[family], name + 'A3')
    check_equal(seen(8013), CLIENTS[family], name + 'A3 before A1')
    neighbour = bed.servers[1].namespace
    check_equal(seen(8003, neighbour), INSIDE[family],
                name + 'A3, a client of the servers\' network: A4')
    check_equal(seen(8023, neighbour), vip,
                name + 'A3, a client of the servers\' network: A6')
    check_equal(seen(8004), CLIENTS[family],
                name + 'A3, a client that is a server, without "local"')
    check_equal(seen(8005), INSIDE[family], name + 'A4')
    check_equal(seen(8006), INSIDE[family], name + 'A5')
    check_equal(seen(8007), vip, name + 'A6')
    check_equal(seen(8017), vip, name + 'A6 of a server behind another')
  bed.reload('l7 { connection_scaling: true real_servers_are_local: true '
             'subnet_originating: true transparent: false }\n'
             + ''.join(body[1:]))
  for family in (4, 6):
    vip = network.VIPS[family]
    name = f'IPv{family}, all settings global: '
    check_equal(peer_of(bed.client, vip, 8004), INSIDE[family],
                name + 'A3, Real Servers are Local')
    check_equal(peer_of(bed.client, vip, 8007), INSIDE[family],
                name + 'A4 by subnet originating')
  bed.reload('l7 { connection_scaling: true transparent: true }\n'
             + ''.join(body[1:]))
  for family in (4, 6):
    check_equal(peer_of(bed.client, network.VIPS[family], 8005),
                CLIENTS[family], f'IPv{family}: A3 by the global setting')
  check_equal(mirrors[1].connections + mirrors[2].connections, 0,
              'connections to servers of no service')


def transparency(bed):
  """Bodies both ways, connections kept for one client and no other, networks
  that change, clean-up after the end and after kill -9, refusal."""
  remove_direct_return(bed)
  before = kernel_state(bed)
  mirror = Mirror(bed.servers[0])
  config = ''.join(
      proxy(f'web{family}', family, 80, 'transparent: true') +
      # On the host's own address; the director sees nothing of it.
      network.service(f'host{family}', OUTSIDE[family], 8080,
                      [network.real_server(
                          network.server_address(2, family), port=80),
                       'l7 { host_address: true transparent: true }'])
      for family in (4, 6))
  others = {4: '10.1.0.3', 6: '2001:db8:1::3'}
  bed.client.ip(f'addr add {others[4]}/24 dev eth0',
                f'addr add {others[6]}/64 dev eth0 nodad')
  Mirror(bed.servers[1])
  bed.servers[1].namespace.ip(
      f'route replace default via {network.DIRECTOR_INSIDE}',
      f'-6 route replace default via {network.DIRECTOR_INSIDE6}')
  bed.start_ballastd(config)
  for family, vip in network.VIPS.items():
    name = f'IPv{family}: '
    _, peer, _, length = ask(bed.client, vip, 80, f'/{BULK}',
                             source=CLIENTS[family],
                             body=os.urandom(BULK))
    check_equal((peer, length), (CLIENTS[family], BULK), name + 'bulk')
    # Other connections of the same client, one after another: one to the
    # server. Another client: another.
    used = {ask(bed.client, vip, 80, source=CLIENTS[family])[0]
            for _ in range(5)}
    check_equal(len(used), 1, name + 'connections for five of one client')
    number, peer, _, _ = ask(bed.client, vip, 80, source=others[family])
    check_equal(peer, others[family], name + 'another client')
    check(number not in used, name + 'another client has another\'s connection')
    check_equal(ask(bed.client, vip, 80, source=CLIENTS[family])[:2],
                (used.pop(), CLIENTS[family]), name + 'the first again')
    for _ in range(2):
      check_equal(ask(bed.client, OUTSIDE[family], 8080, f'/{BULK}',
                      source=CLIENTS[family])[1],
                  CLIENTS[family], name + 'by the host\'s own address')
  check(mirror.connections > 0, 'connections of the server')

  # Server 3 speaks from an address of no network of ours, then of one.
  bed.servers[2].namespace.ip('addr add 10.4.0.3/32 dev lo')
  bed.director.ip('route add 10.4.0.3 via 10.2.0.13')
  def seen():
    return peer_of(bed.servers[2].namespace, network.VIP, 80, '10.4.0.3')
  check_equal(seen(), '10.4.0.3', 'a client behind a server')
  bed.director.ip('addr add 10.0.0.1/8 dev inside')
  network.eventually(lambda: seen() != '10.4.0.3', 'its network becomes local')
  bed.director.ip('addr del 10.0.0.1/8 dev inside')
  network.eventually(lambda: seen() == '10.4.0.3', 'and is so no more')
  bed.director.ip('route del 10.4.0.3 via 10.2.0.13')

  installed = kernel_state(bed)
  check('ballast_replies_0' in installed and '0xba11a57' in installed,
        f'what was installed: {installed}')
  bed.ballastd.process.kill()
  bed.ballastd.process.wait()
  check('ballast_replies_0' not in kernel_state(bed), 'the table after kill -9')
  bed.start_ballastd(config)
  check_equal(ask(bed.client, network.VIP, 80)[1], network.CLIENT,
              'after a restart')
  check_equal(kernel_state(bed).count('0xba11a57'),
              installed.count('0xba11a57'), 'rules and marks after a restart')
  # The last transparent service goes, and comes back.
  plain = config.replace('transparent: true', '')
  bed.reload(plain)
  check_equal(ask(bed.client, network.VIP, 80)[1], network.DIRECTOR_INSIDE,
              'not transparent any more')
  bed.reload(config)
  check_equal(ask(bed.client, network.VIP, 80)[1], network.CLIENT,
              'transparent again')
  bed.ballastd.stop()
  check_equal(kernel_state(bed), before, 'the kernel after the end')

  bed.director.sysctl('net/ipv4/conf/all/src_valid_mark', 1)
  try:
    bed.start_ballastd(config)
    raise AssertionError('started with src_valid_mark')
  except network.Failure as failure:
    check(re.search(r'l7\.transparent of \S+: .*src_valid_mark is 1, must be 0',
                    str(failure)), f'the refusal: {failure}')


def card_mac(bed):
  """Where floating addresses have the card's MAC, and a guard keeps the
  director's frames from the host: what servers send to the host gets there,
  once."""
  become_macvlan(bed)
  remove_direct_return(bed)
  Mirror(bed.servers[0])
  checked = {'check': 'CONNECT'}
  bed.start_ballastd(''.join(
      proxy(f'a3_{family}', family, 8003, 'transparent: true', **checked) +
      proxy(f'a4_{family}', family, 8005, **checked) +
      proxy(f'a6_{family}', family, 8007, 'subnet_originating: false',
            **checked) +
      proxy(f'sub_{family}', family, 8008, 'transparent: true sub_services { '
            'name: "sub" health_check { type: NONE } '
            + network.real_server(network.server_address(1, family), port=80)
            + ' }', servers=()) for family in (4, 6)))
  for family, vip in network.VIPS.items():
    for port, wanted in ((8003, CLIENTS[family]), (8005, INSIDE[family]),
                         (8007, vip), (8008, CLIENTS[family])):
      check_equal(ask(bed.client, vip, port, f'/{BULK}')[1], wanted,
                  f'IPv{family}: {port}')
  # What came twice would be known as such, by the hundred: the pieces of one
  # answer are 64 KiB at most.
  for name in ('TcpExtTCPDSACKOfoSent', 'TcpExtTCPDSACKOldSent'):
    check(bed.director.counter(name) < BULK // 65536 // 2,
          f'{name}: {bed.director.counter(name)}')


class Tos:
  """The ToS octets of TCP packets that one namespace sends or gets, by
  tcpdump: what else is on the wire has no place in a test of what is."""

  def __init__(self, namespace, direction, expression):
    self._process = network.start_tcpdump(
        namespace, ['-lnnv', '--immediate-mode', '-i', 'eth0', '-Q', direction,
                    expression], stdout=subprocess.PIPE)
    self.seen = set()
    self._reader = network.Worker(self._read)
    self._reader.start()

  def _read(self):
    for line in self._process.stdout:
      if ' IP (' in line:
        self.seen.add(int(re.search(r'tos 0x([0-9a-f]+)', line).group(1), 16))
      elif ' IP6 (' in line:
        match = re.search(r'class 0x([0-9a-f]+)', line)
        self.seen.add(int(match.group(1), 16) if match else 0)

  def stop(self):
    network.stop(self._process)
    self._reader.join(5)


def tos_of_client(family, value):
  """Has connect() make sockets whose packets carry this octet."""
  def set_tos(made):
    if family == 4:
      made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, value)
    else:
      made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, value)
  return set_tos


def tos(bed):
  """Values of 4.11 on both legs, of a sub service, and passed through."""
  remove_direct_return(bed)
  Mirror(bed.servers[0])
  # The kernel keeps the bit of MINIMIZE_COST, 0x02, for ECN (RFC 3168).
  values = {'NORMAL_SERVICE': 0x00, 'MINIMIZE_COST': 0x00,
            'MAXIMIZE_RELIABILITY': 0x04, 'MAXIMIZE_THROUGHPUT': 0x08,
            'MINIMIZE_DELAY': 0x10}
  def sub(name, family, path, qos):
    matches = f'matches {{ path_prefix: "{path}" }}' if path else ''
    return (f'sub_services {{ name: "{name}" {matches} {qos} '
            'health_check { type: NONE } '
            + network.real_server(network.server_address(1, family), port=80)
            + ' }')
  ports = {name: 8100 + number for number, name in enumerate(values)}
  config = ''.join(
      ''.join(proxy(f'{name}{family}', family, port, f'qos: {name}')
              for name, port in ports.items()) +
      proxy(f'pass{family}', family, 8110, 'qos: PASS_THROUGH') +
      proxy(f'changing{family}', family, 8111) +
      proxy(f'subs{family}', family, 8112, 'qos: MAXIMIZE_RELIABILITY '
            + sub('delay', family, '/1', 'qos: MINIMIZE_DELAY')
            + sub('rest', family, '', ''), servers=()) +
      proxy(f'passing_subs{family}', family, 8113, 'qos: PASS_THROUGH '
            + sub('all', family, '', ''), servers=())
      for family in (4, 6))
  bed.start_ballastd(config)

  def seen(family, port, path='/', value=0):
    """(Octets that the server gets, that the client gets) of one exchange."""
    vip = network.VIPS[family]
    at_server = Tos(bed.servers[0].namespace, 'in', 'tcp and dst port 80 and '
                    f'dst host {network.server_address(1, family)}')
    at_client = Tos(bed.client, 'in', f'tcp and src host {vip}')
    connection = http.client.HTTPConnection(vip, port)
    made = bed.client.socket(
        socket.SOCK_STREAM,
        family=socket.AF_INET if family == 4 else socket.AF_INET6)
    tos_of_client(family, value)(made)
    made.settimeout(10)
    made.connect((vip, port))
    connection.sock = made
    for _ in range(2):
      connection.request('GET', path)
      check_equal(connection.getresponse().read().split(b'\n')[0].split()[2],
                  b'80', 'an answer')
    time.sleep(0.3)
    at_server.stop()
    at_client.stop()
    connection.close()
    return at_server.seen, at_client.seen

  for family in (4, 6):
    for name, port in ports.items():
      check_equal(seen(family, port), ({values[name]}, {values[name]}),
                  f'IPv{family}: {name}')
    # What clients send counts for nothing there.
    check_equal(seen(family, ports['MINIMIZE_DELAY'], value=0xb8),
                ({0x10}, {0x10}), f'IPv{family}: another of the client')
    for value in (0x00, 0x10, 0xb8):
      at_server, at_client = seen(family, 8110, value=value)
      check_equal(at_server, {value}, f'IPv{family}: {value:#x} to the server')
      # The kernel answers a client's SYN before it has heard it out.
      check_equal(at_client - {0}, {value} - {0},
                  f'IPv{family}: {value:#x} to the client')
    # ECN's bits are the connection's own.
    at_server, _ = seen(family, 8110, value=0xbb)
    check_equal(at_server, {0xb8}, f'IPv{family}: 0xbb without ECN')
    at_server, at_client = seen(family, 8112, '/1')
    check_equal((at_server, 0x10 in at_client), ({0x10}, True),
                f'IPv{family}: a sub service, at server and client')
    at_server, _ = seen(family, 8112, '/2')
    check_equal(at_server, {0x00}, f'IPv{family}: another sub service')
    at_server, _ = seen(family, 8113, value=0x08)
    check_equal(at_server, {0x08}, f'IPv{family}: a sub service that passes')
  # Listeners that were there before take the new value.
  check_equal(seen(4, 8111), ({0}, {0}), 'before a reload')
  bed.reload(re.sub(r'(name: "changing\d"[^}]*}.*?l7 \{)', r'\1 qos: '
                    'MAXIMIZE_THROUGHPUT', config, flags=re.DOTALL))
  check_equal(seen(4, 8111), ({8}, {8}), 'after a reload')
  check_equal(seen(6, 8111), ({8}, {8}), 'after a reload, IPv6')


def ports(bed):
  """Extra ports: to the same port of a server, or to the one it has."""
  remove_direct_return(bed)
  for port in (80, 8200, 8201, 8203, 8300):
    Mirror(bed.servers[0], port)
  bed.start_ballastd(''.join(
      proxy(f'same{family}', family, 8200, server_port=None,
            extra_ports='8201, 8203-8204') +
      proxy(f'own{family}', family, 8300, extra_ports='8301-8302')
      for family in (4, 6)))
  for family, vip in network.VIPS.items():
    for port in (8200, 8201, 8203):
      check_equal(ask(bed.client, vip, port)[2], port,
                  f'IPv{family}: {port} of a server without a port')
    for port in (8300, 8301, 8302):
      check_equal(ask(bed.client, vip, port)[2], 80,
                  f'IPv{family}: {port} of a server with port 80')
    try:
      bed.client.connect((vip, 8202), 3).close()
      check(False, f'IPv{family}: a port between')
    except OSError:
      pass


def who_speaks_first(bed):
  """A server is asked when the client has spoken, or at once; and how long an
  idle connection lasts."""
  remove_direct_return(bed)
  mirror = Mirror(bed.servers[0], 7000)
  greeter = Mirror(bed.servers[1], 7001, b'220 mail ready\r\n')
  kinds = ['SMTP', 'SSH', 'OTHER_SERVER', 'IMAP4', 'MYSQL', 'POP3']
  bed.start_ballastd(
      'connection_timeout_s: 2\n' +
      proxy('normal', 4, 7000, 'type: GENERIC', server_port=7000) +
      proxy('own_idle', 4, 7100, 'type: GENERIC', server_port=7000,
            idle_timeout_s=4) +
      proxy('idle_http', 4, 7101, server_port=7000) +
      ''.join(proxy(kind, 4, 7001 + number,
                    f'type: GENERIC server_initiating: {kind}', servers=(2,),
                    server_port=7001)
              for number, kind in enumerate(kinds)))

  def idle_time(port, text):
    connection = bed.client.connect((network.VIP, port), 5)
    connection.settimeout(20)
    connection.sendall(text)
    if text:
      check(connection.recv(1000).startswith(b'HTTP/1.1 200 '), 'an answer')
    began = time.monotonic()
    try:
      connection.recv(1)
    except ConnectionResetError:
      pass
    return time.monotonic() - began

  silent = bed.client.connect((network.VIP, 7000), 5)
  silent.settimeout(5)
  time.sleep(0.5)
  check_equal(mirror.connections, 0, 'connections before the client has spoken')
  silent.sendall(b'GET / HTTP/1.1\r\n\r\n')
  check(silent.recv(1000).startswith(b'HTTP/1.1 200 '), 'an answer')
  check_equal(mirror.connections, 1, 'connections after it has')
  for number, kind in enumerate(kinds):
    client = bed.client.connect((network.VIP, 7001 + number), 5)
    client.settimeout(5)
    check_equal(client.recv(100), b'220 mail ready\r\n', f'{kind}: the banner')
    check_equal(greeter.connections, number + 1, f'{kind}: connections')
    client.close()
  get = b'GET / HTTP/1.1\r\nHost: h\r\n\r\n'
  for port, text, wanted in ((7000, get, 2), (7000, b'', 2), (7100, get, 4),
                             (7101, get, 2)):
    lasted = idle_time(port, text)
    check(wanted - 0.2 < lasted < wanted + 1.5,
          f'{port}: idle for {lasted:.2f} s, must be {wanted}')


if __name__ == '__main__':
  network.main(rows, transparency, card_mac, tos, ports, who_speaks_first)
