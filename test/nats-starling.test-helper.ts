// A whole Starling in its distributed form: a hub and a leaf with the shipped configuration, control with its PostgreSQL at the one, an edge
// at the other, each a process with a data folder of its own. To tests it looks as `starling up` does.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PopOptions, SHIPPED, startPop, type TestPop } from './nats.test-helper.ts';
import { apiOf, startRole, TEST_ENV, type TestRole, type TestStarling } from './starling.test-helper.ts';

export interface TestDistributed extends TestStarling {
  nats: TestPop;
  control: TestRole;
  edge: TestRole;
  /** Starts one of them again, on its folder; CWMP and API move to other ports. */
  startEdge(): Promise<void>;
  startControl(): Promise<void>;
}

export interface DistributedOptions extends PopOptions {
  /** Data folders, of which each role has its own below. */
  dataDir?: string;
}

/**
 * @param env more options of both, looked up at each start.
 * @throws Error with the log when one of them does not get ready.
 */
export async function startOverNats(
  env: Record<string, string> = {},
  { dataDir = mkdtempSync(join(tmpdir(), 'starling-')), ...pop }: DistributedOptions = {},
): Promise<TestDistributed> {
  const nats = await startPop(pop);
  const folder = (role: string): string => {
    mkdirSync(join(dataDir, role), { recursive: true });
    return join(dataDir, role);
  };
  const start = (role: 'control' | 'edge'): Promise<TestRole> =>
    startRole(role, {
      ...TEST_ENV,
      STARLING_DATA_DIR: folder(role),
      ...(role === 'control'
        ? { STARLING_NATS_URL: nats.controlUrl }
        : {
            STARLING_NATS_URL: nats.edgeUrl,
            STARLING_NATS_DOMAIN: SHIPPED.domain,
            STARLING_POP: SHIPPED.pop,
            STARLING_EDGE_ID: SHIPPED.edgeId,
          }),
      ...env,
    });
  // What was started before one that fails is not left behind.
  let control = await start('control').catch(async (error: unknown) => {
    await nats.stop();
    throw error;
  });
  let edge = await start('edge').catch(async (error: unknown) => {
    await control.kill();
    await nats.stop();
    throw error;
  });
  let api = apiOf(control.url('API'));
  return {
    nats,
    dataDir,
    get control() {
      return control;
    },
    get edge() {
      return edge;
    },
    get process() {
      return control.process;
    },
    readyMs: control.readyMs + edge.readyMs,
    get cwmpUrl() {
      return `${edge.url('CWMP')}/`;
    },
    get httpUrl() {
      return api.httpUrl;
    },
    token: api.token,
    api: (...call) => api.api(...call),
    log: () => control.log() + edge.log(),
    async startEdge() {
      edge = await start('edge');
    },
    async startControl() {
      control = await start('control');
      api = apiOf(control.url('API'));
    },
    async kill() {
      await Promise.all([edge.kill(), control.kill()]);
      await nats.stop();
    },
    async stop() {
      const codes = [await edge.stop(), await control.stop()];
      await nats.stop();
      return codes.find((code) => code !== 0) ?? 0;
    },
    clean: () => rmSync(dataDir, { recursive: true, force: true }),
  };
}
