// The server side of the session bench, a process of its own so that its CPU time is its own: an edge whose facts are taken and dropped,
// or the floor, which answers fixed bytes and knows nothing. Says its port when it listens, and its CPU time when asked.

import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../base/config.ts';
import { silentLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import { ALL_FACTS } from '../bus/subjects.ts';
import { DEFAULT_STYLE } from '../cwmp/envelope-style.ts';
import { writeInformResponse } from '../cwmp/soap-writer.ts';
import { startEdge } from '../edge/main.ts';

export type Served = 'floor' | 'edge';
export type FromServer =
  | { type: 'listening'; port: number }
  /** Microseconds of user and system time since its start, all threads. */
  | { type: 'cpu'; us: number; quietSessions: number };

interface Server {
  port: number;
  /** Sessions that taught the edge nothing and wrote nothing. */
  quietSessions(): Promise<number>;
  close(): Promise<void>;
}

/** What every Inform is answered with by the floor: as many bytes as the edge sends. */
const ANSWER = writeInformResponse(DEFAULT_STYLE, 'urn:dslforum-org:cwmp-1-2', '1', null);

async function openFloor(): Promise<Server> {
  const app = App().post('/*', (response) => {
    let bytes = 0;
    response.onAborted(() => {});
    response.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (!isLast) return;
      if (bytes === 0) response.writeStatus('204 No Content').endWithoutBody();
      else
        response
          .writeHeader('Content-Type', 'text/xml; charset="utf-8"')
          .writeHeader('Set-Cookie', 'sid=0; Path=/')
          .end(ANSWER);
    });
  });
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (!socket) reject(new Error('the floor cannot listen on loopback'));
      else
        resolve({
          port: us_socket_local_port(socket),
          quietSessions: async () => 0,
          close: async () => us_listen_socket_close(socket),
        });
    });
  });
}

async function openEdge(): Promise<Server> {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const env = {
    STARLING_CWMP_PORT: '0',
    STARLING_DATA_DIR: dataDir,
    STARLING_EDGE_ID: 'bench',
    STARLING_EDGE_THREADS: '1',
    STARLING_DRAIN_SECONDS: '0',
  };
  const transport = new InProcessTransport();
  transport.subscribe(ALL_FACTS, 'bench', async () => {});
  const edge = await startEdge(loadConfig({}, env), transport, silentLog, 'bench');
  return {
    port: edge.port,
    async quietSessions() {
      return Number(/^starling_sessions_quiet_total (\d+)$/m.exec(await edge.metrics())?.[1]);
    },
    async close() {
      await edge.close();
      await transport.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

const say = (message: FromServer): void => void process.send!(message);
const server = await (process.argv[2] === 'floor' ? openFloor() : openEdge());
process.on('message', async (asked) => {
  if (asked === 'cpu') {
    const { user, system } = process.cpuUsage();
    say({ type: 'cpu', us: user + system, quietSessions: await server.quietSessions() });
    return;
  }
  await server.close();
  process.exit(0);
});
say({ type: 'listening', port: server.port });
