#!/usr/bin/python3 -B
"""WebSockets (RFC 6455) through ballastd: client and servers are another
project's (python3-websockets), in both directions at a time, plain and by TLS.
"""

import asyncio
import http
import os
import random
import socket
import ssl
import threading
import time

try:
  import websockets
except ImportError:
  websockets = None

import network
from network import check, check_equal

BULK = 3 << 20


async def serve_client(connection):
  try:
    await talk(connection)
  except websockets.ConnectionClosed:
    pass  # By order, or cut for its silence.


async def talk(connection):
  """Says which server this is; then echoes, or does what it is told."""
  await connection.send(f'server {connection.server_number} '
                        f'{connection.path} {connection.subprotocol}')
  async for message in connection:
    if message == 'ping me':
      await (await connection.ping())
      await connection.send('your pong came')
    elif message == 'leave me':
      await connection.close(4001, 'as you say')
    elif isinstance(message, str) and message.startswith('push '):
      # Meanwhile it goes on reading.
      asyncio.ensure_future(push(connection, int(message[5:])))
    else:
      await connection.send(message)


async def push(connection, count):
  for i in range(count):
    await connection.send(f'pushed {i} ' + 'x' * 10000)


class Servers:
  """One on each server of the bed, all in one thread."""

  def __init__(self, bed):
    self._loop = asyncio.new_event_loop()
    listeners = [
        (server.number, server.namespace.socket(
            socket.SOCK_STREAM, (network.server_address(server.number), 8000)))
        for server in bed.servers]
    threading.Thread(target=self._run, args=(listeners,), daemon=True).start()

  def _run(self, listeners):
    asyncio.set_event_loop(self._loop)
    for number, listener in listeners:
      class Numbered(websockets.WebSocketServerProtocol):
        server_number = number
      self._loop.run_until_complete(websockets.serve(
          serve_client, sock=listener, create_protocol=Numbered,
          subprotocols=['chat'], max_size=2 * BULK, ping_interval=None,
          process_request=lambda path, fields: (
              (http.HTTPStatus.FORBIDDEN, [], b'not you\n')
              if path == '/forbidden' else None)))
    self._loop.run_forever()


def connect(bed, path='/', port=80, tls=None, **options):
  made = bed.client.connect((network.VIPS[4], port), 5)
  made.settimeout(None)
  return websockets.connect(
      f'{"wss" if tls else "ws"}://a.example{path}', sock=made, ssl=tls,
      server_hostname='a.example' if tls else None, max_size=2 * BULK,
      ping_interval=None, **options)


def service(name, port, l7='', **fields):
  return network.service(
      name, network.VIPS[4], port,
      [network.real_server(network.server_address(number), port=8000)
       for number in (1, 2, 3)] + ['l7 { ' + l7 + ' }'], **fields)


def start(bed, body):
  if websockets is None:
    raise network.Skip('python3-websockets is not installed')
  Servers(bed)
  bed.start_ballastd(body)


def within(seconds, coroutine):
  return asyncio.run(asyncio.wait_for(coroutine, seconds))


async def greeting(connection):
  text = await connection.recv()
  check(text.startswith('server '), f'greeting: {text!r}')
  return text


def both_ways(bed):
  """Text, bytes, fragments, pings of either side, all at once; closes."""
  pem = [os.path.join(bed.folder, f'a.{part}') for part in ('crt', 'key')]
  bed.client.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
      '/CN=a.example', '-addext', 'subjectAltName=DNS:a.example', '-out',
      pem[0], '-keyout', pem[1]])
  start(bed, service('plain', 80) + service(
      'secure', 443, f'tls {{ certificates {{ chain_file: "{pem[0]}" '
      f'key_file: "{pem[1]}" }} }}'))

  async def one(port, tls, compression):
    async with connect(bed, '/chat?room=1', port, tls, subprotocols=['chat'],
                       compression=compression) as connection:
      words = (await greeting(connection)).split()
      check_equal(words[2:], ['/chat?room=1', 'chat'], 'what the server saw')
      check_equal(connection.subprotocol, 'chat', 'subprotocol')
      check_equal([x.name for x in connection.extensions],
                  ['permessage-deflate'] if compression else [], 'extensions')
      for message in ('', 'hällo', b'', os.urandom(BULK)):
        await connection.send(message)
        check(await connection.recv() == message, 'the echo of a message')
      await connection.send(['three ', 'fragments ', 'in one'])
      check_equal(await connection.recv(), 'three fragments in one',
                  'the echo of fragments')
      await (await connection.ping())
      await connection.send('ping me')
      check_equal(await connection.recv(), 'your pong came', 'the other ping')

      # Megabytes each way at the same time.
      pushes = 300
      await connection.send(f'push {pushes}')
      sent = [random.Random(i).randbytes(10000) for i in range(300)]
      async def send_all():
        for message in sent:
          await connection.send(message)
      sending = asyncio.ensure_future(send_all())
      pushed, echoed = [], []
      while len(pushed) < pushes or len(echoed) < len(sent):
        message = await connection.recv()
        (pushed if isinstance(message, str) else echoed).append(message)
      await sending
      check(echoed == sent, 'echoes in order')
      check_equal([text.split()[1] for text in pushed],
                  [str(i) for i in range(pushes)], 'pushed messages in order')

      await connection.send('leave me')
      try:
        await connection.recv()
        check(False, 'it must be closed')
      except websockets.ConnectionClosed:
        pass
      check_equal((connection.close_code, connection.close_reason),
                  (4001, 'as you say'), 'why it was closed')
    return int(words[1])

  context = ssl.create_default_context(cafile=pem[0])
  seen = [within(60, one(port, tls, compression))
          for port, tls in ((80, None), (443, context))
          for compression in ('deflate', None)]
  check(len(set(seen[:2])) == 2, f'servers of two connections: {seen}')

  async def forbidden():
    try:
      async with connect(bed, '/forbidden'):
        check(False, 'the handshake must fail')
    except websockets.InvalidStatusCode as error:
      check_equal(error.status_code, 403, 'status of a refused handshake')
  within(10, forbidden())


def idle(bed):
  """A silent one is cut after the idle timeout; pings keep it, and a reload
  leaves it alone."""
  timeout = 3
  body = service('idle', 80, idle_timeout_s=timeout)
  start(bed, body)

  async def silent():
    async with connect(bed) as connection:
      await greeting(connection)
      began = time.monotonic()
      try:
        await connection.recv()
        check(False, 'nothing was to come')
      except websockets.ConnectionClosedError as error:
        check(error.rcvd is None, f'a close frame came: {error}')
      lasted = time.monotonic() - began
      check(timeout - 0.1 <= lasted < timeout + 5, f'it lasted {lasted:.2f} s')

  async def kept():
    async with connect(bed) as connection:
      await greeting(connection)
      for turn in range(10):
        await asyncio.sleep(timeout / 6)
        await (await connection.ping())
        if turn == 2:
          bed.reload(body + service('other', 81))
      await connection.send('still there')
      check_equal(await connection.recv(), 'still there', 'after pings')

  async def together():
    await asyncio.gather(silent(), kept())
  within(30, together())


if __name__ == '__main__':
  network.main(both_ways, idle)
