// DeviceService: lists, one device, its tree, timeline, tags and credentials.

import { Refused } from '../../base/errors.ts';
import { cpeIdOf } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Dispatcher } from '../actions/dispatch.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, record } from '../evidence/record.ts';
import { timelineEntry } from '../live-events.ts';
import type { Reconciler } from '../reconciler.ts';
import type { DeviceFilter, DeviceQuery, DeviceService, DeviceView, Page } from '../services.ts';
import { isoOrNull, type Sql } from '../store/postgres.ts';
import { credentialsView, merged, NO_SETTINGS, readCredentials, writeCredentials } from './credentials.ts';
import { keyOf, pageOf, rowsOf } from './cursor.ts';
import { listParameters } from './parameters.ts';
import { partsOfDeviceId } from './write-devices.ts';

interface DeviceRow {
  id: string;
  manufacturer: string;
  oui: string;
  product_class: string;
  serial_number: string;
  root: string;
  model_name: string;
  hardware_version: string;
  software_version: string;
  profile: string;
  version: string;
  address: string;
  connection_request_url: string;
  edge_id: string | null;
  pop: string | null;
  tags: string[];
  first_seen_at: Date | null;
  last_seen_at: Date | null;
  last_inform_at: Date | null;
  last_boot_at: Date | null;
  last_bootstrap_at: Date | null;
  open_actions: number;
}

/** DeviceService; wakes go through `dispatcher` at once, changed settings with the next pass of `handOver`. */
export function deviceService(context: ControlContext, dispatcher: Dispatcher, handOver: Reconciler): DeviceService {
  const { sql, live, clock } = context;
  /** Writes one event in the transaction and makes it live after the commit. */
  const change = async (event: Omit<NewEvent, 'actionId' | 'at'>, write: (tx: Sql) => Promise<void>): Promise<void> => {
    const seq = await sql.begin(async (tx) => {
      await write(tx);
      return await record(tx, [{ ...event, actionId: null, at: clock.now() }], []);
    });
    live.committed(seq);
  };

  return {
    list: (query) => listDevices(sql, query),
    get: (id) => readDevice(sql, id),
    async parameters(id, query) {
      return await listParameters(context, await readDevice(sql, id), query);
    },
    async timeline(id, { cursor, limit: wanted }) {
      await readDevice(sql, id);
      const limit = rowsOf(wanted);
      const before = keyOf(cursor, /^\d{1,18}$/);
      const rows = await sql<Parameters<typeof timelineEntry>[0][]>`
        select seq, device_id, action_id, at, kind, summary, body from event
        where device_id = ${id} and ${before === null ? sql`true` : sql`seq < ${before}`}
        order by seq desc limit ${limit + 1}`;
      return pageOf(rows, limit, timelineEntry, (row) => row.seq);
    },
    async wake(id, principal) {
      const { edgeId, pop } = await readDevice(sql, id);
      if (edgeId === null || pop === null) {
        throw new Refused(409, 'no-edge', `Device ${id} has not informed yet, so nobody knows how to reach it.`);
      }
      const why = `asked by ${principal.name}`;
      const sent = await dispatcher.send({ edgeId, pop }, `wake:${id}:${clock.now()}`, 'wake', { cpeId: id, why });
      if (sent.type !== 'ok') {
        throw new Refused(
          503,
          'edge-away',
          `Edge ${edgeId} does not answer (${sent.why}). Try again; queued actions are kept.`,
        );
      }
      return { requested: true, edgeId };
    },
    async credentials(id) {
      await readDevice(sql, id);
      return credentialsView((await readCredentials(sql, context, [id])).get(id) ?? NO_SETTINGS);
    },
    async setCredentials(id, credentials, principal) {
      const parts = partsOfDeviceId(id);
      const what = 'write OUI-ProductClass-SerialNumber, the OUI in capitals, each part escaped';
      if (!parts) throw new Refused(422, 'bad-device-id', `${id} is no device id: ${what}.`);
      // No CPE would ever be found under another spelling of its id.
      const { oui: OUI, productClass: ProductClass, serialNumber: SerialNumber } = parts;
      const spelt = cpeIdOf({ Manufacturer: '', OUI, ProductClass, SerialNumber });
      if (spelt !== id) throw new Refused(422, 'bad-device-id', `${id} is written ${spelt}: ${what}.`);
      let after = NO_SETTINGS;
      const body = { by: principal.name, role: principal.role, cpe: credentials.cpe !== undefined };
      const summary = `Credentials changed by ${principal.name}`;
      await change({ deviceId: id, kind: 'credentials', summary, body }, async (tx) => {
        await tx`
          insert into device (id, oui, product_class, serial_number) values (${id}, ${parts.oui}, ${parts.productClass}, ${parts.serialNumber})
          on conflict (id) do nothing`;
        // Two changes at once merge one after the other.
        await tx`select from device where id = ${id} for no key update`;
        await refuseTakenUsername(tx, id, credentials.cpe?.username);
        after = merged((await readCredentials(tx, context, [id])).get(id) ?? NO_SETTINGS, credentials);
        await writeCredentials(tx, context, new Map([[id, after]]), principal.name);
      });
      handOver.signal();
      return credentialsView(after);
    },
    async setTags(id, tags, principal) {
      const kept = [...new Set(tags)].sort();
      if (kept.length > LIMITS.tagsMax || kept.some((tag) => tag === '' || tag.length > LIMITS.tagCharsMax)) {
        throw new Refused(
          422,
          'bad-tags',
          `At most ${LIMITS.tagsMax} tags of 1 to ${LIMITS.tagCharsMax} characters each.`,
        );
      }
      await readDevice(sql, id);
      const summary = `Tags set by ${principal.name}: ${kept.join(', ') || 'none'}`;
      await change({ deviceId: id, kind: 'tags', summary, body: { by: principal.name, tags: kept } }, async (tx) => {
        await tx`update device set tags = ${kept} where id = ${id}`;
      });
      return await readDevice(sql, id);
    },
  };
}

/** An edge finds a device by its user name, so no two devices may have the same. */
async function refuseTakenUsername(tx: Sql, id: string, username: string | undefined): Promise<void> {
  if (username === undefined) return;
  const [other] = await tx<{ device_id: string }[]>`
    select device_id from device_credential where usernames @> ${[username]} and device_id <> ${id} limit 1`;
  if (other)
    throw new Refused(409, 'username-taken', `The user name ${username} belongs to device ${other.device_id} already.`);
}

/** What of `device d left join device_seen s` a query asks for. Throws Refused 400 'bad-time'. */
export function deviceFilter(sql: Sql, query: DeviceFilter) {
  const { q, manufacturer, oui, productClass, softwareVersion, profile, tag, edgeId, seenSince, silentSince } = query;
  const like = q === undefined ? '' : `%${q.replace(/[\\%_]/g, '\\$&')}%`;
  const all = [
    q === undefined
      ? null
      : sql`(d.id ilike ${like} or d.serial_number ilike ${like} or d.address ilike ${like} or d.model_name ilike ${like})`,
    manufacturer === undefined ? null : sql`d.manufacturer = ${manufacturer}`,
    oui === undefined ? null : sql`d.oui = ${oui}`,
    productClass === undefined ? null : sql`d.product_class = ${productClass}`,
    softwareVersion === undefined ? null : sql`d.software_version = ${softwareVersion}`,
    profile === undefined ? null : sql`d.profile = ${profile}`,
    tag === undefined ? null : sql`d.tags @> ${[tag]}`,
    edgeId === undefined ? null : sql`d.edge_id = ${edgeId}`,
    seenSince === undefined ? null : sql`s.last_seen_at >= ${dateOf('seenSince', seenSince)}`,
    silentSince === undefined
      ? null
      : sql`(s.last_seen_at < ${dateOf('silentSince', silentSince)} or s.last_seen_at is null)`,
  ].filter((condition) => condition !== null);
  return all.reduce((joined, condition) => sql`${joined} and ${condition}`, sql`true`);
}

async function listDevices(sql: Sql, query: DeviceQuery): Promise<Page<DeviceView>> {
  const limit = rowsOf(query.limit);
  const after = keyOf(query.cursor);
  // Looked up for each device of the page where nothing is asked of it: PostgreSQL would go through both tables from their first id on.
  const seen =
    query.seenSince === undefined && query.silentSince === undefined
      ? sql`lateral (select * from device_seen where device_id = d.id offset 0) s on true`
      : sql`device_seen s on s.device_id = d.id`;
  const rows = await sql<DeviceRow[]>`
    select d.*, s.last_seen_at, s.last_inform_at, (select count(*)::int from action a where a.device_id = d.id and a.ended_at is null) as open_actions
    from device d left join ${seen}
    where ${deviceFilter(sql, query)} and ${after === null ? sql`true` : sql`d.id > ${after}`}
    order by d.id limit ${limit + 1}`;
  return pageOf(rows, limit, view, (row) => row.id);
}

/** Throws Refused 404 'unknown-device'. */
async function readDevice(sql: Sql, id: string): Promise<DeviceView> {
  const [row] = await sql<DeviceRow[]>`
    select d.*, s.last_seen_at, s.last_inform_at, (select count(*)::int from action a where a.device_id = d.id and a.ended_at is null) as open_actions
    from device d left join device_seen s on s.device_id = d.id where d.id = ${id}`;
  if (!row)
    throw new Refused(404, 'unknown-device', `There is no device ${id}. GET /devices lists those that are known.`);
  return view(row);
}

function dateOf(name: string, text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new Refused(400, 'bad-time', `${name} is no time like 2026-01-31T12:00:00Z.`);
  return at;
}

function view(row: DeviceRow): DeviceView {
  const { id, manufacturer, oui, root, profile, address, pop, tags } = row;
  return {
    id,
    manufacturer,
    oui,
    productClass: row.product_class,
    serialNumber: row.serial_number,
    root,
    modelName: row.model_name,
    hardwareVersion: row.hardware_version,
    softwareVersion: row.software_version,
    profile,
    cwmpVersion: row.version,
    address,
    connectionRequestUrl: row.connection_request_url,
    edgeId: row.edge_id,
    pop,
    tags,
    firstSeenAt: isoOrNull(row.first_seen_at),
    lastSeenAt: isoOrNull(row.last_seen_at),
    lastInformAt: isoOrNull(row.last_inform_at),
    lastBootAt: isoOrNull(row.last_boot_at),
    lastBootstrapAt: isoOrNull(row.last_bootstrap_at),
    openActions: row.open_actions,
  };
}
