// What of a store can be read without its key: the bytes of its file are searched for what was put into it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Environment } from './environment.ts';
import { StoreSeal } from './seal.ts';
import { openOutbox } from './stamps.ts';
import {
  CPE,
  closeStore,
  factsIn,
  openStore,
  recordOf,
  STORE_KEY,
  sessionOf,
  temporaryFolder,
  workOf,
} from './store.test-helper.ts';
import type { WorkRecord } from './store.ts';

const SECRET = 'pl4nted-in-the-store';
const PATH = 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase';
const LEVEL = 'Device.Vendor.Level';
const secret = (Value = SECRET) => ({ Name: PATH, Value, Type: 'xsd:string' });
const fileOf = (dir: string): Buffer => readFileSync(join(dir, 'data.mdb'));

test('what was sealed opens, nothing else does, and no two of a writer are alike', () => {
  const seal = new StoreSeal(STORE_KEY);
  const other = new StoreSeal(new Uint8Array(32).fill(9));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, at) => {
      const sealed = seal.seal(bytes);
      expect(Buffer.from(new StoreSeal(STORE_KEY).open(sealed))).toEqual(Buffer.from(bytes));
      expect(seal.seal(bytes)).not.toEqual(sealed);
      expect(() => other.open(sealed)).toThrow();
      const flipped = Buffer.from(sealed);
      const place = 2 + (at % (flipped.length - 2));
      flipped[place] = flipped[place]! ^ 1;
      expect(() => seal.open(flipped)).toThrow();
    }),
  );
  expect(other.fingerprint).not.toBe(seal.fingerprint);
});

test('nothing that was put is in the file: work, sessions, settings, facts, and secrets among parameters', async () => {
  const { store, dir } = openStore();
  await store.putWork(recordOf(workOf('a1', { args: { values: [secret()] } })));
  await store.putWork(recordOf(workOf('a1', { args: { values: [secret()] } }), { state: { before: [secret()] } }));
  await store.putWork(recordOf(workOf('a2', { args: { values: [secret()] } })));
  const request = { id: '1', method: 'SetParameterValues', args: { ParameterList: [secret()] }, repeatable: false };
  const session = { phase: 'acs-turn', inFlight: request, answeredId: null, repeated: false } as const;
  await store.putSession(CPE, sessionOf({ session: { ...session, cpeId: CPE, namespace: 'n' } }));
  await store.putSettings(CPE, {
    cpe: { username: 'cpe-1', password: SECRET },
    connectionRequest: [{ username: 'acs', password: SECRET }],
  });
  const level = { Name: LEVEL, Value: 'in plain', Type: 'xsd:string' };
  await store.applyInform(CPE, [level, secret()], store.compareInform(CPE, [level, secret()]));
  await store.applyValues(CPE, [{ ...secret(), Name: 'Device.Users.User.1.Password' }]);
  await store.appendFacts([{ type: 'values', body: { cpeId: CPE, values: [secret()], at: 1 } as never }], 1).durable;
  await store.flushed();
  expect(fileOf(dir).includes('in plain')).toBe(true);
  expect(fileOf(dir).includes(SECRET)).toBe(false);

  await closeStore(store);
  const { store: again } = openStore({ dir });
  expect(again.workOf(CPE).map(({ work }) => work.args)).toEqual([{ values: [secret()] }, { values: [secret()] }]);
  expect(again.getSession(CPE)?.session).toMatchObject({ inFlight: request });
  expect(again.findByUsername('cpe-1')).toEqual({ cpeId: CPE, password: SECRET });
  expect(again.getSettings(CPE)?.connectionRequest).toEqual([{ username: 'acs', password: SECRET }]);
  expect(factsIn(again)).toMatchObject([{ body: { values: [secret()] } }]);
});

test('a secret that an Inform tells is news when it is another one, and never otherwise', async () => {
  const { store } = openStore();
  const level = (Value: string) => ({ Name: LEVEL, Value, Type: 'xsd:string' });
  const tell = async (...list: { Name: string; Value: string; Type: string }[]) => {
    const difference = store.compareInform(CPE, list);
    await store.applyInform(CPE, list, difference);
    return difference.changed;
  };
  expect(await tell(level('1'), secret('one'))).toEqual([level('1'), secret('one')]);
  expect(await tell(level('1'), secret('one'))).toEqual([]);
  expect(await tell(level('2'), secret('one'))).toEqual([level('2')]);
  expect(await tell(level('2'), secret('two'))).toEqual([secret('two')]);
  expect(await tell(level('2'), secret('two'))).toEqual([]);
  // A blank shows that the device hides it, and is kept as one (FIELD 27).
  expect(await tell(level('2'), secret(''))).toEqual([secret('')]);
  expect(store.knownParameter(CPE, PATH)?.value).toBe('');
  // In another order, found by name; and behind a value that was read.
  expect(await tell(secret(''), level('2'))).toEqual([]);
  await store.applyValues(CPE, [secret('three')]);
  expect(await tell(secret('three'), level('2'))).toEqual([]);
  expect(store.knownParameter(CPE, PATH)?.value).not.toBe('three');
});

test('a store from before anything was sealed is read, and sealed when it is written', async () => {
  const dir = temporaryFolder();
  const before = Environment.acquire(dir);
  const plain = recordOf(workOf('a1', { args: { values: [secret()] } }));
  await before.database<WorkRecord>('work', { useVersions: true }).put(`${CPE}/a1`, plain, 1);
  await before.database('work-index', { dupSort: true, encoding: 'ordered-binary' }).put(CPE, 'a1');
  await before.database<string, [number, number]>('outbox', { encoding: 'string' }).put([7, 1], '1 7 1[{}]');
  await before.database('username', { encoding: 'string' }).put('cpe-1', `${CPE}\0old`);
  before.meta.putSync('format', 3);
  await before.release();

  const { store } = openStore({ dir });
  expect(store.workOf(CPE)).toMatchObject([{ work: { args: { values: [secret()] } } }]);
  expect(store.readFacts(1)).toMatchObject([{ first: 7, text: '[{}]' }]);
  expect(store.findByUsername('cpe-1')).toEqual({ cpeId: CPE, password: 'old' });
  const [record] = store.workOf(CPE);
  expect(await store.putWork({ ...record!, state: {} })).toBe(true);
  await closeStore(store);
  const bare = Environment.acquire(dir);
  expect(bare.meta.get('format')).toBe(4);
  const written = bare.database<Uint8Array>('work', { encoding: 'binary', useVersions: true }).get(`${CPE}/a1`);
  expect(Buffer.from(written!).includes(SECRET)).toBe(false);
  await bare.release();
});

test('another key is refused with what to do; a record that does not open goes out as damaged', async () => {
  const { store, dir } = openStore();
  await store.appendFacts([{ type: 'seen', body: { devices: [] } }], 1).durable;
  await closeStore(store);
  expect(() => openStore({ dir, key: new Uint8Array(32).fill(1) })).toThrow(/another installation.secret/);

  const { store: again } = openStore({ dir });
  const [record] = again.readFacts(1);
  const bare = Environment.acquire(dir);
  const bytes = bare.root.openDB<Buffer, [number, number]>('outbox', { encoding: 'binary' });
  const sealed = Buffer.from(bytes.get([record!.first, 1])!);
  sealed[sealed.length - 1] = sealed.at(-1)! ^ 1;
  await bytes.put([record!.first, 1], sealed);
  await openOutbox(bare).flushed;
  await bare.release();
  expect(again.readFacts(1)).toMatchObject([
    { first: record!.first, lane: Number.NaN, text: 'a record that does not open' },
  ]);
});
