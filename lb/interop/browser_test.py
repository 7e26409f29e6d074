#!/usr/bin/python3 -B
"""A browser (Chromium, headless) uses a site through ballastd: a page with its
style sheet, script, images and a fetch, by HTTP and by HTTPS, at servers that
would not understand each other's sessions. With an active cookie all of it
comes from one server.

BALLAST_SCREENSHOTS=FOLDER keeps a picture of each page.
"""

import base64
import collections
import hashlib
import http.server
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import zlib

import network
from network import check, check_equal

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
IMAGES = 12  # More than a browser's connections to one host.

PAGE = """<!DOCTYPE html>
<html><head><title>Shop</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css"></head>
<body data-page="{number}"><h1>Shop, by server {number}</h1>
<p>{images}</p><pre id="said"></pre><script src="/script.js"></script>
</body></html>"""

SCRIPT = """addEventListener('load', async () => {
  const answer = await (await fetch('/cart', {method: 'POST', body: 'a'.repeat(
      100000)})).json();
  const colour = getComputedStyle(document.querySelector('h1')).borderTopWidth;
  document.getElementById('said').textContent = [
      'page=' + document.body.dataset.page,
      'style=' + parseInt(colour),
      'script=NUMBER',
      'images=' + [...document.images].map((i) => i.naturalWidth / 10).join(''),
      'fetch=' + answer.server,
      'length=' + answer.length].join(' ');
});
"""


def png(number):
  """A picture ten times the server's number wide."""
  width, height = 10 * number, 20
  colour = [(200, 60, 60), (60, 160, 60), (60, 80, 200)][number - 1]
  rows = (b'\0' + bytes(colour) * width) * height

  def chunk(kind, data):
    return (struct.pack('>I', len(data)) + kind + data
            + struct.pack('>I', zlib.crc32(kind + data)))
  return (b'\x89PNG\r\n\x1a\n'
          + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
          + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


class Site(http.server.ThreadingHTTPServer):
  """One server's copy of the site; counts what it is asked."""
  daemon_threads = True

  def __init__(self, server):
    number = server.number
    self.asked = collections.Counter()
    site = self

    class Handler(http.server.BaseHTTPRequestHandler):
      protocol_version = 'HTTP/1.1'

      def do_GET(self):  # pylint: disable=invalid-name
        path = self.path.split('?')[0]
        site.asked[path] += 1
        images = ' '.join(f'<img src="/image.png?{i}" alt="{i}">'
                          for i in range(IMAGES))
        kind, body = {
            '/': ('text/html', PAGE.format(number=number, images=images)),
            '/style.css': ('text/css', f'h1 {{ border: {number}px solid; }}'),
            '/script.js': ('text/javascript',
                           SCRIPT.replace('NUMBER', str(number))),
            '/image.png': ('image/png', png(number)),
        }.get(path, ('text/plain', None))
        self.answer(kind, body)

      def do_POST(self):  # pylint: disable=invalid-name
        site.asked[self.path] += 1
        body = self.rfile.read(int(self.headers['Content-Length']))
        self.answer('application/json',
                    f'{{"server": {number}, "length": {len(body)}}}')

      def answer(self, kind, body):
        self.send_response(200 if body is not None else 404)
        body = body or b''
        body = body if isinstance(body, bytes) else body.encode()
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        self.end_headers()
        self.wfile.write(body)

      def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        pass
    super().__init__(('', 0), Handler, bind_and_activate=False)
    self.socket.close()
    self.socket = server.namespace.socket(socket.SOCK_STREAM,
                                          (server.address(), 8000))
    self.server_activate()
    threading.Thread(target=self.serve_forever, daemon=True).start()


class Browser:
  """Visits with profiles of their own: each as if by another user."""

  def __init__(self, bed, program, key_hash):
    self._bed = bed
    self._program = program
    self._key_hash = key_hash

  def visit(self, url, profile):
    """What the page says of itself."""
    folder = os.path.join(self._bed.folder, profile)
    os.makedirs(folder, exist_ok=True)
    flags = [
        '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run',
        '--disable-background-networking', '--disable-component-update',
        '--disable-dev-shm-usage', f'--user-data-dir={folder}',
        f'--host-resolver-rules=MAP shop.example {network.VIPS[4]}',
        f'--ignore-certificate-errors-spki-list={self._key_hash}',
        '--virtual-time-budget=20000', '--timeout=30000']
    shots = os.environ.get('BALLAST_SCREENSHOTS')
    if shots:
      flags += [f'--screenshot={shots}/{profile}.png',
                '--window-size=600,300']
    text = self._bed.client.run(
        ['env', f'HOME={folder}', self._program, *flags, '--dump-dom', url],
        timeout=90)
    said = re.search(r'<pre id="said">(.*?)</pre>', text, re.DOTALL)
    check(said and said.group(1), f'{url}: the page: {text[-2000:]}')
    return dict(word.split('=') for word in said.group(1).split())


def certificate(bed):
  """Files of chain and key, and the key's hash as Chromium wants it."""
  chain, key = (os.path.join(bed.folder, f'shop.{part}')
                for part in ('crt', 'key'))
  bed.client.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
      '/CN=shop.example', '-addext', 'subjectAltName=DNS:shop.example', '-out',
      chain, '-keyout', key])
  public = subprocess.run(['openssl', 'pkey', '-in', key, '-pubout', '-outform',
                           'DER'], stdout=subprocess.PIPE, check=True).stdout
  return chain, key, base64.b64encode(hashlib.sha256(public).digest()).decode()


def one_server_a_browser(bed):
  program = next(filter(None, map(shutil.which, BROWSERS)), None)
  if program is None:
    raise network.Skip(f'none of {", ".join(BROWSERS)} is installed')
  sites = {server.number: Site(server) for server in bed.servers}
  chain, key, key_hash = certificate(bed)

  def service(name, port, l7=''):
    return network.service(
        name, network.VIPS[4], port,
        [network.real_server(server.address(), port=8000)
         for server in bed.servers] + ['l7 { ' + l7 + ' }'],
        schedule='RR', persistence='{ mode: ACTIVE_COOKIE }')
  bed.start_ballastd(service('http', 80) + service(
      'https', 443, f'tls {{ certificates {{ chain_file: "{chain}" '
      f'key_file: "{key}" }} }}'))

  browser = Browser(bed, program, key_hash)
  for scheme in ('http', 'https'):
    homes = []
    for user in ('anna', 'berta'):
      for site in sites.values():
        site.asked.clear()
      said = browser.visit(f'{scheme}://shop.example/', f'{scheme}-{user}')
      home = int(said['page'])
      homes.append(home)
      check_equal(said, {'page': str(home), 'style': str(home),
                         'script': str(home), 'images': str(home) * IMAGES,
                         'fetch': str(home), 'length': '100000'},
                  f'{scheme}, {user}: what came from which server')
      check_equal(dict(sites[home].asked),
                  {'/': 1, '/style.css': 1, '/script.js': 1,
                   '/image.png': IMAGES, '/cart': 1},
                  f'{scheme}, {user}: what server {home} was asked')
      for number, site in sites.items():
        check(number == home or not site.asked,
              f'{scheme}, {user}: server {number} was asked {site.asked}')
    check(homes[0] != homes[1],
          f'{scheme}: round robin sends two browsers to one server: {homes}')
    print(f'{scheme}: servers of two browsers: {homes}', flush=True)


if __name__ == '__main__':
  network.main(one_server_a_browser)
