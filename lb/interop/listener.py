"""What our decoder hears of the IPVS sync messages on a link of a network.Bed."""

import csv
import os
import signal

import network
from network import check_equal, endpoint, eventually


class Listener:
  """The program ipvs_listener, at an interface of a namespace."""

  def __init__(self, bed, namespace, interface, group, syncid):
    self._out = os.path.join(bed.folder, 'records.csv')
    self._errors = os.path.join(bed.folder, 'listener.log')
    with open(self._out, 'w', encoding='ascii') as out, open(
        self._errors, 'w', encoding='ascii') as errors:
      self._process = namespace.start(
          [network.find('lb/interop/ipvs_listener'), interface, group,
           str(syncid)], stdout=out, stderr=errors)
    eventually(self._text, 'the listener listens')

  def _text(self):
    with open(self._out, encoding='ascii') as file:
      text = file.read()
    return text[:text.rfind('\n') + 1]

  def records(self):
    """All so far: dictionaries of the program's columns."""
    return list(csv.DictReader(self._text().splitlines()))

  def last(self):
    """The last word on each: {(protocol, client, virtual): record}."""
    return {identity(record): record for record in self.records()}

  def stop(self):
    """What it says at its end: how much it heard and what it left out."""
    self._process.send_signal(signal.SIGTERM)
    check_equal(self._process.wait(5), 0, 'the listener: exit status')
    with open(self._errors, encoding='ascii') as file:
      return file.read().strip()


def identity(record):
  """As uml.Ipvs.table() names entries: ("TCP", "10.1.0.2:4000", "10.1.0.9:80")."""
  return ({'6': 'TCP', '17': 'UDP'}.get(record['proto'], record['proto']),
          endpoint(record['caddr'], record['cport']),
          endpoint(record['vaddr'], record['vport']))
