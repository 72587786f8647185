// Which key seals, agreed on by all controls through the database, and which keys each of them has: so that a key is used only when nobody
// lacks it. Re-sealing what there is stands in reseal.ts, when it begins and ends in rotation.ts.

import { ConfigError } from '../../base/errors.ts';
import type { SecretBox } from '../../base/secret-box.ts';
import type { ControlContext } from '../context.ts';
import { arrayText, type Sql } from '../store/postgres.ts';

export interface RotationRow {
  id: string;
  key: string;
  begun_at: Date;
  begun_by: string;
  switched_at: Date | null;
  walk: number;
  ended_at: Date | null;
}
export interface ControlKeys {
  host: string;
  /** Fingerprints, newest first; empty for a control that has not told. */
  held: string[];
  /** null: it has not told. */
  sealing: string | null;
}

/** The rotation that said last which key seals. */
export async function newestRotation(sql: Sql): Promise<RotationRow | undefined> {
  const [row] = await sql<RotationRow[]>`select * from key_rotation order by id desc limit 1`;
  return row;
}

/**
 * Seals from now on under the key that the database names. Returns the rotation that named it.
 * @throws ConfigError `missing-key` when the key file here does not have it; what it seals then others can still open.
 */
export async function adoptSealingKey(sql: Sql, box: SecretBox): Promise<RotationRow | undefined> {
  const newest = await newestRotation(sql);
  if (newest === undefined || box.sealWith(newest.key)) return newest;
  const message = `The secrets of this database are sealed under key ${newest.key}, and the key file here has ${box.held.join(', ')}. Copy the key file from a control that has it.`;
  throw new ConfigError('missing-key', message);
}

/** Tells the other controls which keys this one has. A process that is not alive to them (store/leases.ts) has nothing to tell. */
export async function tellKeys({ sql, member, box }: ControlContext): Promise<void> {
  await sql`
    insert into control_key as k (member, held, sealing)
    select id, ${arrayText(box.held)}::text::text[], ${box.sealing} from control_member where id = ${member}
    on conflict (member) do update set held = excluded.held, sealing = excluded.sealing
      where (k.held, k.sealing) is distinct from (excluded.held, excluded.sealing)`;
}

/** The keys of all controls that are alive. One of an older version, or that has just begun, has not told. */
export async function keysOfControls(sql: Sql): Promise<ControlKeys[]> {
  return await sql<ControlKeys[]>`
    select m.host, coalesce(k.held, '{}') as held, k.sealing
    from control_member m left join control_key k on k.member = m.id where m.until > now() order by m.host, m.id`;
}
