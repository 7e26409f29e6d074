#!/usr/bin/python3 -B
"""What HAProxy serves, Ballast serves: the same requests, by a real HAProxy with a
configuration and by ballastd with what ballastctl convert makes of it.

Arguments: ballastd, ballastctl, testdata/haproxy.cfg, which HAProxy must take
too. Needs no privilege.
"""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 60
REQUESTS = (  # Arguments of curl, and which servers may answer.
    (['/'], {'app1', 'app2'}),
    (['/img/logo.png'], {'static'}),
    (['/imgs'], {'app1', 'app2'}),
    (['/', '-H', 'Host: api.example.com'], {'api'}),
    (['/', '-H', 'Host: API.example.com', '-X', 'POST'], {'api'}),
    (['/', '-H', 'Host: v2.api.example.com'], {'api'}),
    (['/', '-H', 'Host: myapi.example.com'], {'app1', 'app2'}),
    (['/', '-H', 'X-Debug: yes'], {'api'}),
)
CONFIG = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
frontend www
    bind 127.0.0.1:{port}
    acl api hdr(host) -i api.example.com
    use_backend static if {{ path_beg /img/ }}
    use_backend api if api or {{ hdr_end(host) .api.example.com }}
    use_backend api if {{ hdr(X-Debug) yes }}
    default_backend app
backend static
    server static 127.0.0.1:{static}
backend api
    server api 127.0.0.1:{api} check
    server down 127.0.0.1:{down} check
backend app
    balance roundrobin
    cookie SRV insert indirect nocache
    option httpchk GET /up
    server app1 127.0.0.1:{app1} cookie a check
    server app2 127.0.0.1:{app2} cookie b check
listen raw
    mode tcp
    bind 127.0.0.1:{raw}
    server app1 127.0.0.1:{app1}
"""


def check(condition, what):
  if not condition:
    raise SystemExit(f'FAILED: {what}')


def free_port():
  with socket.create_server(('127.0.0.1', 0)) as taken:
    return taken.getsockname()[1]


def serve(name):
  """An HTTP server that says its name; its port."""

  class Handler(http.server.BaseHTTPRequestHandler):

    def answer(self):
      body = name.encode()
      self.send_response(200)
      self.send_header('Content-Length', str(len(body)))
      self.end_headers()
      if self.command != 'HEAD':
        self.wfile.write(body)

    do_GET = do_POST = do_HEAD = do_OPTIONS = answer

    def log_message(self, *arguments):
      pass

  class Server(http.server.ThreadingHTTPServer):

    def handle_error(self, *arguments):
      pass  # A check that has seen enough.

  server = Server(('127.0.0.1', 0), Handler)
  threading.Thread(target=server.serve_forever, daemon=True).start()
  return server.server_address[1]


def curl(port, *arguments):
  path, *rest = arguments
  return subprocess.run(
      ['curl', '-s', '--max-time', '20', *rest,
       f'http://127.0.0.1:{port}{path}'],
      check=False, text=True, stdout=subprocess.PIPE).stdout


def await_servers(port):
  """Until checks have found both of the application's up, and the other of
  api's down: it is not asked in its turn any more."""
  end = time.monotonic() + PATIENCE
  found = set()
  while not {'app1', 'app2'} <= found or any(
      curl(port, '/', '-H', 'X-Debug: yes') != 'api' for _ in range(4)):
    check(time.monotonic() < end, f'servers are up: {found}')
    found.add(curl(port, '/'))
    time.sleep(0.1)


def ask(who, ports, folder):
  port = ports['port']
  await_servers(port)
  for arguments, servers in REQUESTS:
    for _ in range(4):
      said = curl(port, *arguments)
      check(said in servers, f'{who}: {arguments}: {said}, not of {servers}')
  jar = os.path.join(folder, f'{who}.cookies')
  said = {curl(port, '/', '-c', jar, '-b', jar) for _ in range(8)}
  check(len(said) == 1, f'{who}: one cookie, the servers {said}')
  with open(jar, encoding='utf-8') as file:
    check('\tSRV\t' in file.read(), f'{who}: the cookie')
  check(curl(ports['raw'], '/') == 'app1', f'{who}: mode tcp')


def stop(process):
  process.terminate()
  process.wait()


def takes(config, folder):
  done = subprocess.run(['haproxy', '-c', '-f', config], cwd=folder, text=True,
                        check=False, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT)
  check(done.returncode == 0, f'haproxy -c: {done.stdout}')


def test(ballastd, ctl, example, folder):
  ports = {name: serve(name) for name in ('static', 'api', 'app1', 'app2')}
  ports |= {name: free_port() for name in ('port', 'raw', 'down')}
  config = os.path.join(folder, 'haproxy.cfg')
  with open(config, 'w', encoding='utf-8') as file:
    file.write(CONFIG.format(**ports))
  made = subprocess.run([ctl, 'convert', 'haproxy', config], check=False,
                        text=True, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE)
  check(made.returncode == 0, made.stderr)
  lost = [line for line in made.stderr.splitlines() if 'haproxy.cfg:' in line]
  check(len(lost) == 1 and ': timeout connect 5s: ' in lost[0], made.stderr)
  text = os.path.join(folder, 'ballast.textproto')
  with open(text, 'w', encoding='utf-8') as file:
    file.write(made.stdout)
  strict = subprocess.run([ctl, 'convert', 'haproxy', '-', '--strict'],
                          stdin=open(config, encoding='utf-8'), check=False,
                          text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
  check(strict.returncode == 1 and
        strict.stdout.split('\n', 1)[1] == made.stdout.split('\n', 1)[1],
        strict.stderr)

  log = os.path.join(folder, 'log')
  if shutil.which('haproxy') is None:
    print('SKIPPED: no haproxy here')
  else:
    takes(config, folder)
    # Its example, with a certificate where it names one.
    subprocess.run(
        ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
         'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x', '-keyout',
         'key', '-out', 'chain'], cwd=folder, check=True,
        stderr=subprocess.DEVNULL)
    with open(os.path.join(folder, 'haproxy.pem'), 'w',
              encoding='utf-8') as pem:
      for part in ('chain', 'key'):
        with open(os.path.join(folder, part), encoding='utf-8') as file:
          pem.write(file.read())
    with open(example, encoding='utf-8') as file:
      whole = file.read().replace('/etc/ballast-test', folder)
    whole_config = os.path.join(folder, 'example.cfg')
    with open(whole_config, 'w', encoding='utf-8') as file:
      file.write(whole)
    takes(whole_config, folder)
    with open(log, 'w', encoding='utf-8') as out:
      process = subprocess.Popen(['haproxy', '-db', '-f', config], stdout=out,
                                 stderr=out)
    try:
      ask('haproxy', ports, folder)
    finally:
      stop(process)

  with open(log, 'w', encoding='utf-8') as out:
    process = subprocess.Popen([ballastd, f'--config={text}'], stdout=out,
                               stderr=out)
  try:
    ask('ballastd', ports, folder)
  except BaseException:
    with open(log, encoding='utf-8') as said:
      print(said.read()[-4000:])
    raise
  finally:
    stop(process)


def main():
  ballastd, ctl, example = [os.path.abspath(path) for path in sys.argv[1:4]]
  folder = tempfile.mkdtemp(prefix='ballast.', dir='/tmp')
  try:
    test(ballastd, ctl, example, folder)
  finally:
    shutil.rmtree(folder)


if __name__ == '__main__':
  main()
