// Writes evidence out, line by line as export-format.ts says, from one snapshot: whatever is asked for, the chain between is whole, so that what
// was left out, put in or changed shows without this database.

import { Refused } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import type { EvidenceService } from '../services.ts';
import { type Fragment, iso, type Sql } from '../store/postgres.ts';
import { GENESIS, recordDigest, recordText } from './chain.ts';
import {
  agedLine,
  EXPORT_FORMAT,
  EXPORT_VERSION,
  type ExportFilter,
  endLine,
  endText,
  headerLine,
  headLine,
  recordLine,
  skippedLine,
} from './export-format.ts';
import { type ChainHead, EvidenceSigner, fingerprintOf } from './signing.ts';

interface Row {
  seq: string;
  action_id: string;
  at: Date;
  kind: string;
  body: Record<string, unknown>;
  digest: string;
  hash: string;
  aged_out: boolean;
  wanted: boolean;
  head_at: Date | null;
  head_key: string | null;
  signature: string | null;
}

/** EvidenceService over the table of evidence. */
export function evidenceService(context: ControlContext): EvidenceService {
  const signer = new EvidenceSigner(context.box.signingSeed);
  let open = 0;
  return {
    key: () => ({ key: signer.publicKey, fingerprint: fingerprintOf(signer.publicKey) }),
    export(filter) {
      if (open >= LIMITS.evidenceExportsMax) {
        throw new Refused(429, 'exports', `${open} exports of evidence are under way. Come again when one has ended.`);
      }
      open++;
      return exportLines(context, signer, filter, () => open--);
    },
  };
}

/** Texts of several lines each, every line with its end. */
async function* exportLines(
  { sql, clock }: ControlContext,
  signer: EvidenceSigner,
  filter: ExportFilter,
  over: () => void,
): AsyncGenerator<string> {
  const { deviceId = null, actionId = null, from = null, to = null } = filter;
  const connection = await sql.reserve().catch((error: unknown) => {
    over();
    throw error;
  });
  try {
    await connection`begin isolation level repeatable read, read only`;
    // Times of records need not rise with their numbers: from the first to the last that is wanted, all are in the file.
    const within = connection`(${from}::timestamptz is null or e.at >= ${from}::timestamptz)
      and (${to}::timestamptz is null or e.at < ${to}::timestamptz)
      and ${actionId === null ? connection`true` : connection`e.action_id = ${actionId}`}
      and ${deviceId === null ? connection`true` : ofDevice(connection, deviceId)}`;
    const [range] = await connection<{ first: string | null; last: string | null }[]>`
      select min(e.seq) as first, max(e.seq) as last
      from ${deviceId === null ? connection`evidence` : allOfDevice(connection, deviceId)} e where digest is not null and ${within}`;
    const first = range?.first ?? null;
    const [before] =
      first === null
        ? []
        : await connection<{ seq: string; hash: string }[]>`
            select seq, hash from evidence where seq < ${first} order by seq desc limit 1`;
    const after = { seq: Number(before?.seq ?? 0), hash: before?.hash ?? GENESIS };
    const exportedAt = new Date(clock.now()).toISOString();
    const header = {
      format: EXPORT_FORMAT,
      version: EXPORT_VERSION,
      key: signer.publicKey,
      after,
      filter,
      exportedAt,
    } as const;
    const begin = headerLine(header);
    yield `${begin}\n`;

    let records = 0;
    let skipped = 0;
    let aged = 0;
    let last: Omit<ChainHead, 'at'> = after;
    const key = fingerprintOf(signer.publicKey);
    const rows = connection<Row[]>`
      select e.seq, e.action_id, e.at, e.kind, e.body, e.digest, e.hash, e.aged_out, ${within} as wanted,
        h.at as head_at, h.key as head_key, h.signature
      from evidence e left join evidence_head h on h.seq = e.seq
      where e.seq between ${first ?? 1}::bigint and ${range?.last ?? 0}::bigint order by e.seq`.cursor(
      LIMITS.evidenceExportRows,
    );
    for await (const page of rows) {
      let text = '';
      for (const row of page) {
        const { action_id, kind, body, digest, hash } = row;
        const seq = Number(row.seq);
        if (row.wanted && row.aged_out) {
          text += `${agedLine(seq, digest, hash)}\n`;
          aged++;
        } else if (row.wanted) {
          text += `${recordLine(recordText({ seq, actionId: action_id, at: iso(row.at), kind, body }), hash)}\n`;
          records++;
        } else {
          text += `${skippedLine(seq, digest, hash)}\n`;
          skipped++;
        }
        // Of a key that was replaced since nobody who has this file could say whose it was.
        if (row.head_key === key) text += `${headLine({ seq, hash, at: iso(row.head_at!) }, row.signature!)}\n`;
        last = { seq, hash };
      }
      yield text;
    }
    const head = { ...last, at: exportedAt };
    const end = { records, skipped, aged, header: recordDigest(begin) };
    yield `${endLine(end, head, signer.sign(head, endText(end)))}\n`;
  } finally {
    await connection`rollback`.catch(() => {});
    connection.release();
    over();
  }
}

const itsActions = (sql: Sql, deviceId: string): Fragment =>
  sql`action_id = any(array(select id from action where device_id = ${deviceId}))`;
const aboutIt = (sql: Sql, deviceId: string): Fragment => sql`action_id = '' and body->>'deviceId' = ${deviceId}`;

/** Records of its actions, and those about no action that name it. What such a one was about is gone with its body. */
function ofDevice(sql: Sql, deviceId: string): Fragment {
  return sql`(${itsActions(sql, deviceId)} or (${aboutIt(sql, deviceId)}))`;
}

/** The same by their two indexes. Without the fence the planner would rather walk the chain from either end until it meets one. */
function allOfDevice(sql: Sql, deviceId: string): Fragment {
  return sql`(select * from evidence where ${itsActions(sql, deviceId)}
    union all select * from evidence where ${aboutIt(sql, deviceId)} offset 0)`;
}
