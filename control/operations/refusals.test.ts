import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { ADMIN, CPE, testControl } from '../control.test-helper.ts';
import { refusalService } from './refusals.ts';

const refusal = {
  method: 'POST',
  path: `/api/v1/devices/${CPE}/actions`,
  status: 422,
  code: 'unknown-name',
  message: 'No.',
};

test('a refusal is evidence of who was refused what, and why', async () => {
  const { context } = await testControl();
  const refusals = refusalService(context);
  await refusals.record(ADMIN, refusal);
  await refusals.record(ADMIN, {
    ...refusal,
    path: '/api/v1/actions/01KAAAAAAAAAAAAAAAAAAAAAAA/approve',
    code: 'own-action',
  });
  await refusals.record(ADMIN, { ...refusal, path: "/api/v1/actions/'; drop table evidence/approve" });
  const rows = await context.sql`select action_id, kind, body from evidence order by seq`;
  expect(rows).toMatchObject([
    {
      action_id: '',
      kind: 'refused',
      body: { deviceId: CPE, by: 'Ada', person: 'ada', code: 'unknown-name', status: 422 },
    },
    { action_id: '01KAAAAAAAAAAAAAAAAAAAAAAA', body: { code: 'own-action' } },
    { action_id: '' },
  ]);
});

test('a program that repeats its mistake does not fill the evidence; another minute, and another token, count anew', async () => {
  const { context, clock } = await testControl();
  const refusals = refusalService(context);
  const count = async () => (await context.sql`select count(*)::int as n from evidence`)[0]!['n'];
  for (let i = 0; i < LIMITS.refusalsPerMinute + 5; i++) await refusals.record(ADMIN, refusal);
  expect(await count()).toBe(LIMITS.refusalsPerMinute);
  await refusals.record({ ...ADMIN, tokenId: 'another' }, refusal);
  clock.advance(60_000);
  await refusals.record(ADMIN, refusal);
  expect(await count()).toBe(LIMITS.refusalsPerMinute + 2);
});

test('without a database the caller still hears why he was refused', async () => {
  const { context } = await testControl();
  const refusals = refusalService(context);
  await context.sql.end({ timeout: 1 });
  await refusals.record(ADMIN, refusal);
});
