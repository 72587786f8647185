// Compares what CPEs and operator were told with what PostgreSQL holds. Every difference is one sentence; no difference is an empty list. It
// reads the database itself, because the question is what is stored and not what the API shows.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evidenceHash, GENESIS } from '../../control/evidence/chain.ts';
import { isEnded } from '../../control/services.ts';
import { type Database, openDatabase } from '../../control/store/postgres.ts';
import type { EventStruct } from '../../cwmp/message.ts';
import { instancesOf, type Load, type LoadedCpe } from './load.ts';

/** RPCs that must not reach a CPE twice for one action (DESIGN §4). */
const ONCE = ['AddObject', 'DeleteObject', 'Reboot', 'FactoryReset', 'Download', 'Upload'];

interface EventRow {
  device_id: string;
  action_id: string | null;
  kind: string;
  body: Record<string, unknown>;
}
interface InformBody {
  events: EventStruct[];
  changed: { name: string; value: string }[];
  sessionId: string;
}
export interface ActionRow {
  id: string;
  device_id: string;
  kind: string;
  state: Parameters<typeof isEnded>[0];
  outcome: string | null;
  why: string;
  reference: string | null;
  command_key: string;
}

/** The private cluster of a Starling that runs on `dataDir`. */
export function openClusterOf(dataDir: string): Promise<Database> {
  const password = readFileSync(join(dataDir, 'postgres.password'), 'utf8').trim();
  const port = readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[3];
  return openDatabase(`postgres://starling:${password}@127.0.0.1:${port}/starling`, { connectionsMax: 2 });
}

/** Process id of that cluster's server; null when none was started. */
export function clusterPid(dataDir: string): number | null {
  const file = join(dataDir, 'postgres', 'postmaster.pid');
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : null;
}

export const openActions = async (sql: Database): Promise<ActionRow[]> => {
  const rows = await sql<ActionRow[]>`
    select id, device_id, kind, state, outcome, why, reference, command_key from action where ended_at is null order by id`;
  return [...rows];
};

export interface Audit {
  /** One sentence per difference. */
  differences: string[];
  counts: Record<string, number>;
}

/** Compares everything. Call it when the outbox is empty and no CPE has anything to deliver. */
export async function audit(sql: Database, load: Load): Promise<Audit> {
  const differences: string[] = [];
  const say = (text: string): void => void differences.push(text);
  const events = await sql<
    EventRow[]
  >`select device_id, action_id, kind, body from event where device_id is not null order by seq`;
  const byDevice = groupBy(events, ({ device_id }) => device_id ?? '');
  const actions = await sql<
    ActionRow[]
  >`select id, device_id, kind, state, outcome, why, reference, command_key from action`;
  const counts = { informs: 0, values: 0, transfers: 0, uploads: 0, actions: actions.length, ended: 0 };

  for (const one of load.cpes) {
    const rows = byDevice.get(one.id) ?? [];
    const told = auditTold(one, rows, say);
    counts.informs += told.informs;
    counts.values += told.values;
    counts.transfers += told.transfers;
    counts.uploads += auditUploads(one, rows, actions, say);
    auditOnce(one, say);
  }
  counts.ended = await auditActions(sql, load, actions, events, say);
  await auditValues(sql, load, actions, byDevice, say);
  await auditChain(sql, say);
  return { differences, counts };
}

/** Each Inform that was answered is stored once, with its events; each value in it once; each TransferComplete that was answered once. */
function auditTold({ cpe, id, paths }: LoadedCpe, rows: EventRow[], say: (text: string) => void) {
  const informs = rows
    .filter(({ kind }) => kind === 'inform' || kind === 'bootstrap')
    .map(({ body }) => body as unknown as InformBody);
  const transfers = rows
    .filter(({ kind }) => kind === 'transfer')
    .map(({ body }) => body as { sessionId: string; args: { CommandKey: string } });
  const carrying = groupBy(
    informs.flatMap((inform) => inform.changed.map(({ name, value }) => ({ key: `${name}=${value}`, inform }))),
    ({ key }) => key,
  );
  for (const [key, found] of carrying) {
    const isOurs = key.startsWith(`${paths.mark}=`) || key.startsWith(`${paths.changes}=`);
    if (isOurs && found.length > 1) say(`${id}: ${key} is stored ${found.length} times`);
  }
  const sessions = new Map<number, string>();
  let values = 0;
  for (const { session, events, values: list } of cpe.acknowledged.informs) {
    const mark = list.find(({ Name }) => Name === paths.mark)?.Value;
    const [stored] = carrying.get(`${paths.mark}=${mark}`) ?? [];
    if (stored === undefined) {
      say(`${id}: the Inform of session ${session} (${text(events)}) was answered and is not stored`);
      continue;
    }
    sessions.set(session, stored.inform.sessionId);
    if (text(stored.inform.events) !== text(events))
      say(`${id}: session ${session} told ${text(events)}, stored is ${text(stored.inform.events)}`);
    for (const { Name, Value } of list) {
      if (Name !== paths.changes) continue;
      values++;
      if (!carrying.has(`${Name}=${Value}`))
        say(`${id}: the value ${Value} of session ${session} was answered and is not stored`);
    }
  }
  for (const { session, CommandKey } of cpe.acknowledged.transfers) {
    const found = transfers.filter(
      ({ sessionId, args }) => sessionId === sessions.get(session) && args.CommandKey === CommandKey,
    );
    if (found.length !== 1)
      say(
        `${id}: TransferComplete ${CommandKey} of session ${session} was answered and is stored ${found.length} times`,
      );
  }
  return { informs: cpe.acknowledged.informs.length, values, transfers: cpe.acknowledged.transfers.length };
}

function auditUploads(
  { id, uploads }: LoadedCpe,
  rows: EventRow[],
  actions: readonly ActionRow[],
  say: (text: string) => void,
): number {
  for (const [key, { sha256 }] of uploads) {
    const action = actions.find(({ command_key }) => command_key === key);
    const found = rows.filter(
      ({ kind, action_id, body }) => kind === 'upload' && action_id === action?.id && body['sha256'] === sha256,
    );
    if (found.length !== 1) say(`${id}: the upload ${key} was answered and is stored ${found.length} times`);
  }
  return uploads.size;
}

function auditOnce({ cpe, id, paths, instancesAtFirst }: LoadedCpe, say: (text: string) => void): void {
  for (const { method, commandKey } of cpe.received.list) {
    if (!ONCE.includes(method) || commandKey === '') continue;
    const times = cpe.received.count(method, commandKey);
    if (times > 1) say(`${id}: ${method} of action ${commandKey} arrived ${times} times`);
  }
  if (paths.table === null) return;
  const added = instancesOf(cpe, paths.table).length - instancesAtFirst;
  if (added !== cpe.received.executed('AddObject'))
    say(`${id}: ${added} instances after ${cpe.received.executed('AddObject')} AddObject`);
}

/** Each action asked for is there once; each that ended did so once, and what it claims is so on the CPE; the rest says what is known. */
async function auditActions(
  sql: Database,
  load: Load,
  actions: readonly ActionRow[],
  events: readonly EventRow[],
  say: (text: string) => void,
): Promise<number> {
  const byReference = groupBy(actions, ({ reference }) => reference ?? '');
  for (const { reference, kind, id } of load.asked) {
    const found = byReference.get(reference) ?? [];
    if (found.length > 1) say(`${kind} ${reference}: made ${found.length} times`);
    if (id !== null && found[0]?.id !== id)
      say(`${kind} ${reference}: confirmed as ${id} and stored as ${found[0]?.id}`);
  }
  const results = new Map(
    (
      await sql<
        { action_id: string; count: number }[]
      >`select action_id, count(*)::int as count from evidence where kind = 'result' group by 1`
    ).map(({ action_id, count }) => [action_id, count]),
  );
  const instances = new Map(
    (
      await sql<
        { action_id: string; instance: string }[]
      >`select action_id, result->'data'->>'InstanceNumber' as instance from action_result`
    ).map(({ action_id, instance }) => [action_id, instance]),
  );
  const endings = groupBy(events, ({ action_id }) => action_id ?? '');
  let ended = 0;
  for (const action of actions) {
    const name = `${action.kind} ${action.reference ?? action.id}`;
    if (!isEnded(action.state)) {
      if (action.why === '') say(`${name}: open, and nothing is said of why`);
      continue;
    }
    ended++;
    const ends = (endings.get(action.id) ?? []).filter(({ kind }) => kind === `action.${action.state}`);
    if (ends.length !== 1) say(`${name}: ended ${ends.length} times on the timeline`);
    if (results.get(action.id) !== 1) say(`${name}: ${results.get(action.id) ?? 0} results in evidence`);
    const one = load.cpes.find(({ id }) => id === action.device_id);
    if (one === undefined || action.outcome !== 'done') continue;
    const { cpe, paths } = one;
    const method = { set: 'SetParameterValues', add: 'AddObject', reboot: 'Reboot', upload: 'Upload' }[action.kind];
    if (method !== undefined && cpe.received.executed(method, action.command_key) === 0)
      say(`${name}: done, but the CPE carried out no ${method}`);
    const instance = instances.get(action.id);
    if (action.kind === 'add' && paths.table !== null && !instancesOf(cpe, paths.table).includes(String(instance))) {
      say(`${name}: done as instance ${instance}, which the CPE does not have`);
    }
  }
  const late = events.filter(({ kind }) => kind === 'action.late-result');
  for (const { body, action_id } of late) say(`a result changed nothing: ${action_id} ${JSON.stringify(body)}`);
  const [parked] = await sql<{ count: number }[]>`select count(*)::int as count from parked_message`;
  if (parked?.count !== 0) say(`${parked?.count} facts were parked`);
  return ended;
}

/** The values stored last: what the CPE told last, and what it has where actions wrote. */
async function auditValues(
  sql: Database,
  load: Load,
  actions: readonly ActionRow[],
  byDevice: ReadonlyMap<string, EventRow[]>,
  say: (text: string) => void,
): Promise<void> {
  for (const { cpe, id, paths } of load.cpes) {
    const rows = await sql<{ path: string; value: string }[]>`
      select path, value from device_parameter where device_id = ${id} and path in (${paths.mark}, ${paths.changes}, ${paths.set})`;
    const stored = new Map(rows.map(({ path, value }) => [path, value]));
    const expected = new Map([[paths.mark, cpe.tree.value(paths.mark)]]);
    // A change is forgotten by a CPE that restarts before it told, so the last one told counts and not the one it has.
    const told = (byDevice.get(id) ?? []).flatMap(
      ({ body }) => (body['changed'] as InformBody['changed'] | undefined) ?? [],
    );
    const last = told.findLast(({ name }) => name === paths.changes);
    if (last !== undefined) expected.set(paths.changes, last.value);
    const isSetting = actions.some(
      ({ device_id, kind, state }) => device_id === id && kind === 'set' && !isEnded(state),
    );
    if (!isSetting && stored.has(paths.set)) expected.set(paths.set, cpe.tree.value(paths.set));
    for (const [path, value] of expected) {
      if (stored.get(path) !== value) say(`${id}: ${path} should be "${value}", stored is "${stored.get(path)}"`);
    }
  }
}

async function auditChain(sql: Database, say: (text: string) => void): Promise<void> {
  const rows = await sql<
    {
      seq: string;
      action_id: string;
      at: Date;
      kind: string;
      body: Record<string, unknown>;
      prev_hash: string;
      hash: string;
    }[]
  >`
    select seq, action_id, at, kind, body, prev_hash, hash from evidence order by seq`;
  let before = GENESIS;
  for (const { seq, action_id, at, kind, body, prev_hash, hash } of rows) {
    const entry = { seq: Number(seq), actionId: action_id, at: at.toISOString(), kind, body };
    if (prev_hash !== before || evidenceHash(before, entry) !== hash)
      say(`evidence ${seq} does not follow from the record before it`);
    before = hash;
  }
}

const text = (events: readonly EventStruct[]): string =>
  events.map(({ EventCode, CommandKey }) => `${EventCode}|${CommandKey}`).join(', ');

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
