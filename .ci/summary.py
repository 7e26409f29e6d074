"""Counts test cases of Bazel runs: summary.py BAD EVENTS_JSON...

Prints each failure and each skip with its reason, then "N passed, N failed,
N skipped". Exits 1 if a case failed, nothing ran, or BAD is 1 (a stage failed
in another way, which counts as one failure).
"""

import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def outputs(events_path):
  """Yields (label, status, {name: path}) of every test that Bazel ran.

  A target that did not build comes as one test with no file.
  """
  with open(events_path, encoding='utf-8') as events:
    for line in events:
      event = json.loads(line)
      completed = event['id'].get('targetCompleted')
      if completed and not event.get('completed', {}).get('success'):
        yield completed['label'], 'BUILD FAILED', {}
      if 'testResult' not in event:
        continue
      result = event['testResult']
      files = {
          output['name']: urllib.parse.unquote(output['uri'][len('file://'):])
          for output in result.get('testActionOutput', [])
          if output.get('uri', '').startswith('file://')
      }
      yield event['id']['testResult']['label'], result['status'], files


def cases(status, files):
  """Yields (name, outcome, reason) of every case of one test."""
  found = []
  if not files:
    return [('', 'failed', status)]
  try:
    for case in ElementTree.parse(files['test.xml']).iter('testcase'):
      # Bazel's own report has the target's name and no class.
      name = '.'.join(filter(None, [case.get('classname'), case.get('name')]))
      skip = case.find('skipped')
      if case.find('failure') is not None or case.find('error') is not None:
        found.append((name, 'failed', ''))
      elif skip is not None:
        found.append((name, 'skipped', skip.get('message', '')))
      elif case.get('status') == 'notrun':
        found.append((name, 'skipped', 'disabled'))
      else:
        found.append((name, 'passed', ''))
  except (KeyError, OSError, ElementTree.ParseError) as error:
    found.append(('', 'failed', f'no report: {error}'))
  # A test that is not GoogleTest says "SKIPPED: reason" on a line of its log.
  if len(found) == 1 and found[0][1] == 'passed' and 'test.log' in files:
    with open(files['test.log'], encoding='utf-8', errors='replace') as log:
      for line in log:
        if line.startswith('SKIPPED:'):
          found = [('', 'skipped', line[len('SKIPPED:'):].strip())]
          break
  if status != 'PASSED' and all(case[1] != 'failed' for case in found):
    found.append(('', 'failed', f'status {status}'))
  return found


def main():
  counts = {'passed': 0, 'failed': 0, 'skipped': 0}
  for events_path in sys.argv[2:]:
    if not os.path.exists(events_path):
      continue
    for label, status, files in outputs(events_path):
      for name, outcome, reason in cases(status, files):
        counts[outcome] += 1
        if outcome != 'passed':
          reason = ' '.join(reason.split())
          print(f'{outcome.upper()}: {label} {name} {reason}'.rstrip())
  if counts['failed'] == 0 and sys.argv[1] != '0':
    print('FAILED: a stage, see above')
    counts['failed'] = 1
  print(', '.join(f'{count} {outcome}' for outcome, count in counts.items()))
  return 1 if counts['failed'] or not counts['passed'] else 0


if __name__ == '__main__':
  sys.exit(main())
