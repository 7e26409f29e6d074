#!/usr/bin/python3 -B
"""lb/tls (tls_peer) against OpenSSL's s_client and s_server, on loopback."""

import os
import re
import socket
import subprocess
import sys
import tempfile

VERSIONS = {'1.2': '-tls1_2', '1.3': '-tls1_3'}


def find(path):
  for folder in ('.', 'bazel-bin'):
    candidate = os.path.abspath(os.path.join(folder, path))
    if os.path.exists(candidate):
      return candidate
  raise RuntimeError(f'{path} is not there')


PEER = find('lb/interop/tls_peer')
FOLDER = os.path.dirname(find('lb/tls/testdata/ca.pem'))


def pem(name):
  return os.path.join(FOLDER, name + '.pem')


def check(condition, what):
  if not condition:
    raise AssertionError(what)


class Server:
  """tls_peer as a server; `said()` is its next line."""

  def __init__(self, *flags):
    self.process = subprocess.Popen(
        [PEER, 'server', f'--folder={FOLDER}', *flags], text=True,
        stdout=subprocess.PIPE)
    self.port = int(self.said().split()[1])

  def said(self):
    line = self.process.stdout.readline().strip()
    check(line, 'tls_peer has ended')
    return line

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.process.kill()
    self.process.wait()


def s_client(server, *flags, text=''):
  """(its exit status, all that it printed). Asks until it is answered."""
  command = ['openssl', 's_client', '-connect', f'127.0.0.1:{server.port}',
             '-CAfile', pem('ca'), *flags]
  process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
  process.stdin.write((text or 'hello') + '\n')
  process.stdin.flush()
  output = ''
  # The answer comes after all else: tickets too have arrived then.
  while True:
    line = process.stdout.readline()
    output += line
    if not line or (text or 'hello').upper() in line:
      break
  try:
    process.stdin.write('Q\n')
    process.stdin.close()
  except OSError:
    pass
  output += process.stdout.read()
  return process.wait(20), output


def handshakes():
  with Server('--certificates=one,wild', '--alpn=http/1.1') as server:
    for version, flag in VERSIONS.items():
      status, output = s_client(
          server, flag, '-servername', 'one.test', '-verify_hostname',
          'one.test', '-verify_return_error', '-alpn', 'h2,http/1.1')
      check(status == 0 and 'Verify return code: 0 (ok)' in output, output)
      check('HELLO' in output, output)
      check('ALPN protocol: http/1.1' in output, output)
      said = server.said()
      check(re.match(rf'open {version} \S+ sni=one.test alpn=http/1.1 '
                     r'resumed=0 subject=$', said), said)


def names_choose_certificates():
  with Server('--certificates=one,wild,deep') as server:
    for name, subject in (('a.wild.test', 'wild.test'),
                          ('deep.test', 'deep.test'),
                          ('www.one.test', 'one.test')):
      for flag in VERSIONS.values():
        status, output = s_client(server, flag, '-servername', name,
                                  '-verify_hostname', name,
                                  '-verify_return_error')
        check(status == 0 and f'subject=CN = {subject}' in output, output)
        check(server.said().startswith('open'), name)
    _, output = s_client(server, '-noservername')
    check('subject=CN = one.test' in output, output)


def a_wrong_host_is_refused():
  with Server('--certificates=one') as server:
    status, output = s_client(server, '-tls1_2', '-servername', 'two.test',
                              '-verify_hostname', 'two.test',
                              '-verify_return_error')
    check(status != 0 and 'ostname mismatch' in output, output)
    said = server.said()
    check(said.startswith('failed peer_alert: '), said)


def old_and_weak_is_refused():
  with Server('--certificates=wild') as server:
    for flags, error in (
        (['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], 'no_common_version'),
        (['-tls1_2', '-cipher', 'AES128-SHA'], 'no_common_cipher'),
        (['-tls1_2', '-cipher', 'AES128-GCM-SHA256'], 'no_common_cipher'),
        (['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-SHA'], 'no_common_cipher'),
        (['-tls1_2', '-cipher', 'DHE-RSA-AES128-GCM-SHA256'],
         'no_common_cipher')):
      status, output = s_client(server, *flags)
      check(status != 0, output)
      said = server.said()
      check(said.startswith(f'failed {error}: '), f'{flags}: {said}')


def client_certificates():
  ours = ['-cert', pem('client'), '-key', pem('client.key')]
  theirs = ['-cert', pem('stranger'), '-key', pem('stranger.key')]
  with Server('--certificates=one', '--ca=ca', '--required') as server:
    for version, flag in VERSIONS.items():
      status, output = s_client(server, flag, *ours)
      check(status == 0, output)
      check('Acceptable client certificate CA names' in output, output)
      said = server.said()
      check(said.endswith('subject=O=Ballast tests,CN=client one'), said)
      s_client(server, flag)
      said = server.said()
      check(said.startswith('failed no_peer_certificate'), f'{version} {said}')
      s_client(server, flag, *theirs)
      said = server.said()
      check(said.startswith('failed certificate_untrusted'), said)


def a_staple_is_shown():
  with Server('--certificates=one,wild', '--ocsp') as server:
    for flag in VERSIONS.values():
      _, output = s_client(server, flag, '-status', '-servername', 'one.test')
      check('OCSP Response Status: successful' in output, output)
      check('Cert Status: good' in output, output)
      _, output = s_client(server, flag, '-status', '-servername',
                           'a.wild.test')
      check('OCSP response: no response sent' in output, output)


def sessions_resume_wherever_the_key_is(folder):
  file = os.path.join(folder, 'session')
  flags = ['--certificates=one,wild']
  with Server(*flags, '--ticket_secrets=a') as first, \
       Server(*flags, '--ticket_secrets=b,a') as partner, \
       Server(*flags, '--ticket_secrets=b') as other_key, \
       Server(*flags, '--ticket_secrets=a', '--ca=ca') as other_policy, \
       Server(*flags) as no_tickets:
    for version, flag in VERSIONS.items():
      def resumes(server, name='one.test'):
        _, output = s_client(server, flag, '-servername', name, '-sess_in',
                             file)
        said = server.said()
        check(said.startswith('open'), said)
        check(('Reused, ' in output) == ('resumed=1' in said), output + said)
        return 'resumed=1' in said

      _, output = s_client(first, flag, '-servername', 'one.test', '-sess_out',
                           file)
      check('New, ' in output and 'resumed=0' in first.said(), output)
      check(resumes(first), f'{version}: where it was made')
      check(resumes(partner), f'{version}: at the partner')
      check(not resumes(other_key), f'{version}: with another key')
      check(not resumes(first, 'a.wild.test'), f'{version}: as another host')
      check(not resumes(other_policy), f'{version}: where more is asked')
      check(not resumes(no_tickets), f'{version}: without tickets')


class OpensslServer:
  """s_server that turns lines round."""

  def __init__(self, *flags):
    with socket.create_server(('127.0.0.1', 0)) as probe:
      self.port = probe.getsockname()[1]
    self.process = subprocess.Popen(
        ['openssl', 's_server', '-accept', f'127.0.0.1:{self.port}', '-rev',
         *flags], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while 'ACCEPT' not in self.process.stdout.readline():
      check(self.process.poll() is None, 's_server has ended')

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.process.kill()
    self.process.wait()


def client(server, *flags):
  return subprocess.run(
      [PEER, 'client', f'--folder={FOLDER}', f'--port={server.port}', '--text=abc',
       *flags], text=True, stdout=subprocess.PIPE, check=False,
      timeout=20).stdout


def our_client():
  one = ['-cert', pem('one'), '-key', pem('one.key')]
  for version, flag in VERSIONS.items():
    with OpensslServer(*one, flag, '-alpn', 'http/1.1') as server:
      said = client(server, '--server_name=one.test', '--ca=ca',
                    '--alpn=http/1.1')
      check(re.match(rf'open {version} \S+ sni=one.test alpn=http/1.1 '
                     r'resumed=0 subject=CN=one.test\ncba\n', said), said)
      said = client(server, '--server_name=two.test', '--ca=ca')
      check(said.startswith('failed certificate_host: '), said)
      said = client(server, '--server_name=one.test', '--ca=other_ca')
      check(said.startswith('failed certificate_untrusted: '), said)
      said = client(server, '--server_name=two.test', '--verify=false')
      check(said.startswith('open') and 'cba' in said, said)
    with OpensslServer(*one, flag, '-Verify', '1', '-verify_return_error',
                       '-CAfile', pem('ca')) as server:
      said = client(server, '--server_name=one.test', '--ca=ca',
                    '--certificates=client')
      check('cba' in said, said)
      said = client(server, '--server_name=one.test', '--ca=ca')
      check('failed peer_alert: ' in said, said)
  expired = ['-cert', pem('expired'), '-key', pem('expired.key')]
  with OpensslServer(*expired) as server:
    said = client(server, '--server_name=one.test', '--ca=ca')
    check(said.startswith('failed certificate_expired: '), said)


def main():
  failures = 0
  with tempfile.TemporaryDirectory() as folder:
    for test in (handshakes, names_choose_certificates, a_wrong_host_is_refused,
                 old_and_weak_is_refused, client_certificates,
                 a_staple_is_shown,
                 lambda: sessions_resume_wherever_the_key_is(folder),
                 our_client):
      name = getattr(test, '__name__', '')
      if name == '<lambda>':
        name = 'sessions_resume_wherever_the_key_is'
      try:
        test()
        print(f'{name}: passed', flush=True)
      except AssertionError as error:
        failures += 1
        print(f'{name}: FAILED: {error}', flush=True)
  sys.exit(1 if failures else 0)


if __name__ == '__main__':
  main()
