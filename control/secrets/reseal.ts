// Seals anew what lies under older keys, a few blocks of a table's file at a time: by the place of rows on the disk and not by a key, so that
// a walk reads each table once, in order, and needs no index. What is written meanwhile is under the new key already.

import type { SecretBox } from '../../base/secret-box.ts';
import { sealedUnder } from '../../base/secret-box.ts';
import type { ControlContext } from '../context.ts';
import { arrayText, type Fragment, type Sql } from '../store/postgres.ts';
import { nameOf, type SealedColumn } from './sealed-columns.ts';

interface SealedRow {
  place: string;
  keys: string[];
  sealed: string;
}

/**
 * Re-seals the rows of these blocks, in the caller's transaction.
 * @returns how many are under the newest key now, and how many open with no key and stay as they are.
 */
export async function resealBlocks(
  tx: Sql,
  { box, log }: Pick<ControlContext, 'box' | 'log'>,
  of: SealedColumn,
  { from, to }: { from: number; to: number },
): Promise<{ resealed: number; unopened: number }> {
  const column = tx(of.column);
  const keys = of.keys.map((key) => tx(key));
  const list = (parts: Fragment[]): Fragment => parts.reduce((joined, part) => tx`${joined}, ${part}`);
  // Locked in the order in which others lock them; a row that another transaction changed meanwhile has moved, and is under the new key.
  const rows = await tx<SealedRow[]>`
    select ctid::text as place, array[${list(keys.map((key) => tx`${key}`))}] as keys, ${column} as sealed from ${tx(of.table)}
    where ctid >= ${`(${from},0)`}::tid and ctid < ${`(${to},0)`}::tid
      and ${column} is not null and not starts_with(${column}, ${sealedUnder(box.sealing)})
    order by ${list(keys.map((key) => tx`${key} collate "C"`))} for no key update`;
  const anew = rows.flatMap((row) => {
    const sealed = sealedAnew(box, row.sealed, of.contextOf(row.keys));
    if (sealed !== null) return [{ place: row.place, sealed }];
    log.error({ column: nameOf(of), row: row.keys }, 'a sealed text opens with no key that is here; it stays as it is');
    return [];
  });
  if (anew.length > 0) {
    await tx`
      update ${tx(of.table)} as t set ${column} = n.sealed
      from unnest(${arrayText(anew.map(({ place }) => place))}::text::tid[], ${arrayText(anew.map(({ sealed }) => sealed))}::text::text[])
        as n(place, sealed)
      where t.ctid = n.place`;
  }
  return { resealed: anew.length, unopened: rows.length - anew.length };
}

function sealedAnew(box: SecretBox, sealed: string, context: string): string | null {
  try {
    return box.seal(box.open(sealed, context), context);
  } catch {
    return null;
  }
}

/** Blocks of a table's file, now. */
export async function blocksOf(tx: Sql, { table }: SealedColumn): Promise<number> {
  const [row] = await tx<{ blocks: number }[]>`
    select (pg_relation_size(${table}::regclass) / current_setting('block_size')::int)::int as blocks`;
  return row!.blocks;
}
