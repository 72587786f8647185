// How a device proves itself to us, and we to it: stored sealed as one text, handed to its edge by the dispatcher.

import { REDACTED } from '../../base/secret-box.ts';
import type { DeviceSettings } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import type { CredentialsView, NewCredentials } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';

/** Binds sealed settings to their device. */
export const sealedCredential = (deviceId: string): string => `credential:${deviceId}`;
export const NO_SETTINGS: DeviceSettings = { cpe: null, connectionRequest: [] };

/** The credentials of these devices, opened; devices without any are absent. */
export async function readCredentials(
  sql: Sql,
  { box }: ControlContext,
  ids: string[],
): Promise<Map<string, DeviceSettings>> {
  const rows = await sql<{ device_id: string; sealed: string }[]>`
    select device_id, sealed from device_credential where device_id = any(${ids})`;
  return new Map(
    rows.map(({ device_id, sealed }) => [device_id, JSON.parse(box.open(sealed, sealedCredential(device_id)))]),
  );
}

/** Stores settings and marks them to be sent. */
export async function writeCredentials(
  tx: Sql,
  { box, clock }: ControlContext,
  settings: ReadonlyMap<string, DeviceSettings>,
  by: string,
): Promise<void> {
  const at = new Date(clock.now());
  const rows = Array.from(settings, ([device_id, own]) => ({
    device_id,
    sealed: box.seal(JSON.stringify(own), sealedCredential(device_id)),
    usernames: own.cpe ? [own.cpe.username] : [],
    at,
    by,
  }));
  if (rows.length === 0) return;
  await tx`
    insert into device_credential as c (device_id, sealed, usernames, changed_at, changed_by)
    select device_id, sealed, usernames, at, by
    from jsonb_to_recordset(${jsonText(rows)}::text::jsonb) as x(device_id text, sealed text, usernames text[], at timestamptz, by text)
    order by device_id
    on conflict (device_id) do update set sealed = excluded.sealed, usernames = excluded.usernames,
      -- Edges keep the newest by this, and the clocks of two controls differ: it rises with every change, whoever makes it.
      changed_at = greatest(excluded.changed_at, c.changed_at + interval '1 millisecond'), changed_by = excluded.changed_by, sent_at = null`;
}

/** What a caller changes of settings; what it leaves out stays. */
export function merged(before: DeviceSettings, { cpe, connectionRequest }: NewCredentials): DeviceSettings {
  return {
    cpe: cpe === undefined ? before.cpe : cpe,
    connectionRequest: connectionRequest ?? before.connectionRequest,
  };
}

/** Settings as they may be shown. */
export function credentialsView({ cpe, connectionRequest }: DeviceSettings): CredentialsView {
  return {
    cpe: cpe === null ? null : { username: cpe.username, password: REDACTED },
    connectionRequest: connectionRequest.map(({ username }) => ({ username, password: REDACTED })),
  };
}
