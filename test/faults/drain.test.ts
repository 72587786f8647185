// The orderly end: SIGTERM and SIGINT let open sessions finish, put away what was seen, and end with 0 within the time given. One data folder,
// started again after each end, so that what the last one left is seen.

import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';
import { clusterPid } from './books.ts';
import { askedIn, HandCpe, methodOf, valueStructs } from './hand-cpe.ts';

const NAME = 'InternetGatewayDevice.DeviceInfo.UpTime';
const GOT = `<ParameterList>${valueStructs({ [NAME]: '42' })}</ParameterList>`;
/** Beyond the time given to sessions: relay, API and PostgreSQL end as well. */
const ENDING_MS = 15_000;

const dataDir = mkdtempSync(join(tmpdir(), 'starling-drain-'));
const agents: Agent[] = [];
let starling: TestStarling;

afterAll(async () => {
  for (const agent of agents) agent.destroy();
  await starling?.kill();
  rmSync(dataDir, { recursive: true, force: true });
});

/** A CPE that keeps its connection, as those do whose sessions a drain waits for. */
function cpeOn(serial: string): HandCpe {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.push(agent);
  return new HandCpe(serial, agent);
}

/** A first session of a CPE, to its end. */
async function introduce(cpe: HandCpe): Promise<void> {
  await cpe.inform(starling.cwmpUrl, ['0 BOOTSTRAP', '1 BOOT']);
  let asked = await cpe.empty(starling.cwmpUrl);
  while (asked.message.type === 'request')
    asked = await cpe.respond(starling.cwmpUrl, asked.message, '<Status>0</Status>');
}

const view = async (path: string) => (await starling.api('GET', path)).body;

/** Resolves when nobody listens on the CWMP port any more. */
async function closedPort(): Promise<void> {
  const probe = (): Promise<boolean> =>
    new HandCpe('PROBE').empty(starling.cwmpUrl).then(
      ({ status }) => status === 503,
      () => true,
    );
  await expect.poll(probe, { timeout: ENDING_MS }).toBe(true);
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('SIGTERM: nobody new is let in, the open session finishes, what was seen is stored, exit code 0', {
  timeout: 90_000,
}, async () => {
  starling = await startStarling({ STARLING_DRAIN_SECONDS: '20' }, dataDir);
  const [open, quiet] = [cpeOn('OPEN'), cpeOn('QUIET')];
  await introduce(open);
  await introduce(quiet);
  const { body: action } = await starling.api('POST', `/devices/${open.id}/actions`, { kind: 'get', names: [NAME] });
  const asked = await askedIn(open, starling.cwmpUrl, ['2 PERIODIC']);
  expect(methodOf(asked)).toBe('GetParameterValues');
  // A quiet session is told in a batch a second later; the end comes before.
  await quiet.inform(starling.cwmpUrl, ['2 PERIODIC']);
  const seenAt = Date.now();
  expect((await quiet.empty(starling.cwmpUrl)).status).toBe(204);

  const postgres = clusterPid(dataDir);
  const startedAt = performance.now();
  const ended = starling.stop();
  await closedPort();
  expect((await open.respond(starling.cwmpUrl, asked.message, GOT)).status).toBe(204);
  expect(await ended).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  expect(postgres !== null && isAlive(postgres)).toBe(false);

  starling = await startStarling({}, dataDir);
  expect(await view(`/actions/${action.id}`)).toMatchObject({ state: 'done' });
  const { lastSeenAt } = await view(`/devices/${quiet.id}`);
  expect(Math.abs(Date.parse(lastSeenAt) - seenAt)).toBeLessThan(1_000);
});

test('SIGTERM twice, with a session that does not finish: the end comes when the time is over, and the session resumes', {
  timeout: 90_000,
}, async () => {
  const hanging = cpeOn('HANGING');
  await introduce(hanging);
  const { body: action } = await starling.api('POST', `/devices/${hanging.id}/actions`, { kind: 'get', names: [NAME] });
  const asked = await askedIn(hanging, starling.cwmpUrl, ['2 PERIODIC']);
  expect((await hanging.transferComplete(starling.cwmpUrl, 'told-before-the-end')).status).toBe(200);
  expect(methodOf(asked)).toBe('GetParameterValues');

  const startedAt = performance.now();
  const ended = starling.stop();
  await closedPort();
  starling.process.kill('SIGTERM');
  expect(await ended).toBe(0);
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(1_900);
  expect(tookMs).toBeLessThan(2_000 + ENDING_MS);

  starling = await startStarling({}, dataDir);
  expect((await hanging.respond(starling.cwmpUrl, asked.message, GOT)).status).toBe(204);
  await expect.poll(async () => (await view(`/actions/${action.id}`)).state, { timeout: 10_000 }).toBe('done');
  const { items } = await view(`/devices/${hanging.id}/timeline`);
  expect(items.filter((entry: unknown) => JSON.stringify(entry).includes('told-before-the-end'))).toHaveLength(1);
});

test('SIGINT ends it in the same way', { timeout: 60_000 }, async () => {
  const ended = new Promise<number | null>((resolve) => starling.process.once('exit', resolve));
  starling.process.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(starling.log()).not.toMatch(/"level":(50|60)/);
});

test('SIGTERM while it starts: it ends and leaves no PostgreSQL behind', { timeout: 60_000 }, async () => {
  let pid = 0;
  const starting = startStarling({}, dataDir, (spawned) => {
    pid = spawned;
  });
  const started = starting.then(
    () => 'ready',
    () => 'ended',
  );
  await expect.poll(() => clusterPid(dataDir), { timeout: ENDING_MS, interval: 5 }).not.toBeNull();
  const postgres = clusterPid(dataDir) ?? 0;
  process.kill(pid, 'SIGTERM');
  await started;
  await expect.poll(() => isAlive(pid) || isAlive(postgres), { timeout: ENDING_MS }).toBe(false);
});
