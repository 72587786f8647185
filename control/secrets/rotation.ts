// A rotation: all controls seal under a new key, and what lies under older ones is sealed anew in the background. Everything it needs to go
// on is in the database, batch by batch in the transaction of the batch: whoever is killed, another control or the next start goes on.
//
//   begun ─all live controls seal under the key─▶ switched ─keySettleMs─▶ walk 1 ─▶ walk 2 … ─a walk finds nothing─▶ ended
//
// A walk goes over all sealed columns. What a control that had not switched was just writing may be behind the first one; the last one has
// seen everything. Until then nobody may take an older key out of the file.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import type { Principal, RotationView } from '../services.ts';
import { iso, isoOrNull, type Sql } from '../store/postgres.ts';
import { blocksOf, resealBlocks } from './reseal.ts';
import { nameOf, SEALED_COLUMNS } from './sealed-columns.ts';
import { adoptSealingKey, keysOfControls, newestRotation, type RotationRow, tellKeys } from './sealing-key.ts';

interface ColumnRow {
  name: string;
  block: string;
  blocks: string;
  resealed: string;
  unopened: string;
}

/** Begins a rotation to a key that is in the key file of every live control. Throws Refused with what to do first. */
export async function beginRotation(context: ControlContext, key: string, by: Principal): Promise<void> {
  const { sql, box, clock, live } = context;
  box.readAgain();
  if (!box.held.includes(key)) {
    const message = `The key file of this control has no key ${key}. \`starling secrets rotate\` adds one; run it on this host, or copy its file here.`;
    throw new Refused(422, 'unknown-key', message);
  }
  await tellKeys(context);
  const seq = await sql.begin(async (tx) => {
    // Of two that begin at once the second sees the first.
    await tx`lock table key_rotation in share row exclusive mode`;
    const newest = await newestRotation(tx);
    if (newest !== undefined && newest.ended_at === null) {
      const message = `A rotation to key ${newest.key} is under way. GET /api/v1/secrets/rotation shows how far it is.`;
      throw new Refused(409, 'rotation-running', message);
    }
    if ((newest?.key ?? box.oldest) === key) {
      throw new Refused(
        409,
        'already-sealing',
        `Key ${key} seals already. \`starling secrets rotate\` makes a new one.`,
      );
    }
    const lacking = (await keysOfControls(tx)).filter(({ held }) => !held.includes(key)).map(({ host }) => host);
    if (lacking.length > 0) {
      const message = `The controls on ${lacking.join(', ')} do not have key ${key} yet. Copy the key file there; they look at it every ${LIMITS.dispatchPeriodMs / 1_000} s.`;
      throw new Refused(409, 'key-not-everywhere', message);
    }
    const [row] = await tx<{ id: string }[]>`
      insert into key_rotation (key, begun_at, begun_by) values (${key}, ${new Date(clock.now())}, ${by.name}) returning id`;
    await tx`
      insert into key_rotation_column (rotation_id, name)
      select ${row!.id}, name from unnest(${SEALED_COLUMNS.map(nameOf)}::text[]) as n(name)`;
    const body = { step: 'begun', key, by: by.name, role: by.role, person: by.person };
    return await tell(tx, context, `${by.name} began to rotate the key of stored secrets`, body);
  });
  live.committed(seq);
}

/** Which key seals, who has which, and how far the newest rotation is. */
export async function rotationView({ sql, box }: ControlContext): Promise<RotationView> {
  const newest = await newestRotation(sql);
  const controls = await keysOfControls(sql);
  const columns = await sql<ColumnRow[]>`
    select name, block, blocks, resealed, unopened from key_rotation_column where rotation_id = ${newest?.id ?? null} order by name`;
  return {
    sealing: newest?.key ?? box.oldest,
    controls,
    rotation:
      newest === undefined
        ? null
        : {
            ...{ key: newest.key, state: stateOf(newest), walk: newest.walk },
            ...{ begunAt: iso(newest.begun_at), begunBy: newest.begun_by, endedAt: isoOrNull(newest.ended_at) },
            columns: columns.map(({ name, block, blocks, resealed, unopened }) => ({
              name,
              part: newest.walk === 0 ? 0 : blocks === '0' ? 1 : Number(block) / Number(blocks),
              resealed: Number(resealed),
              unopened: Number(unopened),
            })),
          },
  };
}

const stateOf = ({ ended_at, walk, switched_at }: RotationRow): NonNullable<RotationView['rotation']>['state'] =>
  ended_at !== null ? 'ended' : walk > 0 ? 'walking' : switched_at !== null ? 'settling' : 'waiting-for-controls';

/**
 * One pass of the job: looks which key seals, tells which ones are here, and carries an open rotation on by some batches.
 * @param settleMs between the last control's switch and the first walk.
 * @returns whether there is more to do at once, and what was done in words.
 */
export async function rotationPass(
  context: ControlContext,
  settleMs: number = LIMITS.keySettleMs,
): Promise<{ more: boolean; text: string }> {
  const { sql, box } = context;
  box.readAgain();
  let newest: RotationRow | undefined;
  try {
    newest = await adoptSealingKey(sql, box);
  } finally {
    await tellKeys(context);
  }
  if (newest === undefined || newest.ended_at !== null) return { more: false, text: `key ${box.sealing} seals` };
  const { id, key } = newest;
  const late = (await keysOfControls(sql)).filter(({ sealing }) => sealing !== key).map(({ host }) => host);
  if (late.length > 0) return { more: false, text: `waits until ${late.join(', ')} seals under key ${key}` };
  const [settled] = await sql<{ settled: boolean }[]>`
    update key_rotation set switched_at = coalesce(switched_at, now()) where id = ${id}
    returning now() - switched_at >= ${settleMs} * interval '1 millisecond' as settled`;
  if (settled?.settled !== true) return { more: false, text: 'all controls have switched' };
  for (let i = 0; i < LIMITS.resealBatches; i++) {
    const went = await oneBatch(context, newest);
    if (went !== 'on') return { more: false, text: went };
  }
  return { more: true, text: `seals anew under key ${key}` };
}

/** The next blocks of some column, or the next walk, or the end: one transaction. Another word than `on` says why there is no more. */
async function oneBatch(context: ControlContext, { id, key }: RotationRow): Promise<string> {
  const { sql, live } = context;
  let seq: string | null = null;
  const went = await sql.begin(async (tx) => {
    // Other controls do the same: each takes a column that nobody has in hand.
    const [next] = await tx<{ name: string; block: string; blocks: string }[]>`
      select name, block, blocks from key_rotation_column where rotation_id = ${id} and block < blocks
      order by name limit 1 for update skip locked`;
    if (next === undefined) {
      const [ended, told] = await nextWalk(tx, context, id);
      seq = told;
      return ended;
    }
    const column = SEALED_COLUMNS.find((one) => nameOf(one) === next.name);
    const to = Math.min(Number(next.block) + LIMITS.resealBlocks, Number(next.blocks));
    const { resealed, unopened } =
      column === undefined
        ? { resealed: 0, unopened: 0 }
        : await resealBlocks(tx, context, column, { from: Number(next.block), to });
    await tx`
      update key_rotation_column set block = ${to}, resealed = resealed + ${resealed},
        resealed_in_walk = resealed_in_walk + ${resealed}, unopened = unopened + ${unopened}
      where rotation_id = ${id} and name = ${next.name}`;
    return 'on';
  });
  live.committed(seq);
  return went === 'ended' ? `all is sealed under key ${key}` : went;
}

/** Begins the next walk, or ends the rotation when the one that is over found nothing. */
async function nextWalk(tx: Sql, context: ControlContext, id: string): Promise<[went: string, event: string | null]> {
  const [rotation] = await tx<RotationRow[]>`
    select * from key_rotation where id = ${id} and ended_at is null for update skip locked`;
  if (rotation === undefined) return ['another control is at it', null];
  const columns = await tx<(ColumnRow & { resealed_in_walk: string })[]>`
    select name, block, blocks, resealed, resealed_in_walk, unopened from key_rotation_column
    where rotation_id = ${id} order by name for update`;
  if (columns.some(({ block, blocks }) => Number(block) < Number(blocks))) return ['another control is at it', null];
  const sum = (of: 'resealed' | 'resealed_in_walk' | 'unopened'): number =>
    columns.reduce((total, column) => total + Number(column[of]), 0);
  if (rotation.walk > 0 && sum('resealed_in_walk') === 0) {
    await tx`update key_rotation set ended_at = ${new Date(context.clock.now())} where id = ${id}`;
    const body = {
      step: 'ended',
      key: rotation.key,
      walks: rotation.walk,
      resealed: sum('resealed'),
      unopened: sum('unopened'),
    };
    return ['ended', await tell(tx, context, `Stored secrets are sealed under key ${rotation.key}`, body)];
  }
  for (const column of SEALED_COLUMNS) {
    await tx`
      update key_rotation_column set block = 0, blocks = ${await blocksOf(tx, column)}, resealed_in_walk = 0, unopened = 0
      where rotation_id = ${id} and name = ${nameOf(column)}`;
  }
  await tx`update key_rotation set walk = walk + 1 where id = ${id}`;
  return ['on', null];
}

async function tell(
  tx: Sql,
  { clock }: ControlContext,
  summary: string,
  body: Record<string, unknown>,
): Promise<string | null> {
  const at = clock.now();
  return await record(
    tx,
    [{ deviceId: null, actionId: null, at, kind: 'secrets.rotation', summary, body }],
    [{ actionId: '', at, kind: 'secrets-rotated', body }],
  );
}
