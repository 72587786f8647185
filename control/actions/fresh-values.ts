// Before somebody is shown what would change, values that are old or were never read are read from the device, when it can be woken. A preview
// whose device does not answer in time is made all the same, and states how old what it shows is.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { PRIORITY, planOne } from './create.ts';
import { insertActions, type Owner } from './insert.ts';
import { readKnown } from './knowledge.ts';
import { objectsOfInterest, pathsOfInterest } from './plan.ts';
import type { ActionRequest } from './request.ts';

const OWNER: Owner = {
  kind: 'policy',
  name: 'fresh-values',
  role: 'policy',
  tokenId: null,
  person: null,
  reason: 'Somebody is about to be shown what would change.',
  reference: null,
};

/** Makes the action that reads what `request` would change. Returns its id; null when nothing is too old, or nobody can be asked. */
export async function readFresh(
  context: ControlContext,
  deviceId: string,
  request: ActionRequest,
): Promise<string | null> {
  const { sql, book, clock, live } = context;
  const [row] = await sql<{ root: string; profile: string; reachable: boolean }[]>`
    select root, profile, edge_id is not null and connection_request_url <> '' as reachable from device where id = ${deviceId}`;
  if (!row?.reachable || row.root === '') return null;
  const device = { id: deviceId, root: row.root, profileId: row.profile };
  const paths = pathsOfInterest(request, device, book);
  const objects = objectsOfInterest(request, device, book);
  const since = clock.now() - LIMITS.planValueAgeMs;
  const known = (await readKnown(sql, [deviceId], paths, objects)).get(deviceId) ?? new Map();
  const isFresh = (path: string): boolean => (known.get(path)?.readAt ?? 0) >= since;
  // Of the paths that a canonical name may mean, those that this device has.
  const single = paths.filter((path) => !path.endsWith('.') && !path.includes('*'));
  const there = single.filter((path) => known.has(path));
  const old = [...new Set(there.length > 0 ? there : single.slice(0, 1))].filter(
    (path) => !isFresh(path) && path.startsWith(row.root),
  );
  const names = [...old, ...objects.filter((object) => object.startsWith(row.root))].slice(0, LIMITS.actionNamesMax);
  if (names.length === 0) return null;
  const wanted = {
    device,
    request: { kind: 'get', names, wake: true } as const,
    owner: OWNER,
    priority: PRIORITY.waiting,
    idempotencyKey: null,
  };
  const action = await planOne(sql, context, wanted).catch((error: unknown) => {
    // What cannot be read is said by the plan of what was asked for.
    if (error instanceof Refused) return null;
    throw error;
  });
  if (action === null) return null;
  const seq = await sql.begin(async (tx) => {
    const inserted = await insertActions(tx, context, [action]);
    return await record(tx, inserted.events, inserted.evidence);
  });
  live.committed(seq);
  return action.id;
}
