// Files for and from devices: what control knows of them. The bytes are in the file store that main.ts is handed.

import { Refused } from '../../base/errors.ts';
import type { ControlContext } from '../context.ts';
import type { UploadEffect } from '../ingest/effects.ts';
import { keyOf, pageOf, rowsOf } from '../registry/cursor.ts';
import type { FileService, FileStore, FileView } from '../services.ts';
import { iso, jsonText, type Sql } from '../store/postgres.ts';

interface FileRow {
  id: string;
  name: string;
  file_type: string;
  bytes: string;
  sha256: string;
  source: 'operator' | 'device';
  device_id: string | null;
  action_id: string | null;
  created_by: string | null;
  created_at: Date;
}

function view(row: FileRow): FileView {
  const { id, name, sha256, source } = row;
  return {
    id,
    name,
    fileType: row.file_type,
    bytes: Number(row.bytes),
    sha256,
    source,
    deviceId: row.device_id,
    actionId: row.action_id,
    createdBy: row.created_by,
    createdAt: iso(row.created_at),
  };
}

/** What is known of one file; null when there is none of this id. */
export async function findFile(sql: Sql, id: string): Promise<FileView | null> {
  const [row] = await sql<FileRow[]>`select * from file where id = ${id}`;
  return row ? view(row) : null;
}

/**
 * Files that devices uploaded, as their edges report them.
 * @param isHere whether edges share their disk with this control; otherwise they are fetched (uploads.ts).
 */
export async function writeUploads(tx: Sql, uploads: UploadEffect[], isHere: boolean): Promise<void> {
  if (uploads.length === 0) return;
  const rows = uploads.map(({ at, edgeId, pop, body }) => ({ ...body, edgeId, pop, at: new Date(at) }));
  await tx`
    insert into file (id, name, file_type, bytes, sha256, source, device_id, action_id, created_at, edge_id, pop, stored_at)
    select u."fileId", u."fileId", coalesce(a.request->>'fileType', ''), u.bytes, u.sha256, 'device', u."cpeId", u."actionId", u.at,
      u."edgeId", u.pop, ${isHere ? new Date() : null}
    from jsonb_to_recordset(${jsonText(rows)}::text::jsonb)
      as u("fileId" text, bytes bigint, sha256 text, "cpeId" text, "actionId" text, at timestamptz, "edgeId" text, pop text)
    left join action a on a.id = u."actionId"
    on conflict (id) do nothing`;
}

/** FileService; without a store files can be listed and not added. */
export function fileService({ sql, clock }: ControlContext, store: FileStore | null): FileService {
  return {
    async add(source, { name, fileType }, principal) {
      if (!store)
        throw new Refused(
          503,
          'no-file-store',
          'This control has no file store. Give the action a url instead of a file.',
        );
      const { fileId, bytes, sha256 } = await store.put(source, { name, fileType });
      const [row] = await sql<FileRow[]>`
        insert into file (id, name, file_type, bytes, sha256, source, created_by, created_at, stored_at)
        values (${fileId}, ${name}, ${fileType}, ${bytes}, ${sha256}, 'operator', ${principal.name}, ${new Date(clock.now())}, now())
        returning *`;
      return view(row!);
    },
    async list({ cursor, limit: wanted }) {
      const limit = rowsOf(wanted);
      const [at = null, id = ''] = keyOf(cursor, /^\d{13}\|[^\0]+$/)?.split('|') ?? [];
      const before = at === null ? null : new Date(Number(at));
      const rows = await sql<FileRow[]>`
        select * from file where ${before}::timestamptz is null or (created_at, id) < (${before}, ${id})
        order by created_at desc, id desc limit ${limit + 1}`;
      return pageOf(rows, limit, view, (row) => `${row.created_at.getTime()}|${row.id}`);
    },
    async get(id) {
      const file = await findFile(sql, id);
      if (!file) throw new Refused(404, 'unknown-file', `There is no file ${id}. GET /files lists them.`);
      return file;
    },
  };
}
