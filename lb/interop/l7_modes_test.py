#!/usr/bin/python3 -B
"""Persistence by cookies and addresses, when it is looked at, and what becomes
of it when servers fail, with curl: LoadMaster behaviour §4.5, §4.6 and §5.2.
"""

import collections
import os
import time

import network
from l7_peers import dial, request
from l7_visits import BACKENDS, by_source, get, mode, service, spreads, start
from network import check, check_equal


def cookies(bed):
  """Cookies of servers and of our own."""
  start(bed,
        mode('cookie', 8000, 'mode: SERVER_COOKIE name: "sid"'),
        mode('cookie-src', 8001,
             'mode: SERVER_COOKIE_OR_SOURCE_IP name: "sid"'),
        mode('active', 8002, 'mode: ACTIVE_COOKIE'),
        mode('active-src', 8003,
             'mode: ACTIVE_COOKIE_OR_SOURCE_IP name: "LB"'))
  jar = os.path.join(bed.folder, 'jar')

  def fresh_jar():
    if os.path.exists(jar):
      os.remove(jar)
    return ['-b', jar, '-c', jar]
  for port, name in ((8000, 'cookie'), (8001, 'cookie-src')):
    for i in range(6):
      flags = fresh_jar()
      # Learned from the server's Set-Cookie.
      home = get(bed, port, *flags, path=f'/login/sid/{port}u{i}')
      for _ in range(3):
        check_equal(get(bed, port, *flags), home, f'{name}: user {i}')
        check_equal(get(bed, port, *flags, client='10.1.0.3'), home,
                    f'{name}: from elsewhere')
  spreads(bed, 8000, 'cookie')
  servers = {get(bed, 8000, '-b', 'SID=8000u0') for _ in range(6)}
  check_equal(servers, {1, 2, 3}, 'cookie: names by letter case')
  by_source(bed, 8001, 'cookie-src')

  for port, name in ((8002, 'LMPERSIST'), (8003, 'LB')):
    homes = []
    for i in range(6):
      flags = fresh_jar()
      client = network.CLIENT if i % 2 else '10.1.0.4'
      text = bed.curl('--interface', client, '-D', '-', *flags,
                      f'http://{network.VIP}:{port}/')
      given = [line for line in text.splitlines()
               if line.lower().startswith('set-cookie:')]
      check_equal(len(given), 1, f'{name}: cookies given: {given}')
      check(given[0].split(': ')[1].startswith(f'{name}='), f'{given}')
      check('expires' not in given[0].lower(), f'a session cookie: {given}')
      home = int(text.split()[-3])
      homes.append(home)
      for _ in range(3):
        text = bed.curl('-D', '-', *flags, f'http://{network.VIP}:{port}/')
        check('set-cookie' not in text.lower(), f'{name}: given once: {text}')
        check_equal(int(text.split()[-3]), home, f'{name}: user {i}')
        check_equal(get(bed, port, *flags, client='10.1.0.3'), home,
                    f'{name}: from elsewhere')
    if port == 8002:
      check_equal(set(homes), {1, 2, 3}, f'{name}: servers of six users')
  spreads(bed, 8002, 'active-cookie')
  # A client that takes no cookies, and a server's own beside ours.
  by_source(bed, 8003, 'active-cook-src')
  text = bed.curl('-D', '-', f'http://{network.VIP}:8002/login/sid/x')
  names = sorted(line.split(': ')[1].split('=')[0]
                 for line in text.splitlines()
                 if line.lower().startswith('set-cookie:'))
  check_equal(names, ['LMPERSIST', 'sid'], 'cookies of both')


def sources(bed):
  """By address, at both types; and without any."""
  start(bed, mode('src', 8000, 'mode: SOURCE_IP'),
        service('src-generic', 8001, 'type: GENERIC',
                persistence='{ mode: SOURCE_IP }'),
        service('none', 8002), service('none-generic', 8003, 'type: GENERIC'))
  for port in (8000, 8001):
    homes = {}
    for _ in range(4):
      for client in (network.CLIENT, '10.1.0.3', '10.1.0.4'):
        server = get(bed, port, client=client)
        check_equal(homes.setdefault(client, server), server, client)
    check_equal(sorted(homes.values()), [1, 2, 3], f'port {port}: by turns')
  for port in (8002, 8003):
    spreads(bed, port, 'none')


def _visit(bed, port, users, stream=None):
  """Servers of requests with these X-User values on one connection."""
  stream = stream or dial(bed, port)
  servers = []
  for user in users:
    stream.send(request('GET /', f'X-User: {user}'))
    servers.append(int(stream.answer()[2].split()[1]))
  return servers


def always_persist(bed):
  """always_persist 0, 1 and 2 on one connection with changing keys."""
  def config(frequency):
    return (f'l7 {{ always_persist: {frequency} }}\n'
            + mode('header', 8000, 'mode: SELECTED_HEADER name: "X-User"'))
  bed.start_nginx([80])
  bed.start_ballastd(config('FIRST_REQUEST'))
  homes = {user: _visit(bed, 8000, [user])[0] for user in 'abc'}
  check_equal(sorted(homes.values()), [1, 2, 3], 'servers of three users')
  check_equal(_visit(bed, 8000, 'abcabc'), [homes['a']] * 6,
              '0: the first request decides')
  bed.reload(config('EVERY_REQUEST'))
  check_equal(_visit(bed, 8000, 'abcabc'),
              [homes[user] for user in 'abcabc'], '1: every request decides')
  # New keys in the middle of a connection: not stored with 1, stored with 2.
  def moved(prefix):
    """Users first seen in the middle, whose next connection goes elsewhere."""
    users = [f'{prefix}{i}' for i in range(10)]  # Not by threes.
    there = _visit(bed, 8000, ['a', *users])[1:]
    return [user for user, server in zip(users, there)
            if _visit(bed, 8000, [user])[0] != server]
  check(moved('one'), '1: what changes in a connection is not stored')
  bed.reload(config('EVERY_CHANGE'))
  check_equal(moved('two'), [], '2: what changes in a connection is stored')


def failures(bed):
  """A server that is down loses its clients; they stay where they came to; one
  that drains keeps them for its time (§5.2). Entries outlive a reload."""
  def config(state=''):
    text = ('health { interval_s: 9 timeout_s: 4 retry_count: 2 }\n'
            + mode('header', 8000, 'mode: SELECTED_HEADER name: "X-User"',
                   check='CONNECT')
            + mode('source', 8001, 'mode: SOURCE_IP timeout_s: 345600 '
                   'refresh: true', check='CONNECT'))
    address = f'address: "{network.server_address(2)}"'
    check_equal(text.count(address), 2, 'server 2')
    return text.replace(address, f'{address} {state}')
  bed.start_nginx([80])
  bed.start_ballastd(config())
  def up(count):
    servers = bed.ballastd.statistics()['header'].values()
    return sum(server['up'] for server in servers) == count
  network.eventually(lambda: up(3), 'every server is up', 20, 0.2)
  users = [f'u{i}' for i in range(9)]
  def where():
    return {user: get(bed, 8000, '-H', f'X-User: {user}') for user in users}
  before = where()
  check_equal(sorted(collections.Counter(before.values()).values()), [3, 3, 3],
              'users of each server')
  bed.reload(config('state: DRAINING'))
  check_equal(where(), before, 'a draining server keeps its clients')
  others = {get(bed, 8000, '-H', f'X-User: new{i}') for i in range(6)}
  check_equal(others, {1, 3}, 'a draining server gets no others')
  bed.reload(config())
  check_equal(where(), before, 'entries outlive reloads')

  bed.servers[1].nginx.kill()
  bed.servers[1].nginx.wait()
  after = where()  # Found out by the first request, before any check.
  check(2 not in after.values(), f'nobody stays at a dead server: {after}')
  for user, server in before.items():
    if server != 2:
      check_equal(after[user], server, f'{user} stays')
  check_equal(where(), after, 'they stay where they came to')
  bed.servers[1].start_nginx([80])
  network.eventually(lambda: up(3), 'the server is up again', 20, 0.2)
  time.sleep(0.2)
  check_equal(where(), after, 'nobody goes back')
  check(len({get(bed, 8001) for _ in range(4)}) == 1, 'refresh: one server')


def sub_services(bed):
  """Each sub service has a table of its own, or all share one (§4.6)."""
  def config(shared):
    def sub(name, matches=''):
      return (f'sub_services {{ name: "{name}" {matches} '
              'persistence { mode: SELECTED_HEADER name: "X-User" } '
              'health_check { type: NONE } '
              + ' '.join(network.real_server(network.server_address(number),
                                             port=80) for number in BACKENDS)
              + ' }')
    return (f'l7 {{ share_sub_service_persistence: {shared} }}\n'
            + service('parts', 8000, sub('a', 'matches { path_prefix: "/a/" }')
                      + sub('b', 'matches { path_prefix: "/b/" }'),
                      servers=()))
  bed.start_nginx([80])
  bed.start_ballastd(config('false'))
  def pairs(prefix):
    users = [f'{prefix}{i}' for i in range(12)]
    a = [get(bed, 8000, '-H', f'X-User: {user}', path='/a/') for user in users]
    b = [get(bed, 8000, '-H', f'X-User: {user}', path='/b/')
         for user in reversed(users)][::-1]
    for path, servers in (('/a/', a), ('/b/', b)):
      check_equal([get(bed, 8000, '-H', f'X-User: {user}', path=path)
                   for user in users], servers, f'{path} again')
      check_equal(set(servers), {1, 2, 3}, f'{path}: all servers')
    return list(zip(a, b))
  check(any(a != b for a, b in pairs('own')), 'tables of their own')
  bed.ballastd.stop()
  bed.start_ballastd(config('true'))
  def shared_pairs():
    users = [f's{i}' for i in range(12)]
    a = [get(bed, 8000, '-H', f'X-User: {user}', path='/a/') for user in users]
    b = [get(bed, 8000, '-H', f'X-User: {user}', path='/b/') for user in users]
    return a, b
  a, b = shared_pairs()
  check_equal(b, a, 'one table: the same server in both')


if __name__ == '__main__':
  network.main(cookies, sources, always_persist, failures, sub_services)
