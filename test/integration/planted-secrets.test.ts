// Secrets planted wherever a Starling meets some are searched for in all that it writes, tells and shows; none may be found. Each is a random
// text of its own. What makes the search honest: beside each secret something plain was planted that must be found in the same places.

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ActionDetail } from '../../control/services.ts';
import { type Database, openDatabase } from '../../control/store/postgres.ts';
import { type Answer, askedIn, HandCpe, methodOf, valueStructs } from '../faults/hand-cpe.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';

const R = 'InternetGatewayDevice.';
const WLAN = `${R}LANDevice.1.WLANConfiguration.1.`;
const WIFI = `${WLAN}KeyPassphrase`;
const PPP = `${R}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password`;
const ACS = `${R}ManagementServer.Password`;
const CR = `${R}ManagementServer.ConnectionRequestPassword`;
const VENDOR = `${R}X_VENDOR_Access.AdminPwd`;

/** What was planted, by where. */
const planted = new Map<string, string>();
function plant(where: string): string {
  const secret = `s3${randomBytes(9).toString('hex')}`;
  planted.set(where, secret);
  return secret;
}
/** In plain in the same messages: what the search must find. */
const PLAIN = `plain${randomBytes(6).toString('hex')}`;

let starling: TestStarling;
let sql: Database;
const cpe = new HandCpe('PLANTED');
/** Every body the API answered with. */
const said: string[] = [];
const events: string[] = [];
const streaming = new AbortController();

beforeAll(async () => {
  starling = await startStarling({ STARLING_LOG_LEVEL: 'debug' });
  sql = await openDatabase(databaseUrl());
});
afterAll(async () => {
  streaming.abort();
  await sql.end({ timeout: 1 });
  await starling.stop();
  starling.clean();
});

/** Of the private cluster. */
function databaseUrl(): string {
  const read = (name: string): string => readFileSync(join(starling.dataDir, name), 'utf8').trim();
  const port = read('postgres/postmaster.pid').split('\n')[3];
  return `postgres://starling:${read('postgres.password')}@127.0.0.1:${port}/starling`;
}

async function api(method: string, path: string, body?: unknown) {
  const answer = await starling.api(method, path, body);
  said.push(JSON.stringify(answer.body));
  return answer;
}

/** Makes an action; `answers` are what the CPE says to the requests that it brings, until there are no more. */
async function act(
  body: Record<string, unknown>,
  ...answers: ((asked: Answer) => Promise<Answer>)[]
): Promise<ActionDetail> {
  const made = await api('POST', `/devices/${cpe.id}/actions`, body);
  expect(made.status, JSON.stringify(made.body)).toBe(202);
  let asked = await askedIn(cpe, starling.cwmpUrl, ['6 CONNECTION REQUEST']);
  for (const answer of answers) asked = await answer(asked);
  while (asked.message.type === 'request') asked = await refuse(asked);
  await vi.waitFor(async () => expect((await api('GET', `/actions/${made.body.id}`)).body.endedAt).not.toBeNull(), {
    timeout: 10_000,
  });
  return (await api('GET', `/actions/${made.body.id}`)).body;
}
const values = (list: Record<string, string>) => (asked: Answer) => {
  const count = Object.keys(list).length;
  const xml = `<ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[${count}]">${valueStructs(list)}</ParameterList>`;
  return cpe.respond(starling.cwmpUrl, asked.message, xml);
};
const status = (asked: Answer) => cpe.respond(starling.cwmpUrl, asked.message, '<Status>0</Status>');
const refuse = (asked: Answer) => cpe.fault(starling.cwmpUrl, asked.message, '9002', 'Internal error');

/** Every file below the data folder that holds `text`. */
function filesWith(text: string): string[] {
  const found = readdirSync(starling.dataDir, { recursive: true, encoding: 'utf8' }).map((name) =>
    join(starling.dataDir, name),
  );
  return found.filter((file) => {
    try {
      return statSync(file).isFile() && readFileSync(file).includes(text);
    } catch {
      // PostgreSQL puts files away while we look.
      return false;
    }
  });
}

/** All rows of all tables as text, but for the columns that are sealed. */
async function dump(): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.tables where table_schema = 'public' order by 1`;
  const parts: string[] = [];
  for (const { name } of tables) {
    const rows = await sql<
      { row: string }[]
    >`select (to_jsonb(t) - 'sealed' - 'sealed_args' - 'sealed_plan')::text as row from ${sql(name)} t`;
    parts.push(...rows.map(({ row }) => `${name} ${row}`));
  }
  return parts.join('\n');
}

test('secrets pass through Informs, reads, writes, faults, transfers and credentials', {
  timeout: 120_000,
}, async () => {
  void readEvents();
  // A first contact that tells its secrets, and later Informs with other ones.
  const told = {
    [WIFI]: plant('Inform: Wi-Fi'),
    [PPP]: plant('Inform: PPP'),
    [ACS]: plant('Inform: ACS'),
    [VENDOR]: plant('Inform: vendor'),
  };
  const plain = { [`${WLAN}SSID`]: PLAIN, [`${R}ManagementServer.ConnectionRequestURL`]: 'http://127.0.0.1:9/x' };
  await session(['0 BOOTSTRAP', '1 BOOT'], { ...plain, ...told });
  await session(['4 VALUE CHANGE'], { ...plain, ...told, [WIFI]: plant('VALUE CHANGE: Wi-Fi') });
  await vi.waitFor(async () => expect((await api('GET', `/devices/${cpe.id}`)).status).toBe(200), { timeout: 10_000 });

  await api('PUT', `/devices/${cpe.id}/credentials`, {
    cpe: { username: `user-${PLAIN}`, password: plant('credentials: CPE') },
    connectionRequest: [{ username: 'acs', password: plant('credentials: connection request') }],
  });
  const read = { [WIFI]: plant('read: Wi-Fi'), [PPP]: plant('read: PPP'), [CR]: plant('read: connection request') };
  await act({ kind: 'get', names: Object.keys(read) }, values(read));

  // Written and read back; then one that the CPE refuses, with the value in its fault.
  const set = {
    [WIFI]: plant('set: Wi-Fi'),
    [PPP]: plant('set: PPP'),
    [ACS]: plant('set: ACS'),
    [CR]: plant('set: connection request'),
  };
  const written = await act(
    { kind: 'set', values: set, reason: PLAIN },
    values(read),
    status,
    values({ ...read, ...set }),
  );
  expect(written.plan.diff.map(({ to }) => to)).toEqual(['••••', '••••', '••••', '••••']);
  const bad = plant('fault: Wi-Fi');
  const inFault = (asked: Answer) =>
    cpe.fault(starling.cwmpUrl, asked.message, '9003', `Invalid value ${bad}`, {
      name: WIFI,
      code: '9007',
      text: `'${bad}' is too short`,
    });
  const refused = await act({ kind: 'set', values: { [WIFI]: bad } }, values(set), inFault);
  expect(JSON.stringify(refused.result)).toContain('is too short');
  const download = {
    kind: 'download',
    fileType: '3 Vendor Configuration File',
    username: 'files',
    url: 'http://127.0.0.1:9/x',
  };
  await act({ ...download, password: plant('download: password') }, status);
  // Refused by its edge when the session comes.
  const login = `http://files:${plant('download: in the URL')}@127.0.0.1:9/x`;
  const { body: inUrl } = await api('POST', `/devices/${cpe.id}/actions`, { ...download, url: login });
  const look = async () => (await api('GET', `/actions/${inUrl.id}`)).body;
  while ((await look()).endedAt === null) await session(['6 CONNECTION REQUEST'], plain);
  expect(await look()).toMatchObject({ state: 'refused', why: expect.stringContaining('user name') });
  // Its outcome is logged at debug.
  await api('POST', `/devices/${cpe.id}/wake`);
  // What nobody can read, and what is asked wrongly.
  const broken = `<soap:Envelope><soap:Body><cwmp:Inform>${valueStructs({ [PPP]: plant('a document that is cut off') })}`;
  await fetch(starling.cwmpUrl, { method: 'POST', headers: { 'content-type': 'text/xml' }, body: broken });
  await api('POST', `/devices/${cpe.id}/actions`, {
    kind: 'set',
    values: { 'wifi.2g.pasword': plant('a wrong name') },
  });
  await act({ kind: 'rpc', method: 'SetParameterValues', arguments: { ParameterList: [{ Name: PPP, Value: plant('rpc: PPP'), Type: 'xsd:string' }], ParameterKey: PLAIN } }, status); // biome-ignore format: as it is asked
  // Left waiting, with an edge that has it on its disk.
  await api('POST', `/devices/${cpe.id}/actions`, {
    kind: 'set',
    values: { [WIFI]: plant('waiting: Wi-Fi'), [`${WLAN}SSID`]: PLAIN },
  });
  const asked = await askedIn(cpe, starling.cwmpUrl, ['6 CONNECTION REQUEST']);
  expect(methodOf(asked)).toMatch(/^GetParameter|^SetParameter/);

  const reading = { name: WIFI, reason: PLAIN };
  const opened = await starling.api('POST', `/devices/${cpe.id}/secrets/read`, reading);
  expect([...planted.values()]).toContain(opened.body.value);
});

async function session(codes: string[], list: Record<string, string>): Promise<void> {
  await cpe.inform(starling.cwmpUrl, codes, list);
  let asked = await cpe.empty(starling.cwmpUrl);
  while (asked.message.type === 'request') asked = await refuse(asked);
}

async function readEvents(): Promise<void> {
  const headers = { authorization: `Bearer ${starling.token}` };
  const answer = await fetch(`${starling.httpUrl}/api/v1/events`, { headers, signal: streaming.signal });
  const text = new TextDecoder();
  try {
    for await (const part of answer.body!) events.push(text.decode(part as Uint8Array, { stream: true }));
  } catch {
    // Ended by the end of the tests.
  }
}

/** Looks for each secret in `text`; `PLAIN` must be there, or the place was not looked at. */
function holdsNone(place: string, text: string, shows = PLAIN): void {
  expect(text.includes(shows), `${place} was looked at`).toBe(true);
  for (const [where, secret] of planted) {
    const at = text.indexOf(secret);
    expect(at < 0 ? '' : `${where}: …${text.slice(Math.max(0, at - 200), at)}`, place).toBe('');
  }
}

test('none is in what the API answers: devices, parameters, timeline, actions with plan and evidence, events, the export, metrics', async () => {
  for (const path of ['', '/parameters?limit=500', '/timeline?limit=500', '/credentials'])
    await api('GET', `/devices/${cpe.id}${path}`);
  for (const list of ['devices', 'actions', 'files', 'connectors', 'tokens', 'secrets/rotation'])
    await api('GET', `/${list}`);
  for (const { id } of (await api('GET', '/actions')).body.items) await api('GET', `/actions/${id}`);
  holdsNone('answers of the API', said.join('\n'));
  const headers = { authorization: `Bearer ${starling.token}` };
  const text = async (path: string) => await (await fetch(`${starling.httpUrl}${path}`, { headers })).text();
  holdsNone('the export', await text('/api/v1/evidence/export'));
  holdsNone('metrics', await text('/metrics'), 'starling_');
  await vi.waitFor(() => expect(events.join('')).toContain(PLAIN));
  holdsNone('events', events.join(''));
});

test('none is in the log at level debug', async () => {
  await vi.waitFor(() => expect(starling.log()).toContain('"level":20'), { timeout: 30_000 });
  holdsNone('the log', starling.log(), cpe.id);
});

test('none is in any table, nor in any file: those of PostgreSQL and the store of the edge', async () => {
  holdsNone('the tables', await dump());
  await sql`checkpoint`;
  const plain = filesWith(PLAIN);
  expect(
    plain.some((file) => file.includes('/postgres/')),
    'PostgreSQL',
  ).toBe(true);
  expect(
    plain.some((file) => file.endsWith('/edge/data.mdb')),
    'LMDB',
  ).toBe(true);
  for (const [where, secret] of planted) expect(filesWith(secret), where).toEqual([]);
});
