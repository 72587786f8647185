// The server under test, a process of its own so that its CPU time is its own: an edge as shipped, with its threads and its relay, whose facts
// are taken and dropped, and in place of control somebody who hands over operators' work. Or the floors that generators are measured
// with: one that answers fixed bytes, one that refuses everything and closes.

import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../base/config.ts';
import { newId } from '../../../base/ids.ts';
import { silentLog } from '../../../base/log.ts';
import { InProcessTransport } from '../../../bus/in-process.ts';
import { MESSAGE_VERSION, type Work } from '../../../bus/messages.ts';
import { ALL_FACTS, decisionsFor } from '../../../bus/subjects.ts';
import { DEFAULT_STYLE } from '../../../cwmp/envelope-style.ts';
import { writeInformResponse } from '../../../cwmp/soap-writer.ts';
import { startEdge } from '../../../edge/main.ts';
import { cpeIdOfNumber } from './cpe-bytes.ts';
import type { FromServer, ToServer } from './protocol.ts';

export type Served = 'edge' | 'floor' | 'refuser';

interface Server {
  port: number;
  handsOver: boolean;
  work(cpes: readonly number[]): Promise<void>;
  stats(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

/** Somebody waits; nobody does (edge/planner.ts). */
const PRIORITY = { operator: 90, provisioning: 40 } as const;
const WORK_LIFE_MS = 600_000;

async function openEdge(): Promise<Server> {
  const dataDir = mkdtempSync(join(tmpdir(), 'starling-scenario-'));
  process.once('exit', () => rmSync(dataDir, { recursive: true, force: true }));
  const config = loadConfig(
    {},
    {
      STARLING_CWMP_PORT: '0',
      STARLING_DATA_DIR: dataDir,
      STARLING_EDGE_ID: 'scenario',
      STARLING_EDGE_THREADS: '1',
      STARLING_DRAIN_SECONDS: '0',
    },
  );
  const transport = new InProcessTransport();
  let handed = 0;
  const handOver = (cpeIds: readonly string[], priority: number): Promise<void> => {
    const now = Date.now();
    const messages = cpeIds.map((cpeId) => {
      const actionId = newId();
      // A value the CPE has never had: a set of what it has already writes nothing.
      const value = {
        name: 'Device.WiFi.SSID.1.SSID',
        value: `value ${++handed}`,
        type: 'xsd:string',
        secret: false,
      };
      const body: Work = {
        ...{ actionId, generation: 1, cpeId, kind: 'set', args: { values: [value] } },
        ...{ priority, commandKey: actionId.slice(0, 32) },
        ...{ createdAt: now, expiresAt: now + WORK_LIFE_MS },
      };
      return { id: actionId, payload: { v: MESSAGE_VERSION, type: 'work', body } };
    });
    return transport.publish(decisionsFor(config.pop, config.edgeId), messages);
  };
  // What control does with a CPE that lost its settings: it hands over what the CPE shall have before it acknowledges the fact.
  transport.subscribe(ALL_FACTS, 'scenario', async (_subject, messages) => {
    const facts = messages.flatMap(
      ({ payload }) => JSON.parse(String(payload)) as { type: string; body: { cpeId: string; reset?: boolean } }[],
    );
    const reset = facts.filter(({ type, body }) => type === 'inform' && body.reset === true);
    await handOver(
      reset.map(({ body }) => body.cpeId),
      PRIORITY.provisioning,
    );
  });
  const edge = await startEdge(config, transport, silentLog, 'scenario');
  return {
    port: edge.port,
    handsOver: true,
    work: (cpes) => handOver(cpes.map(cpeIdOfNumber), PRIORITY.operator),
    async stats() {
      const counters: Record<string, number> = {};
      for (const [, name, value] of (await edge.metrics()).matchAll(/^(starling_\S+) ([\d.e+-]+)$/gm)) {
        counters[name!] = Number(value);
      }
      return counters;
    },
    async close() {
      await edge.close();
      await transport.close();
    },
  };
}

/** As many bytes as the edge sends, without looking at what comes; or 503 with `Connection: close` for everything. */
function openFloor(refuses: boolean): Promise<Server> {
  const answer = writeInformResponse(DEFAULT_STYLE, 'urn:dslforum-org:cwmp-1-2', '1', null);
  const app = App().post('/*', (response) => {
    let bytes = 0;
    response.onAborted(() => {});
    response.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (!isLast) return;
      if (refuses) response.writeStatus('503 Service Unavailable').writeHeader('Retry-After', '30').end('', true);
      else if (bytes === 0) response.writeStatus('204 No Content').endWithoutBody();
      else {
        response.writeHeader('Content-Type', 'text/xml; charset="utf-8"');
        response.writeHeader('Set-Cookie', `session=${'0'.repeat(120)}; Path=/`).end(answer);
      }
    });
  });
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (!socket) return reject(new Error('the floor cannot listen on loopback'));
      resolve({
        port: us_socket_local_port(socket),
        handsOver: false,
        work: async () => {},
        stats: async () => ({}),
        close: async () => us_listen_socket_close(socket),
      });
    });
  });
}

const served = (process.argv[2] ?? 'edge') as Served;
process.once('disconnect', () => process.exit(1));
// Ctrl-C reaches the whole group: the run ends first, and that ends this process in order.
process.on('SIGINT', () => {});
const server = await (served === 'edge' ? openEdge() : openFloor(served === 'refuser'));
const say = (message: FromServer): void => void process.send!(message);
process.on('message', async (asked: ToServer) => {
  if (asked.type === 'work') {
    await server.work(asked.cpes);
    say({ type: 'worked', cpes: asked.cpes });
  } else if (asked.type === 'stats') say({ type: 'stats', counters: await server.stats() });
  else {
    await server.close();
    process.exit(0);
  }
});
say({ type: 'listening', port: server.port, handsOver: server.handsOver });
