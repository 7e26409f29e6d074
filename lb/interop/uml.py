"""A real Linux IPVS director: Debian's user-mode Linux, a kernel that runs as an
ordinary program, joined to a network of network.py by TAP devices.

  client ---- [client switch] ---- UML ---- [server switch] ---- server 1-3

  def test(bed):
    with uml.Lvs(bed) as lvs:
      lvs.ipvsadm('-A -t 10.1.0.100:80 -s rr')
      lvs.sync('master')
      ...
      print(lvs.run('ipvsadm -Lnc'))

The kernel's root is this machine's own file system, read-only; what runs inside
are this machine's programs. It lives in a PID namespace of its own, so that all
of it ends when it ends, and it ends with this process, however that ends. A
second or two to start, 60 ms a command.
"""

import collections
import os
import re
import signal
import socket
import subprocess
import time

import network
from network import Failure, Skip, check, check_equal, endpoint, eventually

KERNEL = '/usr/bin/linux.uml'
MODULES = '/usr/lib/uml/modules'
NEEDED = (KERNEL, '/usr/sbin/ipvsadm', '/usr/sbin/modprobe', '/usr/bin/unshare')

# The shell of the kernel's only process takes a line from the serial port, runs
# it, and answers with its status and the size of what it printed, and that.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
[ -c /dev/ttyS0 ] || mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
exec 3<>/dev/ttyS0
stty raw -echo <&3
echo ready >&3
while read -r line <&3; do
  (eval "$line") >/run/output 2>&1 </dev/null 3>&-
  printf 'done %d %d\\n' $? "$(wc -c </run/output)" >&3
  cat /run/output >&3
done
"""

# Gratuitous ARP replies and unsolicited neighbour advertisements for each
# LINK=ADDRESS of a line from a pipe, from the link's own MAC. (An ARP reply whose
# target MAC is not its sender's is not gratuitous to Linux: for a second after
# the last it is ignored.) Runs inside, and waits: to start takes a second.
ANNOUNCE = """
import socket, struct
E = bytes.fromhex
def announce(link, address):
  mac = E(open('/sys/class/net/' + link + '/address').read().strip().replace(':', ''))
  if ':' in address:
    ip = socket.inet_pton(socket.AF_INET6, address)
    group = socket.inet_pton(socket.AF_INET6, 'ff02::1')
    body = E('88000000') + E('20000000') + ip + E('0201') + mac
    text = ip + group + struct.pack('>II', len(body), 58) + body
    total = sum(struct.unpack('>%dH' % (len(text) // 2), text))
    total = (total & 0xffff) + (total >> 16)
    total = ~((total & 0xffff) + (total >> 16)) & 0xffff
    body = body[:2] + struct.pack('>H', total) + body[4:]
    frame = (E('333300000001') + mac + E('86dd') + E('60000000')
             + struct.pack('>HBB', len(body), 58, 255) + ip + group + body)
  else:
    ip = socket.inet_aton(address)
    frame = (E('ff' * 6) + mac + E('0806') + E('0001080006040002') + mac + ip
             + mac + ip)
  with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind((link, 0))
    s.send(frame)
while True:
  said = 'done'
  with open('/run/announce') as pipe:
    pairs = pipe.read().split()
  try:
    for pair in pairs:
      announce(*pair.split('='))
  except OSError as error:
    said = f'{pair}: {error}'
  with open('/run/announced', 'w') as pipe:
    pipe.write(said)
"""


def require():
  """Skips the test where no such kernel can run."""
  for path in NEEDED:
    if not os.access(path, os.X_OK):
      raise Skip(f'no {path} (Debian: user-mode-linux, ipvsadm, kmod)')
  try:
    os.close(os.open('/dev/net/tun', os.O_RDWR))
  except OSError as error:
    raise Skip(f'/dev/net/tun: {error.strerror}') from error


class Uml:
  """A kernel in `namespace`, with a TAP there for each name in `taps`: its own
  interfaces vec0, vec1, ... in this order, up, without addresses.
  """

  def __init__(self, name, folder, namespace, taps, memory_mb=96):
    require()
    self.name = name
    self.taps = taps
    self._namespace = namespace
    self._folder = os.path.join(folder, f'uml-{name}')
    self._log = os.path.join(self._folder, 'console.log')
    self.process = None
    self._pid = None
    self._serial = None
    os.mkdir(self._folder)
    for tap in taps:
      made = namespace.run(f'ip tuntap add dev {tap} mode tap',
                           check_status=False)
      if made:
        raise Skip(f'TAP devices: {made.strip()}')
      namespace.ip(f'link set {tap} up')
    try:
      self._prepare()
      self._boot(memory_mb)
      self._configure()
    except BaseException:
      self.close()
      raise

  def _prepare(self):
    versions = os.listdir(MODULES)
    check_equal(len(versions), 1, f'kernels in {MODULES}')
    modules = os.path.join(self._folder, 'modules/lib/modules')
    os.makedirs(modules)
    os.symlink(os.path.join(MODULES, versions[0]),
               os.path.join(modules, versions[0]))
    for name, text in (('init.sh', INIT), ('announce.py', ANNOUNCE)):
      path = os.path.join(self._folder, name)
      with open(path, 'w', encoding='ascii') as file:
        file.write(text)
      os.chmod(path, 0o755)

  def _boot(self, memory_mb):
    ours, its = socket.socketpair()
    self._serial = ours
    cards = [f'vec{number}:transport=tap,ifname={tap},depth=128,gro=1'
             for number, tap in enumerate(self.taps)]
    with open(self._log, 'w', encoding='ascii') as log, its:
      self.process = self._namespace.start(
          ['unshare', '--pid', '--fork', '--kill-child', KERNEL,
           f'mem={memory_mb}M', 'root=/dev/root', 'rootfstype=hostfs',
           'rootflags=/', 'ro', f'init={self._folder}/init.sh', 'quiet',
           'con=null', 'con0=null,fd:1', 'ssl=null', f'ssl0=fd:{its.fileno()}',
           f'uml_dir={self._folder}/', 'umid=uml', *cards],
          stdout=log, stderr=log, pass_fds=[its.fileno()],
          start_new_session=True,
          env={'PATH': os.environ['PATH'], 'HOME': self._folder,
               'TMPDIR': self._folder,
               'LD_PRELOAD': network.find('lb/interop/libuml_xstate.so')})
    self._await_line('ready', 30)
    self._pid = self._find_pid()

  def _find_pid(self):
    """Of the kernel's own process: the child of `unshare`."""
    for entry in os.listdir('/proc'):
      if not entry.isdigit():
        continue
      try:
        with open(f'/proc/{entry}/stat', encoding='ascii',
                  errors='replace') as file:
          parent = file.read().rpartition(')')[2].split()[1]
      except OSError:  # It has ended.
        continue
      if int(parent) == self.process.pid:
        return int(entry)
    raise Failure(f'{self.name}: unshare has no child')

  def _configure(self):
    self.modprobe('ipv6', 'ip_vs', 'ip_vs_rr')
    self.sysctl('net/ipv4/ip_forward', 1)
    self.sysctl('net/ipv6/conf/all/forwarding', 1)
    self.run('for f in /proc/sys/net/ipv6/conf/*/accept_dad; do echo 0 >$f; '
             'done; ip link set lo up')
    for number in range(len(self.taps)):
      self.run(f'ip link set vec{number} up')

  # -- Speaking with it -------------------------------------------------------

  def _end(self):
    """The end of what its console showed."""
    with open(self._log, encoding='ascii', errors='replace') as file:
      return f'{self.name}: its console:\n{file.read()[-3000:]}'

  def _receive(self, size, deadline):
    left = deadline - time.monotonic()
    check(left > 0, f'{self.name}: no answer\n{self._end()}')
    self._serial.settimeout(left)
    try:
      data = self._serial.recv(size)
    except (socket.timeout, ConnectionError):
      data = b''
    check(data, f'{self.name}: no answer, or it ended\n{self._end()}')
    return data

  def _await_line(self, word, seconds):
    deadline = time.monotonic() + seconds
    line = b''
    while not line.endswith(b'\n'):
      line += self._receive(1, deadline)
    words = line.decode('ascii', 'replace').split()
    check(words[:1] == [word], f'{self.name} says {line}\n{self._end()}')
    return [int(text) for text in words[1:]]

  def run(self, command, check_status=True, timeout=60):
    """Runs one line of shell inside, to its end; what it printed."""
    check('\n' not in command, f'{command!r} is more than a line')
    try:
      self._serial.sendall(command.encode() + b'\n')
    except OSError as error:
      raise Failure(f'{self.name}: {error}\n{self._end()}') from error
    status, size = self._await_line('done', timeout)
    deadline = time.monotonic() + timeout
    output = b''
    while len(output) < size:
      output += self._receive(size - len(output), deadline)
    text = output.decode('utf-8', 'replace')
    if check_status and status != 0:
      raise Failure(f'{self.name}: {command}: exit {status}: {text.strip()}')
    return text

  def modprobe(self, *modules):
    self.run(f'modprobe -d {self._folder}/modules -a ' + ' '.join(modules))

  def sysctl(self, name, value):
    self.run(f'echo {value} >/proc/sys/{name}')

  def log(self):
    """The kernel's log since the last call."""
    return self.run('dmesg -c')

  def cpu_seconds(self):
    """What the kernel used of this machine's processors so far."""
    with open(f'/proc/{self._pid}/stat', encoding='ascii') as file:
      words = file.read().rpartition(')')[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')

  # -- Ends -------------------------------------------------------------------

  def power_off(self):
    self._serial.sendall(b'echo o >/proc/sysrq-trigger\n')
    try:
      status = self.process.wait(15)
    except subprocess.TimeoutExpired as error:
      raise Failure(f'{self.name}: does not power off\n{self._end()}') from error
    check_equal(status, 0, f'{self.name}: exit status')

  def kill(self):
    """As a power cut. It is gone when this returns."""
    os.kill(self._pid, signal.SIGKILL)
    self.process.wait(15)

  def close(self):
    if self.process is not None and self.process.poll() is None:
      if self._pid is not None:
        self.kill()
      else:
        self.process.kill()  # The kernel goes with it.
        self.process.wait()
    if self._serial is not None:
      self._serial.close()
    for tap in self.taps:
      self._namespace.run(f'ip link del {tap}', check_status=False)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()


# A line of `ipvsadm -Lnc`; endpoints as "10.1.0.2:80", "[2001:db8::2]:80".
Entry = collections.namedtuple('Entry', 'protocol state client virtual server')
# Of /proc/net/ip_vs_conn_sync; origin "SYNC" or "LOCAL".
Known = collections.namedtuple('Known', 'server state origin expires_s')


class Ipvs(Uml):
  """Such a kernel as an IPVS unit."""

  def ipvsadm(self, *lines):
    """Each as after "ipvsadm"; services and servers in one go: it is slow."""
    if len(lines) == 1:
      self.run(f'ipvsadm {lines[0]}')
    else:
      words = ' '.join(f"'{line}'" for line in lines)
      self.run(r"printf '%s\n' " + words + ' | ipvsadm -R')

  def service(self, protocol, address, port, servers, flags='', method='-m',
              server_port=None):
    """A service: "tcp" or "udp", round robin over these servers' addresses."""
    virtual = f'-{protocol[0]} {network.in_url(address)}:{port}'
    self.ipvsadm(
        f'-A {virtual} -s rr {flags}',
        *(f'-a {virtual} -r {network.in_url(server)}:{server_port or port} '
          f'{method}' for server in servers))

  def sync(self, role, syncid=5, interface='vec0', flags=''):
    """Starts the "master" or "backup" daemon of connection sync."""
    self.ipvsadm(f'--start-daemon {role} --mcast-interface {interface} '
                 f'--syncid {syncid} {flags}')

  def stop_sync(self, role):
    self.ipvsadm(f'--stop-daemon {role}')

  def entries(self):
    """The connection table: a list of Entry."""
    found = []
    for line in self.run('ipvsadm -Lnc').splitlines():
      words = line.split()
      if len(words) >= 6 and words[0] in ('TCP', 'UDP', 'SCTP', 'IP'):
        found.append(Entry(words[0], *words[2:6]))
    return found

  def table(self):
    """The same with how each came to be, and when it ends if nothing comes:
    {(protocol, client, virtual): Known}.
    """
    found = {}
    for line in self.run('cat /proc/net/ip_vs_conn_sync').splitlines()[1:]:
      words = line.split()
      check_equal(len(words), 10, f'words of /proc/net/ip_vs_conn_sync: {line}')
      found[(words[0], _endpoint(*words[1:3]), _endpoint(*words[3:5]))] = Known(
          _endpoint(*words[5:7]), words[7], words[8], int(words[9]))
    return found

  def counts(self):
    """{(virtual, server): (active, inactive)} connections; "TCP a:p" first."""
    found = {}
    virtual = None
    for line in self.run('ipvsadm -Ln').splitlines():
      words = line.split()
      if words[:1] in (['TCP'], ['UDP']):
        virtual = f'{words[0]} {words[1]}'
      elif words[:1] == ['->'] and virtual is not None:
        found[(virtual, words[1])] = (int(words[4]), int(words[5]))
    return found


def _endpoint(address, port):
  """From the kernel's "0A010002" or "[2001:0db8:...]" and "1F90"."""
  if ':' in address:
    packed = socket.inet_pton(socket.AF_INET6, address.strip('[]'))
    return endpoint(socket.inet_ntop(socket.AF_INET6, packed), int(port, 16))
  return endpoint(socket.inet_ntoa(bytes.fromhex(address)), int(port, 16))


class Lvs(Ipvs):
  """A Linux director between the two switches of a network.Bed, beside the
  Bed's own: vec0 towards the clients, vec1 towards the servers. The servers'
  gateway and the virtual addresses are its own from the start, unless it only
  `stands_by`. Several need a `number` (and a name) each, 0..9.

  To move the sessions from one to another unit: one.cut_off(), and
  two.take_addresses() or whatever makes the other unit active.
  """

  BRIDGES = ('clients', 'servers')

  def __init__(self, bed, name='lvs', stands_by=False, number=0):
    self._bed = bed
    self.address = f'10.1.0.{50 + number}'
    self.address6 = f'2001:db8:1::{50 + number}'
    self.inside = f'10.2.0.{50 + number}'
    self.inside6 = f'2001:db8:2::{50 + number}'
    super().__init__(name, bed.folder, bed.switch,
                     [f'{name}-out', f'{name}-in'])
    try:
      self.plug_in()
      for link in ('all', 'vec0', 'vec1'):
        self.sysctl(f'net/ipv4/conf/{link}/send_redirects', 0)
      self.run('mkfifo /run/announce /run/announced; /usr/bin/python3 -B '
               f'{self._folder}/announce.py >/run/announce.log 2>&1 &')
      self._take(((self.address, 24, 'vec0'), (self.address6, 64, 'vec0'),
                  (self.inside, 24, 'vec1'), (self.inside6, 64, 'vec1')))
      if not stands_by:
        self.take_addresses()
      eventually(self._reachable, f'{name}: the network carries frames', 15)
    except BaseException:
      self.close()
      raise

  def _reachable(self):
    return all('1 received' in namespace.run(f'ping -c1 -W1 -q {address}',
                                             check_status=False)
               for namespace, address in (
                   (self._bed.client, self.address),
                   (self._bed.client, self.address6),
                   (self._bed.servers[0].namespace, self.inside)))

  def _addresses(self):
    return ((network.VIP, 32, 'vec0'), (network.VIP6, 128, 'vec0'),
            (network.GATEWAY, 32, 'vec1'), (network.GATEWAY6, 128, 'vec1'))

  def _take(self, addresses):
    """Hosts that knew them elsewhere are told."""
    lines = ' '.join(f"'addr add {address}/{length} dev {link}'"
                     for address, length, link in addresses)
    self.run(rf"printf '%s\n' {lines} | ip -batch - && echo "
             + ' '.join(f'{link}={address}' for address, _, link in addresses)
             + ' >/run/announce && read -r said </run/announced; '
             'echo "$said"; [ "$said" = done ]')

  def take_addresses(self):
    """The virtual addresses and the servers' gateway are its own from now on."""
    self._take(self._addresses())

  def drop_addresses(self):
    self.run('; '.join(f'ip addr del {address}/{length} dev {link}'
                       for address, length, link in self._addresses()))

  def cut_off(self):
    """Its cables are pulled: it runs on and reaches nobody. At once."""
    self._bed.switch.ip(*(f'link set {tap} nomaster' for tap in self.taps))

  def plug_in(self):
    self._bed.switch.ip(*(f'link set {tap} master {bridge} up'
                          for tap, bridge in zip(self.taps, self.BRIDGES)))
