import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { silentLog } from '../../base/log.ts';
import { ADMIN, CPE, inform, testControl } from '../control.test-helper.ts';
import type { FileStore } from '../services.ts';
import { Leases, memberName, newMember } from '../store/leases.ts';
import { openDatabase } from '../store/postgres.ts';
import { connectorService, healthService } from './connectors.ts';
import { fileService } from './files.ts';
import { forgetKeys, idempotencyService } from './idempotency.ts';
import { tokenService } from './tokens.ts';

test('a token lets in until it is revoked or expires, and is stored as a hash alone', async () => {
  const { context, clock } = await testControl();
  const tokens = tokenService(context);
  const expiresAt = new Date(clock.now() + 60_000).toISOString();
  const { token, view } = await tokens.create({ name: 'billing', role: 'finance', expiresAt }, ADMIN);
  expect(token).toMatch(/^stl_[\w-]{43}$/);
  expect(await tokens.authenticate(token)).toEqual({
    type: 'ok',
    principal: { tokenId: view.id, name: 'billing', role: 'finance', person: null, scope: null },
  });
  expect(JSON.stringify(await context.sql`select * from api_token`)).not.toContain(token.slice(12));
  clock.advance(60_000);
  expect(await tokens.authenticate(token)).toEqual({ type: 'expired', at: expiresAt });

  const second = await tokens.create({ name: 'x', role: 'noc' }, ADMIN);
  expect((await tokens.revoke(second.view.id, ADMIN)).revokedAt).not.toBe(null);
  expect(await tokens.authenticate(second.token)).toEqual({ type: 'revoked' });
  await expect(tokens.revoke('nope', ADMIN)).rejects.toMatchObject({ status: 404 });
});

test.each([
  ['nothing', ''],
  ['a bare prefix', 'stl_'],
  ['SQL', "' or true --".repeat(4)],
  ['a very long text', 'x'.repeat(100_000)],
  ['a text with NUL', 'a\0b'.repeat(20)],
])('%s is no token', async (_, token) => {
  expect(await tokenService((await testControl()).context).authenticate(token)).toEqual({ type: 'unknown' });
});

test('the first start makes one admin token, however many start at once; a given one is taken instead', async () => {
  const { context } = await testControl();
  const tokens = tokenService(context);
  const made = await Promise.all([tokens.ensureAdmin(null), tokens.ensureAdmin(null), tokens.ensureAdmin(null)]);
  const [token] = made.filter((each) => each !== null);
  expect(made.filter((each) => each !== null)).toHaveLength(1);
  expect(await tokens.authenticate(token!)).toMatchObject({ principal: { name: 'admin', role: 'admin' } });
  const given = 'an-admin-token-of-the-operator';
  // Two controls that are given the same one start at once.
  expect(await Promise.all([tokens.ensureAdmin(given), tokens.ensureAdmin(given)])).toEqual([null, null]);
  expect(await tokens.ensureAdmin(given)).toBe(null);
  expect(await tokens.authenticate(given)).toMatchObject({ principal: { name: 'admin', role: 'admin' } });
  await expect(tokens.ensureAdmin('short')).rejects.toThrow(/24 to/);
});

test('an idempotency key: new once, busy while under way, replayed after, a conflict for another request', async () => {
  const { context, clock } = await testControl();
  const keys = idempotencyService(context);
  const claims = await Promise.all(Array.from({ length: 4 }, () => keys.claim('t', 'k', 'print')));
  expect(claims.map(({ type }) => type).sort()).toEqual(['busy', 'busy', 'busy', 'new']);
  expect(await keys.claim('t', 'k', 'other')).toEqual({ type: 'conflict' });
  await keys.finish('t', 'k', 201, { id: 7, text: 'a\0b' });
  expect(await keys.claim('t', 'k', 'print')).toEqual({
    type: 'replay',
    status: 201,
    body: { id: 7, text: 'a\ufffdb' },
  });
  expect(await keys.claim('other token', 'k', 'print')).toEqual({ type: 'new' });
  await keys.release('other token', 'k');
  expect(await keys.claim('other token', 'k', 'else')).toEqual({ type: 'new' });
  clock.advance(LIMITS.idempotencyClaimMs + 1);
  expect(await keys.claim('other token', 'k', 'else')).toEqual({ type: 'new' }); // Its first request was killed.
  clock.advance(-3_600_000);
  expect(await keys.claim('other token', 'k', 'else')).toEqual({ type: 'new' }); // So was this one, before the clock was set back.
  clock.advance(3_600_000);
  clock.advance(LIMITS.idempotencyKeyMs + 1);
  expect(await forgetKeys(context)).toBe('2 idempotency keys forgotten');
});

test('a key that a control has under way is free as soon as that control is gone, and then not for it to end', async () => {
  const { context, url } = await testControl();
  const member = newMember();
  const gone = await openDatabase(url, { connectionsMax: 1, name: memberName(member) });
  await new Leases({ member, sql: gone, log: silentLog, onWant: () => {} }).pass();
  const keysOfGone = idempotencyService({ ...context, member });
  const keys = idempotencyService(context);
  expect(await keysOfGone.claim('t', 'k', 'print')).toEqual({ type: 'new' });
  expect(await keys.claim('t', 'k', 'print')).toEqual({ type: 'busy' });
  await gone.end({ timeout: 0 });
  await expect.poll(() => keys.claim('t', 'k', 'print')).toEqual({ type: 'new' });
  // Had it only stood still:
  await keysOfGone.release('t', 'k');
  await keysOfGone.finish('t', 'k', 201, {});
  expect(await keysOfGone.claim('t', 'k', 'other')).toEqual({ type: 'conflict' });
  await keys.finish('t', 'k', 201, { id: 1 });
  expect(await keysOfGone.claim('t', 'k', 'print')).toEqual({ type: 'replay', status: 201, body: { id: 1 } });
});

test('files are listed newest first over pages, with those that devices uploaded', async () => {
  const control = await testControl();
  let stored = 0;
  const store: FileStore = {
    read: async () => null,
    async put(source) {
      let bytes = 0;
      for await (const chunk of source) bytes += chunk.length;
      stored += 1;
      return { fileId: `file${stored}`, bytes, sha256: 'ab' };
    },
  };
  const files = fileService(control.context, store);
  async function* bytes() {
    yield new Uint8Array(3);
    yield new Uint8Array(4);
  }
  expect(await files.add(bytes(), { name: 'fw.bin', fileType: '1 Firmware Upgrade Image' }, ADMIN)).toMatchObject({
    id: 'file1',
    bytes: 7,
    source: 'operator',
    createdBy: 'Ada',
  });
  control.clock.advance(1);
  await control.send(inform());
  const { action } = await control.actions.create(
    CPE,
    { kind: 'upload', fileType: '1 Vendor Configuration File' },
    { principal: ADMIN },
  );
  await control.send({
    type: 'upload',
    body: { cpeId: CPE, actionId: action.id, fileId: 'up1', bytes: 9, sha256: 'cd' },
  });
  const first = await files.list({ limit: 1 });
  expect(first.items).toMatchObject([
    { id: 'up1', source: 'device', deviceId: CPE, fileType: '1 Vendor Configuration File' },
  ]);
  const second = await files.list({ limit: 1, cursor: first.next! });
  expect(second).toMatchObject({ items: [{ id: 'file1' }], next: null });
  await expect(files.get('nope')).rejects.toMatchObject({ status: 404 });
  await expect(
    fileService(control.context, null).add(bytes(), { name: 'x', fileType: 'y' }, ADMIN),
  ).rejects.toMatchObject({ code: 'no-file-store' });
  const download = await control.actions.create(
    CPE,
    { kind: 'download', fileType: '1 Firmware Upgrade Image', file: 'file1' },
    { principal: ADMIN },
  );
  expect(download.action.plan).toMatchObject({ risk: 'high', impact: { reboot: true } });
});

test('connector health counts devices, actions, fails and parked messages; health names what is wrong', async () => {
  const control = await testControl();
  const connectors = connectorService(control.context);
  expect(await connectors.list()).toMatchObject([{ id: 'cwmp', state: 'down' }]);
  await control.send(inform());
  await control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
  expect(await connectors.list()).toMatchObject([
    {
      state: 'ok',
      pathsOnline: 1,
      pathsKnown: 1,
      actionsQueued: 1,
      actionsRunning: 0,
      edges: [{ edgeId: 'edge1', devices: 1 }],
    },
  ]);
  await control.ingest.handle(control.subject, [{ id: 'x', payload: null }]);
  control.clock.advance(LIMITS.silentAfterMs + 1);
  expect(await connectors.list()).toMatchObject([{ state: 'degraded', pathsOnline: 0, parkedMessages: 1 }]);
  await control.handOver.pass();
  const health = await healthService(control.context, [control.handOver]).check();
  expect(health).toMatchObject({
    ok: true,
    checks: [
      { name: 'database', ok: true },
      { name: 'hand-over', ok: true },
    ],
  });
});
