"""examples/ipvs_standby at the director's place of a network.Bed, beside a Linux
director (uml.Lvs).

  listing = standby.Listing(bed, '--syncid=5')   # lists what the master tells
  serving = standby.Serving(bed, standby.config(bed, lvs, services))
  serving.connections()   # {('TCP', client, virtual): (server, state)}
  serving.order('take')   # give, resync
"""

import itertools
import os
import re
import signal
import subprocess

import network
from network import check, check_equal, eventually

SYNCID = 5
_numbers = itertools.count(1)


def config(bed, partner, services, ipvs_version=1, ha=''):
  """A unit of Ballast beside the director `partner`; `ha`: more of that."""
  return bed.config(f"""
ha {{
  mode: SECOND
  links {{
    interface: "outside" own_address: "{network.DIRECTOR}/24"
    partner_address: "{partner.address}"
  }}
  virtual_id: 1
  l4_updates: true
  sync_id: {SYNCID}
  pacify_starts: 0
  {ha}
  wire: PLAIN
  plain {{ election: BY_COMMAND ipvs_version: {ipvs_version} }}
}}
{services}""")


class _Program:

  def __init__(self, bed, *flags):
    self._path = os.path.join(bed.folder, f'standby{next(_numbers)}.log')
    with open(self._path, 'w', encoding='ascii') as log:
      self._process = bed.director.start(
          [network.find('examples/ipvs_standby'), '--interface=outside',
           *flags], stdin=subprocess.PIPE, stdout=log,
          stderr=subprocess.STDOUT)

  def log(self):
    """All that it has said."""
    with open(self._path, encoding='utf-8') as file:
      return file.read()

  def _await(self, pattern, begin=0, seconds=20):
    """A line it says from there on."""
    def said():
      match = re.search(pattern, self.log()[begin:], re.MULTILINE)
      if match is None:
        check(self._process.poll() is None, 'it ended:\n' + self.log())
      return match
    return eventually(said, lambda: f'it says {pattern!r}:\n' + self.log()[begin:],
                      seconds, 0.01)

  def end(self):
    """What it says at its end."""
    begin = len(self.log())
    self._process.send_signal(signal.SIGTERM)
    check_equal(self._process.wait(10), 0, 'ipvs_standby: exit status')
    return self.log()[begin:]


class Listing(_Program):
  """Without --serve."""

  def __init__(self, bed, *flags):
    super().__init__(bed, *flags)
    self._await('^listening on')

  def entries(self):
    """{(protocol, client, virtual): (server, state, rest of the line)}."""
    begin = len(self.log())
    self._process.send_signal(signal.SIGUSR1)
    text = self._await(r'^pro .*\n((?:.*\n)*?) *\d+ s  ', begin).group(1)
    found = {}
    for line in text.splitlines():
      protocol, _, state, client, virtual, server, rest = line.split(None, 6)
      found[(protocol, client, virtual)] = (server, state, rest)
    return found


class Serving(_Program):
  """With --serve."""

  def __init__(self, bed, text):
    path = os.path.join(bed.folder, 'standby.textproto')
    with open(path, 'w', encoding='ascii') as file:
      file.write(text)
    super().__init__(bed, f'--serve={path}')
    self._await('^standing by')

  def _say(self, line):
    begin = len(self.log())
    self._process.stdin.write(line + '\n')
    self._process.stdin.flush()
    return begin

  def order(self, command):
    """take, give or resync; returns when it is carried out."""
    answer = self._await(rf'^{command}: (.*)$', self._say(command)).group(1)
    check_equal(answer, 'done', f'Ballast answers to "{command}"')

  def totals(self):
    """The last line of them: (role, connections)."""
    found = re.findall(r'^ *\d+ s  (\w+), (\d+) connections', self.log(),
                       re.MULTILINE)
    return (found[-1][0], int(found[-1][1])) if found else ('', 0)

  def connections(self):
    """{(protocol, client, virtual): (server, state)}; of UDP "UDP"."""
    begin = self._say('list')
    self._await(r'^\d+ connections listed$', begin)
    found = {}
    for protocol, client, virtual, server, state in re.findall(
        r'^(tcp|udp) (\S+) -> (\S+) -> (\S+) (\S+) idle', self.log()[begin:],
        re.MULTILINE):
      found[(protocol.upper(), client, virtual)] = (
          server, 'UDP' if protocol == 'udp' else state)
    return found
