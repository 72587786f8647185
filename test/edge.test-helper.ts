// A real edge for tests: real threads, real sockets, real LMDB in a folder of its own, and in place of control somebody who listens to the
// facts and hands over decisions. What needs PostgreSQL as well uses starling.test-helper.ts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, loadConfig } from '../base/config.ts';
import { newId } from '../base/ids.ts';
import { silentLog } from '../base/log.ts';
import { InProcessTransport } from '../bus/in-process.ts';
import {
  type ActionKind,
  type ActionResult,
  type Decision,
  type Fact,
  type FactType,
  MESSAGE_VERSION,
  parseFacts,
  type Work,
} from '../bus/messages.ts';
import { ALL_FACTS, decisionsFor } from '../bus/subjects.ts';
import { startEdge } from '../edge/main.ts';

export interface TestEdge {
  port: number;
  url: string;
  dataDir: string;
  config: Config;
  /** Every fact control would have got, in order. */
  facts: Fact[];
  factsOf<T extends FactType>(type: T): Extract<Fact, { type: T }>['body'][];
  /** Resolves with the first truthy value of `look`, asked again after every batch of facts. Rejects after `ms`. */
  until<T>(look: () => T | undefined | null | false, ms?: number): Promise<T>;
  decide(decision: Omit<Decision, 'v'>): Promise<void>;
  /** Hands over an action and returns its id; `result` waits for its end. */
  act(cpeId: string, kind: ActionKind, args: Record<string, unknown>, more?: Partial<Work>): Promise<string>;
  result(actionId: string, ms?: number): Promise<ActionResult>;
  /** Value of a Prometheus sample, summed over its labels that contain `label` ('' for all). */
  metric(name: string, label?: string): Promise<number>;
  close(): Promise<void>;
}

/**
 * Starts an edge on a free port of loopback.
 * @param env options by their environment names. @param dataDir an existing folder to start on again; it is kept then.
 * @param control takes no facts while it is away; decisions arrive all the same.
 */
export async function startTestEdge(
  env: Record<string, string> = {},
  dataDir?: string,
  control = { isAway: false },
): Promise<TestEdge> {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= '16384';
  const dir = dataDir ?? mkdtempSync(join(tmpdir(), 'starling-edge-'));
  const config = loadConfig(
    {},
    {
      STARLING_CWMP_PORT: '0',
      STARLING_DATA_DIR: dir,
      STARLING_EDGE_THREADS: '2',
      STARLING_EDGE_ID: 'test',
      STARLING_LOG_LEVEL: 'fatal',
      STARLING_DRAIN_SECONDS: '1',
      ...env,
    },
  );
  const transport = new InProcessTransport();
  const facts: Fact[] = [];
  const waiting = new Set<() => void>();
  transport.subscribe(ALL_FACTS, 'test', async (_subject, messages) => {
    if (control.isAway) throw new Error('control is away');
    for (const { payload } of messages) {
      for (const { parsed } of parseFacts(payload)) {
        if (parsed.type !== 'ok') throw new Error(`the edge sent what control cannot read: ${JSON.stringify(parsed)}`);
        facts.push(parsed.fact);
      }
    }
    for (const look of waiting) look();
  });
  const edge = await startEdge(config, transport, silentLog, 'test');

  const until = <T>(look: () => T | undefined | null | false, ms = 10_000): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check);
        reject(new Error(`not within ${ms} ms; facts so far: ${facts.map((fact) => fact.type).join(', ')}`));
      }, ms);
      const check = (): void => {
        const found = look();
        if (!found) return;
        clearTimeout(timer);
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });
  const factsOf: TestEdge['factsOf'] = (type) =>
    facts.filter((fact) => fact.type === type).map((fact) => fact.body) as never;
  const decide = async (decision: Omit<Decision, 'v'>): Promise<void> => {
    await transport.publish(decisionsFor(config.pop, config.edgeId), [
      { id: newId(), payload: { v: MESSAGE_VERSION, ...decision } },
    ]);
  };

  return {
    port: edge.port,
    url: `http://127.0.0.1:${edge.port}/`,
    dataDir: dir,
    config,
    facts,
    factsOf,
    until,
    decide,
    async act(cpeId, kind, args, more = {}) {
      const actionId = newId();
      const now = Date.now();
      const body: Work = {
        actionId, generation: 1, cpeId, kind, args, priority: 50, commandKey: actionId.slice(0, 32), createdAt: now, expiresAt: now + 600_000, ...more,
      }; // biome-ignore format: a plain list
      await decide({ type: 'work', body });
      return actionId;
    },
    result: (actionId, ms) => until(() => factsOf('result').find((body) => body.actionId === actionId)?.result, ms),
    async metric(name, label = '') {
      const text = await edge.metrics();
      let sum = 0;
      for (const line of text.split('\n')) {
        if (!line.startsWith(`${name} `) && !line.startsWith(`${name}{`)) continue;
        if (line.includes(label)) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
      }
      return sum;
    },
    async close() {
      await edge.close();
      await transport.close();
      if (dataDir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}
