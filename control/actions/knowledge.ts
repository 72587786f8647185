// What planning needs to know of a device, read from PostgreSQL: for one device and request, or for many devices of one request.

import { findFile } from '../operations/files.ts';
import { type ParameterRow, readOpenPaths } from '../registry/parameters.ts';
import type { FileView } from '../services.ts';
import type { Sql } from '../store/postgres.ts';
import type { KnownParameter } from './plan.ts';
import type { ActionRequest } from './request.ts';

/** Parameters by device and path. */
export type KnownParameters = Map<string, Map<string, KnownParameter>>;

/**
 * What is stored of these paths, and of everything below these objects, by device; of an object or a path with `*`, that there is something it
 * means (readOpenPaths).
 */
export async function readKnown(
  sql: Sql,
  deviceIds: string[],
  paths: string[],
  objects: string[] = [],
): Promise<KnownParameters> {
  const byDevice: KnownParameters = new Map();
  if (deviceIds.length === 0 || (paths.length === 0 && objects.length === 0)) return byDevice;
  const columns = sql`device_id, path, value, sealed, type, writable, read_at`;
  // The character behind the dot ends the range of an object: paths are ordered byte by byte.
  const rows = await sql<ParameterRow[]>`
    select ${columns} from device_parameter where device_id = any(${deviceIds}) and path = any(${paths})
    union
    select ${columns} from unnest(${objects}::text[]) o
      join device_parameter p on p.device_id = any(${deviceIds}) and p.path >= o and p.path < left(o, -1) || '/'`;
  const open = await readOpenPaths(sql, deviceIds, paths);
  for (const { device_id, path, value, sealed, type, writable, read_at } of [...open, ...rows]) {
    const known = byDevice.get(device_id) ?? new Map<string, KnownParameter>();
    known.set(path, { value, sealed, type, writable, readAt: read_at === null ? null : read_at.getTime() });
    byDevice.set(device_id, known);
  }
  return byDevice;
}

/** The file that a download names, or null. */
export async function fileOf(sql: Sql, request: ActionRequest): Promise<FileView | null> {
  if (request.kind !== 'download' || request.file === undefined) return null;
  return await findFile(sql, request.file);
}

/** The firmware that each device was given last, as far as it is among the files; empty when `request` installs none. */
export async function firmwareBefore(
  sql: Sql,
  deviceIds: string[],
  request: ActionRequest,
): Promise<Map<string, FileView>> {
  const found = new Map<string, FileView>();
  if (request.kind !== 'download' || !request.fileType.startsWith('1 ')) return found;
  const rows = await sql<{ device_id: string; file: string }[]>`
    select distinct on (device_id) device_id, request->>'file' as file from action
    where device_id = any(${deviceIds}) and kind = 'download' and state = 'done' and request->>'fileType' like '1 %'
      and request->>'file' is not null
    order by device_id, id desc`;
  const files = new Map<string, FileView>();
  for (const id of new Set(rows.map(({ file }) => file))) {
    const file = await findFile(sql, id);
    if (file) files.set(id, file);
  }
  for (const { device_id, file } of rows) {
    const view = files.get(file);
    if (view !== undefined) found.set(device_id, view);
  }
  return found;
}
