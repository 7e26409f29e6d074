#!/usr/bin/python3 -B
"""Persistence by what is in a request, with curl: the same key comes back to
its server, other keys spread, and what goes without a key is as LoadMaster
behaviour §4.5 says.
"""

import network
from l7_visits import by_source, get, mode, spreads, start, sticks
from network import check, check_equal


def keys_of_requests(bed):
  """All modes that read a request."""
  modes = ['SUPER_HTTP', 'SUPER_HTTP_AND_SOURCE_IP', 'HASH_ALL_COOKIES',
           'HASH_ALL_COOKIES_OR_SOURCE_IP', 'URL_HASH', 'HOST_HEADER']
  named = {'QUERY_ITEM': 'user', 'SELECTED_HEADER': 'X-User'}
  ports = {text: 8000 + i for i, text in enumerate([*modes, *named])}
  start(bed,
        *[mode(text.lower(), ports[text], f'mode: {text}') for text in modes],
        *[mode(text.lower(), ports[text], f'mode: {text} name: "{name}"')
          for text, name in named.items()])

  port = ports['SUPER_HTTP']
  sticks(bed, port, 'super', lambda i: ['-A', f'agent {i}'])
  sticks(bed, port, 'super, MSRPC',
         lambda i: ['-A', 'MSRPC', '-H', f'Authorization: {i}'])
  # The user agent alone is the key, whoever comes.
  servers = {get(bed, port, '-A', 'same', '-H', f'Authorization: {i}',
                 client=client)
             for i in range(3) for client in (network.CLIENT, '10.1.0.3')}
  check_equal(len(servers), 1, 'super: servers of one user agent')
  # No user agent is a key, too: the empty one.
  servers = {get(bed, port, '-H', 'User-Agent:') for _ in range(4)}
  check_equal(len(servers), 1, 'super: servers without a user agent')

  port = ports['SUPER_HTTP_AND_SOURCE_IP']
  sticks(bed, port, 'super-src', lambda i: ['-A', f'agent {i}'])
  sticks(bed, port, 'super-src, another client', lambda i: ['-A', f'agent {i}'],
         client='10.1.0.3')
  # In turn from one further on, as each of these is new.
  get(bed, port, '-A', 'one more')
  sticks(bed, port, 'super-src, a third client', lambda i: ['-A', f'agent {i}'],
         client='10.1.0.4')
  pairs = [(get(bed, port, '-A', f'agent {i}'),
            get(bed, port, '-A', f'agent {i}', client='10.1.0.4'))
           for i in range(9)]
  check(any(a != b for a, b in pairs), f'super-src: by client, too: {pairs}')

  for text in ('HASH_ALL_COOKIES', 'HASH_ALL_COOKIES_OR_SOURCE_IP'):
    port = ports[text]
    homes = sticks(bed, port, text, lambda i: ['-b', f'a=1; user={i}'])
    # Values in order; names take no part.
    for i, home in homes.items():
      check_equal(get(bed, port, '-b', f'b=1; c={i}'), home, f'{text}: names')
  spreads(bed, ports['HASH_ALL_COOKIES'], 'cookie-hash')
  by_source(bed, ports['HASH_ALL_COOKIES_OR_SOURCE_IP'], 'cookie-hash-src')

  port = ports['URL_HASH']
  for i in range(12):
    servers = {get(bed, port, path=f'/o{i}?a={i}') for _ in range(3)}
    check_equal(len(servers), 1, f'url: servers of object {i}')
  servers = {get(bed, port, path=f'/o?a={i}') for i in range(6)}
  check_equal(servers, {1, 2, 3}, 'url: the query is part of the key')

  port = ports['HOST_HEADER']
  homes = sticks(bed, port, 'host', lambda i: ['-H', f'Host: h{i}.example'])
  for i, home in homes.items():
    check_equal(get(bed, port, '-H', f'Host: H{i}.EXAMPLE'), home,
                'host: letter case')

  port = ports['QUERY_ITEM']
  users = {}
  for _ in range(3):
    for i in range(12):
      for path in (f'/a?x=1&user=u{i}', f'/b?user=u{i}&user=other',
                   f'/c?user=%75{i}'):
        server = get(bed, port, path=path)
        check_equal(users.setdefault(i, server), server, f'query-hash: {path}')
  check_equal(set(users.values()), {1, 2, 3}, 'query-hash: servers of 12 users')
  spreads(bed, port, 'query-hash', path='/?USER=1')

  port = ports['SELECTED_HEADER']
  homes = sticks(bed, port, 'header', lambda i: ['-H', f'x-uSER:   u{i}  '])
  get(bed, port, '-H', 'X-User: one more')  # By turns, but not the same ones.
  check(any(get(bed, port, '-H', f'X-User: U{i}') != home
            for i, home in homes.items()), 'header: the value is exact')
  spreads(bed, port, 'header')


if __name__ == '__main__':
  network.main(keys_of_requests)
