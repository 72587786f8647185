// Prints who may do what into docs/operating/people.md, which people write but for this part: from the routes as they are registered and the
// one table of permissions. Nothing is started.

import { Registry } from 'prom-client';
import { assert } from '../base/assert.ts';
import { silentLog } from '../base/log.ts';
import { ACTION_KINDS } from '../bus/messages.ts';
import { createApi } from '../control/api/app.ts';
import { routeRules } from '../control/api/routes.ts';
import { PERMISSION_NAMES, type Permission, permissionFor, ROLES, rolesWith } from '../control/permissions.ts';
import type { Services } from '../control/services.ts';

const BEGIN =
  '<!-- Printed by `npm run docs` from control/permissions.ts and the routes. Change those, not what follows. -->\n';
const END = '<!-- End of what is printed. -->\n';

/** The page with its printed part as it is today. */
export function printPermissions(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const [, after] = (rest ?? '').split(END);
  assert(before !== undefined && after !== undefined, 'docs/operating/people.md lost the marks of its printed part');
  return [before, BEGIN, '\n', lines().join('\n'), '\n\n', END, after].join('');
}

function lines(): string[] {
  // Routes keep the services they are given for later, and use none while they are registered.
  const { api } = createApi({ services: {} as Services, log: silentLog, registry: new Registry() });
  const rules = routeRules(api).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return [
    ...table('permission', (permission) => [permission, [permission]], PERMISSION_NAMES),
    '',
    'Routes, below `/api/v1`; where several permissions stand, one is enough:',
    '',
    ...table('route', ({ method, path, anyOf }) => [`${method} ${path.slice('/api/v1'.length)}`, anyOf], rules),
    '',
    '`POST /devices/{id}/actions` then looks at the kind of action:',
    '',
    ...table('kind', (kind) => [kind, [permissionFor(kind)]], ACTION_KINDS),
  ];
}

/** A row for each thing with its permissions, and a column for each role. */
function table<T>(head: string, row: (each: T) => [string, readonly Permission[]], all: readonly T[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const isBare = head === 'permission';
  const heads = [head, ...(isBare ? [] : ['permission']), ...ROLES];
  const rows = all.map((each) => {
    const [name, anyOf] = row(each);
    const roles = rolesWith(anyOf);
    const marks = ROLES.map((role) => (roles.includes(role) ? '✓' : ''));
    return line([`\`${name}\``, ...(isBare ? [] : [anyOf.join(', ')]), ...marks]);
  });
  return [line(heads), line(heads.map(() => '---')), ...rows];
}
