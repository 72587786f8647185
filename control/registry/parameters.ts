// The stored tree of a device: pages by prefix for readers, and the batch upserts of the ingest.

import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import { hasWildcard, isPartialPath } from '../../cwmp/paths.ts';
import type { ControlContext } from '../context.ts';
import type { DeviceEffect } from '../ingest/effects.ts';
import type { Page, PageQuery, ParameterView } from '../services.ts';
import { arrayText, isoOrNull, jsonText, type Sql } from '../store/postgres.ts';
import { keyOf, pageOf, rowsOf } from './cursor.ts';

/** A parameter as planning looks at it. */
export interface ParameterRow {
  device_id: string;
  path: string;
  value: string | null;
  sealed: string | null;
  type: string;
  writable: boolean | null;
  read_at: Date | null;
}

type ListedRow = Omit<ParameterRow, 'device_id'> & { notification: number | null };

/** What binds a sealed value to its parameter. */
export const sealedParameter = (deviceId: string, path: string): string => `parameter:${deviceId}:${path}`;

/** One page of a device's tree. The caller has checked that the device exists. */
export async function listParameters(
  { sql, book }: ControlContext,
  device: { id: string; profile: string },
  { prefix = '', cursor, limit: wanted }: PageQuery & { prefix?: string },
): Promise<Page<ParameterView>> {
  const limit = rowsOf(wanted);
  const after = keyOf(cursor);
  // A canonical name, or the beginning of some, stands for the paths it may mean.
  const canonical = book.pathsByPrefix(device.profile, prefix);
  const below = isPartialPath(prefix) ? prefix : `${prefix}.`;
  const rows = await sql<ListedRow[]>`
    select path, value, sealed, type, writable, notification, read_at from device_parameter
    where device_id = ${device.id}
      and (path > ${after} or ${after}::text is null)
      and ${
        canonical.length > 0
          ? sql`path = any(${canonical})`
          : prefix === ''
            ? sql`true`
            : sql`(path = ${prefix} or (path >= ${below} and path < ${endOf(below)}))`
      }
    order by path limit ${limit + 1}`;
  const view = (row: ListedRow): ParameterView => {
    const secret = row.sealed !== null || book.isSecret(device.profile, row.path);
    return {
      name: row.path,
      canonical: book.canonicalOf(device.profile, row.path),
      value: row.sealed !== null ? REDACTED : row.value,
      type: row.type,
      writable: row.writable,
      notification: row.notification,
      secret,
      readAt: isoOrNull(row.read_at),
    };
  };
  return pageOf(rows, limit, view, (row) => row.path);
}

/** The first text after everything that begins with `prefix`, in byte order (the column's collation is C). */
export function endOf(prefix: string): string {
  return `${prefix.slice(0, -1)}${String.fromCodePoint(prefix.codePointAt(prefix.length - 1)! + 1)}`;
}

/**
 * Of paths that leave something open, what the first stored parameter they mean says; others are passed over. For `A.*.B` (any instance)
 * that is its type, access and value. For an object `A.` that has no row of its own, but something stored below it, nothing but that.
 */
export async function readOpenPaths(sql: Sql, deviceIds: string[], paths: string[]): Promise<ParameterRow[]> {
  const open = paths.filter((path) => path !== '' && (isPartialPath(path) || hasWildcard(path)));
  if (open.length === 0) return [];
  const starts = open.map((path) => (hasWildcard(path) ? path.slice(0, path.indexOf('*')) : path));
  const rows = await sql<(ParameterRow & { asked: string })[]>`
    select d.id as device_id, o.asked, p.* from unnest(${arrayText(deviceIds)}::text::text[]) as d(id)
    cross join unnest(${arrayText(open)}::text::text[], ${arrayText(starts)}::text::text[], ${arrayText(starts.map(endOf))}::text::text[],
      ${arrayText(open.map(expressionOf))}::text::text[]) as o(asked, first, last, expression)
    cross join lateral (
      select path, value, sealed, type, writable, read_at from device_parameter
      where device_id = d.id and path >= o.first and path < o.last and path ~ o.expression order by path limit 1) as p`;
  return rows.map(({ asked, ...row }) => {
    const isBelow = isPartialPath(asked) && row.path !== asked;
    const nothing = { value: null, type: '', writable: null, read_at: null };
    // A secret of another instance is nobody's to look at here.
    return { ...row, path: asked, sealed: null, ...(isBelow ? nothing : {}) };
  });
}

/** A regular expression of PostgreSQL for the paths that an open one means. */
function expressionOf(path: string): string {
  const parts = path.split('*').map((part) => part.replace(/[^A-Za-z0-9_]/g, '\\$&'));
  return `^${parts.join('[^.]+')}${isPartialPath(path) ? '' : '$'}`;
}

/** Writes what a batch of facts learned of trees: resets, then removals, then values. Secrets are sealed. */
export async function writeTrees(
  tx: Sql,
  { box }: ControlContext,
  devices: DeviceEffect[],
  isSecret: (deviceId: string, path: string) => boolean,
): Promise<void> {
  const reset = devices.filter((device) => device.reset).map(({ id }) => id);
  if (reset.length > 0) await tx`delete from device_parameter where device_id = any(${reset})`;
  for (const device of devices) {
    for (const { path, keep } of device.removals) {
      const below = isPartialPath(path) ? path : `${path}.`;
      await tx`
        delete from device_parameter
        where device_id = ${device.id}
          and ${path === '' ? tx`true` : tx`(path = ${path} or (path >= ${below} and path < ${endOf(below)}))`}
          and path not in (select jsonb_array_elements_text(${jsonText(keep)}::text::jsonb))`;
    }
  }
  const rows = devices.flatMap(({ id, parameters }) =>
    Array.from(parameters, ([path, effect]): ParameterWrite => {
      // A blank stays visibly blank: it shows that the device hides the value (FIELD 27).
      const isSealed = effect.value !== undefined && effect.value !== '' && isSecret(id, path);
      return {
        deviceId: id,
        path,
        value: isSealed ? null : effect.value,
        sealed: isSealed ? box.seal(effect.value!, sealedParameter(id, path)) : null,
        type: effect.type ?? '',
        writable: effect.writable,
        notification: effect.notification,
        readAt: effect.readAt === undefined ? null : new Date(effect.readAt),
      };
    }),
  );
  // One order for all writers, so that two of them wait for each other instead of deadlocking.
  rows.sort((a, b) =>
    a.deviceId < b.deviceId ? -1 : a.deviceId > b.deviceId ? 1 : a.path < b.path ? -1 : a.path > b.path ? 1 : 0,
  );
  for (let i = 0; i < rows.length; i += LIMITS.upsertRowsMax) await upsert(tx, rows.slice(i, i + LIMITS.upsertRowsMax));
}

interface ParameterWrite {
  deviceId: string;
  path: string;
  value: string | null | undefined;
  sealed: string | null;
  type: string;
  writable: boolean | undefined;
  notification: number | undefined;
  readAt: Date | null;
}

async function upsert(tx: Sql, rows: ParameterWrite[]): Promise<void> {
  const column = (name: keyof ParameterWrite): string => arrayText(rows.map((row) => row[name]));
  await tx`
    insert into device_parameter as p (device_id, path, value, sealed, type, writable, notification, read_at)
    select * from unnest(${column('deviceId')}::text::text[], ${column('path')}::text::text[], ${column('value')}::text::text[],
      ${column('sealed')}::text::text[], ${column('type')}::text::text[], ${column('writable')}::text::boolean[],
      ${column('notification')}::text::smallint[], ${column('readAt')}::text::timestamptz[])
    on conflict (device_id, path) do update set
      value = case when excluded.read_at is null then p.value else excluded.value end,
      sealed = case when excluded.read_at is null then p.sealed else excluded.sealed end,
      type = case when excluded.type = '' then p.type else excluded.type end,
      writable = coalesce(excluded.writable, p.writable),
      notification = coalesce(excluded.notification, p.notification),
      read_at = coalesce(excluded.read_at, p.read_at)`;
}
