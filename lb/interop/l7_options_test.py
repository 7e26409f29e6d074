#!/usr/bin/python3 -B
"""Options of layer 7 with real clients: who takes a request, what is added to
it, what is answered while nobody can, and how HTTP passes through.
"""

import os
import time

import network
from l7_peers import OK, Scripted, dial, request, say
from network import check, check_equal

HEAD = b'HTTP/1.1 200 OK\r\n'


def proxy(name, port, servers=(1, 2, 3), backend=80, l7='', extra=(), **fields):
  blocks = [network.real_server(network.server_address(number), port=backend)
            for number in servers]
  return network.service(name, network.VIP, port,
                         [*blocks, *extra, f'l7 {{ {l7} }}'], **fields)


def get(bed, port, path='/', *flags):
  text = bed.curl(*flags, f'http://{network.VIP}:{port}{path}')
  return int(text.split()[1])


def all_up(bed, name):
  def up():
    servers = bed.ballastd.statistics()[name].values()
    return servers and all(server['up'] for server in servers)
  network.eventually(up, f'every server of {name} is up', 20, 0.2)


def sub_services(bed):
  """Matches by path, host, method and header; the rest by weight."""
  def sub(name, number, text=''):
    return (f'sub_services {{ name: "{name}" {text} '
            'health_check { type: NONE } '
            + network.real_server(network.server_address(number), port=80)
            + ' }')
  bed.start_nginx([80])
  bed.start_ballastd(
      proxy('match', 8000, (), l7=(
          sub('off', 3, 'matches { path_prefix: "/img" } disabled: true')
          + sub('images', 1, 'matches { path_prefix: "/img" } '
                'matches { host: "*.img.example" }')
          + sub('writes', 2, 'matches { method: "POST" path_prefix: "/api/" }')
          + sub('beta', 3, 'matches { header: "X-Beta" header_value: "1" }')
          + sub('rest', 2)))
      + proxy('weights', 8001, (), schedule='WRR', l7=(
          sub('a', 1, 'weight: 300') + sub('b', 2, 'weight: 100')))
      + proxy('turns', 8002, (), l7=''.join(
          sub(f's{i}', i) for i in (1, 2, 3)))
      + proxy('urls', 8003, (), schedule='UHASH', l7=''.join(
          sub(f's{i}', i) for i in (1, 2, 3))))
  for path, flags, server in (
      ('/img', (), 1), ('/img/a?b', (), 1), ('/images', (), 2),
      ('/', ('-H', 'Host: a.img.example:80'), 1),
      ('/', ('-H', 'Host: img.example'), 2),
      ('/api/x', ('-X', 'POST'), 2), ('/api/x', (), 2),
      ('/', ('-H', 'x-beta: 1'), 3), ('/', ('-H', 'X-Beta: 10'), 2),
      ('/img', ('-H', 'X-Beta: 1'), 1)):
    check_equal(get(bed, 8000, path, *flags), server, f'{path} {flags}')
  servers = [get(bed, 8001) for _ in range(12)]
  check_equal((servers.count(1), servers.count(2)), (9, 3), 'weights 3 to 1')
  check_equal(sorted(get(bed, 8002) for _ in range(6)), [1, 1, 2, 2, 3, 3],
              'by turns')
  homes = {}
  for _ in range(2):
    for i in range(16):
      server = get(bed, 8003, f'/o{i}')
      check_equal(homes.setdefault(i, server), server, f'object {i}')
  check_equal(set(homes.values()), {1, 2, 3},
              'URL hash over sub services: homes of 16 objects')


def url_hash(bed):
  """A dead home's objects go to the next server in the list, and come back."""
  bed.start_nginx([80])
  bed.start_ballastd(
      'health { interval_s: 9 timeout_s: 4 retry_count: 2 }\n'
      + proxy('urls', 8000, schedule='UHASH', check='CONNECT'))
  all_up(bed, 'urls')
  def homes(*flags):
    return {i: get(bed, 8000, f'/o{i}', *flags) for i in range(24)}
  before = homes()
  check_equal(set(before.values()), {1, 2, 3}, 'homes')
  check_equal({i: get(bed, 8000, f'/o{i}?v={i}') for i in range(24)}, before,
              'the query takes no part')
  victim = bed.servers[1]
  victim.nginx.kill()
  victim.nginx.wait()
  check_equal(homes(), {i: 3 if home == 2 else home
                        for i, home in before.items()},
              'the next server in the list')
  check_equal(homes('-X', 'PUT')[0], {2: 3}.get(before[0], before[0]),
              'whatever the method')
  victim.start_nginx([80])
  network.eventually(lambda: homes() == before, 'they come home', 25, 0.5)


def unavailable(bed):
  """Nobody to go to: §5.5."""
  bed.start_nginx([80])
  page = os.path.join(bed.folder, 'page.html')
  with open(page, 'w', encoding='utf-8') as file:
    file.write('<p>later</p>')
  def none(name, port, l7='', extra=()):
    return network.service(
        name, network.VIP, port,
        [network.real_server('10.2.0.99', port=80, state='DISABLED'),
         *extra, f'l7 {{ {l7} }}'])
  redirects = (301, 302, 303, 307, 308)
  bed.start_ballastd(
      none('plain', 8000) + none('code', 8001, 'error_code: 404')
      + none('page', 8002, f'error_code: 500 error_page_file: "{page}"')
      + none('sorry', 8003, 'error_code: 404',
             ['sorry_server { address: "10.2.0.13" port: 80 }'])
      + none('generic', 8004, 'type: GENERIC')
      + none('fine', 8005, f'error_code: 200 error_page_file: "{page}"')
      + ''.join(none(f'to{code}', 9000 + code,
                     f'error_code: {code} error_url: "https://e.org/?a=b"')
                for code in redirects))
  def told(port, *flags):
    return bed.curl(*flags, '-w', ' %{http_code} %{redirect_url}',
                    f'http://{network.VIP}:{port}/a').split()
  check_equal(told(8000)[-1], '503', 'without a word')
  check_equal(told(8001)[-1], '404', 'a code')
  check_equal(told(8002), ['<p>later</p>', '500'], 'a page')
  check_equal(told(8002, '-d', 'x=y'), ['<p>later</p>', '500'], 'of POST')
  check_equal(told(8005), ['<p>later</p>', '200'], 'a page that is fine')
  head = bed.curl('-I', f'http://{network.VIP}:8002/')
  check(' 500 ' in head and 'Content-Length: 12' in head
        and 'text/html' in head, f'the head of a page: {head}')
  for code in redirects:
    check_equal(told(9000 + code)[-2:], [str(code), 'https://e.org/?a=b'],
                f'{code}')
  check_equal(get(bed, 8003), 3, 'the sorry server')
  stream = dial(bed, 8004)
  stream.send(b'hello')
  check(stream.rest()[0] == b'', 'bytes: closed without a word')


def forwarded(bed):
  """What servers learn of the client, whatever it says itself; hop-by-hop
  fields stay behind."""
  bed.start_ballastd(
      proxy('none', 8000, (1,), 7000)
      + proxy('xff', 8001, (1,), 7000, 'client_header: X_FORWARDED_FOR')
      + proxy('forwarded', 8002, (1,), 7000,
              'client_header: FORWARDED via: true'))
  client = network.CLIENT
  with Scripted(bed.servers[0], 7000) as server:
    server.on('/', say(HEAD + b'Content-Length: 2\r\nVia: 1.1 origin\r\n'
                       b'X-Hop: a\r\nKeep-Alive: timeout=5\r\n'
                       b'Connection: keep-alive, X-Hop\r\n\r\nok'))
    def asked(port, *flags):
      answer = bed.curl('-D', '-', *flags, f'http://{network.VIP}:{port}/')
      check('X-Hop' not in answer and 'Keep-Alive' not in answer, answer)
      return server.asked('/')[-1][1], answer
    fields, answer = asked(8000, '-H', 'X-Forwarded-For: 1.2.3.4')
    check_equal(fields.get('x-forwarded-for'), '1.2.3.4', 'not touched')
    check('via' not in fields and 'forwarded' not in fields, f'{fields}')
    fields, _ = asked(8001, '-H', 'X-Forwarded-For: 1.2.3.4',
                      '-H', 'X-Forwarded-Proto: https')
    check_equal(fields.get('x-forwarded-for'), f'1.2.3.4, {client}', 'appended')
    check_equal(fields.get('x-forwarded-proto'), 'http', 'replaced')
    check_equal(fields.get('x-forwarded-host'), f'{network.VIP}:8001', 'Host')
    fields, answer = asked(8002, '-H', 'Forwarded: for=1.2.3.4')
    check_equal(fields.get('forwarded'),
                f'for=1.2.3.4, for={client};proto=http;'
                f'host="{network.VIP}:8002"', 'RFC 7239')
    check_equal(fields.get('via'), '1.1 ballast', 'Via to the server')
    check('Via: 1.1 origin' in answer and 'Via: 1.1 ballast' in answer, answer)
    fields, _ = asked(8001, '-H', 'Connection: close, X-Forwarded-For, X-A',
                      '-H', 'X-A: b', '-H', 'TE: trailers',
                      '-H', 'Proxy-Connection: keep-alive',
                      '-H', 'Keep-Alive: 5')
    check_equal(fields.get('x-forwarded-for'), client, 'kept all the same')
    for name in ('x-a', 'te', 'proxy-connection', 'keep-alive', 'connection'):
      check(name not in fields, f'{name} is hop by hop: {fields}')
    check_equal(server.errors, [], 'errors of the server itself')


def idle_timeouts(bed):
  """0 is what connection_timeout_s says."""
  bed.start_nginx([80])
  bed.start_ballastd('connection_timeout_s: 2\n'
                     + proxy('zero', 8000, idle_timeout_s=0)
                     + proxy('four', 8001, idle_timeout_s=4)
                     + proxy('bytes', 8002, l7='type: GENERIC',
                             idle_timeout_s=2))
  ends = {}
  def wait(port):
    stream = dial(bed, port)
    stream.send(request('GET /'))
    check_equal(stream.answer()[0], 200, f'port {port}')
    began = time.monotonic()
    check_equal(stream.rest()[0], b'', f'port {port}')
    ends[port] = time.monotonic() - began
  workers = [network.Worker(lambda port=port: wait(port))
             for port in (8000, 8001, 8002)]
  for worker in workers:
    worker.start()
  for worker in workers:
    worker.join(20)
  for port, seconds in ((8000, 2), (8001, 4), (8002, 2)):
    check(seconds - 0.5 < ends[port] < seconds + 2,
          f'port {port} is closed after {ends[port]:.1f} s, not {seconds}')


def http_features(bed):
  """100 (Continue), HEAD, trailers, refused upgrades, HTTP/1.0."""
  bed.start_ballastd(proxy('web', 8000, (1,), 7000))
  with Scripted(bed.servers[0], 7000) as server:
    def ask(data, count=1):
      stream = dial(bed, 8000)
      stream.send(data)
      return stream, [stream.answer() for _ in range(count)]

    # 100-continue: granted, ignored, refused.
    def granted(stream):
      check_equal(stream.fields.get('expect'), '100-continue', 'Expect')
      check_equal(stream.buffer, b'', 'the body waits')
      stream.send(b'HTTP/1.1 100 Continue\r\n\r\n')
      say(OK)(stream)
    server.on('/granted', granted)
    server.on('/ignored', say(OK))
    server.on('/refused', lambda s: s.send(
        b'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n').close())
    flags = ['-H', 'Expect: 100-continue', '-d', 'body', '-o', '/dev/null',
             '-w', '%{http_code} %{time_total} %{size_upload}']
    for path, status, sent in (('/granted', 200, 4), ('/ignored', 200, 4),
                               ('/refused', 403, 0)):
      words = bed.curl(*flags, f'http://{network.VIP}:8000{path}').split()
      check_equal((int(words[0]), int(words[2])), (status, sent), path)
      if path == '/granted':
        check(float(words[1]) < 0.9, f'{path} took {words[1]} s')

    # HEAD has no body, whatever its fields say; and the next answer is seen.
    server.on('/head', lambda s: s.send(HEAD + b'Content-Length: 5000\r\n\r\n'))
    server.on('/get', say(OK))
    stream = dial(bed, 8000)
    for _ in range(3):
      stream.send(request('HEAD /head') + request('GET /get'))
      line, fields = stream.head()
      check_equal((line.split()[1], fields['content-length']),
                  ('200', '5000'), 'HEAD')
      check_equal(stream.answer()[2], b'ok', 'the answer after it')
    stream.close()

    # Trailers pass, both ways.
    def trailers(stream):
      body = b''
      while length := int(stream.until(b'\r\n'), 16):
        body += stream.exactly(length)
        stream.exactly(2)
      got = stream.until(b'\r\n')
      stream.until(b'\r\n')
      check_equal((body, got), (b'hello', b'X-Sum: 1'), 'trailers sent')
      stream.send(HEAD + b'Transfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n'
                  b'2\r\nok\r\n0\r\nX-End: 2\r\n\r\n')
    server.on('/trailers', trailers)
    stream = dial(bed, 8000)
    stream.send(request('POST /trailers', 'Transfer-Encoding: chunked',
                        'Trailer: X-Sum')
                + b'5;ext=1\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n')
    stream.head()
    check_equal(stream.until(b'0\r\n'), b'2\r\nok\r\n', 'the chunks')
    check_equal(stream.until(b'\r\n\r\n'), b'X-End: 2', 'trailers back')
    stream.close()

    # A server that does not want the protocol answers as ever.
    server.on('/upgrade', say(OK))
    stream, answers = ask(request('GET /upgrade', 'Upgrade: websocket',
                                  'Connection: Upgrade')
                          + request('GET /get'), 2)
    check_equal([answer[::2] for answer in answers], [(200, b'ok')] * 2,
                'an upgrade that is refused')
    check_equal(server.asked('/upgrade')[-1][1].get('upgrade'), 'websocket',
                'what the server was asked for')
    ask(request('GET /upgrade', 'Upgrade: h2c', 'Connection: Upgrade, '
                'HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAAP__'))
    check('upgrade' not in server.asked('/upgrade')[-1][1], 'h2c stays behind')
    stream.close()

    # HTTP/1.0: closed after the answer unless it asks for more.
    server.on('/chunks', say(HEAD + b'Transfer-Encoding: chunked\r\n\r\n'
                             b'2\r\nok\r\n0\r\n\r\n'))
    stream = dial(bed, 8000)
    stream.send(request('GET /get', version='1.0'))
    check_equal(stream.answer()[2], b'ok', 'HTTP/1.0')
    check_equal(stream.rest(), (b'', 'end'), 'HTTP/1.0 is closed')
    stream = dial(bed, 8000)
    for _ in range(3):
      stream.send(request('GET /get', 'Connection: keep-alive', version='1.0'))
      status, fields, body = stream.answer()
      check_equal((status, fields.get('connection'), body),
                  (200, 'keep-alive', b'ok'), 'HTTP/1.0 that is kept')
    stream.send(request('GET /chunks', 'Connection: keep-alive', version='1.0'))
    _, fields, body = stream.answer()
    check('transfer-encoding' not in fields and body == b'ok',
          f'chunks for HTTP/1.0: {fields}, {body!r}')
    stream.close()
    # Without Host, too.
    stream = dial(bed, 8000)
    stream.send(b'GET /get HTTP/1.0\r\n\r\n')
    check_equal(stream.answer()[0], 200, 'HTTP/1.0 without Host')
    check_equal(server.asked('/get')[-1][1].get('host'), '10.2.0.11:7000',
                'the Host it gets')
    check_equal(server.errors, [], 'errors of the server itself')


if __name__ == '__main__':
  network.main(sub_services, url_hash, unavailable, forwarded, idle_timeouts,
               http_features)
