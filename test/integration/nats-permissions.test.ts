// What the shipped configuration of hub and leaf lets nobody do: speak for another edge or POP, hear what is not for them, bring more than
// a message may hold; and what control does with an edge that lies within what it may say.

import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { openNats } from '../../bus/nats.ts';
import { NATS_SERVER, startPop, type TestPop } from '../nats.test-helper.ts';

describe.skipIf(NATS_SERVER === null)('the shipped configuration', () => {
  let pop: TestPop;
  let control: Awaited<ReturnType<typeof openNats>>;
  let edge: NatsConnection;
  let leaf: NatsConnection;
  /** With the user of the POP on the hub itself: what a leaf whose machine was taken over can do. */
  beforeAll(async () => {
    pop = await startPop();
    const none = { credentials: null, nkey: null, ca: null, certificate: null, key: null, domain: null };
    control = await openNats({ url: pop.controlUrl, ...none, replicas: 1, name: 'control' }, silentLog, new Registry());
    edge = await connect({
      servers: `127.0.0.1:${pop.leaf.port}`,
      user: 'edge-1',
      pass: 'edge1',
      inboxPrefix: 'acs.v1.inbox.edge.north.edge-1',
    });
    leaf = await connect({
      servers: `127.0.0.1:${pop.hub.port}`,
      user: 'pop-north',
      pass: 'n0rth',
      inboxPrefix: 'acs.v1.inbox.edge.north.edge-1',
    });
  });
  afterAll(async () => {
    await edge.close();
    await leaf.close();
    await control.close();
    await pop.stop();
  });

  const outcomeOf = async (nats: NatsConnection, subject: string, body: string | Uint8Array = 'x'): Promise<string> =>
    nats.request(subject, body, { timeout: 1_000 }).then(
      (answer) => answer.string(),
      (error: Error) => error.message,
    );
  const own = 'acs=v1=command=decision=north=edge-1';

  test('an edge publishes its own facts', async () => {
    expect(await outcomeOf(edge, 'acs.v1.event.fact.north.edge-1')).toContain('STARLING_FACTS');
  });

  test.each([
    ['of another edge of its POP', 'acs.v1.event.fact.north.edge-2'],
    ['of another POP', 'acs.v1.event.fact.south.edge-1'],
    ['of nobody', 'acs.v1.event.other'],
    ['that are decisions', 'acs.v1.command.decision.north.edge-2'],
    ['that are notices of another', 'acs.v1.state.fact.north.edge-2'],
  ])('an edge publishes no facts %s', async (_, subject) => {
    expect(await outcomeOf(edge, subject)).toMatch(/permissions violation/i);
  });

  test.each([
    ['facts of another POP', 'acs.v1.event.fact.south.edge-1'],
    ['decisions', 'acs.v1.command.decision.north.edge-1'],
    ['the reading of streams', '$JS.API.STREAM.MSG.GET.STARLING_DECISIONS'],
    ['the removal of streams', '$JS.API.STREAM.DELETE.STARLING_FACTS'],
    [
      'the decisions of an edge that is not its own',
      '$JS.API.CONSUMER.MSG.NEXT.STARLING_DECISIONS.acs=v1=command=decision=south=edge-1',
    ],
  ])('the user of a POP has no way to %s', async (_, subject) => {
    expect(await outcomeOf(leaf, subject)).toMatch(/permissions violation/i);
  });

  test.each([
    ['reading a stream', '$JS.hub.API.STREAM.MSG.GET.STARLING_DECISIONS'],
    [
      'a consumer with the subject of another',
      `$JS.hub.API.CONSUMER.CREATE.STARLING_DECISIONS.${own}.acs.v1.command.decision.north.edge-2`,
    ],
    [
      'the messages of another consumer',
      '$JS.hub.API.CONSUMER.MSG.NEXT.STARLING_DECISIONS.acs=v1=command=decision=north=edge-2',
    ],
    [
      'the removal of another consumer',
      '$JS.hub.API.CONSUMER.DELETE.STARLING_DECISIONS.acs=v1=command=decision=north=edge-2',
    ],
    ['the acknowledgement for another', '$JS.ACK.STARLING_DECISIONS.acs=v1=command=decision=north=edge-2.1.1.1.1.0'],
    ['the bucket of another POP', '$KV.STARLING_CLAIMS_south.action.a'],
    ['reading the bucket of another POP', '$JS.API.STREAM.MSG.GET.KV_STARLING_CLAIMS_south'],
    ['the removal of its own bucket', '$JS.API.STREAM.DELETE.KV_STARLING_CLAIMS_north'],
  ])('an edge is refused %s', async (_, subject) => {
    expect(await outcomeOf(edge, subject)).toMatch(/permissions violation/i);
  });

  test('a consumer whose filter is not the one in its subject is refused', async () => {
    const lie = {
      stream_name: 'STARLING_DECISIONS',
      config: { durable_name: own, name: own, filter_subject: 'acs.v1.command.>', ack_policy: 'explicit' },
    };
    const subject = `$JS.hub.API.CONSUMER.CREATE.STARLING_DECISIONS.${own}.acs.v1.command.decision.north.edge-1`;
    expect(await outcomeOf(edge, subject, JSON.stringify(lie))).toMatch(/"error"/);
  });

  test.each([
    'acs.v1.event.fact.north.edge-1',
    'acs.v1.inbox.control.>',
    'acs.v1.inbox.edge.north.edge-2.>',
    'acs.v1.command.>',
    '>',
  ])('an edge does not hear %s', async (subject) => {
    const heard = new Promise<string>((resolve) => {
      edge.subscribe(subject, { callback: (error) => resolve(error?.message ?? 'heard') });
    });
    expect(await heard).toMatch(/permissions violation/i);
  });

  test('a message that is too large is refused, and the edge that keeps to its size goes on', async () => {
    const other = await connect({
      servers: `127.0.0.1:${pop.leaf.port}`,
      user: 'edge-1',
      pass: 'edge1',
      inboxPrefix: 'acs.v1.inbox.edge.north.edge-1',
    });
    expect(() => other.publish('acs.v1.event.fact.north.edge-1', new Uint8Array(9 * 1024 * 1024))).toThrow(
      /max_payload/i,
    );
    await other.close();
    expect(await outcomeOf(edge, 'acs.v1.event.fact.north.edge-1', new Uint8Array(1_000_000))).toContain(
      'STARLING_FACTS',
    );
  });
});
