#!/usr/bin/python3 -B
"""The embedded proxy without any privilege: requests go round, the client is
told to servers, a server that ends is noticed, errors say what is wrong."""

import subprocess
import sys

from proxy_testing import Program, Server, check, free_port, refused


def main():
  servers = [Server(name) for name in ('one', 'two')]
  program = Program('--schedule=RR', *[server.address for server in servers])
  try:
    def names(count):
      return [program.curl(f'/{i}').split()[0] for i in range(count)]
    got = program.curl('/path?query')
    check(got.split()[1] == '/path?query', got)
    check('X-Forwarded-For: 127.0.0.1' in got, got)
    check(sorted(names(4)) == ['one', 'one', 'two', 'two'], 'they take turns')
    servers[0].stop()
    check(set(names(4)) == {'two'}, 'the other one takes all')
    said = program.stop()
    check(f'{servers[1].address} up\n' in said, said)
  finally:
    program.kill()

  check('no servers' in refused(), 'no servers')
  check('nonsense' in refused('nonsense'), 'a server that is none')
  check('--listen' in refused('--listen=here', '127.0.0.1:9'), '--listen')
  check('NOSUCH' in refused('--schedule=NOSUCH', '127.0.0.1:9'), '--schedule')
  check('192.0.2.1' in refused(f'--listen=192.0.2.1:{free_port()}',
                               '127.0.0.1:9'), 'an address not of this host')
  usage = subprocess.run([sys.argv[1], '--help'], text=True, check=False,
                         stdout=subprocess.PIPE).stdout
  check('--listen' in usage and 'SERVER' in usage, usage)


if __name__ == '__main__':
  main()
