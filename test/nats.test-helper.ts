// A real nats-server for tests: found on this machine, on a free port and a store of its own, killed and started again on both.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from './corpus.ts';

const PLACES = ['/usr/sbin/nats-server', '/usr/bin/nats-server', '/usr/local/bin/nats-server'];

/** Path of the server; null where there is none, which is said once. CI installs it. */
export const NATS_SERVER = find();

function find(): string | null {
  const found = PLACES.find((path) => existsSync(path));
  if (found !== undefined) return found;
  try {
    return execFileSync('sh', ['-c', 'command -v nats-server'], { encoding: 'utf8' }).trim();
  } catch {
    if (process.env['CI'] !== undefined) throw new Error('CI needs nats-server: apt-get install nats-server');
    process.stderr.write('skipped: tests over NATS need nats-server (Debian: apt-get install nats-server)\n');
    return null;
  }
}

export interface TestNats {
  /** nats://127.0.0.1:port */
  url: string;
  port: number;
  /** Of the process; 0 while there is none. */
  pid(): number;
  log(): string;
  /** kill -9. */
  kill(): Promise<void>;
  /** Starts it again on the same store and port. */
  restart(): Promise<void>;
  /** Freezes it, as a link that is cut does, and lets it go on. */
  pause(): void;
  resume(): void;
  /** Ends it and removes its store. */
  stop(): Promise<void>;
}

export interface NatsServerOptions {
  port?: number;
  /** Configuration beside `listen`; DIR in it is the folder of this server. By default JetStream alone. */
  config?: string;
  env?: Record<string, string>;
}

/** Starts a server. Resolves when it takes connections; throws with its log when it does not. */
export async function startNats({ port: wanted, config, env = {} }: NatsServerOptions = {}): Promise<TestNats> {
  if (NATS_SERVER === null) throw new Error('there is no nats-server here');
  const binary = NATS_SERVER;
  const dir = mkdtempSync(join(tmpdir(), 'starling-nats-'));
  const port = wanted ?? (await freePort());
  const file = join(dir, 'nats.conf');
  const body = config ?? 'jetstream { store_dir: "DIR/store" }\n';
  writeFileSync(file, `listen: "127.0.0.1:${port}"\n${body.replaceAll('DIR', dir)}`);
  let child: ChildProcess | null = null;
  let log = '';

  const start = async (): Promise<void> => {
    const process = spawn(binary, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'], env });
    child = process;
    let isReady = false;
    await new Promise<void>((ready, reject) => {
      process.stderr?.on('data', (chunk: Buffer) => {
        log = (log + chunk).slice(-200_000);
        if (!isReady && /Server is ready/.test(String(chunk))) {
          isReady = true;
          ready();
        }
      });
      process.once('exit', (code) => reject(new Error(`nats-server ended with ${code}:\n${log}`)));
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const process = child;
    child = null;
    if (process === null || process.exitCode !== null) return;
    const gone = new Promise((done) => process.once('exit', done));
    process.kill('SIGCONT');
    process.kill(signal);
    await gone;
  };
  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: () => child?.pid ?? 0,
    log: () => log,
    kill: () => end('SIGKILL'),
    restart: start,
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async stop() {
      await end('SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as { port: number };
  await new Promise((closed) => server.close(closed));
  return port;
}

export interface TestPop {
  hub: TestNats;
  leaf: TestNats;
  /** Where control connects, and the edge; with the users of the shipped configuration. */
  controlUrl: string;
  edgeUrl: string;
  /** As edgeUrl, of any edge of the POP. */
  edgeUrlOf(edgeId: string): string;
  stop(): Promise<void>;
}

export const SHIPPED = { pop: 'north', edgeId: 'edge-1', domain: 'hub' } as const;
const PASSWORDS = {
  NATS_CONTROL_PASSWORD: 'c0ntrol',
  NATS_POP_NORTH_PASSWORD: 'n0rth',
  NATS_EDGE_1_PASSWORD: 'edge1',
  NATS_SYS_PASSWORD: 'sys',
};

export interface PopOptions {
  /** Edges of the POP, each with the user and the permissions of the shipped one. */
  edges?: readonly string[];
  /** Puts something on the line from the leaf to this port of the hub; resolves with the port the leaf is to use instead. */
  line?: (hubPort: number) => number | Promise<number>;
  /** Folder of the hub's streams, when it is not its own. */
  hubStore?: string;
}

/** A hub and a leaf of it as deploy/nats has them: only ports, folders and the number of edges are others, and there is no TLS between them. */
export async function startPop({
  edges = [SHIPPED.edgeId],
  line = (port) => port,
  hubStore = 'DIR/store',
}: PopOptions = {}): Promise<TestPop> {
  const leafPort = await freePort();
  const linePort = await line(leafPort);
  const shipped = (name: string, store = 'DIR/store'): string =>
    readFileSync(join(REPOSITORY, 'deploy/nats', name), 'utf8')
      .replace(/^listen: .*$/m, '')
      .replace(/store_dir: .*/, `store_dir: "${store}"`)
      .replace('listen: "0.0.0.0:7422"', `listen: "127.0.0.1:${leafPort}"`)
      // integration/two-pops.test.ts has it as it is.
      .replace(/^ *tls \{\n[^}]*\}\n/gm, '')
      .replace(PARTS_OF_EDGE[name]!, (part) => edges.map((id) => part.replaceAll(SHIPPED.edgeId, id)).join(''));
  const hub = await startNats({ config: shipped('hub.conf', hubStore), env: PASSWORDS });
  const hubUrl = `nats-leaf://pop-north:${PASSWORDS.NATS_POP_NORTH_PASSWORD}@127.0.0.1:${linePort}`;
  const leaf = await startNats({ config: shipped('leaf.conf'), env: { ...PASSWORDS, NATS_HUB_URL: hubUrl } });
  const edgeUrlOf = (id: string): string => `nats://${id}:${PASSWORDS.NATS_EDGE_1_PASSWORD}@127.0.0.1:${leaf.port}`;
  return {
    hub,
    leaf,
    controlUrl: `nats://control:${PASSWORDS.NATS_CONTROL_PASSWORD}@127.0.0.1:${hub.port}`,
    edgeUrl: edgeUrlOf(SHIPPED.edgeId),
    edgeUrlOf,
    async stop() {
      await leaf.stop();
      await hub.stop();
    },
  };
}

/** What stands in a configuration once for each edge. */
const PARTS_OF_EDGE: Record<string, RegExp> = {
  'hub.conf': /^ *# edge-1\n(?: *".*edge-1.*"\n)+/m,
  'leaf.conf': /^ {6}\{\n *user: "edge-1"[\s\S]*?^ {6}\}\n/m,
};
