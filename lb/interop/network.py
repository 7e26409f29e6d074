"""A network of namespaces with ballastd in it, for tests against other people's
programs.

  client ---- [client switch] ---- director ---- [server switch] ---- server 1-3
                     |                                  |
                     +------------- router -------------+

Both switches are bridges of one namespace, whose own stack is the router: the
way of replies that do not pass the director (direct server return). Everything
speaks IPv4 and IPv6. A server's default route is the director's gateway address
(replies of NAT); what it sends from a virtual address goes by the router.

  def test(bed):
    bed.start_ballastd(f'virtual_services {{ ... }}')
    bed.client.run(['curl', f'http://{VIP}/'])

  if __name__ == '__main__':
    main(test)

Namespaces last as long as this process and what it started, and that ends with
it, however it ends. Nothing leaves the namespaces. Only the main thread starts
programs: they die with the thread that started them.
"""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

VIP = '10.1.0.100'
VIP6 = '2001:db8:1::100'
CLIENT = '10.1.0.2'
CLIENT6 = '2001:db8:1::2'
DIRECTOR = '10.1.0.1'
DIRECTOR6 = '2001:db8:1::1'
DIRECTOR_INSIDE = '10.2.0.1'
DIRECTOR_INSIDE6 = '2001:db8:2::1'
GATEWAY = '10.2.0.254'
GATEWAY6 = '2001:db8:2::fe'
ROUTER = '10.1.0.253'
ROUTER6 = '2001:db8:1::fd'
ROUTER_INSIDE = '10.2.0.253'
ROUTER_INSIDE6 = '2001:db8:2::fd'
VIPS = {4: VIP, 6: VIP6}

_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def server_address(number, family=4):
  """Of server 1, 2 or 3."""
  return f'10.2.0.{10 + number}' if family == 4 else f'2001:db8:2::{10 + number}'


def in_url(address):
  return f'[{address}]' if ':' in address else address


def endpoint(address, port):
  return f'{in_url(address)}:{port}'


class Failure(Exception):
  """What a test says of the thing it tests."""


class Skip(Exception):
  """What a test needs and this machine does not allow."""


def check(condition, what):
  if not condition:
    raise Failure(what)


def check_equal(got, wanted, what):
  check(got == wanted, f'{what}: {got}, must be {wanted}')


def eventually(condition, what, seconds=10, pause=0.05):
  """Waits until condition() is true and returns what it gave."""
  deadline = time.monotonic() + seconds
  while True:
    result = condition()
    if result:
      return result
    check(time.monotonic() < deadline,
          f'{what() if callable(what) else what}: not within {seconds} s')
    time.sleep(pause)


class Namespace:
  """A network namespace, alive as long as this process."""

  def __init__(self, name):
    self.name = name
    self._own = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    if _libc.unshare(_CLONE_NEWNET) != 0:
      raise OSError(ctypes.get_errno(), 'unshare(CLONE_NEWNET)')
    self.fd = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    self.path = f'/proc/{os.getpid()}/fd/{self.fd}'  # For `ip ... netns`.
    self._enter(self._own)
    self._processes = []
    # A link-local address under detection, a second or two, asks for nobody.
    self.sysctl('net/ipv6/conf/all/accept_dad', 0)
    self.sysctl('net/ipv6/conf/default/accept_dad', 0)
    self.run(['ip', 'link', 'set', 'lo', 'up'])

  @staticmethod
  def _enter(fd):
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
      raise OSError(ctypes.get_errno(), 'setns')

  @contextlib.contextmanager
  def entered(self):
    """The calling thread is in the namespace meanwhile; sockets stay there."""
    self._enter(self.fd)
    try:
      yield
    finally:
      self._enter(self._own)

  def _prepare(self):
    self._enter(self.fd)
    # The child ends when this program ends, however it ends.
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

  def run(self, command, check_status=True, timeout=60):
    """Runs a list of words (or one string of them) to its end; what it printed."""
    if isinstance(command, str):
      command = command.split()
    # pylint: disable=subprocess-popen-preexec-fn
    done = subprocess.run(command, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          preexec_fn=self._prepare, check=False,
                          timeout=timeout)
    if check_status and done.returncode != 0:
      raise Failure(f'{self.name}: {" ".join(command)}: exit '
                    f'{done.returncode}: {done.stdout.strip()}')
    return done.stdout

  def start(self, command, **kwargs):
    if isinstance(command, str):
      command = command.split()
    process = subprocess.Popen(
        command, text=True, preexec_fn=self._prepare,
        **{'stdin': subprocess.DEVNULL, **kwargs})
    self._processes.append(process)
    return process

  def ip(self, *commands):
    """Runs each "link set eth0 up" with ip."""
    for command in commands:
      self.run(['ip'] + command.split())

  def sysctl(self, name, value):
    with self.entered():
      with open(f'/proc/sys/{name}', 'w', encoding='ascii') as file:
        file.write(str(value))

  def counter(self, name):
    """A counter of the namespace's IP stack, as nstat calls it."""
    text = self.run(['nstat', '-asz', name])
    match = re.search(rf'^{name}\s+(\d+)', text, re.MULTILINE)
    check(match, f'nstat knows no {name}')
    return int(match.group(1))

  def socket(self, kind, address=None, family=socket.AF_INET):
    """A socket of this namespace, bound to (host, port) if given."""
    if address is not None and ':' in address[0]:
      family = socket.AF_INET6
    with self.entered():
      made = socket.socket(family, kind)
    try:
      # Of ports the kernel chooses, two sockets might share one.
      if address is not None and address[1] != 0:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
      if address is not None:
        made.bind(address)
    except OSError:
      made.close()
      raise
    return made

  def connect(self, address, timeout=5, source=None):
    """A TCP connection to (host, port)."""
    family = socket.AF_INET6 if ':' in address[0] else socket.AF_INET
    made = self.socket(socket.SOCK_STREAM, source, family)
    made.settimeout(timeout)
    try:
      made.connect(address)
    except OSError:
      made.close()
      raise
    return made

  def close(self):
    for process in reversed(self._processes):
      stop(process)
    os.close(self.fd)
    os.close(self._own)


def stop(process, number=signal.SIGTERM):
  if process.poll() is None:
    process.send_signal(number)
    try:
      process.wait(5)
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()


NGINX_CONFIG = """
user root root;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  # One line a request: which request of which connection, and who asks what.
  log_format count '$connection $connection_requests $remote_addr '
                   '$remote_port $server_addr $request_uri';
  access_log {folder}/access.log count;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  sendfile on;
  client_max_body_size 1g;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    {listen}
    location / {{ return 200 "server {number} $server_addr $request_uri\\n"; }}
    location /files/ {{ alias {files}/; }}
    # /login/NAME/VALUE sets that cookie.
    location ~ ^/login/(?<name>\w+)/(?<value>\w+)$ {{
      add_header Set-Cookie "$name=$value; Path=/";
      return 200 "server {number} $server_addr $request_uri\\n";
    }}
  }}
}}
"""


def start_tcpdump(namespace, arguments, **kwargs):
  """tcpdump that listens by now, as root: it may not change to its own user."""
  process = namespace.start(['tcpdump', '-Z', 'root', *arguments],
                            stderr=subprocess.PIPE, **kwargs)
  said = ''
  while 'listening on' not in said:
    line = process.stderr.readline()
    said += line
    if 'Operation not permitted' in said:  # A user namespace.
      raise Skip(f'{namespace.name}: {said.strip()}')
    check(line, f'{namespace.name}: tcpdump ended: {said}')
  return process


class Server:
  """Real server `number`: a namespace, perhaps with nginx running in it."""

  def __init__(self, number, namespace, folder, files):
    self.number = number
    self.namespace = namespace
    self._folder = os.path.join(folder, f'server{number}')
    self._files = files
    self._log = os.path.join(self._folder, 'access.log')
    self._offset = 0
    self.nginx = None
    os.mkdir(self._folder)

  def address(self, family=4):
    return server_address(self.number, family)

  def start_nginx(self, ports):
    config = os.path.join(self._folder, 'nginx.conf')
    listen = ' '.join(f'listen {port} backlog=4096; '
                      f'listen [::]:{port} backlog=4096;' for port in ports)
    with open(config, 'w', encoding='utf-8') as file:
      file.write(NGINX_CONFIG.format(folder=self._folder, listen=listen,
                                     number=self.number, files=self._files))
    self.nginx = self.namespace.start(
        ['nginx', '-p', self._folder, '-c', config, '-e',
         os.path.join(self._folder, 'error.log')])

    def answers():
      try:
        self.namespace.connect((self.address(), ports[0]), 1).close()
        return True
      except OSError:
        check(self.nginx.poll() is None, f'server {self.number}: nginx ended')
        return False
    eventually(answers, f'server {self.number}: nginx answers')

  def requests(self):
    """The log's lines, split, since the last call."""
    if not os.path.exists(self._log):
      return []
    with open(self._log, encoding='utf-8', errors='replace') as log:
      log.seek(self._offset)
      text = log.read()
    whole = text.rfind('\n') + 1
    self._offset += len(text[:whole].encode())
    return [line.split() for line in text[:whole].splitlines()]


class Ballastd:
  """ballastd, running in a namespace, and what it says."""

  def __init__(self, namespace, folder, program):
    self._namespace = namespace
    self._folder = folder
    self._program = program
    self._config = os.path.join(folder, 'ballast.textproto')
    self.log_path = os.path.join(folder, 'ballastd.log')
    self.process = None
    self._seen = 0

  def write(self, config):
    with open(self._config + '.new', 'w', encoding='utf-8') as file:
      file.write(config)
    os.rename(self._config + '.new', self._config)

  def log(self):
    with open(self.log_path, encoding='utf-8', errors='replace') as file:
      return file.read()

  def _await(self, pattern, begin, seconds):
    def found():
      match = re.search(pattern, self.log()[begin:], re.MULTILINE)
      if match is None:
        check(self.process.poll() is None, 'ballastd ended:\n' + self.log())
      return match
    return eventually(
        found, lambda: f'ballastd says {pattern!r}; it said:\n'
        + self.log()[begin:], seconds, 0.01)

  def await_log(self, pattern, seconds=10):
    """Waits for a line; looks at all since the start."""
    return self._await(pattern, 0, seconds)

  def start(self, config, *flags):
    self.write(config)
    begin = len(self.log()) if os.path.exists(self.log_path) else 0
    with open(self.log_path, 'a', encoding='utf-8') as log:
      self.process = self._namespace.start(
          [self._program, '--log=text', '--config', self._config, *flags],
          stdout=log,
          stderr=log)
    self._await(r'serving \d+ services', begin, 20)

  def reload(self, config=None):
    if config is not None:
      self.write(config)
    begin = len(self.log())
    self.process.send_signal(signal.SIGHUP)
    said = self._await(r'reload(ed|\s+refused).*', begin, 10).group(0)
    check('refused' not in said, f'{said}\n{self.log()[begin:]}')

  def report(self):
    """Its answer to SIGUSR1: every service and server."""
    begin = len(self.log())
    self.process.send_signal(signal.SIGUSR1)
    # The lines come in one go: wait until no more do.
    self._await(r'service ', begin, 10)
    text = self.log()[begin:]
    while True:
      time.sleep(0.05)
      again = self.log()[begin:]
      if again == text:
        return text
      text = again

  def statistics(self):
    """{service name: {server address: {'connections': N, 'in': N, ...}}}."""
    services = {}
    for line in self.report().splitlines():
      match = re.search(r'service \S+ \S+ (\S+)', line)
      if match:
        servers = services.setdefault(match.group(1), {})
      match = re.search(
          r'  server (\S+) .*?(up|down) \((.*?)\), (\d+) connections, '
          r'(\d+) active, (\d+) open, in (\d+) packets (\d+) bytes, '
          r'out (\d+) packets (\d+) bytes', line)
      if match:
        address = re.sub(r':\d+$', '', match.group(1)).strip('[]')
        servers[address] = {
            'up': match.group(2) == 'up',
            'reason': match.group(3),
            **{key: int(value) for key, value in zip(
                ('connections', 'active', 'open', 'packets_in', 'bytes_in',
                 'packets_out', 'bytes_out'), match.groups()[3:])},
        }
    return services

  def events(self, service=None):
    """Layer 7: {name: count} of a service, or of all proxies together."""
    wanted = False
    for line in self.report().splitlines():
      if service is None:
        match = re.search(r' proxies:(( \w+=\d+)+)$', line)
      else:
        name = re.search(r'service \S+ \S+ (\S+)', line)
        wanted = name.group(1) == service if name else wanted
        match = wanted and re.search(r'  events:(( \w+=\d+)+)$', line)
      if match:
        return {word.split('=')[0]: int(word.split('=')[1])
                for word in match.group(1).split()}
    return {}

  def resident_kb(self):
    with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
      return int(re.search(r'VmRSS:\s+(\d+)', file.read()).group(1))

  def stop(self):
    """Ends it as an operator would; its exit status must be good."""
    self.process.send_signal(signal.SIGTERM)
    status = self.process.wait(10)
    check_equal(status, 0, 'ballastd: exit status')


class Bed:
  """The whole network; see the top of this file."""

  def __init__(self, folder, ballastd):
    self.folder = folder
    self.files = os.path.join(folder, 'files')
    os.mkdir(self.files)
    self._namespaces = []
    self.client = self._namespace('client')
    self._make_directors(ballastd)
    self.switch = self._namespace('switch')
    self.servers = [
        Server(number, self._namespace(f'server {number}'), folder, self.files)
        for number in (1, 2, 3)
    ]
    self._switches()
    self._plug_client()
    self._plug_directors()
    self._plug_servers()
    eventually(self._reachable, 'the network carries frames', 15)

  def _make_directors(self, program):
    self.director = self._namespace('director')
    self.ballastd = Ballastd(self.director, self.folder, program)

  def _namespace(self, name):
    self._namespaces.append(Namespace(name))
    return self._namespaces[-1]

  def plug(self, namespace, name, bridge, port):
    """A cable from `name` in a namespace to `port` of a switch."""
    self.switch.ip(
        f'link add {port} type veth peer name {name} netns {namespace.path}',
        f'link set {port} master {bridge} up')
    namespace.ip(f'link set {name} up')

  def _switches(self):
    self.switch.sysctl('net/ipv4/ip_forward', 1)
    self.switch.sysctl('net/ipv6/conf/all/forwarding', 1)
    for bridge, mac, address, address6 in (
        ('clients', '02:0a:01:00:00:fd', ROUTER, ROUTER6),
        ('servers', '02:0a:02:00:00:fd', ROUTER_INSIDE, ROUTER_INSIDE6)):
      # Without a MAC of its own a bridge has a port's, and another one's when
      # that is unplugged.
      self.switch.ip(
          f'link add {bridge} address {mac} type bridge mcast_snooping 0',
          f'link set {bridge} up',
          f'addr add {address}/24 dev {bridge}',
          f'addr add {address6}/64 dev {bridge} nodad')

  def _plug_client(self):
    self.plug(self.client, 'eth0', 'clients', 'client')
    self.client.ip(
        f'addr add {CLIENT}/24 dev eth0',
        f'addr add {CLIENT6}/64 dev eth0 nodad',
        f'route add default via {DIRECTOR}',
        f'route add default via {DIRECTOR6}')

  def _plug_directors(self):
    self.plug_director(self.director, 'director', DIRECTOR, DIRECTOR6,
                       DIRECTOR_INSIDE, DIRECTOR_INSIDE6)

  def plug_director(self, host, port, outside, outside6, inside, inside6):
    """A host with a cable to each switch and its own addresses there."""
    self.plug(host, 'outside', 'clients', f'{port}0')
    self.plug(host, 'inside', 'servers', f'{port}1')
    host.sysctl('net/ipv4/ip_forward', 1)
    host.sysctl('net/ipv6/conf/all/forwarding', 1)
    host.ip(f'addr add {outside}/24 dev outside',
            f'addr add {outside6}/64 dev outside nodad',
            f'addr add {inside}/24 dev inside',
            f'addr add {inside6}/64 dev inside nodad')

  def _plug_servers(self):
    for server in self.servers:
      namespace = server.namespace
      self.plug(namespace, 'eth0', 'servers', f'server{server.number}')
      # The virtual addresses for direct return: on the loopback, not announced.
      namespace.sysctl('net/ipv4/conf/all/arp_ignore', 1)
      namespace.ip(
          f'addr add {server.address()}/24 dev eth0',
          f'addr add {server.address(6)}/64 dev eth0 nodad',
          f'route add default via {GATEWAY}',
          f'route add default via {GATEWAY6}',
          f'addr add {VIP}/32 dev lo',
          f'addr add {VIP6}/128 dev lo nodad',
          f'rule add from {VIP} lookup 100',
          f'-6 rule add from {VIP6} lookup 100',
          f'route add default via {ROUTER_INSIDE} table 100',
          f'-6 route add default via {ROUTER_INSIDE6} table 100')

  def _reachable(self):
    """A fresh veth swallows frames for up to a second."""
    commands = [(server.namespace, f'ping -c1 -W1 -q {DIRECTOR_INSIDE}')
                for server in self.servers]
    commands += [(self.client, f'ping -c1 -W1 -q {DIRECTOR}'),
                 (self.client, f'ping -c1 -W1 -q {DIRECTOR6}')]
    return all('1 received' in namespace.run(command, check_status=False)
               for namespace, command in commands)

  def config(self, body):
    """`body` with the interfaces and gateways of this network before it."""
    return f"""
interfaces {{ name: "outside" }}
interfaces {{ name: "inside" }}
floating_addresses {{ address: "{GATEWAY}" interface: "inside" }}
floating_addresses {{ address: "{GATEWAY6}" interface: "inside" }}
statistics_period_s: 0
{body}
"""

  def start_ballastd(self, body, *flags):
    self.ballastd.start(self.config(body), *(flags or ('--claim_at_once',)))

  def reload(self, body):
    self.ballastd.reload(self.config(body))

  def start_nginx(self, ports=(80,)):
    for server in self.servers:
      server.start_nginx(ports)

  def file(self, name, size):
    """Served by nginx as /files/NAME."""
    with open(os.path.join(self.files, name), 'wb') as file:
      file.write(os.urandom(size))

  def requests(self):
    """What each server's nginx was asked since the last call, by number."""
    return {server.number: server.requests() for server in self.servers}

  def curl(self, *arguments, timeout=10):
    return self.client.run(['curl', '-sS', '-g', '--max-time', str(timeout),
                            *arguments], timeout=timeout + 5)

  def last_words(self):
    """For a failure; ballastd ends with its statistics."""
    if not os.path.exists(self.ballastd.log_path):
      return ''
    stop(self.ballastd.process)
    return 'The end of what ballastd said:\n' + self.ballastd.log()[-4000:]

  def close(self):
    for namespace in reversed(self._namespaces):
      namespace.close()


def real_server(address, **fields):
  return 'real_servers { ' + _fields(address=address, **fields) + ' }'


def service(name, address, port, servers, **fields):
  """A virtual_services block; `servers` are real_server()s."""
  check_type = fields.pop('check', 'NONE')
  return ('virtual_services {\n  '
          + _fields(name=name, address=address, port=port, **fields)
          + f'\n  health_check {{ type: {check_type} }}\n  '
          + '\n  '.join(servers) + '\n}\n')


def _fields(**fields):
  """Enum values and booleans are given as upper or lower case words."""
  texts = {'name', 'address', 'extra_ports'}
  return ' '.join(
      f'{key}: "{value}"' if key in texts else f'{key}: {value}'
      for key, value in fields.items())


class Worker(threading.Thread):
  """A thread whose exception comes out of join()."""

  def __init__(self, body):
    super().__init__(daemon=True)
    self._body = body
    self._error = None

  def run(self):
    try:
      self._body()
    except BaseException as error:  # pylint: disable=broad-except
      self._error = error

  def join(self, timeout=None):
    super().join(timeout)
    if self._error is not None:
      raise self._error


def find(path):
  """A program of this tree, as built or as `bazel run` presents it."""
  beside = os.path.join(os.path.dirname(sys.argv[0]), '../..')
  for folder in (beside, '.', 'bazel-bin'):
    candidate = os.path.abspath(os.path.join(folder, path))
    if os.access(candidate, os.X_OK):
      return candidate
  raise Failure(f'{path} is not built')


def _become_root():
  """Runs this program again in a user namespace if need be."""
  if os.geteuid() == 0:
    probe = ['unshare', '--net', 'true']
  else:
    probe = ['unshare', '--user', '--map-root-user', '--net', 'true']
  done = subprocess.run(probe, text=True, stderr=subprocess.PIPE, check=False)
  if done.returncode != 0:
    print(f'SKIPPED: no network namespaces here: {done.stderr.strip()}')
    sys.exit(0)
  if os.geteuid() != 0:
    os.execvp('unshare', ['unshare', '--user', '--map-root-user', '--net', '--',
                          sys.executable, '-B'] + sys.argv)


def main(*tests, make_bed=None):
  """Runs each test(bed) on a network of its own; exits 1 if one failed.

  make_bed(folder) makes another network than Bed: close() and last_words().
  """
  _become_root()
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
  failures = 0
  for test in tests:
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix='ballast_interop.')
    bed = None
    try:
      os.chmod(folder, 0o755)
      bed = (make_bed(folder) if make_bed
             else Bed(folder, find('examples/ballastd')))
      test(bed)
      verdict = 'passed'
    except Skip as reason:
      verdict = 'skipped'
      print(f'SKIPPED: {test.__name__}: {reason}')
    except Exception as error:  # pylint: disable=broad-except
      failures += 1
      verdict = 'FAILED'
      if not isinstance(error, Failure):
        traceback.print_exc(file=sys.stdout)
      print(f'{test.__name__}: {error}')
      if bed is not None:
        print(bed.last_words())
    finally:
      if bed is not None:
        bed.close()
      shutil.rmtree(folder, ignore_errors=True)
    print(f'{test.__name__}: {verdict} in {time.monotonic() - began:.1f} s',
          flush=True)
  sys.exit(1 if failures else 0)
