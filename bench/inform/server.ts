// The server side of the Inform bench, a process of its own so that its CPU time is its own: an edge as shipped, with its threads and its
// relay, whose facts are taken and dropped; or the floor, which answers fixed bytes and knows nothing.

import { App, SSLApp, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../base/config.ts';
import { silentLog } from '../../base/log.ts';
import { InProcessTransport } from '../../bus/in-process.ts';
import { MESSAGE_VERSION } from '../../bus/messages.ts';
import { ALL_FACTS, decisionsFor } from '../../bus/subjects.ts';
import { DEFAULT_STYLE } from '../../cwmp/envelope-style.ts';
import { writeInformResponse } from '../../cwmp/soap-writer.ts';
import { startEdge } from '../../edge/main.ts';
import { type CpeAuth, cpeIdOfDevice } from './cpe.ts';

export interface ServerOptions {
  kind: 'floor' | 'edge';
  tls?: boolean;
  auth?: CpeAuth;
  /** In the store before it starts, with the parameters of their Inform and so many more. */
  devices?: number;
  parameters?: number;
  /** Largest body a session thread deals with by itself, where it is not the edge's own. */
  inlineBytesMax?: number;
  /** Not shared with rows that say the same otherwise. */
  apart?: boolean;
}

export type ToServer =
  | { type: 'stats' }
  /** Gives each of these devices a value to set. */
  | { type: 'work'; devices: number[]; what: 'set' | 'get' }
  | { type: 'close' };

export type FromServer =
  | { type: 'listening'; port: number; fillSeconds: number; storeBytes: number }
  /** Counters of the edge by name with labels; empty for the floor. */
  | { type: 'stats'; counters: Record<string, number> }
  | { type: 'worked' };

interface Server {
  port: number;
  fillSeconds: number;
  storeBytes: number;
  stats(): Promise<Record<string, number>>;
  work(devices: number[], what: 'set' | 'get'): Promise<void>;
  close(): Promise<void>;
}

const EDGE_ID = 'bench';
const FULL_DEVICES = 1_000_000;
/** What the floor answers every Inform with: the bytes and headers of the edge. */
const ANSWER = writeInformResponse(DEFAULT_STYLE, 'urn:dslforum-org:cwmp-1-2', '1', null);
const COOKIE = `sid=${'0'.repeat(80)}; Path=/`;

/** A certificate for loopback, made for this run. Throws when openssl is missing. */
function certificate(dir: string): { cert_file_name: string; key_file_name: string } {
  const files = { cert_file_name: join(dir, 'cert.pem'), key_file_name: join(dir, 'key.pem') };
  const options = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const out = ['-subj', '/CN=localhost', '-keyout', files.key_file_name, '-out', files.cert_file_name];
  execFileSync('openssl', [...options, ...out], { stdio: 'pipe' });
  return files;
}

async function openFloor({ tls }: ServerOptions, dir: string): Promise<Server> {
  const app = (tls ? SSLApp(certificate(dir)) : App()).post('/*', (response) => {
    let bytes = 0;
    response.onAborted(() => {});
    response.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (!isLast) return;
      if (bytes === 0) response.writeStatus('204 No Content').endWithoutBody();
      else
        response.writeHeader('Content-Type', 'text/xml; charset="utf-8"').writeHeader('Set-Cookie', COOKIE).end(ANSWER);
    });
  });
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (!socket) return reject(new Error('the floor cannot listen on loopback'));
      resolve({
        port: us_socket_local_port(socket),
        fillSeconds: 0,
        storeBytes: 0,
        stats: async () => ({}),
        work: async () => {},
        close: async () => us_listen_socket_close(socket),
      });
    });
  });
}

/** Fills the store in another process; returns the bytes it uses. */
async function fill(dir: string, options: ServerOptions): Promise<number> {
  const file = fileURLToPath(new URL('./fill-main.js', import.meta.url));
  const filling = promisify(execFile)(process.execPath, [file, dir, JSON.stringify(options)]);
  // The fullest store is what the others' rows wait for.
  if ((options.devices ?? 0) < FULL_DEVICES) setPriority(filling.child.pid!, 10);
  return Number((await filling).stdout);
}

async function openEdge(options: ServerOptions, dir: string): Promise<Server> {
  const { auth = 'none', tls, inlineBytesMax } = options;
  const env: Record<string, string> = {
    STARLING_CWMP_PORT: '0',
    STARLING_DATA_DIR: dir,
    STARLING_EDGE_ID: EDGE_ID,
    STARLING_EDGE_THREADS: '1',
    STARLING_DRAIN_SECONDS: '0',
    STARLING_CPE_AUTH: auth,
  };
  if (tls) {
    const files = certificate(dir);
    env['STARLING_CWMP_TLS_CERTIFICATE'] = files.cert_file_name;
    env['STARLING_CWMP_TLS_KEY'] = files.key_file_name;
  }
  const startedAt = performance.now();
  const config = loadConfig({}, env);
  const storeBytes = await fill(join(dir, 'edge'), options);
  const fillSeconds = (performance.now() - startedAt) / 1_000;
  const transport = new InProcessTransport();
  transport.subscribe(ALL_FACTS, 'bench', async () => {});
  const edge = await startEdge(config, transport, silentLog, 'bench', { inlineBytesMax });
  let handed = 0;
  return {
    port: edge.port,
    fillSeconds,
    storeBytes,
    async stats() {
      const counters: Record<string, number> = {};
      for (const [, name, value] of (await edge.metrics()).matchAll(/^(starling_\S+) (\d+)$/gm)) {
        counters[name!] = Number(value);
      }
      return counters;
    },
    async work(devices, what) {
      const now = Date.now();
      const args =
        what === 'set'
          ? { values: [{ name: 'Device.WiFi.SSID.1.SSID', value: `value ${now}`, type: 'xsd:string', secret: false }] }
          : { names: ['Device.WiFi.AccessPoint.1.'] };
      const messages = devices.map((device) => {
        const actionId = `bench-${++handed}`;
        const body = {
          ...{ actionId, generation: 1, cpeId: cpeIdOfDevice(device), kind: what, args, priority: 50 },
          ...{ commandKey: actionId.slice(-32), createdAt: now, expiresAt: now + 3_600_000 },
        };
        return { id: actionId, payload: { v: MESSAGE_VERSION, type: 'work', body } };
      });
      const subject = decisionsFor('default', EDGE_ID);
      for (let at = 0; at < messages.length; at += 500) await transport.publish(subject, messages.slice(at, at + 500));
    },
    async close() {
      await edge.close();
      await transport.close();
    },
  };
}

const options = JSON.parse(process.argv[2] ?? '{}') as ServerOptions;
const dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
// Also when the bench that started this process is gone.
process.once('disconnect', () => process.exit(1));
process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
const server = await (options.kind === 'floor' ? openFloor(options, dir) : openEdge(options, dir));
const say = (message: FromServer): void => void process.send!(message);
process.on('message', async (asked: ToServer) => {
  if (asked.type === 'stats') say({ type: 'stats', counters: await server.stats() });
  else if (asked.type === 'work') {
    await server.work(asked.devices, asked.what);
    say({ type: 'worked' });
  } else {
    await server.close();
    process.exit(0);
  }
});
const { port, fillSeconds, storeBytes } = server;
say({ type: 'listening', port, fillSeconds, storeBytes });
