#!/usr/bin/python3 -B
"""Services of layer 7 that speak TLS to their servers: nginx and openssl as
servers, curl as the client.
"""

import hashlib
import os
import re
import subprocess
import time

import network
import tls_servers
from network import check, check_equal

BULK = 8 << 20


def proxy(name, authority, port=80, servers=(1, 2, 3), reencrypt='', l7='',
          server_port=443, **fields):
  """A virtual_services block; `authority` None: its certificate is not set."""
  ca = f'ca_file: "{authority.pem}"' if authority else ''
  blocks = [network.real_server(network.server_address(number),
                                port=server_port) for number in servers]
  blocks.append(f'l7 {{ {l7} reencrypt {{ {ca} {reencrypt} }} }}')
  return network.service(name, network.VIP, port, blocks, **fields)


def url(path='/', port=80):
  return f'http://{network.VIP}:{port}{path}'


def server_of(text):
  words = text.split()
  check(len(words) > 1 and words[0] == 'server', f'answer: {text[:200]!r}')
  return int(words[1])


def status_of(bed, *arguments):
  return bed.curl('-o', '/dev/null', '-w', '%{http_code}', *arguments)


def nginxes(bed, authority, alternatives='DNS:app.internal', **kwargs):
  certificate = authority.make('app', alternatives)
  return [tls_servers.TlsNginx(bed, server, certificate, **kwargs)
          for server in bed.servers]


def servers_are_verified_and_kept(bed):
  """Names, versions, ALPN; connections used again; bytes both ways; TLS to
  clients beside it."""
  authority = tls_servers.Authority(bed)
  servers = nginxes(bed, authority)
  servers.append(tls_servers.TlsNginx(
      bed, bed.servers[0], authority.make('old', 'DNS:app.internal'), port=444,
      protocols='TLSv1.2'))
  data = os.urandom(BULK)
  with open(os.path.join(bed.files, 'bulk'), 'wb') as file:
    file.write(data)
  name = 'server_name: "app.internal"'
  front = authority.make('front', 'DNS:front.example')
  both = (f'tls {{ certificates {{ chain_file: "{front[0]}" key_file: '
          f'"{front[1]}" }} }}')
  bed.start_ballastd(
      proxy('app', authority, reencrypt=name) +
      proxy('both', authority, port=443, reencrypt=name, l7=both) +
      proxy('old', authority, port=82, servers=(1,), server_port=444,
            reencrypt=name))
  text = bed.curl(*[url(f'/{i}') for i in range(30)])
  check_equal(sorted({server_of(line) for line in text.splitlines()}),
              [1, 2, 3], 'servers of thirty requests')
  seen = [line for server in servers[:3] for line in server.requests()]
  check_equal(len(seen), 30, 'requests')
  check_equal({line[1:4] for line in seen},
              {('app.internal', 'TLSv1.3', 'http/1.1')}, 'name, version, ALPN')
  server_of(bed.curl(url('/old', port=82)))
  check_equal([line[1:4] for line in servers[3].requests()],
              [('app.internal', 'TLSv1.2', 'http/1.1')], 'TLS 1.2')

  path = os.path.join(bed.folder, 'got')
  front_url = 'https://front.example/files/bulk'
  tls = ['--resolve', f'front.example:443:{network.VIP}', '--cacert',
         authority.pem]
  for flags in ([url('/files/bulk')], [*tls, front_url]):
    bed.curl('-o', path, *flags, timeout=30)
    with open(path, 'rb') as file:
      check_equal(hashlib.sha256(file.read()).hexdigest(),
                  hashlib.sha256(data).hexdigest(), f'{BULK} bytes')
  bed.curl('-T', path, url('/files/up'), timeout=30)
  with open(os.path.join(bed.files, 'up'), 'rb') as file:
    check_equal(hashlib.sha256(file.read()).hexdigest(),
                hashlib.sha256(data).hexdigest(), f'{BULK} bytes to a server')


def connections_are_pooled(bed):
  authority = tls_servers.Authority(bed)
  server = tls_servers.TlsNginx(bed, bed.servers[0],
                                authority.make('app', 'DNS:app.internal'))
  def config(schedule):
    return proxy('app', authority, servers=(1,),
                 reencrypt='server_name: "app.internal"',
                 schedule=schedule)
  bed.start_ballastd(config('RR'))
  for i in range(10):  # Ten clients.
    server_of(bed.curl(url(f'/{i}')))
  check_equal(len({line[0] for line in server.requests()}), 1,
              'connections of ten clients')
  # What has nothing to do with TLS changes: the connection stays.
  bed.reload(config('LC'))
  server_of(bed.curl(url('/a')))
  # Another authority that the server is not of: none is used again.
  other = tls_servers.Authority(bed, 'other')
  with open(other.pem, encoding='ascii') as file:
    pem = file.read()
  with open(authority.pem, encoding='ascii') as file:
    own = file.read()
  check_equal(len(server.requests()), 1, 'request after the first reload')
  with open(authority.pem, 'w', encoding='ascii') as file:
    file.write(pem)
  bed.reload(config('LC'))
  check_equal(status_of(bed, url('/b')), '502', 'another authority')
  with open(authority.pem, 'w', encoding='ascii') as file:
    file.write(own)
  bed.reload(config('LC'))
  server_of(bed.curl(url('/c')))


def sessions_are_resumed(bed):
  """A server that closes after each answer: connections after the first few
  are resumed, for the same name only."""
  authority = tls_servers.Authority(bed)
  for version, port in (('TLSv1.3', 443), ('TLSv1.2', 444)):
    server = tls_servers.TlsNginx(
        bed, bed.servers[0],
        authority.make('app', 'DNS:app.internal,DNS:other.internal'), port=port,
        requests=1, protocols=version)
    config = proxy('app', authority, servers=(1,), server_port=port)
    if port == 443:
      bed.start_ballastd(config)
    else:
      bed.reload(config)
    for i in range(20):
      server_of(bed.curl('-H', 'Host: app.internal', url(f'/{i}')))
    seen = server.requests()
    check_equal({line[2] for line in seen}, {version}, 'version')
    check_equal(len({line[0] for line in seen}), 20, f'{version}: connections')
    resumed = sum(line[4] for line in seen)
    check_equal(resumed, 19, f'{version}: resumed of 20')
    server_of(bed.curl('-H', 'Host: other.internal', url('/other')))
    check_equal([line[4] for line in server.requests()], [False],
                f'{version}: another name')


def a_wrong_certificate_is_no_server(bed):
  """One of three has a bad certificate: every request is served by the others,
  the log has a line a second and says why."""
  authority = tls_servers.Authority(bed)
  other = tls_servers.Authority(bed, 'other')
  good = authority.make('app', 'DNS:app.internal')
  bad = {
      'certificate_untrusted': other.make('app', 'DNS:app.internal'),
      'certificate_expired': authority.make('late', 'DNS:app.internal',
                                            days=-1),
      'certificate_host': authority.make('wrong', 'DNS:else.internal'),
  }
  for server in bed.servers[:2]:
    tls_servers.TlsNginx(bed, server, good, port=443)
  config = ''
  for i, (reason, certificate) in enumerate(bad.items()):
    tls_servers.TlsNginx(bed, bed.servers[2], certificate, port=450 + i)
    blocks = [network.real_server(network.server_address(1), port=443),
              network.real_server(network.server_address(2), port=443),
              network.real_server(network.server_address(3), port=450 + i)]
    blocks.append(f'l7 {{ reencrypt {{ ca_file: "{authority.pem}" server_name: '
                  '"app.internal" } }')
    config += network.service(reason.replace('_', '-'), network.VIP, 80 + i,
                              blocks)
  # Plain HTTP where TLS is wanted, alone.
  bed.servers[0].start_nginx([8080])
  config += proxy('plain', authority, port=90, servers=(1,), server_port=8080,
                  reencrypt='server_name: "app.internal"')
  bed.start_ballastd(config)
  for i, reason in enumerate(bad):
    began = time.monotonic()
    for turn in range(20):
      check(server_of(bed.curl('--data', 'x' if turn % 2 else 'y',
                               url(f'/{turn}', port=80 + i))) in (1, 2),
            f'{reason}: another server')
    line = rf'no TLS with server 10.2.0.13:{450 + i} as app.internal: {reason}:'
    bed.ballastd.await_log(line, 5)
    lines = len(re.findall('no TLS with', bed.ballastd.log()))
    check(lines <= time.monotonic() - began + 2 + 2 * i, f'{lines} lines')
  check_equal(status_of(bed, url('/', port=90)), '502', 'plain HTTP')
  bed.ballastd.await_log('8080 as app.internal: not_tls', 5)


def the_clients_name(bed):
  """Without server_name: that of the request, else the server's address; a
  name that no server has harms nobody else."""
  authority = tls_servers.Authority(bed)
  certificate = authority.make(
      'shop', 'DNS:*.shop.example,IP:10.2.0.11,IP:10.2.0.12,IP:10.2.0.13')
  servers = [tls_servers.TlsNginx(bed, server, certificate)
             for server in bed.servers]
  bed.start_ballastd(proxy('shop', authority) +
                     proxy('any', authority, port=82,
                           reencrypt='no_verify: true'))
  def get(host, *flags, port=80):
    return bed.curl('-H', f'Host: {host}', *flags, url('/', port=port))
  for _ in range(6):
    server_of(get('a.shop.example'))
  seen = [line for server in servers for line in server.requests()]
  check_equal({line[1] for line in seen}, {'a.shop.example'}, 'the name')
  server_of(get('B.Shop.Example:8080'))
  server_of(bed.curl(url()))  # An address.
  for _ in range(10):
    check_equal(status_of(bed, '-H', 'Host: else.example', url()), '502',
                'a name no server has')
  served = {server_of(get('a.shop.example')) for _ in range(9)}
  check_equal(served, {1, 2, 3}, 'servers of the next requests')
  # Connections for one name are not another's.
  for server in servers:
    server.requests()
  for host in ('c.shop.example', 'd.shop.example') * 6:
    server_of(get(host))
  names = {}
  for i, server in enumerate(servers):
    for line in server.requests():
      names.setdefault((i, line[0]), set()).add(line[1])
  check(all(len(one) == 1 for one in names.values()), f'names: {names}')
  server_of(get('else.example', port=82))


def sub_services_and_streams(bed):
  """Sub services' servers; and any bytes, to openssl s_server."""
  authority = tls_servers.Authority(bed)
  nginxes(bed, authority)
  pem, key = authority.make('mail', 'IP:10.2.0.11')
  bed.servers[0].namespace.start(
      ['openssl', 's_server', '-accept', '7000', '-cert', pem, '-key', key,
       '-rev', '-quiet'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
  def sub(name, number, matches=''):
    return (f'sub_services {{ name: "{name}" {matches} '
            'health_check { type: NONE } ' +
            network.real_server(network.server_address(number), port=443)
            + ' }')
  bed.start_ballastd(
      proxy('parts', authority, servers=(),
            reencrypt='server_name: "app.internal"',
            l7=sub('images', 1, 'matches { path_prefix: "/img/" }')
            + sub('rest', 2)) +
      proxy('lines', authority, port=7000, servers=(1,), server_port=7000,
            l7='type: GENERIC'))
  check_equal(server_of(bed.curl(url('/img/a'))), 1, 'by path')
  check_equal(server_of(bed.curl(url('/a'))), 2, 'the rest')

  def reversed_line():
    connection = bed.client.connect((network.VIP, 7000), 5)
    connection.settimeout(5)
    with connection:
      connection.sendall(b'hello\n')
      return connection.recv(100)
  network.eventually(lambda: reversed_line() == b'olleh\n',
                     's_server turns a line round', 10, 0.2)


if __name__ == '__main__':
  network.main(servers_are_verified_and_kept, connections_are_pooled,
               sessions_are_resumed, a_wrong_certificate_is_no_server,
               the_clients_name, sub_services_and_streams)
