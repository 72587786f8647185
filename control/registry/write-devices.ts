// Writes what a batch of facts tells of the devices themselves, with two statements for the whole batch: what is new of them, and when they
// were heard of. Most Informs tell nothing but the latter, so what is stored is compared first.

import { unescapePart } from '../../base/ids.ts';
import type { DeviceEffect } from '../ingest/effects.ts';
import { arrayText, type Fragment, type Sql, together } from '../store/postgres.ts';

/** What was stored of a device before the batch. */
export interface Prior {
  id: string;
  manufacturer: string;
  root: string;
  modelName: string;
  hardwareVersion: string;
  softwareVersion: string;
  profile: string;
  namespace: string;
  version: string;
  address: string;
  connectionRequestUrl: string;
  edgeId: string | null;
  pop: string | null;
  /** False for devices that were registered before their first contact. */
  seen: boolean;
}

/** Reads what is stored of these devices. */
export async function readDevices(tx: Sql, ids: string[]): Promise<Map<string, Prior>> {
  if (ids.length === 0) return new Map();
  return priorsOf(await tx<Prior[]>`select ${priorOf(tx)} from device where id = any(${arrayText(ids)}::text::text[])`);
}

/** The same, and locks the rows, in the order all writers use. */
export async function lockDevices(tx: Sql, ids: string[]): Promise<Map<string, Prior>> {
  if (ids.length === 0) return new Map();
  return priorsOf(
    await tx<Prior[]>`
      select ${priorOf(tx)} from device where id = any(${arrayText(ids)}::text::text[]) order by id for no key update`,
  );
}

const priorOf = (sql: Sql): Fragment =>
  sql`id, manufacturer, root, model_name as "modelName", hardware_version as "hardwareVersion", software_version as "softwareVersion",
    profile, namespace, version, address, connection_request_url as "connectionRequestUrl", edge_id as "edgeId", pop,
    first_seen_at is not null as seen`;
const priorsOf = (rows: Prior[]): Map<string, Prior> => new Map(rows.map((row) => [row.id, row]));

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

/** One device as the batch tells of it; undefined where it says nothing. */
interface DeviceWrite {
  id: string;
  manufacturer: string | undefined;
  oui: string;
  productClass: string;
  serialNumber: string;
  root: string | undefined;
  modelName: string | undefined;
  hardwareVersion: string | undefined;
  softwareVersion: string | undefined;
  profile: string | undefined;
  namespace: string | undefined;
  version: string | undefined;
  address: string | undefined;
  connectionRequestUrl: string | undefined;
  edgeId: string | undefined;
  pop: string | undefined;
  seenAt: Date;
  informAt: Date | undefined;
  bootAt: Date | undefined;
  bootstrapAt: Date | undefined;
}

/** Upserts devices; members a batch says nothing about stay as they are. */
export async function writeDevices(
  tx: Sql,
  effects: Iterable<DeviceEffect>,
  priors: ReadonlyMap<string, Prior>,
): Promise<void> {
  const rows = Array.from(effects, writeOf);
  if (rows.length === 0) return;
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  const toWrite = rows.filter((row) => tellsSomething(row, priors.get(row.id)));
  await together([upsertDevices(tx, toWrite), upsertSeen(tx, rows)]);
}

async function upsertSeen(tx: Sql, rows: DeviceWrite[]): Promise<void> {
  await tx`
    insert into device_seen as s (device_id, last_seen_at, last_inform_at)
    select id, seen_at, inform_at from unnest(${arrayText(rows.map(({ id }) => id))}::text::text[],
      ${arrayText(rows.map(({ seenAt }) => seenAt))}::text::timestamptz[],
      ${arrayText(rows.map(({ informAt }) => informAt))}::text::timestamptz[]) as x(id, seen_at, inform_at)
    on conflict (device_id) do update set last_seen_at = greatest(s.last_seen_at, excluded.last_seen_at),
      last_inform_at = greatest(s.last_inform_at, excluded.last_inform_at)
    where s.last_seen_at < excluded.last_seen_at or excluded.last_inform_at > coalesce(s.last_inform_at, '-infinity')`;
}

function writeOf(effect: DeviceEffect): DeviceWrite {
  const { id, cpe, informAt, bootAt, bootstrapAt } = effect;
  const parts = cpe ? null : (partsOfDeviceId(id) ?? { oui: '', productClass: '', serialNumber: id });
  return {
    id,
    manufacturer: cpe?.device.Manufacturer,
    oui: cpe?.device.OUI ?? parts!.oui,
    productClass: cpe?.device.ProductClass ?? parts!.productClass,
    serialNumber: cpe?.device.SerialNumber ?? parts!.serialNumber,
    // A CPE that told no parameter told no root either; what was known stays.
    root: cpe?.root,
    modelName: effect.modelName,
    hardwareVersion: effect.hardwareVersion,
    softwareVersion: effect.softwareVersion,
    profile: cpe?.profile,
    namespace: cpe?.namespace,
    version: cpe?.version,
    address: cpe?.address,
    connectionRequestUrl: effect.connectionRequestUrl,
    edgeId: effect.edgeId,
    pop: effect.pop,
    seenAt: new Date(effect.seenAt),
    informAt: dateOf(informAt),
    bootAt: dateOf(bootAt),
    bootstrapAt: dateOf(bootstrapAt),
  };
}

/** Members of a device that Informs tell again and again. An empty one tells nothing: what was known stays. */
const TOLD = [
  ...(['manufacturer', 'root', 'modelName', 'hardwareVersion', 'softwareVersion', 'profile', 'namespace'] as const),
  ...(['version', 'address', 'connectionRequestUrl', 'edgeId', 'pop'] as const),
];

/** False when what is stored of the device would be the same afterwards. */
function tellsSomething(row: DeviceWrite, prior: Prior | undefined): boolean {
  if (prior === undefined || (row.informAt !== undefined && !prior.seen)) return true;
  if (row.bootAt !== undefined || row.bootstrapAt !== undefined) return true;
  return TOLD.some((name) => (row[name] ?? '') !== '' && row[name] !== prior[name]);
}

async function upsertDevices(tx: Sql, rows: DeviceWrite[]): Promise<void> {
  if (rows.length === 0) return;
  const text = (name: keyof DeviceWrite): string => arrayText(rows.map((row) => row[name] ?? ''));
  const maybe = (name: keyof DeviceWrite): string => arrayText(rows.map((row) => row[name]));
  await tx`
    insert into device as d (id, manufacturer, oui, product_class, serial_number, root, model_name, hardware_version, software_version,
      profile, namespace, version, address, connection_request_url, edge_id, pop,
      first_seen_at, last_boot_at, last_bootstrap_at)
    select id, manufacturer, oui, product_class, serial_number, root, model_name, hardware_version, software_version,
      profile, namespace, version, address, connection_request_url, edge_id, pop, inform_at, boot_at, bootstrap_at
    from unnest(${text('id')}::text::text[], ${text('manufacturer')}::text::text[], ${text('oui')}::text::text[],
      ${text('productClass')}::text::text[], ${text('serialNumber')}::text::text[], ${text('root')}::text::text[],
      ${text('modelName')}::text::text[], ${text('hardwareVersion')}::text::text[], ${text('softwareVersion')}::text::text[],
      ${text('profile')}::text::text[], ${text('namespace')}::text::text[], ${text('version')}::text::text[],
      ${text('address')}::text::text[], ${text('connectionRequestUrl')}::text::text[], ${maybe('edgeId')}::text::text[],
      ${maybe('pop')}::text::text[], ${maybe('informAt')}::text::timestamptz[], ${maybe('bootAt')}::text::timestamptz[],
      ${maybe('bootstrapAt')}::text::timestamptz[])
      as x(id, manufacturer, oui, product_class, serial_number, root, model_name, hardware_version, software_version, profile, namespace,
        version, address, connection_request_url, edge_id, pop, inform_at, boot_at, bootstrap_at)
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
      last_boot_at = coalesce(excluded.last_boot_at, d.last_boot_at),
      last_bootstrap_at = coalesce(excluded.last_bootstrap_at, d.last_bootstrap_at)`;
}

const dateOf = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));
