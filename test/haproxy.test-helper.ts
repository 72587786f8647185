// The TLS front as it is shipped: a real HAProxy with deploy/haproxy/starling.cfg, set by its variables alone, on free ports.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { REPOSITORY } from './corpus.ts';

export const FRONT_CONFIG = join(REPOSITORY, 'deploy/haproxy/starling.cfg');
const PATH = `${process.env['PATH']}:/usr/sbin:/usr/local/sbin`;

/**
 * Why there is no HAProxy here; null when there is one. In CI nothing is skipped, so there it throws.
 */
export function haproxyMissing(): string | null {
  const { status } = spawnSync('haproxy', ['-v'], { env: { PATH } });
  if (status === 0) return null;
  const why = 'haproxy is not installed (apt-get install haproxy)';
  if (process.env['STARLING_TEST_FULL'] === '1') throw new Error(why);
  return why;
}

export interface Front {
  /** TLS; TLS of old CPEs; no TLS; its own metrics. */
  port: number;
  legacyPort: number;
  plainPort: number;
  metricsPort: number;
  /** What it said and logged so far. */
  log(): string;
  /** Graceful reload; resolves when the new process has taken over. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts the front.
 * @param env the variables of the configuration; addresses are ours.
 * @throws Error with what HAProxy says when it does not take the configuration.
 */
export async function startFront(env: Record<string, string>): Promise<Front> {
  const run = mkdtempSync(join(tmpdir(), 'starling-front-'));
  const [port, legacyPort, plainPort, metricsPort] = (await freePorts(4)) as [number, number, number, number];
  const { username } = userInfo();
  const child = spawn('haproxy', ['-W', '-db', '-f', FRONT_CONFIG], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH,
      FRONT_BIND: `127.0.0.1:${port}`,
      FRONT_LEGACY_BIND: `127.0.0.1:${legacyPort}`,
      FRONT_PLAIN_BIND: `127.0.0.1:${plainPort}`,
      FRONT_METRICS_BIND: `127.0.0.1:${metricsPort}`,
      FRONT_RUN: run,
      FRONT_LOG: 'stderr',
      FRONT_MAXCONN: '500',
      FRONT_USER: username,
      FRONT_GROUP: spawnSync('id', ['-gn']).stdout.toString().trim(),
      ...env,
    },
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      ended = true;
      resolve();
    });
  });
  const loaded = (): number => log.split('Loading success').length - 1;
  const until = async (look: () => boolean | Promise<boolean>, what: string): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!(await look())) {
      if (ended || Date.now() > deadline) throw new Error(`haproxy ${what}:\n${log}`);
      await wait(20);
    }
  };
  await until(() => loaded() === 1, 'did not start');
  await until(() => accepts(port), 'does not listen');
  return {
    port,
    legacyPort,
    plainPort,
    metricsPort,
    log: () => log,
    async reload() {
      const before = loaded();
      child.kill('SIGUSR2');
      await until(() => loaded() > before, 'did not reload');
    },
    async close() {
      // Workers of earlier reloads too, with whatever they still hold.
      child.kill('SIGTERM');
      await exited;
      rmSync(run, { recursive: true, force: true });
    },
  };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
