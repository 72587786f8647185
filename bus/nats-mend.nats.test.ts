// Files of a store that a kill left in different ages, made by putting back one from before an answer.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../base/log.ts';
import { NATS_SERVER, startNats, type TestNats } from '../test/nats.test-helper.ts';
import { type NatsTransport, openNats } from './nats.ts';
import { FACTS_STREAM } from './nats-streams.ts';
import { consumerOf, factsOf } from './subjects.ts';

const ours = factsOf('pop', 'e1');
const quiet = factsOf('pop', 'e2');
const WITHIN = { timeout: 20_000, interval: 20 };

describe.skipIf(NATS_SERVER === null)('a hub that was killed', () => {
  let folder: string;
  let server: TestNats;
  let transport: NatsTransport;
  /** What was taken of `ours`. */
  let taken: string[];
  /** What is in hand waits for this. */
  let letGo: () => void;
  let hold: Promise<void>;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'starling-mend-'));
    server = await startNats({ config: `jetstream { store_dir: "${folder}" }\n` });
    const files = { credentials: null, nkey: null, ca: null, certificate: null, key: null };
    const options = { url: server.url, ...files, domain: null, replicas: 1, name: 'test' };
    transport = await openNats(options, silentLog, new Registry());
    taken = [];
    hold = Promise.resolve();
    transport.subscribe(ours, 'control', async (_, messages) => {
      await hold;
      taken.push(...messages.map(({ id }) => id));
    });
  });
  afterEach(async () => {
    await transport.close();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const asked = async <T>(look: (jsm: JetStreamManager) => Promise<T>): Promise<T> => {
    const nats = await connect({ servers: server.url });
    try {
      return await look(await jetstreamManager(nats));
    } finally {
      await nats.close();
    }
  };
  const publish = (subject: string, ...ids: string[]): Promise<void> =>
    ids.reduce((before, id) => before.then(() => transport.publish(subject, [{ id, payload: id }])), Promise.resolve());
  /**
   * Has `a` in hand of the subscriber, runs `change` behind it, and kills the hub, whose `part` is then what it was when `a` was in hand.
   */
  const killed = async (part: string, change: () => Promise<void>): Promise<void> => {
    const now = join(folder, 'jetstream', '$G', 'streams', FACTS_STREAM, part);
    const before = join(folder, 'before');
    hold = new Promise((done) => {
      letGo = done;
    });
    await publish(ours, 'a');
    await inHand();
    await written();
    cpSync(now, before, { recursive: true });
    letGo();
    await vi.waitFor(() => expect(taken).toEqual(['a']), WITHIN);
    await change();
    await written();
    await server.kill();
    rmSync(now, { recursive: true });
    cpSync(before, now, { recursive: true });
    await server.restart();
  };
  /** The server writes how far a consumer came some moments after it did. */
  const written = (): Promise<void> => new Promise((done) => setTimeout(done, 700));
  const inHand = (): Promise<void> =>
    vi.waitFor(async () => {
      const { num_ack_pending } = await asked((jsm) => jsm.consumers.info(FACTS_STREAM, consumerOf(ours)));
      expect(num_ack_pending).toBe(1);
    }, WITHIN);

  test('whose consumer waits for the answer to a message that is gone delivers what comes after it', async () => {
    // An older message of somebody else: the server itself looks no further than the first of the stream.
    await publish(quiet, 'x');
    await killed(join('obs', consumerOf(ours)), () => publish(ours, 'b'));
    await publish(ours, 'c');
    // What was taken just before the kill may come once more.
    await vi.waitFor(() => expect(new Set(taken)).toEqual(new Set(['a', 'b', 'c'])), WITHIN);
    await vi.waitFor(async () => expect(await messages()).toBe(1), WITHIN);
  });

  test('whose stream holds what was taken drops it, and nothing else', async () => {
    await publish(quiet, 'x');
    await killed('msgs', async () => {});
    await vi.waitFor(async () => expect(await messages()).toBe(1), WITHIN);
    await publish(ours, 'b');
    await vi.waitFor(() => expect(taken).toEqual(['a', 'b']), WITHIN);
    const seen: string[] = [];
    transport.subscribe(quiet, 'control', async (_, batch) => void seen.push(...batch.map(({ id }) => id)));
    await vi.waitFor(() => expect(seen).toEqual(['x']), WITHIN);
  });

  const messages = (): Promise<number> => asked(async (jsm) => (await jsm.streams.info(FACTS_STREAM)).state.messages);
});
