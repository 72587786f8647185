// The built-in policy that gives each device connection-request credentials of its own (CWMP R1): at first contact, after 0 BOOTSTRAP,
// and when a connection request was not authorized. It plans a `set` like any owner; the secret goes sealed to the device's edge.

import { randomBytes } from 'node:crypto';
import { LIMITS } from '../../base/limits.ts';
import type { DeviceSettings } from '../../bus/messages.ts';
import { PRIORITY, planKnown } from '../actions/create.ts';
import type { Owner, PlannedAction } from '../actions/insert.ts';
import { readKnown } from '../actions/knowledge.ts';
import type { ActionRequest } from '../actions/request.ts';
import type { ControlContext } from '../context.ts';
import { NO_SETTINGS, readCredentials, writeCredentials } from '../registry/credentials.ts';
import type { Sql } from '../store/postgres.ts';
import { readMatrix } from './matrix-store.ts';

const USERNAME = 'management.connection-request-username';
const PASSWORD = 'management.connection-request-password';
const CONNECTION_REQUEST_POLICY = 'connection-request-credentials';

/** User names of our making: random letters and digits behind a fixed beginning. */
const OWN_CHARS = 17;
const OWN_USERNAME = new RegExp(`^stl[A-Za-z0-9]{${OWN_CHARS}}$`);

const OWNER: Owner = {
  kind: 'policy',
  name: CONNECTION_REQUEST_POLICY,
  role: 'policy',
  tokenId: null,
  person: null,
  reason: 'Each device has connection-request credentials of its own.',
  reference: null,
};

/**
 * Makes new credentials for these devices and plans their `set`, in the caller's transaction; devices with such an action still open, or
 * whose profile does not know the names, are left alone. The caller inserts the actions.
 */
export async function planConnectionRequestCredentials(
  tx: Sql,
  context: ControlContext,
  ids: string[],
): Promise<PlannedAction[]> {
  if (ids.length === 0) return [];
  const rows = await tx<{ id: string; root: string; profile: string }[]>`
    select id, root, profile from device d where id = any(${ids}) and not exists (
      select from action a where a.device_id = d.id and a.ended_at is null and a.owner_kind = 'policy'
        and a.owner_name = ${CONNECTION_REQUEST_POLICY})
    order by id`;
  const before = await readCredentials(tx, context, ids);
  const profiles = new Set(rows.map(({ profile }) => profile));
  const paths = [...profiles].flatMap((profile) =>
    [USERNAME, PASSWORD].flatMap((name) => context.book.candidates(profile, name)),
  );
  const known = await readKnown(tx, ids, [...new Set(paths)]);
  const matrix = await readMatrix(tx);
  const settings = new Map<string, DeviceSettings>();
  const actions: PlannedAction[] = [];
  for (const { id, root, profile } of rows) {
    const own = { username: `stl${randomText(OWN_CHARS)}`, password: randomText(24) };
    const request: ActionRequest = { kind: 'set', values: { [USERNAME]: own.username, [PASSWORD]: own.password } };
    const device = { id, root, profileId: profile };
    const wanted = {
      device,
      request,
      owner: OWNER,
      priority: PRIORITY.policy,
      idempotencyKey: null,
    };
    const knowledge = { known: known.get(id) ?? new Map(), file: null, firmwareBefore: null };
    const action = planKnown(context, matrix, wanted, knowledge);
    if ('code' in action) {
      context.log.info({ deviceId: id, why: action.message }, 'no connection-request credentials for this device');
      continue;
    }
    const { cpe, connectionRequest } = before.get(id) ?? NO_SETTINGS;
    // The ones before are tried too, until the device has taken the new ones (FIELD 40); an operator's stay for good.
    const kept = connectionRequest.filter((pair, index) => index === 0 || !OWN_USERNAME.test(pair.username));
    settings.set(id, { cpe, connectionRequest: [own, ...kept].slice(0, LIMITS.connectionRequestCredentialsMax) });
    actions.push(action);
  }
  await writeCredentials(tx, context, settings, CONNECTION_REQUEST_POLICY);
  return actions;
}

/** Letters and digits only: some CPEs take nothing else, and store at most 32 characters. */
function randomText(chars: number): string {
  const alphabet = 'abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
  let text = '';
  // Bytes past the last whole multiple are left out, so that each character is equally likely.
  while (text.length < chars) {
    for (const byte of randomBytes(chars)) {
      if (byte < 256 - (256 % alphabet.length) && text.length < chars) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
