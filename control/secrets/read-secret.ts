// Opens one secret for one person, who says why. The record of it is on the disk before the secret leaves, and a refusal is a record too.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { sealContext } from '../actions/insert.ts';
import { readKnown } from '../actions/knowledge.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, record } from '../evidence/record.ts';
import { sealedParameter } from '../registry/parameters.ts';
import type { Principal, SecretQuestion, SecretView } from '../services.ts';
import { iso } from '../store/postgres.ts';
import { mayReadSecret, SECRET_READERS, secretClassOf } from './secret-class.ts';

/**
 * The last known value of a secret parameter: as the device told it, or of one that hides it, as an action has set it.
 * @throws Refused 403 'secret-class' for a role that may not read secrets of this kind, 404 for an unknown device or a secret nobody has told,
 * 409 'hidden' for one the device does not show and nobody here has set, 422 for a name that is none or no secret.
 */
export async function readSecret(
  context: ControlContext,
  deviceId: string,
  { name, reason }: SecretQuestion,
  by: Principal,
): Promise<SecretView> {
  const { sql, book, box } = context;
  const [device] = await sql<{ profile: string }[]>`select profile from device where id = ${deviceId}`;
  if (device === undefined) {
    throw new Refused(
      404,
      'unknown-device',
      `There is no device ${deviceId}. GET /devices lists those that are known.`,
    );
  }
  const stored = (await readKnown(sql, [deviceId], book.candidates(device.profile, name))).get(deviceId);
  const meant = book.resolve(device.profile, name, (path) => stored?.has(path) === true);
  if (meant.type !== 'ok') {
    const hint = meant.type === 'bad-path' ? meant.why : `Did you mean ${meant.nearest.join(', ')}?`;
    throw new Refused(422, 'unknown-name', `${name} is no name of this device. ${hint}`);
  }
  const { path } = meant;
  const found = stored?.get(path);
  if (!meant.secret && (found?.sealed ?? null) === null) {
    throw new Refused(
      422,
      'no-secret',
      `${path} is no secret: GET /devices/${deviceId}/parameters?prefix=${path} shows it.`,
    );
  }
  const kind = secretClassOf(path);
  if (!mayReadSecret(by.role, kind)) {
    const message = `Role '${by.role}' may not read secrets of kind ${kind}; it takes ${SECRET_READERS[kind].join(' or ')}.`;
    await recordRefusal(context, { deviceId, name: path, reason, by, why: message });
    throw new Refused(403, 'secret-class', message);
  }
  const known =
    found?.sealed == null
      ? await lastSet(context, deviceId, path)
      : { value: box.open(found.sealed, sealedParameter(deviceId, path)), actionId: null, at: new Date(found.readAt!) };
  if (known === null) {
    if (found?.value === '') {
      const message = `The device does not show ${path}, it reads as empty, and no action here has set it. Set a new one if nobody knows it.`;
      throw new Refused(409, 'hidden', message);
    }
    const message = `The device has not told ${path} yet. An action of kind get asks it; if it answers with nothing, it hides this secret.`;
    throw new Refused(404, 'not-known', message);
  }
  const { value, actionId, at } = known;
  await recordReading(context, { deviceId, name: path, reason, by }, kind);
  return { name: path, value, source: actionId === null ? 'device' : 'action', actionId, asOf: iso(at) };
}

/** What the newest action that set it has set; null when none has, or the device went back to its factory settings since. */
async function lastSet(
  { sql, box }: ControlContext,
  deviceId: string,
  path: string,
): Promise<{ value: string; actionId: string; at: Date } | null> {
  const rows = await sql<{ id: string; sealed_args: string; ended_at: Date }[]>`
    select a.id, a.sealed_args, a.ended_at from action a join device d on d.id = a.device_id
    where a.device_id = ${deviceId} and a.kind = 'set' and a.state = 'done'
      and (d.last_bootstrap_at is null or a.ended_at > d.last_bootstrap_at)
    order by a.id desc limit ${LIMITS.secretActionsMax}`;
  for (const { id, sealed_args, ended_at } of rows) {
    const { values } = JSON.parse(box.open(sealed_args, sealContext(id, 'args'))) as { values: Written[] };
    const written = values.find(({ name }) => name === path);
    if (written !== undefined) return { value: written.value, actionId: id, at: ended_at };
  }
  return null;
}

/** Among the arguments of `set` (actions/plan-kinds.ts). */
interface Written {
  name: string;
  value: string;
}

interface Reading {
  deviceId: string;
  name: string;
  reason: string;
  by: Principal;
}

async function recordReading(context: ControlContext, reading: Reading, kind: string): Promise<void> {
  const summary = `${reading.by.name} read the secret ${reading.name}: ${reading.reason}`;
  const body = { ...bodyOf(reading), class: kind };
  await append(context, 'secret-read', { ...reading, body, event: { kind: 'secret.read', summary } });
}

/** Writes down that somebody asked for a secret and did not get it. */
async function recordRefusal(context: ControlContext, refusal: Reading & { why: string }): Promise<void> {
  const summary = `${refusal.by.name} asked for the secret ${refusal.name} and was refused`;
  const body = { what: 'secret-read', ...bodyOf(refusal), why: refusal.why };
  await append(context, 'refused', { ...refusal, body, event: { kind: 'secret.refused', summary } });
}

/** @param reading its secret is not in it. */
function bodyOf({ deviceId, name, reason, by }: Reading): Record<string, unknown> {
  return { deviceId, name, by: by.name, role: by.role, person: by.person, tokenId: by.tokenId, reason };
}

/** Returns when it is on the disk. */
async function append(
  { sql, clock, live }: ControlContext,
  kind: 'secret-read' | 'refused',
  {
    deviceId,
    body,
    event,
  }: { deviceId: string; body: Record<string, unknown>; event: Pick<NewEvent, 'kind' | 'summary'> },
): Promise<void> {
  const at = clock.now();
  const seq = await sql.begin((tx) =>
    record(tx, [{ ...event, deviceId, actionId: null, at, body }], [{ actionId: '', at, kind, body }]),
  );
  live.committed(seq);
}
