#!/usr/bin/python3 -B
"""Health checks of every type, through ballastd: nginx for HTTP and HTTPS,
small servers that speak as the RFCs say for the rest. All of them go down and
come up again, and statistics say why."""

import os
import socket
import ssl
import threading

import network
from network import check, check_equal

SHIFT = 1000  # The same server on another port: a new port is checked at once.

NGINX = """
daemon off; worker_processes 1; pid {folder}/health.pid;
error_log {folder}/health.log;
events {{ worker_connections 256; }}
http {{
  access_log off; root {folder};
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
  fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4;
  scgi_temp_path {folder}/5;
  server {{
    listen 2080; listen 3080; listen 2443 ssl; listen 3443 ssl;
    ssl_certificate {folder}/own.crt; ssl_certificate_key {folder}/own.key;
    location /ready {{ if (-f {folder}/down) {{ return 503; }} return 200; }}
    location /teapot {{ if (-f {folder}/down) {{ return 500; }} return 418; }}
    location /host {{
      if (-f {folder}/down) {{ return 200 "not yet"; }}
      return 200 "$http_host $request_method $http_x_check all is well";
    }}
  }}
}}
"""


def tpdu(code):
  return bytes([3, 0, 0, 11, 6, code, 0, 0, 0, 0, 0])


def bind_response(result):
  return bytes([0x30, 12, 2, 1, 1, 0x61, 7, 0x0a, 1, result, 4, 0, 4, 0])


# type: (port, what is said first or after having heard something, good, bad,
# what must have been heard last, part of the reason when down)
SPEAKERS = {
    'SMTP': (2025, None, b'220 mail.example ESMTP\r\n', b'421 busy\r\n',
             b'QUIT\r\n', '421 busy'),
    'NNTP': (2119, None, b'201 no posting\r\n', b'400 down\r\n', b'QUIT\r\n',
             '400 down'),
    'FTP': (2021, None, b'220-Welcome\r\n220 go on\r\n', b'421 no\r\n',
            b'QUIT\r\n', '421 no'),
    'POP3': (2110, None, b'+OK ready\r\n', b'-ERR no\r\n', b'QUIT\r\n',
             '-ERR no'),
    'IMAP': (2143, None, b'* OK IMAP4rev2\r\n', b'* BYE no\r\n',
             b'a LOGOUT\r\n', '* BYE no'),
    'TELNET': (2023, None, b'\xff\xfd\x18\xff\xfd\x20', b'login: ', b'',
               'login: '),
    'RDP': (2389, b'\x03\x00\x00\x13\x0e\xe0', tpdu(0xd0), tpdu(0x80), None,
            'X.224 code 8'),
    'BINARY': (2007, b'Hello', b'..World..', b'.' * 100 + b'World', None,
               'not in the first 100 bytes'),
    'LDAP': (2390, b'\x30\x0c\x02\x01\x01\x60', bind_response(0),
             bind_response(51), b'\x30\x05\x02\x01\x02\x42\x00',
             'LDAP result 51'),
}
FIELDS = {'BINARY': 'url: "48 65 6c 6c 6f" pattern: "576f726c64" '
                    'match_length: 100'}


class Speaker:
  """A TCP server that says one thing, good or bad."""

  def __init__(self, server, port, asked, good, bad, tls=None):
    self._asked, self._says = asked, {True: good, False: bad}
    self._tls = tls
    self.good = True
    self.heard = []  # All of each connection, while good.
    for at in (port, port + SHIFT):
      listener = server.namespace.socket(socket.SOCK_STREAM,
                                         (server.address(), at))
      listener.listen(64)
      threading.Thread(target=self._accept, args=(listener,),
                       daemon=True).start()

  def _accept(self, listener):
    while True:
      connection, _ = listener.accept()
      threading.Thread(target=self._speak, args=(connection, self.good),
                       daemon=True).start()

  def _speak(self, connection, good):
    heard = b''
    try:
      connection.settimeout(10)
      if self._tls:
        connection = self._tls.wrap_socket(connection, server_side=True)
      while self._asked and not heard.startswith(self._asked):
        data = connection.recv(1000)
        if not data:
          return
        heard += data
      connection.sendall(self._says[good])
      # A server closes when it is told to, or the client does.
      while data := connection.recv(1000):
        heard += data
        if heard.endswith((b'QUIT\r\n', b'LOGOUT\r\n', b'\x42\x00')):
          return
    except OSError:
      pass
    finally:
      connection.close()
      if good:
        self.heard.append(heard)


class NameServer:
  """Answers every question with a refusal, which is an answer; or says
  nothing."""

  def __init__(self, server, port):
    self.good = True
    for at in (port, port + SHIFT):
      bound = server.namespace.socket(socket.SOCK_DGRAM,
                                      (server.address(), at))
      threading.Thread(target=self._answer, args=(bound,), daemon=True).start()

  def _answer(self, bound):
    while True:
      question, client = bound.recvfrom(512)
      if self.good:
        # RFC 1035 §4.1.1: QR, RCODE 5.
        bound.sendto(question[:2] + b'\x80\x05' + question[4:], client)


def certificate(bed, folder):
  bed.client.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
      '/CN=nobody', '-out', f'{folder}/own.crt', '-keyout',
      f'{folder}/own.key'])
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(f'{folder}/own.crt', f'{folder}/own.key')
  return context


def start_nginx(server, folder):
  path = os.path.join(folder, 'health.conf')
  with open(path, 'w', encoding='utf-8') as file:
    file.write(NGINX.format(folder=folder))
  server.namespace.start(['nginx', '-p', folder, '-c', path, '-e',
                          f'{folder}/health.log'])


HTTP = {
    'http': ('HTTP', 2080, 'url: "/ready"', 'HTTP status 503'),
    'codes': ('HTTP', 2080, 'url: "/teapot" method: OPTIONS codes: 418',
              'HTTP status 500'),
    'https': ('HTTPS', 2443, 'url: "/ready" method: GET', 'HTTP status 503'),
    'pattern': ('HTTPS', 2443,
                'url: "/host?x" method: POST http11: true host: "h.example" '
                'headers: "X-Check: yes" post_data: "a=b" '
                'pattern: "^h.example POST yes all is (well|fine)$"',
                'the pattern is not in'),
}


def services(shift):
  """Each with one server, its check on its port or the other one."""
  address = network.server_address(1)
  servers = [network.real_server(address, name='one')]
  text = ''
  port = 7000
  checks = {name.lower(): (name, at, FIELDS.get(name, ''))
            for name, (at, *_) in SPEAKERS.items()}
  checks.update({name: (kind, at, fields)
                 for name, (kind, at, fields, _) in HTTP.items()})
  checks['dns'] = ('DNS', 2053, '')
  for name, (kind, at, fields) in checks.items():
    port += 1
    text += network.service(name, network.VIP, port, servers,
                            check=f'{kind} port: {at + shift} {fields}')
  # LDAPS is a matter of the port, which has to be 636.
  text += network.service('ldaps', network.VIP, 7100, servers,
                          check='LDAP port: 636')
  # Accepts, and says nothing.
  text += network.service('silent', network.VIP, 7101, servers,
                          check='SMTP port: 2999')
  # One of layer 4 that follows another, and one of layer 7 that does.
  follow = [network.real_server(
      address, follow='{ service: "http" server: "one" }')]
  text += network.service('follower', network.VIP, 7102, follow)
  text += network.service('follower7', network.VIP, 7103, follow + ['l7 {}'])
  # A layer 7 pool with a check of its own.
  text += network.service('web', network.VIP, 7104, servers + ['l7 {}'],
                          check=f'HTTP port: {2080 + shift} url: "/ready"')
  # Up by all but one server, and that one is critical.
  text += network.service(
      'critical', network.VIP, 7105,
      [network.real_server(address, follow='{ service: "http" server: "one" }',
                           critical='true'),
       network.real_server(network.server_address(2))])
  return text


def every_type(bed):
  server = bed.servers[0]
  folder = os.path.join(bed.folder, 'health')
  os.mkdir(folder)
  tls = certificate(bed, folder)
  start_nginx(server, folder)
  speakers = {
      name: Speaker(server, port, asked, good, bad)
      for name, (port, asked, good, bad, _, _) in SPEAKERS.items()}
  _, asked, good, bad, _, _ = SPEAKERS['LDAP']
  Speaker(server, 636, asked, good, bad, tls)
  names = NameServer(server, 2053)
  silent = server.namespace.socket(socket.SOCK_STREAM, (server.address(), 2999))
  silent.listen(64)
  bed.start_ballastd(services(0))

  def state(name):
    found = bed.ballastd.statistics()[name]
    return found[network.server_address(1)]

  def await_all(up, but=(), seconds=10):
    last = {}

    def done():
      last.update({name: list(at.values())[0] for name, at in
                   bed.ballastd.statistics().items() if name not in but})
      return all(one['up'] == up for one in last.values())
    network.eventually(
        done, lambda: f'all {"up" if up else "down"}: ' + repr(
            {name: one['reason'] for name, one in last.items()
             if one['up'] != up}), seconds, 0.2)
    return {name: one['reason'] for name, one in last.items()}

  reasons = await_all(True, but=('silent',))
  for name, reason in reasons.items():
    # Whose own check is of type NONE says so.
    check_equal(reason, 'no check configured'
                if name in ('follower', 'follower7', 'critical') else 'answered',
                name)
  for name, (*_, last, _) in SPEAKERS.items():
    if last is not None:
      network.eventually(
          lambda name=name, last=last: any(
              heard.endswith(last) for heard in speakers[name].heard),
          lambda name=name: f'{name}: a farewell; {speakers[name].heard}', 3)

  for speaker in (*speakers.values(), names):
    speaker.good = False
  with open(f'{folder}/down', 'w', encoding='ascii'):
    pass
  bed.reload(services(SHIFT))
  reasons = await_all(False, but=('ldaps', 'silent'), seconds=20)
  for name, (*_, part) in SPEAKERS.items():
    check(part in reasons[name.lower()], f'{name}: {reasons[name.lower()]}')
  for name, (*_, part) in HTTP.items():
    check(part in reasons[name], f'{name}: {reasons[name]}')
  check_equal(reasons['dns'], 'no answer in 4 s', 'dns')
  for name in ('follower', 'follower7'):
    check('follows 10.2.0.11:' in reasons[name] and
          reasons[name].endswith('which is down'), f'{name}: {reasons[name]}')
  report = bed.ballastd.report()
  check(' critical down' in report, f'a critical server is down: {report}')
  check(' ldaps up' in report, f'one that was not touched: {report}')
  network.eventually(
      lambda: state('silent')['reason'] == 'no answer in 4 s',
      lambda: f'silent: {state("silent")}', 8, 0.2)

  for speaker in (*speakers.values(), names):
    speaker.good = True
  os.unlink(f'{folder}/down')
  bed.reload(services(0))
  await_all(True, but=('silent',))
  log = bed.ballastd.log()
  check('down: HTTP status 503' in log, f'the log says why: {log}')
  # Nothing piles up here: a farewell has the server close first.
  waiting = bed.director.run(['ss', '-Htan', 'state', 'time-wait'])
  check(len(waiting.splitlines()) < 10, f'left in TIME-WAIT: {waiting}')


if __name__ == '__main__':
  network.main(every_type)
