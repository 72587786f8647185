// What is asked of the API: every filter alone, those together that a plan may get wrong, first pages and pages from anywhere. Values are
// drawn from what the database holds.

import { ACTION_KINDS } from '../../bus/messages.ts';
import { ACTION_STATES } from '../../control/services.ts';
import type { Database } from '../../control/store/postgres.ts';
import { BUSY_DEVICES } from './seed.ts';

export interface ListRequests {
  name: string;
  /** Asked in turn. */
  paths: string[];
}

/** Values of a filter that are asked for in turn. */
const DRAWN = 100;

export async function listRequests(sql: Database): Promise<ListRequests[]> {
  const column = async (rows: Promise<readonly { value: string }[]>): Promise<string[]> =>
    (await rows).map(({ value }) => value);
  const spread = (name: string, from: string): Promise<string[]> =>
    column(sql.unsafe(`select ${name} as value from ${from} order by md5(${name}) limit ${DRAWN}`));
  // Some thousands from everywhere, and of them a hundred.
  const part = `(select * from action where ctid = any(array(
    select format('(%s,1)', floor(random() * (select greatest(1, pg_relation_size('action') / 8192)))::int)::tid from generate_series(1, 2000)))) as a`;
  const ids = await spread('id', part);
  const devices = await spread('device_id', part);
  const references = await spread('reference', `${part} where reference is not null and batch_id is null`);
  const read = await spread('action_id', '(select action_id from action_plan limit 20000) as p');
  const busy = await column(sql<{ value: string }[]>`
    select device_id as value from event where device_id is not null group by device_id order by count(*) desc limit ${BUSY_DEVICES}`);
  const batches = await sql<{ id: string; state: string; reference: string; selected: number }[]>`
    select id, state, reference, selected from batch order by selected desc, id`;
  const big = batches.filter(({ selected }) => selected === batches[0]!.selected);
  const stopped = big.filter(({ state }) => state === 'paused');
  const inQueue = await column(sql<{ value: string }[]>`
    select device_id as value from action where closed_at is null
      and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown)) limit ${DRAWN}`);

  const cursors = ids.map((id) => `cursor=${Buffer.from(id).toString('base64url')}`);
  const queries = (of: string, ...each: (readonly string[])[]): string[] =>
    Array.from(
      { length: Math.max(...each.map(({ length }) => length)) },
      (_, i) => `/api/v1/${of}?${each.map((values) => values[i % values.length]).join('&')}`,
    );
  const named = (name: string, values: readonly string[]): string[] =>
    values.map((value) => `${name}=${encodeURIComponent(value)}`);
  const both = (name: string, of: string, ...each: (readonly string[])[]): ListRequests[] => [
    { name, paths: queries(of, ...each) },
    { name: `${name}, from anywhere`, paths: queries(of, ...each, cursors) },
  ];
  const BAD = ['partial', 'unsupported', 'refused', 'failed', 'stuck', 'expired'];
  const silent = `silentSince=${new Date(Date.now() - 50 * 86_400_000).toISOString()}`;
  return [
    ...both('actions', 'actions', ['limit=50']),
    ...both('actions, 500 rows', 'actions', ['limit=500']),
    ...ACTION_STATES.flatMap((state) => both(`actions ${state}`, 'actions', [`state=${state}`])),
    { name: 'actions failed, 500 rows', paths: queries('actions', ['state=failed&limit=500']) },
    ...ACTION_KINDS.flatMap((kind) => both(`actions ${kind}`, 'actions', [`kind=${kind}`])),
    { name: 'actions rpc, 500 rows', paths: queries('actions', ['kind=rpc&limit=500']) },
    ...['done&kind=rpc', 'failed&kind=set', 'stuck&kind=rpc', 'planned&kind=reboot', 'running&kind=download'].flatMap(
      (pair) => both(`actions ${pair.replace('&kind=', ' ')}`, 'actions', [`state=${pair}`]),
    ),
    ...both('actions of a device', 'actions', named('deviceId', devices)),
    ...both('actions of a busy device', 'actions', named('deviceId', busy)),
    { name: 'actions of a busy device, stuck', paths: queries('actions', named('deviceId', busy), ['state=stuck']) },
    { name: 'actions of a busy device, rpc', paths: queries('actions', named('deviceId', busy), ['kind=rpc']) },
    ...both('actions of a reference', 'actions', named('reference', references)),
    ...both(
      'actions of a batch',
      'actions',
      named(
        'batchId',
        big.map(({ id }) => id),
      ),
    ),
    ...both(
      'actions of a batch, failed',
      'actions',
      named(
        'batchId',
        big.map(({ id }) => id),
      ),
      ['state=failed'],
    ),
    ...both(
      'actions of a stopped batch, planned',
      'actions',
      named(
        'batchId',
        stopped.map(({ id }) => id),
      ),
      ['state=planned'],
    ),
    {
      name: 'actions of a batch, another kind',
      paths: queries(
        'actions',
        named(
          'batchId',
          big.map(({ id }) => id),
        ),
        ['kind=rpc'],
      ),
    },
    ...both(
      'actions of a batch by reference',
      'actions',
      named(
        'reference',
        big.map(({ reference }) => reference),
      ),
    ),
    {
      name: 'actions of a batch by reference, stuck',
      paths: queries(
        'actions',
        named(
          'reference',
          big.map(({ reference }) => reference),
        ),
        ['state=stuck'],
      ),
    },
    { name: 'one action', paths: read.map((id) => `/api/v1/actions/${id}`) },
    ...both('queue', 'queue', ['limit=50']),
    { name: 'queue, 500 rows', paths: queries('queue', ['limit=500']) },
    ...BAD.flatMap((state) => both(`queue ${state}`, 'queue', [`state=${state}`])),
    ...['get', 'set', 'rpc', 'schedule-inform'].flatMap((kind) => both(`queue ${kind}`, 'queue', [`kind=${kind}`])),
    { name: 'queue stuck rpc', paths: queries('queue', ['state=stuck&kind=rpc']) },
    { name: 'queue of a device', paths: queries('queue', named('deviceId', inQueue)) },
    { name: 'queue of a busy device', paths: queries('queue', named('deviceId', busy)) },
    { name: 'batches', paths: ['/api/v1/batches'] },
    { name: 'one batch', paths: big.map(({ id }) => `/api/v1/batches/${id}`) },
    { name: 'devices', paths: queries('devices', ['limit=50']) },
    { name: 'devices, 500 rows', paths: queries('devices', ['limit=500']) },
    { name: 'devices with a tag of many', paths: queries('devices', ['tag=fibre']) },
    { name: 'devices with a tag of few', paths: queries('devices', ['tag=lab']) },
    { name: 'devices of a manufacturer', paths: queries('devices', ['manufacturer=Meridian']) },
    { name: 'devices of a product class', paths: queries('devices', ['productClass=N7']) },
    { name: 'devices of a firmware of many', paths: queries('devices', ['softwareVersion=V2R3']) },
    { name: 'devices of a firmware of few', paths: queries('devices', ['softwareVersion=V2R1']) },
    { name: 'devices of an edge', paths: queries('devices', ['edgeId=edge7']) },
    { name: 'devices silent for long', paths: queries('devices', [silent]) },
    {
      name: 'devices by part of a serial number',
      paths: queries(
        'devices',
        named(
          'q',
          devices.map((id) => id.slice(-5)),
        ),
      ),
    },
    { name: 'one device', paths: devices.map((id) => `/api/v1/devices/${id}`) },
    { name: 'timeline', paths: devices.map((id) => `/api/v1/devices/${id}/timeline`) },
    { name: 'timeline of a busy device', paths: busy.map((id) => `/api/v1/devices/${id}/timeline`) },
    { name: 'connectors', paths: ['/api/v1/connectors'] },
    { name: 'metrics', paths: ['/metrics'] },
  ];
}
