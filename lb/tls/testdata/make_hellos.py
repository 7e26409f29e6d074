#!/usr/bin/python3
"""Made hello_*.bin beside it: what clients and servers say first, on loopback,
with OpenSSL 3.0.19 and curl 7.88.1 (OpenSSL) on 2026-11-22:

    cd lb/tls/testdata && python3 make_hellos.py

Client hellos are all that the client sends before it is answered. Server hellos
are all of the server's first flight.
"""

import os
import socket
import subprocess
import threading
import time

CLIENTS = {
    # Both versions, a name, two protocols.
    'client_tls13': ['openssl', 's_client', '-connect', '{}', '-servername',
                     'One.Test', '-alpn', 'h2,http/1.1'],
    'client_tls12': ['openssl', 's_client', '-connect', '{}', '-servername',
                     'one.test', '-tls1_2'],
    'client_no_name': ['openssl', 's_client', '-connect', '{}', '-noservername',
                       '-tls1_2'],
    'client_curl': ['curl', '-sk', '--connect-to', 'www.one.test:443:{}',
                    'https://www.one.test/'],
}


def listen():
  listener = socket.create_server(('127.0.0.1', 0))
  return listener, '127.0.0.1:%d' % listener.getsockname()[1]


def save(name, data):
  with open(f'hello_{name}.bin', 'wb') as file:
    file.write(data)
  print(name, len(data))


def client(name, command):
  listener, address = listen()
  process = subprocess.Popen([word.format(address) for word in command],
                             stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
  connection, _ = listener.accept()
  save(name, connection.recv(65536))
  connection.close()
  process.wait()


def resumed(version, name, server_name, tickets):
  """A second connection that shows the first one's session; both flights."""
  listener, address = listen()
  port = listener.getsockname()[1] + 1
  server = subprocess.Popen(
      ['openssl', 's_server', '-accept', f'127.0.0.1:{port}', '-cert',
       'one.pem', '-key', 'one.key.pem', '-quiet', version]
      + ([] if tickets else ['-no_ticket']),
      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL)
  flights = []

  def relay():
    for _ in range(2):
      near, _ = listener.accept()
      while True:
        try:
          far = socket.create_connection(('127.0.0.1', port))
          break
        except OSError:
          pass
      first = {}
      done = threading.Event()

      def copy(a, b, side):
        try:
          while data := a.recv(65536):
            first.setdefault(side, data)
            b.sendall(data)
        except OSError:
          pass  # The other side has ended it.
        done.set()
      for ends in ((near, far, 'client'), (far, near, 'server')):
        threading.Thread(target=copy, args=ends, daemon=True).start()
      done.wait()
      near.close()
      far.close()
      flights.append(first)
  thread = threading.Thread(target=relay)
  thread.start()
  common = ['openssl', 's_client', '-connect', address, version, '-servername',
            'one.test']
  for extra in (['-sess_out', 'session.tmp'], ['-sess_in', 'session.tmp']):
    process = subprocess.Popen(common + extra, stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(1)  # TLS 1.3: the ticket comes behind the handshake.
    process.communicate(b'Q\n', timeout=20)
  thread.join(20)
  server.kill()
  server.wait()
  os.remove('session.tmp')
  save(server_name, flights[0]['server'])
  save(name, flights[1]['client'])
  save(server_name + '_resumed', flights[1]['server'])


if __name__ == '__main__':
  for each, words in CLIENTS.items():
    client(each, words)
  resumed('-tls1_2', 'client_session_id', 'server_session_id', tickets=False)
  resumed('-tls1_2', 'client_ticket', 'server_ticket', tickets=True)
  resumed('-tls1_3', 'client_psk', 'server_tls13', tickets=True)
