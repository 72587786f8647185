// PostgreSQL dies alone: the edge goes on with CPEs, what they tell waits in the outbox, health says what is wrong, and after a restart of
// Starling everything is in the database, once.

import { afterAll, expect, test } from 'vitest';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';
import { clusterPid, openClusterOf } from './books.ts';
import { askedIn, HandCpe, methodOf, valueStructs } from './hand-cpe.ts';

const NAME = 'InternetGatewayDevice.DeviceInfo.UpTime';
const TOLD = 20;
/** Sessions, relay, control and driver have 2, 5, 5 and 5 s at most; the machine may be busy. */
const STOP_MS_MAX = 30_000;
let starling: TestStarling;

afterAll(async () => {
  await starling.kill();
  starling.clean();
});

async function outboxFacts(): Promise<number> {
  const text = await (await fetch(`${starling.httpUrl}/metrics`)).text();
  return Number(/^starling_outbox_facts (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}

test('PostgreSQL is killed: sessions go on, facts wait, health says so, and a restart brings all of it', {
  timeout: 120_000,
}, async () => {
  starling = await startStarling();
  const port = new URL(starling.cwmpUrl).port;
  const url = starling.cwmpUrl;
  const cpe = new HandCpe('LOST');
  await cpe.inform(url, ['0 BOOTSTRAP', '1 BOOT']);
  let first = await cpe.empty(url);
  while (first.message.type === 'request') first = await cpe.respond(url, first.message, '<Status>0</Status>');
  const { body: action } = await starling.api('POST', `/devices/${cpe.id}/actions`, { kind: 'get', names: [NAME] });
  // At the edge before the database goes: asked for in a session that is then begun anew.
  expect(methodOf(await askedIn(cpe, url, ['2 PERIODIC']))).toBe('GetParameterValues');

  process.kill(clusterPid(starling.dataDir) ?? 0, 'SIGKILL');
  await expect.poll(async () => (await fetch(`${starling.httpUrl}/healthz`)).status, { timeout: 20_000 }).toBe(503);
  const health = (await (await fetch(`${starling.httpUrl}/healthz`)).json()) as {
    checks: { name: string; ok: boolean }[];
  };
  expect(health.checks.find(({ name }) => name === 'database')).toMatchObject({ ok: false });

  const asked = await askedIn(cpe, url, ['2 PERIODIC']);
  expect(
    (await cpe.respond(url, asked.message, `<ParameterList>${valueStructs({ [NAME]: '42' })}</ParameterList>`)).status,
  ).toBe(204);
  for (let n = 0; n < TOLD; n++) {
    expect((await cpe.inform(url, [`M Reboot|told-${n}`], { 'InternetGatewayDevice.X': `value-${n}` })).status).toBe(
      200,
    );
    expect((await cpe.transferComplete(url, `transfer-${n}`)).status).toBe(200);
    expect((await cpe.empty(url)).status).toBe(204);
  }
  expect(await outboxFacts()).toBeGreaterThanOrEqual(2 * TOLD);
  expect(starling.log()).toContain('the private PostgreSQL ended');

  // The database is away, so the end leaves the facts where they are.
  const stoppedAt = performance.now();
  expect(await starling.stop()).toBe(0);
  expect(performance.now() - stoppedAt).toBeLessThan(STOP_MS_MAX);
  starling = await startStarling({ STARLING_CWMP_PORT: port }, starling.dataDir);
  await expect.poll(outboxFacts, { timeout: 20_000 }).toBe(0);
  const sql = await openClusterOf(starling.dataDir);
  try {
    const rows = await sql<
      { kind: string; text: string }[]
    >`select kind, body::text as text from event where device_id = ${cpe.id}`;
    for (let n = 0; n < TOLD; n++) {
      for (const [kind, sign] of [
        ['inform', `"told-${n}"`],
        ['inform', `"value-${n}"`],
        ['transfer', `"transfer-${n}"`],
      ] as const) {
        expect([sign, rows.filter((row) => row.kind === kind && row.text.includes(sign)).length]).toEqual([sign, 1]);
      }
    }
    expect((await starling.api('GET', `/actions/${action.id}`)).body).toMatchObject({ state: 'done' });
  } finally {
    await sql.end();
  }
  expect((await fetch(`${starling.httpUrl}/healthz`)).status).toBe(200);
});
