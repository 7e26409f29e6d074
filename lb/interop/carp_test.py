#!/usr/bin/python3 -B
"""Our CARP node (carp_unit) and the real ucarp, side by side on one link.

Two hosts on a switch that also listens; ucarps run on the one, our units on the
other, each pair with a VHID of its own, so that many cases take the time of one.
Roles are what each program says; adverts are judged as captured, their digests
by Python's hmac.

ucarp as a backup is slow: it hears up to a second late, and looks at the clock
once an advert interval. So our takeovers are held to the rule, and ucarp's to
the rule plus 1 s plus its interval.
"""

import hmac
import os
import re
import signal
import socket
import struct
import threading
import time

import network
from network import check, check_equal, eventually

PASSWORD = 'kemp-secret'
UCARP = '10.77.0.1'
OURS = '10.77.0.2'
# For the ties: to ucarp the last octet counts most, so OURS_LOW is lower.
UCARP_HIGH = '10.78.0.3'
OURS_LOW = '10.78.1.1'
GROUP = '224.0.0.18'
BUSY = 0.6  # What a busy machine may add.


def shared_address(vhid):
  return f'10.77.9.{vhid}'


def virtual_mac(vhid):
  return f'00005e0001{vhid:02x}'


class Advert:
  """A captured CARP frame."""

  def __init__(self, when, frame):
    self.when = when
    self.ethernet_to, self.ethernet_from = frame[:6], frame[6:12]
    (self.version_ihl, self.tos, self.length, _, self.fragment, self.ttl, _,
     _, source, to) = struct.unpack('!BBHHHBBH4s4s', frame[14:34])
    self.source, self.to = socket.inet_ntoa(source), socket.inet_ntoa(to)
    self.payload = frame[34:70]
    (self.version_type, self.vhid, self.skew, self.auth, self.demotion,
     self.base, _, self.counter) = struct.unpack('!BBBBBBHQ', self.payload[:16])
    self.digest = self.payload[16:]

  def is_good(self, password):
    words = struct.unpack('!18H', self.payload)
    total = sum(words)
    while total > 0xffff:
      total = (total & 0xffff) + (total >> 16)
    message = (bytes([2, 1, self.vhid])
               + socket.inet_aton(shared_address(self.vhid))
               + self.payload[8:16])
    return total == 0xffff and self.digest == hmac.new(
        password.encode(), message, 'sha1').digest()


class Tap:
  """Hears all adverts and announcements on a switch."""

  def __init__(self, namespace, interface):
    with namespace.entered():
      self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                   socket.htons(3))  # ETH_P_ALL
      self._socket.bind((interface, 0))
    self._socket.settimeout(0.2)
    self._lock = threading.Lock()
    self._adverts = []
    self._announcements = []  # (when, sender's MAC, address)
    self._ended = threading.Event()
    self._thread = network.Worker(self._run)
    self._thread.start()

  def _run(self):
    while not self._ended.is_set():
      try:
        frame = self._socket.recv(2048)
      except socket.timeout:
        continue
      now = time.monotonic()
      with self._lock:
        if frame[12:14] == b'\x08\x00' and frame[23] == 112:
          self._adverts.append(Advert(now, frame))
        elif (frame[12:14] == b'\x08\x06' and frame[20:22] == b'\x00\x01'
              and frame[28:32] == frame[38:42]):
          self._announcements.append(
              (now, frame[22:28], socket.inet_ntoa(frame[28:32])))

  def adverts(self, vhid, source=None):
    with self._lock:
      return [advert for advert in self._adverts if advert.vhid == vhid
              and source in (None, advert.source)]

  def announcements(self, vhid, mac):
    with self._lock:
      return [when for when, sender, address in self._announcements
              if (sender.hex(), address) == (mac, shared_address(vhid))]

  def close(self):
    self._ended.set()
    self._thread.join(5)
    self._socket.close()


class Program:
  """A CARP program; what it says of its role goes to a file."""

  def __init__(self, path):
    self.path = path
    self.process = None

  def text(self):
    if not os.path.exists(self.path):
      return ''
    with open(self.path, encoding='utf-8') as file:
      return file.read()

  def roles(self):
    return re.findall(r'^role (\w+)', self.text(), re.MULTILINE)

  def role(self):
    roles = self.roles()
    return roles[-1] if roles else 'backup'

  def end(self, number):
    """When it was told."""
    when = time.monotonic()
    network.stop(self.process, number)
    return when


class Case:
  """One VHID: a ucarp and a unit of ours."""

  def __init__(self, bed, vhid, link='eth0', ucarp=UCARP, ours=OURS):
    self.bed = bed
    self.vhid = vhid
    self.link = link
    self.tap = bed.taps[link]
    self.ucarp_address, self.our_address = ucarp, ours
    self.ucarp = Program(os.path.join(bed.folder, f'ucarp.{vhid}'))
    self.ours = Program(os.path.join(bed.folder, f'ours.{vhid}'))

  def start_ucarp(self, *options, skew=0, password=PASSWORD):
    command = ['ucarp', '-i', self.link, '-s', self.ucarp_address,
               '-v', str(self.vhid), '-p', password,
               '-a', shared_address(self.vhid), '-b', '1', '-k', str(skew),
               '-u', self.bed.up, '-d', self.bed.down, '-n',
               '-x', self.ucarp.path, *options]
    with open(self.ucarp.path + '.log', 'a', encoding='utf-8') as log:
      self.ucarp.process = self.bed.theirs.start(command, stdout=log,
                                                 stderr=log)

  def start_ours(self, *options, skew=0, password=PASSWORD):
    command = [self.bed.unit, f'--interface={self.link}',
               f'--source={self.our_address}', f'--vhid={self.vhid}',
               f'--password={password}', f'--address={shared_address(self.vhid)}',
               f'--advskew={skew}', *options]
    with open(self.ours.path, 'a', encoding='utf-8') as log:
      self.ours.process = self.bed.ours.start(command, stdout=log, stderr=log)

  def from_ucarp(self):
    return self.tap.adverts(self.vhid, self.ucarp_address)

  def from_ours(self):
    return self.tap.adverts(self.vhid, self.our_address)

  def our_announcements(self):
    return self.tap.announcements(self.vhid, virtual_mac(self.vhid))

  def roles_are(self, ucarp, ours):
    return self.ucarp.role() == ucarp and self.ours.role() == ours

  def await_roles(self, ucarp, ours, seconds):
    eventually(lambda: self.roles_are(ucarp, ours),
               lambda: f'VHID {self.vhid}: ucarp {ucarp}, ours {ours} (they are '
               f'{self.ucarp.role()}, {self.ours.role()})', seconds, 0.02)

  def check_roles(self, ucarp, ours):
    check(self.roles_are(ucarp, ours),
          f'VHID {self.vhid}: ucarp {self.ucarp.role()}, ours '
          f'{self.ours.role()}; must be {ucarp}, {ours}')

  def check_takeover_in_time(self, ours, wait):
    """The new master's first advert comes `wait` after the old one's last."""
    new, old = self.from_ours(), self.from_ucarp()
    slack = BUSY
    if not ours:
      new, old = old, new
      slack += 2 + BUSY  # The 1 s, and ucarp's interval of at most 1.4 s.
    # A bow-out is no advert of a master.
    last = [a.when for a in old if a.base != 255 and a.when < new[-1].when][-1]
    first = [a.when for a in new if a.when > last][0]
    check(wait - 0.02 <= first - last <= wait + slack,
          f'VHID {self.vhid}: took over {first - last:.3f} s after the last '
          f'advert; the rule says {wait:.3f}')
    return first


class Bed:
  """Two hosts, and a switch for each link between them."""

  def __init__(self, folder):
    self.folder = folder
    self.unit = network.find('lb/interop/carp_unit')
    self._namespaces = []
    self.theirs = self._namespace('ucarp')
    self.ours = self._namespace('ours')
    self.switch = self._namespace('switch')
    self.taps = {}
    # What ucarp runs when its role changes: its output is buffered.
    self.up = self._script('up', 'master')
    self.down = self._script('down', 'backup')
    for link, number in (('eth0', 0), ('eth1', 1)):
      bridge = f'switch{number}'
      self.switch.ip(f'link add {bridge} type bridge mcast_snooping 0',
                     f'link set {bridge} up')
      for namespace, port in ((self.theirs, f'theirs{number}'),
                              (self.ours, f'ours{number}')):
        self.switch.ip(
            f'link add {port} type veth peer name {link} netns {namespace.path}',
            f'link set {port} master {bridge} up')
        namespace.ip(f'link set {link} up')
      self.taps[link] = Tap(self.switch, bridge)
    self.theirs.ip(f'addr add {UCARP}/16 dev eth0',
                   f'addr add {UCARP_HIGH}/16 dev eth1')
    self.ours.ip(f'addr add {OURS}/16 dev eth0',
                 f'addr add {OURS_LOW}/16 dev eth1')

    def reachable():
      return all('1 received' in self.theirs.run(
          f'ping -c1 -W1 -q -I {link} {address}', check_status=False)
                 for link, address in (('eth0', OURS), ('eth1', OURS_LOW)))
    eventually(reachable, 'both links carry frames', 15)

  def _namespace(self, name):
    self._namespaces.append(network.Namespace(name))
    return self._namespaces[-1]

  def _script(self, name, role):
    path = os.path.join(self.folder, name)
    with open(path, 'w', encoding='ascii') as file:
      file.write(f'#!/bin/sh\necho "role {role}" >> "$3"\n')
    os.chmod(path, 0o755)
    return path

  def split(self, number):
    self.switch.ip(f'link set ours{number} nomaster')

  def join(self, number):
    self.switch.ip(f'link set ours{number} master switch{number}')

  def last_words(self):
    texts = []
    for name in sorted(os.listdir(self.folder)):
      with open(os.path.join(self.folder, name), encoding='utf-8') as file:
        texts.append(f'-- {name}\n{file.read()}')
    return '\n'.join(texts)

  def close(self):
    for tap in self.taps.values():
      tap.close()
    for namespace in reversed(self._namespaces):
      namespace.close()


def check_our_frames(case, broadcast=False):
  """What ucarp does not look at, and other units may."""
  adverts = case.from_ours()
  check(adverts, f'VHID {case.vhid}: we advert')
  for advert in adverts:
    check(advert.is_good(PASSWORD), f'VHID {case.vhid}: checksum and digest')
    check_equal((advert.version_ihl, advert.tos, advert.length, advert.fragment,
                 advert.ttl, advert.to),
                (0x45, 0x10, 56, 0x4000, 255, GROUP), 'our IPv4 header')
    check_equal((advert.version_type, advert.auth, advert.demotion),
                (0x21, 7, 0), 'our fixed fields')
    check_equal(advert.ethernet_to.hex(),
                'ffffffffffff' if broadcast else '01005e000012', 'to')
    check_equal(advert.ethernet_from.hex(), virtual_mac(case.vhid), 'from')


def check_bow_out(case):
  def last():
    advert = case.from_ours()[-1]
    return advert.base, advert.skew
  # The tap may be a moment behind.
  eventually(lambda: last() == (255, 255),
             lambda: f'VHID {case.vhid}: our last advert says 255, 255, not '
             f'{last()}', 1)


def ucarp_and_ours(bed):
  """Election, failover both ways, preemption both ways, and who is not heard."""
  ucarp_first = Case(bed, 1)
  ours_first = Case(bed, 2)
  we_preempt = Case(bed, 3)
  ucarp_preempts = Case(bed, 4)
  broadcast = Case(bed, 5)
  other_password = Case(bed, 6)
  other_vhid_a, other_vhid_b = Case(bed, 7), Case(bed, 8)
  other_pin = Case(bed, 9)

  ucarp_first.start_ucarp()
  ours_first.start_ours()
  we_preempt.start_ucarp(skew=100)
  ucarp_preempts.start_ours(skew=100)
  broadcast.start_ucarp('-M')
  other_password.start_ucarp()
  other_password.start_ours(skew=100, password='kemp-secreT')
  other_vhid_a.start_ucarp()
  other_vhid_b.start_ours()
  other_pin.start_ucarp()
  other_pin.start_ours(f'--peer={UCARP},1,1', skew=100)

  # Alone, each becomes master.
  for case in (ucarp_first, we_preempt, broadcast):
    case.await_roles('master', 'backup', 10)
  for case in (ours_first, ucarp_preempts):
    case.await_roles('backup', 'master', 10)

  # The second ones come.
  ucarp_first.start_ours(f'--peer={UCARP},1,0', skew=100)
  ours_first.start_ucarp(skew=100)
  we_preempt.start_ours('--preempt', skew=20)
  ucarp_preempts.start_ucarp('-P', skew=20)
  broadcast.start_ours('--broadcast', skew=100)
  we_preempt.await_roles('backup', 'master', 5)
  ucarp_preempts.await_roles('master', 'backup', 5)
  time.sleep(4.5)  # Longer than any wait.
  ucarp_first.check_roles('master', 'backup')
  broadcast.check_roles('master', 'backup')
  ours_first.check_roles('backup', 'master')
  we_preempt.check_roles('backup', 'master')
  ucarp_preempts.check_roles('master', 'backup')
  check_equal(ucarp_first.from_ours(), [], 'adverts of a backup')
  # Who yields answers once; ucarp, which hears late, may advert before it does.
  preempted = we_preempt.from_ours()[0].when
  answers = [a.when - preempted for a in we_preempt.from_ucarp()
             if a.when > preempted]
  check(1 <= len(answers) <= 2 and answers[-1] < 1 + BUSY,
        f'ucarp\'s adverts after our preemption: {answers}')
  check_equal(len([a for a in ucarp_preempts.from_ours()
                   if a.when > ucarp_preempts.from_ucarp()[0].when]), 1,
              'our adverts after the preemption')
  # Not heard, not yielded to: a wrong password, another VHID, another pin.
  other_password.check_roles('master', 'master')
  check_equal(other_vhid_a.ucarp.role(), 'master', 'other VHID: ucarp')
  check_equal(other_vhid_b.ours.role(), 'master', 'other VHID: ours')
  other_pin.check_roles('master', 'master')
  other_password.ours.end(signal.SIGTERM)
  other_vhid_b.ours.end(signal.SIGTERM)
  other_pin.ours.end(signal.SIGTERM)
  check(re.search(r'refused bad_digest \d', other_password.ours.text()),
        'bad_digest is counted')
  check('bad_digest' not in other_vhid_b.ours.text(),
        'other VHIDs are not digested')
  check(re.search(r'refused other_vhid \d', other_vhid_b.ours.text()),
        'other_vhid is counted')
  check(re.search(r'refused other_timing \d', other_pin.ours.text()),
        'other_timing is counted')
  for case in (other_password, other_vhid_a, other_pin):
    case.ucarp.end(signal.SIGTERM)

  # Masters die without a word.
  ucarp_first.ucarp.end(signal.SIGTERM)
  broadcast.ucarp.end(signal.SIGTERM)
  ours_first.ours.end(signal.SIGKILL)
  for case in (ucarp_first, broadcast):
    eventually(lambda: case.ours.role() == 'master', 'ours takes over', 8)
  eventually(lambda: ours_first.ucarp.role() == 'master', 'ucarp takes over', 8)
  time.sleep(0.2)
  first = ucarp_first.check_takeover_in_time(True, 3 + 100 / 256)
  broadcast.check_takeover_in_time(True, 3 + 100 / 256)
  ours_first.check_takeover_in_time(False, 3 + 100 / 256)
  check_equal(ucarp_first.from_ours()[0].counter,
              (ucarp_first.from_ucarp()[-1].counter + 1) % 2**64,
              'our counter goes on from ucarp\'s')
  check(first - 0.1 < ucarp_first.our_announcements()[0] <= first,
        'announced before the first advert')

  # They return, and do not preempt; nor do we.
  ucarp_first.start_ucarp()
  broadcast.start_ucarp('-M')
  ours_first.start_ours()
  time.sleep(4.5)
  for case in (ucarp_first, broadcast):
    check_equal(case.ours.role(), 'master', f'VHID {case.vhid}: ours')
    check_equal([a for a in case.from_ucarp()
                 if a.when > case.from_ours()[0].when], [],
                f'VHID {case.vhid}: adverts of ucarp as a backup')
  check_equal(ours_first.ours.role(), 'backup', 'ours, returned')
  check(any(first + 1 < when <= first + 2
            for when in ucarp_first.our_announcements()), 'announced again')

  # We leave in good order, and ucarp need not wait.
  for case in (ucarp_first, broadcast, we_preempt):
    if case is we_preempt:  # A switchover, which also suspends preemption.
      told = time.monotonic()
      case.ours.process.send_signal(signal.SIGUSR2)
      eventually(lambda: case.ours.role() == 'backup', 'ours yields', 1)
    else:
      told = case.ours.end(signal.SIGTERM)
    check_bow_out(case)
    heard = len(case.from_ucarp())
    eventually(lambda: len(case.from_ucarp()) > heard, 'ucarp takes over',
               2 + BUSY)
    check(case.from_ucarp()[-1].when > told, 'after the bow-out')
  ours_first.ucarp.end(signal.SIGTERM)
  ucarp_preempts.ucarp.end(signal.SIGTERM)
  for case in (ours_first, ucarp_preempts):
    eventually(lambda: case.ours.role() == 'master', 'ours takes over', 5)
  we_preempt.check_roles('master', 'backup')

  for case in (ucarp_first, ours_first, we_preempt, ucarp_preempts):
    check_our_frames(case)
    for advert in case.from_ucarp():  # And the test can tell a good one.
      check(advert.is_good(PASSWORD), 'ucarp\'s checksum and digest')
  check_our_frames(broadcast, broadcast=True)
  for advert in broadcast.from_ucarp():
    check_equal(advert.ethernet_to.hex(), 'ffffffffffff', 'ucarp -M: to')


def ties(bed):
  """Equal units, both master on a split link: the lower address stays."""
  ucarp_stays = Case(bed, 21)
  we_stay = Case(bed, 22, 'eth1', UCARP_HIGH, OURS_LOW)
  # Not equal: the faster one stays, whatever the address.
  we_are_faster = Case(bed, 23)
  for number in (0, 1):
    bed.split(number)
  for case in (ucarp_stays, we_stay):
    case.start_ucarp(skew=5)
    case.start_ours(skew=5)
  we_are_faster.start_ucarp(skew=5)
  we_are_faster.start_ours(skew=4)
  for case in (ucarp_stays, we_stay, we_are_faster):
    case.await_roles('master', 'master', 8)
  time.sleep(3)  # Until the takeovers' own announcements are over.
  joined = time.monotonic()
  for number in (0, 1):
    bed.join(number)
  ucarp_stays.await_roles('master', 'backup', 5)
  we_stay.await_roles('backup', 'master', 5)
  we_are_faster.await_roles('backup', 'master', 5)
  resolved = time.monotonic()
  time.sleep(4.5)
  ucarp_stays.check_roles('master', 'backup')
  we_stay.check_roles('backup', 'master')
  we_are_faster.check_roles('backup', 'master')
  check(re.search('^role backup tie_lost', ucarp_stays.ours.text(),
                  re.MULTILINE), 'ours says why')
  for case in (ucarp_stays, we_stay, we_are_faster):
    loser = case.from_ours() if case is ucarp_stays else case.from_ucarp()
    check_equal([a for a in loser if a.when > resolved + 0.1], [],
                f'VHID {case.vhid}: adverts of the one that yielded')
  # The one that stays announces its addresses anew.
  check(any(joined < when < resolved + 1
            for when in we_stay.our_announcements()),
        'we announce when a split heals')


if __name__ == '__main__':
  network.main(ucarp_and_ours, ties, make_bed=Bed)
