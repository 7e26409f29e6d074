"""Certificates made by openssl, and nginx as a real server that speaks TLS, for
tests on the network of network.py.
"""

import os

import network
from network import check


class Authority:
  """Makes certificates; `pem` is its own."""

  def __init__(self, bed, name='authority'):
    self._bed = bed
    self._folder = os.path.join(bed.folder, name)
    os.mkdir(self._folder)
    self.pem, self._key = self._path('ca.crt'), self._path('ca.key')
    bed.client.run([
        'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
        f'/CN={name}', '-addext', 'keyUsage=critical,keyCertSign,cRLSign',
        '-out', self.pem, '-keyout', self._key])

  def _path(self, name):
    return os.path.join(self._folder, name)

  def make(self, name, alternatives, usage='serverAuth', days=2):
    """(certificate, key): paths. `alternatives` as in 'DNS:a.example'. With
    days=-1 it ran out yesterday."""
    pem, key, request, extensions, index = (
        self._path(f'{name}.{end}') for end in
        ('crt', 'key', 'csr', 'ext', 'index'))
    self._bed.client.run([
        'openssl', 'req', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}',
        '-keyout', key, '-out', request])
    with open(extensions, 'w', encoding='ascii') as file:
      file.write(f'extendedKeyUsage={usage}\n')
      if alternatives:
        file.write(f'subjectAltName={alternatives}\n')
    open(index, 'w', encoding='ascii').close()
    with open(self._path('ca.cnf'), 'w', encoding='ascii') as file:
      file.write('[ca]\ndefault_ca = one\n[one]\n'
                 f'database = {index}\nnew_certs_dir = {self._folder}\n'
                 'rand_serial = yes\ndefault_md = sha256\npolicy = any\n'
                 '[any]\ncommonName = supplied\n')
    end = '20210101000000Z' if days < 0 else '20991231000000Z'
    self._bed.client.run([
        'openssl', 'ca', '-batch', '-config', self._path('ca.cnf'), '-cert',
        self.pem, '-keyfile', self._key, '-in', request, '-extfile', extensions,
        '-notext', '-startdate', '20200101000000Z', '-enddate', end, '-out',
        pem])
    return pem, key

  def staple(self, pem):
    """Path of a good OCSP response for a certificate, in DER."""
    base = pem.removesuffix('.crt')
    serial = self._bed.client.run(
        ['openssl', 'x509', '-in', pem, '-noout', '-serial']).strip()
    with open(base + '.status', 'w', encoding='ascii') as file:
      file.write('V\t20991231000000Z\t\t'
                 f'{serial.split("=")[1]}\tunknown\t/CN=x\n')
    self._bed.client.run([
        'openssl', 'ocsp', '-index', base + '.status', '-CA', self.pem,
        '-rsigner', self.pem, '-rkey', self._key, '-issuer', self.pem, '-cert',
        pem, '-ndays', '2', '-respout', base + '.ocsp'])
    return base + '.ocsp'


NGINX_CONFIG = """
user root root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  # What TLS made of each request.
  log_format tls '$connection "$ssl_server_name" $ssl_protocol '
                 '"$ssl_alpn_protocol" "$ssl_session_reused" $request_uri';
  access_log {folder}/access.log tls;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests {requests};
  client_max_body_size 1g;
  server {{
    listen {port} ssl;
    ssl_certificate {pem};
    ssl_certificate_key {key};
    ssl_protocols {protocols};
    {more}
    location / {{ return 200 "server {number} $request_uri\\n"; }}
    location /files/ {{ alias {files}/; dav_methods PUT; }}
  }}
}}
"""


class TlsNginx:
  """nginx with a certificate on one of the bed's servers."""

  def __init__(self, bed, server, certificate, port=443, requests=1000000,
               protocols='TLSv1.2 TLSv1.3', more=''):
    self._folder = os.path.join(bed.folder, f'tls{server.number}.{port}')
    os.mkdir(self._folder)
    self._log = os.path.join(self._folder, 'access.log')
    self._seen = 0
    config = os.path.join(self._folder, 'nginx.conf')
    with open(config, 'w', encoding='utf-8') as file:
      file.write(NGINX_CONFIG.format(
          folder=self._folder, port=port, requests=requests,
          pem=certificate[0], key=certificate[1], protocols=protocols, more=more,
          number=server.number, files=bed.files))
    process = server.namespace.start(
        ['nginx', '-p', self._folder, '-c', config, '-e',
         os.path.join(self._folder, 'error.log')])

    def answers():
      try:
        server.namespace.connect((server.address(), port), 1).close()
        return True
      except OSError:
        check(process.poll() is None, f'server {server.number}: nginx ended')
        return False
    network.eventually(answers, f'server {server.number}: nginx answers')

  def requests(self):
    """What came since the last call: (connection, name, protocol, ALPN,
    whether resumed, target)."""
    if not os.path.exists(self._log):
      return []
    with open(self._log, encoding='utf-8') as file:
      lines = file.read().splitlines()
    new, self._seen = lines[self._seen:], len(lines)
    made = []
    for line in new:
      number, name, protocol, alpn, resumed, target = line.split()
      made.append((number, name.strip('"'), protocol, alpn.strip('"'),
                   resumed == '"r"', target))
    return made
