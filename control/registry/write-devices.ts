// Writes what a batch of facts tells of the devices themselves, with two statements for the whole batch.

import { unescapePart } from '../../base/ids.ts';
import type { DeviceEffect } from '../ingest/effects.ts';
import { jsonText, type Sql } from '../store/postgres.ts';

/** What was stored of a device before the batch. */
export interface Prior {
  profile: string;
  /** False for devices that were registered before their first contact. */
  seen: boolean;
  edgeId: string | null;
}

/** Reads and locks what is stored of these devices, in the order all writers use. */
export async function readPriors(tx: Sql, ids: string[]): Promise<Map<string, Prior>> {
  const rows = await tx<{ id: string; profile: string; seen: boolean; edge_id: string | null }[]>`
    select id, profile, first_seen_at is not null as seen, edge_id from device where id = any(${ids}) order by id for no key update`;
  return new Map(rows.map(({ id, profile, seen, edge_id }) => [id, { profile, seen, edgeId: edge_id }]));
}

/** OUI, ProductClass and SerialNumber out of a device id; null when it is none. */
export function partsOfDeviceId(id: string): { oui: string; productClass: string; serialNumber: string } | null {
  const parts = id.split('-');
  if (parts.length < 2 || parts.length > 3 || parts.some((part) => part === '')) return null;
  if (!/^[A-Za-z0-9_~-]+$/.test(id)) return null;
  const [oui, productClass, serialNumber] = (parts.length === 3 ? parts : [parts[0], '', parts[1]]).map((part) =>
    unescapePart(part!),
  );
  return { oui: oui!, productClass: productClass!, serialNumber: serialNumber! };
}

/** Upserts devices; members a batch says nothing about stay as they are. */
export async function writeDevices(tx: Sql, effects: Iterable<DeviceEffect>): Promise<void> {
  const rows = Array.from(effects, (effect) => {
    const { id, cpe, informAt, bootAt, bootstrapAt } = effect;
    const parts = partsOfDeviceId(id) ?? { oui: '', productClass: '', serialNumber: id };
    return {
      id,
      manufacturer: cpe?.device.Manufacturer,
      oui: cpe?.device.OUI ?? parts.oui,
      product_class: cpe?.device.ProductClass ?? parts.productClass,
      serial_number: cpe?.device.SerialNumber ?? parts.serialNumber,
      // A CPE that told no parameter told no root either; what was known stays.
      root: cpe?.root || undefined,
      model_name: effect.modelName,
      hardware_version: effect.hardwareVersion,
      software_version: effect.softwareVersion,
      profile: cpe?.profile,
      namespace: cpe?.namespace,
      version: cpe?.version,
      address: cpe?.address,
      connection_request_url: effect.connectionRequestUrl,
      edge_id: effect.edgeId,
      pop: effect.pop,
      seen_at: new Date(effect.seenAt),
      inform_at: dateOf(informAt),
      boot_at: dateOf(bootAt),
      bootstrap_at: dateOf(bootstrapAt),
    };
  });
  if (rows.length === 0) return;
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  const json = jsonText(rows);
  await tx`
    insert into device as d (id, manufacturer, oui, product_class, serial_number, root, model_name, hardware_version, software_version,
      profile, namespace, version, address, connection_request_url, edge_id, pop,
      first_seen_at, last_inform_at, last_boot_at, last_bootstrap_at)
    select id, coalesce(manufacturer, ''), oui, product_class, serial_number, coalesce(root, ''), coalesce(model_name, ''),
      coalesce(hardware_version, ''), coalesce(software_version, ''), coalesce(profile, ''), coalesce(namespace, ''),
      coalesce(version, ''), coalesce(address, ''), coalesce(connection_request_url, ''), edge_id, pop,
      inform_at, inform_at, boot_at, bootstrap_at
    from jsonb_to_recordset(${json}::text::jsonb) as x(id text, manufacturer text, oui text, product_class text,
      serial_number text, root text, model_name text, hardware_version text, software_version text, profile text, namespace text,
      version text, address text, connection_request_url text, edge_id text, pop text,
      inform_at timestamptz, boot_at timestamptz, bootstrap_at timestamptz)
    where inform_at is not null or model_name is not null or hardware_version is not null or software_version is not null
      or connection_request_url is not null or not exists (select from device k where k.id = x.id)
    order by id
    on conflict (id) do update set
      manufacturer = coalesce(nullif(excluded.manufacturer, ''), d.manufacturer),
      root = coalesce(nullif(excluded.root, ''), d.root),
      model_name = coalesce(nullif(excluded.model_name, ''), d.model_name),
      hardware_version = coalesce(nullif(excluded.hardware_version, ''), d.hardware_version),
      software_version = coalesce(nullif(excluded.software_version, ''), d.software_version),
      profile = coalesce(nullif(excluded.profile, ''), d.profile),
      namespace = coalesce(nullif(excluded.namespace, ''), d.namespace),
      version = coalesce(nullif(excluded.version, ''), d.version),
      address = coalesce(nullif(excluded.address, ''), d.address),
      connection_request_url = coalesce(nullif(excluded.connection_request_url, ''), d.connection_request_url),
      edge_id = coalesce(excluded.edge_id, d.edge_id),
      pop = coalesce(excluded.pop, d.pop),
      first_seen_at = coalesce(d.first_seen_at, excluded.first_seen_at),
      last_inform_at = coalesce(excluded.last_inform_at, d.last_inform_at),
      last_boot_at = coalesce(excluded.last_boot_at, d.last_boot_at),
      last_bootstrap_at = coalesce(excluded.last_bootstrap_at, d.last_bootstrap_at)`;
  await tx`
    insert into device_seen as s (device_id, last_seen_at)
    select id, seen_at from jsonb_to_recordset(${json}::text::jsonb) as x(id text, seen_at timestamptz) order by id
    on conflict (device_id) do update set last_seen_at = excluded.last_seen_at where s.last_seen_at < excluded.last_seen_at`;
}

const dateOf = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));
