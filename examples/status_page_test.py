#!/usr/bin/python3 -B
"""The status page in a browser (Chromium, headless): it shows what the unit
says and goes on showing it, a drain that is clicked and confirmed takes effect,
and one that is cancelled does not. First of a unit that only seems to work, then
of a ballastd, by HTTPS and with a password.

Usage: status_page_test.py STATUS_PAGE_SERVER BALLASTD BALLASTCTL

BALLAST_SCREENSHOTS=FOLDER keeps pictures of it.
"""

import asyncio
import base64
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
PATIENCE_S = 20


class Browser:
  """One page of a headless browser, by the DevTools protocol."""

  def __init__(self, program, folder):
    self._loop = asyncio.new_event_loop()
    asyncio.set_event_loop(self._loop)
    self._folder = folder
    self._socket = None
    self._number = 0
    self.complaints = []
    os.makedirs(folder, exist_ok=True)
    self._process = subprocess.Popen(
        [program, '--headless', '--no-sandbox', '--disable-gpu',
         '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-dev-shm-usage',
         '--ignore-certificate-errors',
         '--remote-debugging-port=0', f'--user-data-dir={folder}',
         'about:blank'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, 'HOME': folder})

  def open(self, websockets):
    port_file = os.path.join(self._folder, 'DevToolsActivePort')
    port = wait_for('the browser', lambda: read_lines(port_file))[0]
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/json') as reply:
      pages = [page for page in json.load(reply) if page['type'] == 'page']
    self._socket = self._wait(websockets.connect(
        pages[0]['webSocketDebuggerUrl'], max_size=None))
    self.call('Log.enable')
    self.call('Runtime.enable')
    self.call('Page.enable')

  def _wait(self, doing):
    async def in_time():
      return await asyncio.wait_for(doing, PATIENCE_S)
    return self._loop.run_until_complete(in_time())

  def call(self, method, **parameters):
    self._number += 1
    self._wait(self._socket.send(json.dumps(
        {'id': self._number, 'method': method, 'params': parameters})))
    while True:
      message = json.loads(self._wait(self._socket.recv()))
      if message.get('id') == self._number:
        if 'error' in message:
          raise AssertionError(f'{method}: {message["error"]}')
        return message['result']
      if message.get('method') == 'Log.entryAdded':
        entry = message['params']['entry']
        self.complaints.append(f'{entry["level"]}: {entry["text"]}')
      if message.get('method') == 'Runtime.exceptionThrown':
        self.complaints.append(json.dumps(message['params']))

  def value(self, script):
    result = self.call('Runtime.evaluate', expression=script,
                       returnByValue=True, awaitPromise=True)
    if 'exceptionDetails' in result:
      raise AssertionError(f'{script}: {result["exceptionDetails"]}')
    return result['result'].get('value')

  def text(self, selector):
    return self.value(
        f'(document.querySelector({json.dumps(selector)}) || {{}}).innerText')

  def click(self, selector):
    self.value(f'document.querySelector({json.dumps(selector)}).click()')

  def press(self, key, code):
    for kind in ('keyDown', 'keyUp'):
      self.call('Input.dispatchKeyEvent', type=kind, key=key, code=key,
                windowsVirtualKeyCode=code,
                **({'text': '\r'} if key == 'Enter' and kind == 'keyDown'
                   else {}))

  def picture(self, name, width, height, scheme):
    folder = os.environ['BALLAST_SCREENSHOTS']
    self.call('Emulation.setEmulatedMedia',
              features=[{'name': 'prefers-color-scheme', 'value': scheme}])
    self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
              deviceScaleFactor=1, mobile=False)
    self.value('scrollTo(0, 0)')
    data = self.call('Page.captureScreenshot')['data']
    with open(os.path.join(folder, name), 'wb') as file:
      file.write(base64.b64decode(data))

  def close(self):
    if self._socket is not None:
      self._wait(self._socket.close())
    self._loop.close()
    self._process.terminate()
    self._process.wait(PATIENCE_S)


def read_lines(path):
  try:
    with open(path, encoding='utf-8') as file:
      return file.read().split()
  except FileNotFoundError:
    return None


def wait_for(what, condition):
  end = time.monotonic() + PATIENCE_S
  while time.monotonic() < end:
    value = condition()
    if value:
      return value
    time.sleep(0.1)
  raise AssertionError(f'not in {PATIENCE_S} s: {what}')


def check_equal(have, want, what):
  if have != want:
    raise AssertionError(f'{what}: {have!r}, not {want!r}')


def skip(reason):
  print(f'SKIPPED: {reason}')
  sys.exit(0)


def row(server):
  return f'tr[data-server="{server}"]'


def shows_and_drains(browser, url):
  browser.call('Page.navigate', url=url)
  wait_for('the services',
           lambda: browser.value("document.querySelectorAll('tr[data-server]')"
                                 '.length') == 7)
  check_equal(browser.text('#own-icon'), 'A', 'this unit: green with an A')
  check_equal(browser.text('#own-text'),
              'Active: the partner fell silent', 'its reason')
  check_equal(browser.text('#partner-text'),
              'Offline or not paired: not heard', 'the partner')
  check_equal(browser.value("document.getElementById('partner-icon').className"),
              'icon RED', "the partner's icon")
  # LoadMaster behaviour: the last of five default weights gets 96 slots.
  starved = browser.text(row('192.0.2.25:80') + ' [data-label=Slots]')
  check_equal(starved.startswith('2.3 %, starved'), True,
              f'the share of the last server, {starved!r}')
  check_equal('standby' in browser.text('#log'), True, 'role changes in the log')

  # Live: two polls later another number of connections.
  active = row('192.0.2.21:80') + ' [data-label=Active]'
  before = browser.text(active)
  wait_for('a live number', lambda: browser.text(active) != before)
  points = browser.value("document.querySelector('svg.chart polyline')"
                         ".getAttribute('points').split(' ').length")
  check_equal(points >= 2, True, f'a line of {points} points')

  # A drain that is cancelled (by the key) is none.
  state = row('192.0.2.22:80') + ' .state'
  drain = row('192.0.2.22:80') + ' [data-order=drain]'
  browser.click(drain)
  wait_for('the question', lambda: browser.value(
      "document.getElementById('ask').open"))
  browser.press('Escape', 27)
  wait_for('no question', lambda: not browser.value(
      "document.getElementById('ask').open"))
  # One that is confirmed, all by keyboard.
  browser.value(f'document.querySelector({json.dumps(drain)}).focus()')
  browser.press('Enter', 13)
  wait_for('the question again', lambda: browser.value(
      "document.getElementById('ask').open"))
  check_equal('192.0.2.22:80 of 192.0.2.10:80/tcp' in browser.text('#ask-text'),
              True, 'the question names the server')
  check_equal(browser.text(state), 'up', 'the server before the answer')
  check_equal(browser.value('document.activeElement.id'), 'ask-no',
              'what has the focus')
  browser.press('Tab', 9)
  wait_for('the other button', lambda: browser.value(
      'document.activeElement.id') == 'ask-yes')
  browser.press('Enter', 13)
  wait_for('the drained server',
           lambda: browser.text(state) == 'draining, up')
  with urllib.request.urlopen(url + 'v1/status') as reply:
    status = json.load(reply)
  check_equal([server['state'] for server in status['services'][0]['servers']],
              ['enabled', 'draining', 'enabled', 'enabled', 'enabled'],
              'what the unit says')
  wait_for('the log', lambda: 'drain: server 192.0.2.22:80'
           in browser.text('#log'))
  check_equal(browser.text(row('192.0.2.22:80') + ' [data-order=enable]'),
              'Enable', 'the way back')

  # What the unit refuses is shown with its reason.
  browser.click('#switchover')
  browser.click('#ask-yes')
  wait_for('the refusal', lambda: 'the partner is not there'
           in (browser.text('#trouble') or ''))
  for complaint in browser.complaints:
    # The refusal itself is noted, too.
    check_equal('409' in complaint, True, f'the browser says {complaint}')


def looks_but_touches_nothing(browser, url):
  browser.call('Page.navigate', url=url)
  wait_for('the services',
           lambda: browser.value("document.querySelectorAll('tr[data-server]')"
                                 '.length') == 7)
  check_equal(browser.value("document.querySelectorAll('[data-order]').length"),
              0, "a viewer's buttons")
  check_equal(browser.value("document.getElementById('switchover').hidden"),
              True, "a viewer's switchover is hidden")


def of_a_ballastd(browser, folder):
  """Two servers: one that answers, one that is not there."""
  web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hello)
  threading.Thread(target=web.serve_forever, daemon=True).start()
  good = f'127.0.0.1:{web.server_port}'
  with socket.create_server(('127.0.0.1', 0)) as taken:
    bad = f'127.0.0.1:{taken.getsockname()[1]}'
  hashed = subprocess.run([sys.argv[3], 'password'], input='pass word\n',
                          stdout=subprocess.PIPE, text=True,
                          check=True).stdout.strip()
  port, service_port = free_port(), free_port()
  config = os.path.join(folder, 'unit.textproto')
  with open(config, 'w', encoding='utf-8') as file:
    file.write(f"""
        state_dir: "{folder}/state" statistics_period_s: 0
        management {{ port: {port} users {{
          name: "bal" role: OPERATOR password_hash: "{hashed}" }} }}
        virtual_services {{ name: "web" address: "127.0.0.1"
          port: {service_port} l7 {{ host_address: true }}
          real_servers {{ address: "127.0.0.1" port: {good.split(':')[1]} }}
          real_servers {{ address: "127.0.0.1" port: {bad.split(':')[1]} }} }}
        """)
  log = os.path.join(folder, 'log')
  with open(log, 'w', encoding='utf-8') as out:
    unit = subprocess.Popen([sys.argv[2], '--log=text', '--config', config], stderr=out)
  try:
    wait_for('the listener', lambda: 'management:' in (read_lines(log) or []))
    browser.call('Page.navigate',
                 url=f'https://bal:pass%20word@127.0.0.1:{port}/')
    wait_for('the servers', lambda: [
        (browser.text(f'{row(server)} .state') or '') for server in (good, bad)
    ] == ['up', 'down'])
    # Requests that are made now are seen.
    rate = f'{row(good)} [data-label=Rate]'
    check_equal(browser.text(rate), '0 new/s', 'the rate before')
    def requests_are_seen():
      with urllib.request.urlopen(f'http://127.0.0.1:{service_port}/') as reply:
        check_equal(reply.read(), b'hello', 'what the service says')
      return 'requests/s' in browser.text(rate)
    wait_for('the rate', requests_are_seen)

    browser.click(f'{row(good)} [data-order=drain]')
    browser.click('#ask-yes')
    wait_for('the drain', lambda: browser.text(f'{row(good)} .state')
             == 'draining, up')
    wait_for('its entry', lambda: f'by bal from 127.0.0.1: drain: server {good}'
             in browser.text('#log'))
    with open(config, encoding='utf-8') as file:
      check_equal('DRAINING' in file.read(), True, 'it is in the file')
    check_equal(browser.value("document.getElementById('pair').hidden"), True,
                'no pair, no icons')
  except Exception:
    with open(log, encoding='utf-8') as file:
      print(file.read())
    raise
  finally:
    unit.terminate()
    unit.wait(PATIENCE_S)
    web.shutdown()


class Hello(http.server.BaseHTTPRequestHandler):

  def do_GET(self):  # pylint: disable=invalid-name
    self.send_response(200)
    self.send_header('Content-Length', '5')
    self.end_headers()
    self.wfile.write(b'hello')

  def log_message(self, *_):  # pylint: disable=arguments-differ
    pass


def free_port():
  with socket.create_server(('127.0.0.1', 0)) as taken:
    return taken.getsockname()[1]


def main():
  program = next(filter(None, map(shutil.which, BROWSERS)), None)
  if program is None:
    skip(f'none of {", ".join(BROWSERS)} is installed')
  try:
    import websockets  # pylint: disable=import-outside-toplevel
  except ImportError:
    skip('python3-websockets is not installed')
  with tempfile.TemporaryDirectory() as folder:
    browser = Browser(program, os.path.join(folder, 'browser'))
    try:
      browser.open(websockets)
      for role, test in (('ADMIN', shows_and_drains),
                         ('VIEWER', looks_but_touches_nothing)):
        with subprocess.Popen([sys.argv[1], f'--role={role}'],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as server:
          try:
            url = server.stdout.readline().strip()
            test(browser, url)
            if role == 'ADMIN' and os.environ.get('BALLAST_SCREENSHOTS'):
              for which, order in (('192.0.2.22:80', 'enable'),
                                   ('192.0.2.31:25', 'drain')):
                browser.click(f'{row(which)} [data-order={order}]')
                browser.click('#ask-yes')
                time.sleep(1)
              time.sleep(60)  # So that the lines are.
              browser.value("document.getElementById('done').textContent = ''")
              browser.picture('status-page.png', 1000, 1000, 'light')
              browser.picture('status-page-dark.png', 1000, 1000, 'dark')
              browser.picture('status-page-phone.png', 400, 1400, 'dark')
          finally:
            server.stdin.close()
        print(f'{role}: {test.__name__.replace("_", " ")}', flush=True)
      folder_of_unit = os.path.join(folder, 'unit')
      os.mkdir(folder_of_unit)
      of_a_ballastd(browser, folder_of_unit)
      print('of a ballastd', flush=True)
    finally:
      browser.close()


if __name__ == '__main__':
  main()
