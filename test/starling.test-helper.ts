// The whole of Starling as a process of its own, as a user runs it: `starling up` on a fresh data folder and free ports. For tests of the API, of
// killing and of draining.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from './corpus.ts';

// The sources' one, also from what is built of this file.
const launcher = join(REPOSITORY, 'bin/starling.mjs');

export interface TestStarling {
  process: ChildProcess;
  dataDir: string;
  cwmpUrl: string;
  /** http://127.0.0.1:port, without a path. */
  httpUrl: string;
  token: string;
  /** Milliseconds from the start of the process to its saying that it is ready. */
  readyMs: number;
  /** Standard error so far: the log. */
  log(): string;
  /** Calls the API; returns status and parsed body. */
  api(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
    // biome-ignore lint/suspicious/noExplicitAny: JSON of many shapes
  ): Promise<{ status: number; body: any }>;
  /** SIGKILL to the process and everything it started, at once. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** Removes the data folder. */
  clean(): void;
}

const TOKEN = 'stl_test_0123456789abcdef0123456789';

/** A command of Starling that runs until it is ended. */
export interface TestRole {
  process: ChildProcess;
  readyMs: number;
  /** http://host:port of a line of what it says when it is ready. */
  url(name: string): string;
  log(): string;
  kill(): Promise<void>;
  stop(): Promise<number | null>;
}

/**
 * Starts one role as a process and waits for its word that it is ready.
 * @param env options by environment name. @param spawned gets the process id before anything is ready, for those who kill it in its start.
 * @throws Error with the log when it does not get ready within 60 s.
 */
export async function startRole(
  role: 'up' | 'edge' | 'control',
  env: Record<string, string>,
  spawned: (pid: number) => void = () => {},
): Promise<TestRole> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [launcher, role], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...cleanEnv(), ...env },
  });
  spawned(child.pid ?? 0);
  let out = '';
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  await new Promise<void>((ready, reject) => {
    const timer = setTimeout(() => reject(new Error(`not ready after 60 s:\n${out}\n${log}`)), 60_000);
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk;
      // The last line of each role.
      if (/^\s*(API|edge)\s.*\n/m.test(out)) {
        clearTimeout(timer);
        ready();
      }
    });
    void ended.then((code) => reject(new Error(`ended with ${code} before it was ready:\n${out}\n${log}`)));
  });
  return {
    process: child,
    readyMs: performance.now() - startedAt,
    url: (name) => new RegExp(`^\\s*${name}\\s+(http://[^/\\s]+)`, 'm').exec(out)?.[1] ?? '',
    log: () => log,
    async kill() {
      killTree(child.pid ?? 0);
      await ended;
    },
    async stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Options of every start here: free ports, little patience. */
export const TEST_ENV = {
  STARLING_CWMP_PORT: '0',
  STARLING_HTTP_PORT: '0',
  STARLING_EDGE_ADMIN_PORT: '0',
  STARLING_ADMIN_TOKEN: TOKEN,
  STARLING_EDGE_ID: 'test',
  STARLING_EDGE_THREADS: '2',
  STARLING_DRAIN_SECONDS: '2',
};

/**
 * Starts `starling up`.
 * @param env more options by environment name. @param dataDir a folder of an earlier start. @param spawned see startRole.
 * @throws Error with the log when it does not get ready within 60 s.
 */
export async function startStarling(
  env: Record<string, string> = {},
  dataDir = mkdtempSync(join(tmpdir(), 'starling-')),
  spawned: (pid: number) => void = () => {},
): Promise<TestStarling> {
  const role = await startRole('up', { ...TEST_ENV, STARLING_DATA_DIR: dataDir, ...env }, spawned);
  const { process, readyMs, log, kill, stop } = role;
  return {
    ...{ process, dataDir, readyMs, log, kill, stop },
    cwmpUrl: `${role.url('CWMP')}/`,
    ...apiOf(role.url('API')),
    clean: () => rmSync(dataDir, { recursive: true, force: true }),
  };
}

/** The API of a Starling at `httpUrl`, called as its first admin. */
export function apiOf(httpUrl: string): Pick<TestStarling, 'httpUrl' | 'token' | 'api'> {
  return {
    httpUrl,
    token: TOKEN,
    async api(method, path, body, headers = {}) {
      const response = await fetch(`${httpUrl}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? null : JSON.parse(text) };
    },
  };
}

/** Our environment without options of Starling that a developer's shell may hold. */
function cleanEnv(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('STARLING_')));
}

/** SIGKILL to `root` and all processes below it. */
export function killTree(root: number): void {
  for (const pid of [root, ...descendants(root)]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
}

/** All processes below `root`, read from /proc at once. */
export function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
    } catch {
      // Ended while we looked.
    }
  }
  const found: number[] = [];
  const visit = (pid: number): void => {
    for (const child of children.get(pid) ?? []) {
      found.push(child);
      visit(child);
    }
  };
  visit(root);
  return found;
}
