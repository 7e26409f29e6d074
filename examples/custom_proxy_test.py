#!/usr/bin/python3 -B
"""The proxy with rules of its own: the tenant is told and cannot be forged,
tenants keep their servers, and only those of a server that ends move."""

import re

from proxy_testing import Program, Server, check, refused

TENANTS = [f'tenant{i}' for i in range(16)]


def main():
  servers = [Server(name) for name in ('one', 'two', 'three')]
  program = Program(*[server.address for server in servers])
  try:
    def ask(tenant, *flags):
      return program.curl('/x', '-i', '-H', f'Host: {tenant}.example.com:80',
                          *flags)

    def homes():
      answers = {tenant: ask(tenant) for tenant in TENANTS}
      for tenant, text in answers.items():
        check(f'X-Tenant: {tenant}\n' in text, f'{tenant}: {text}')
      return {tenant: re.search(r'^(\w+) /x$', text, re.MULTILINE).group(1)
              for tenant, text in answers.items()}

    first = homes()
    check(set(first.values()) == {'one', 'two', 'three'}, f'homes: {first}')
    check(homes() == first, 'tenants keep their servers')

    # A client cannot say another tenant, nor have the field taken out.
    for forged in (['-H', 'X-Tenant: other'],
                   ['-H', 'X-Tenant: other', '-H', 'Connection: X-Tenant']):
      text = ask('tenant1', *forged)
      check(text.count('X-Tenant') == 1 and 'X-Tenant: tenant1\n' in text, text)
    check(f'X-Served-By: {servers[0].address}' in ask(
        next(tenant for tenant in TENANTS if first[tenant] == 'one')),
          'who served')
    for host in ('localhost', '127.0.0.1:80', '[::1]:80'):
      text = program.curl('/x', '-i', '-H', f'Host: {host}')
      check(' 404 ' in text and text.endswith('no such tenant\n'), text)

    servers[0].stop()
    moved = [tenant for tenant in TENANTS if first[tenant] == 'one']
    second = homes()
    check('one' not in second.values(), f'homes: {second}')
    for tenant in TENANTS:
      check(tenant in moved or second[tenant] == first[tenant],
            f'{tenant} moved from {first[tenant]} to {second[tenant]}')
    said = program.stop()
    check('answered 3, errors 0' in said, said)
  finally:
    program.kill()
  check('nonsense' in refused('nonsense'), 'a server that is none')


if __name__ == '__main__':
  main()
