#!/usr/bin/python3 -B
"""Questions to a running ballastd over its own API, asked with curl: the
connections and persistence entries that there are, and why a client gets the
server that it gets; held against what real clients then see.
"""

import base64
import hashlib
import json
import re

import network
from network import check, check_equal

PORT = 8444
FOUR = f'{network.VIP}:81'
SEVEN = f'{network.VIP}:80'
KEPT = f'{network.VIP}:83'


def password_hash():
  salt = b'saltsaltsaltsalt'
  digest = hashlib.scrypt(b'password', salt=salt, n=1024, r=8, p=1, dklen=32)
  text = lambda data: base64.b64encode(data).decode().rstrip('=')
  return f'$scrypt$ln=10,r=8,p=1${text(salt)}${text(digest)}'


def config():
  servers = [network.real_server(network.server_address(number), port=80)
             for number in (1, 2, 3)]
  return (network.service('four', network.VIP, 81, servers,
                          persistence='{ mode: SOURCE_IP timeout_s: 360 }')
          + network.service('turns', network.VIP, 82, servers)
          + network.service('seven', network.VIP, 80,
                            servers + ['l7 { }'])
          + network.service('kept', network.VIP, 83, servers + ['l7 { }'],
                            persistence='{ mode: SOURCE_IP timeout_s: 360 }')
          + f'management {{ enable_api: true port: {PORT} users {{ name: "bal" '
          f'role: ADMIN password_hash: "{password_hash()}" }} }}')


class Api:

  def __init__(self, bed):
    self._bed = bed

  def post(self, path, **order):
    """(status, answer)"""
    text = self._bed.director.run([
        'curl', '-sSk', '--max-time', '20', '-u', 'bal:password', '-w',
        '\n%{http_code}', '-H', 'Content-Type: application/json', '-H',
        'X-Ballast-Request: 1', '-d', json.dumps(order),
        f'https://127.0.0.1:{PORT}/v1/{path}'])
    body, status = text.rsplit('\n', 1)
    return int(status), json.loads(body)

  def ask(self, path, **order):
    status, answer = self.post(path, **order)
    check_equal(status, 200, f'{path} {order}: {answer}')
    return answer


def server_of(text):
  words = text.split()
  check(len(words) > 1 and words[0] == 'server', f'answer: {text[:200]!r}')
  return int(words[1])


def number_of(server):
  match = re.fullmatch(r'10\.2\.0\.1(\d):80', server)
  check(match, f'server: {server!r}')
  return int(match.group(1))


def questions_are_answered(bed):
  bed.start_nginx([80])
  bed.start_ballastd(config())
  bed.ballastd.await_log('management: HTTPS at')
  api = Api(bed)

  # A connection that is open: in the list, by each of its ends.
  held = bed.client.connect((network.VIP, 81))
  client = '%s:%d' % held.getsockname()
  everything = api.ask('connections')
  check(any(c['client'] == client for c in everything['connections']),
        f'{client} in {everything}')
  for query in ({'client': client}, {'client': network.CLIENT},
                {'service': f'{FOUR}/tcp'}):
    one = api.ask('connections', **query)['connections']
    check_equal([(c['client'], c['destination'], c['state']) for c in one],
                [(client, FOUR, 'ESTABLISHED')], f'connections {query}')
  server = one[0]['server']
  check_equal(len(api.ask('connections', server=server)['connections']), 1,
              f'connections of {server}')
  check_equal(api.ask('connections', client='10.9.9.9')['connections'], [],
              'connections of nobody')
  check_equal(api.post('connections', service='10.9.9.9:1/tcp')[0], 404,
              'connections of no service')

  # Why that one has it, and why the next one of the same client will.
  known = api.ask('explain', client=client, destination=FOUR)
  check_equal((known['server'], known['reason']), (server, 'connection'),
              f'explain an open connection: {known}')
  known = api.ask('explain', client=f'{network.CLIENT}:1', destination=FOUR)
  check_equal((known['server'], known['reason'],
               known['persistence']['key']),
              (server, 'persistence', network.CLIENT), f'explain: {known}')
  held.close()

  # The entry, by each of what finds it; taken out, the next one has its turn.
  for query in ({}, {'client': network.CLIENT}, {'service': f'{FOUR}/tcp'}):
    entries = api.ask('persistence', **query)['entries']
    check_equal([(e['mode'], e['key'], e['server']) for e in entries],
                [('src', network.CLIENT, server)], f'entries {query}')
  check_equal(api.ask('persistence', client='10.9.9.9')['entries'], [],
              'entries of nobody')
  check_equal(api.post('persistence/delete')[0], 400, 'delete everything')
  gone = api.ask('persistence/delete', client=network.CLIENT)['entries']
  check_equal([e['key'] for e in gone], [network.CLIENT], 'deleted')
  check_equal(api.ask('persistence')['entries'], [], 'entries after that')
  known = api.ask('explain', client=f'{network.CLIENT}:1', destination=FOUR)
  check(known['reason'] == 'schedule' and known['server'] != server,
        f'explain after that: {known}')

  # The same at layer 7, where a key is a digest of what a request goes by.
  went = server_of(bed.curl(f'http://{KEPT}/'))
  check_equal(server_of(bed.curl(f'http://{KEPT}/')), went, 'it persists')
  by_client = api.ask('persistence', client=network.CLIENT)['entries']
  check_equal([(e['layer7'], e['service'], e['mode'], number_of(e['server']))
               for e in by_client], [(True, f'{KEPT}/tcp', 'src', went)],
              f'entries of layer 7: {by_client}')
  known = api.ask('explain', client=f'{network.CLIENT}:1', destination=KEPT)
  check_equal(known['reason'], 'persistence', f'explain: {known}')
  key = by_client[0]['key']
  check_equal([e['key'] for e in api.ask('persistence', key=key)['entries']],
              [key], 'entries of a key')
  check_equal([e['key'] for e in
               api.ask('persistence/delete', key=key)['entries']],
              [key], 'deleted by key')
  check_equal(api.ask('persistence')['entries'], [], 'entries after that')
  known = api.ask('explain', client=f'{network.CLIENT}:1', destination=KEPT)
  check_equal(known['reason'], 'schedule', f'explain after that: {known}')
  got = server_of(bed.curl(f'http://{KEPT}/'))
  check_equal(got, number_of(known['server']), 'scheduled anew')

  # Whose turn it is, at layer 4 and 7: asked twice, then taken.
  for destination in (f'{network.VIP}:82', SEVEN):
    for turn in range(4):
      asked = [api.ask('explain', client=f'{network.CLIENT}:1',
                       destination=destination) for _ in range(2)]
      check_equal(asked[0], asked[1], 'asking changes nothing')
      check_equal(asked[0]['reason'], 'schedule', f'reason: {asked[0]}')
      got = server_of(bed.curl(f'http://{destination}/'))
      check_equal(number_of(asked[0]['server']), got,
                  f'{destination}, turn {turn}: {asked[0]["steps"]}')

  # Refusals.
  known = api.ask('explain', client=client, destination=f'{network.VIP}:9')
  check_equal((known['server'], known['reason']), ('', 'no_service'),
              f'explain no service: {known}')
  bed.reload(config().replace('real_servers {', 'real_servers { state: DISABLED'))
  for destination in (f'{network.VIP}:82', SEVEN):
    known = api.ask('explain', client=f'{network.CLIENT}:1',
                    destination=destination)
    check_equal((known['server'], known['reason']), ('', 'no_server'),
                f'explain a service without servers: {known}')
    check(any('disabled' in step for step in known['steps']),
          f'steps: {known["steps"]}')


if __name__ == '__main__':
  network.main(questions_are_answered)
