import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, nkeys } from '@nats-io/transport-node';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ConfigError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { NATS_SERVER, type NatsServerOptions, startNats, type TestNats } from '../test/nats.test-helper.ts';
import { PortProxy } from '../test/port-proxy.ts';
import { type NatsOptions, type NatsTransport, openNats } from './nats.ts';
import { cut, decode, encode } from './nats-wire.ts';
import { ALL_FILES, decisionsFor, factsOf, filesFor } from './subjects.ts';
import { transportContract } from './transport.contract.ts';
import type { BusMessage } from './transport.ts';

const NO_FILES = { credentials: null, nkey: null, ca: null, certificate: null, key: null };
const options = (url: string, change: Partial<NatsOptions> = {}): NatsOptions => ({
  ...{ url, ...NO_FILES, domain: null, replicas: 1, name: 'test' },
  ...change,
});
const WITHIN = { timeout: 20_000, interval: 5 };
const one = factsOf('pop', 'e1');
const named = (id: string): BusMessage => ({ id, payload: id });

describe.skipIf(NATS_SERVER === null)('over a real nats-server', () => {
  let server: TestNats;
  const opened: NatsTransport[] = [];
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(async () => {
    await Promise.all(opened.map((transport) => transport.close()));
    await server.stop();
  });

  const open = async (change: Partial<NatsOptions> = {}, registry = new Registry()): Promise<NatsTransport> => {
    const transport = await openNats(options(server.url, change), silentLog, registry);
    opened.push(transport);
    return transport;
  };
  /** A server that holds nothing, and a transport on it. */
  const fresh = async (config: NatsServerOptions = {}): Promise<NatsTransport> => {
    await Promise.all(opened.splice(0).map((transport) => transport.close()));
    await server.stop();
    server = await startNats(config);
    return open();
  };
  const metric = async (registry: Registry, name: string): Promise<number> =>
    (await registry.getSingleMetric(name)?.get())?.values[0]?.value ?? 0;

  transportContract('NATS', fresh);

  test('the server is killed again and again under load: nothing is lost, nothing overtakes', async () => {
    const transport = await fresh();
    const seen: number[] = [];
    transport.subscribe('acs.v1.event.fact.*.*', 'reader', async (_, messages) => {
      seen.push(...messages.map(({ payload }) => payload as number));
    });
    const count = 400;
    let killed = 0;
    const publishing = (async () => {
      for (let i = 0; i < count; ) {
        const batch = Array.from({ length: 1 + (i % 3) }, (_, k) => ({ id: `m${i + k}`, payload: i + k }));
        // As the relay does: the same batch again until it is taken.
        await transport.publish(one, batch).then(
          () => {
            i += batch.length;
          },
          () => {},
        );
        if (i > (killed + 1) * 100 && killed < 3) {
          killed++;
          await server.kill();
          await server.restart();
        }
      }
    })();
    await publishing;
    await vi.waitFor(() => expect(seen).toContain(count - 1), WITHIN);
    // What comes twice is older than what was seen: the high-water mark leaves it out. The rest must be everything, in order.
    let mark = -1;
    const fresher = seen.filter((i) => {
      if (i <= mark) return false;
      mark = i;
      return true;
    });
    expect(fresher.slice(0, count)).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(killed).toBe(3);
    console.log(`${killed} kills, ${count} messages, ${seen.length - fresher.length} came twice`);
  });

  test('what a process had in hand when it was gone goes to another one, and those behind it wait', async () => {
    const transport = await fresh();
    const seen: string[] = [];
    const read = () =>
      transport.subscribe('acs.v1.event.fact.*.*', 'control', async (_, messages) => {
        seen.push(...messages.map(({ id }) => id));
      });
    const before = read();
    await transport.publish(one, [named('a')]);
    await vi.waitFor(() => expect(seen).toEqual(['a']), WITHIN);
    await before.close();
    await transport.publish(one, [named('b')]);
    await transport.publish(one, [named('c')]);
    const nats = await connect({ servers: server.url });
    const inHand = await nats.request('$JS.API.CONSUMER.MSG.NEXT.STARLING_FACTS.acs=v1=event=fact=pop=e1', '', {
      noMux: true,
      timeout: 5_000,
    });
    expect((await decode(inHand.data))?.[0]?.id).toBe('b');
    // As kill -9 does: no acknowledgement, no word.
    await nats.close();
    read();
    await vi.waitFor(() => expect(seen).toEqual(['a', 'b', 'c']), WITHIN);
  });

  test('decisions cross a slow line many at a time, each once and in order, also when some are rejected and the line is cut', async () => {
    await fresh();
    const line = await PortProxy.open(Math.random);
    line.target = Number(new URL(server.url).port);
    const publisher = await open({ name: 'control' });
    const reader = await open({ url: `nats://127.0.0.1:${line.port}`, name: 'edge' });
    const subject = decisionsFor('pop', 'e1');
    const seen: number[] = [];
    let begun = 0;
    let rejected = 0;
    reader.subscribe(subject, 'edge', async (_, messages) => {
      begun++;
      if (begun % 50 === 0 && ++rejected) throw new Error('not now');
      seen.push(...messages.map(({ payload }) => payload as number));
    });
    const publish = async (from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i++) await publisher.publish(subject, [{ id: `d${i}`, payload: i }]);
    };
    await publish(0, 1);
    await vi.waitFor(() => expect(seen).toEqual([0]), WITHIN);

    line.line = { roundTripMs: 300, loss: 0 };
    const startedAt = performance.now();
    await publish(1, 200);
    await vi.waitFor(() => expect(seen).toHaveLength(200), WITHIN);
    const took = performance.now() - startedAt;
    console.log(`200 decisions over a round trip of 300 ms, ${rejected} rejected: ${Math.round(took)} ms`);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => i));
    // One at a time would take a minute.
    expect(took).toBeLessThan(15_000);

    // Acknowledgements and messages are lost with the line: what was taken may come again, in the order it had.
    await publish(200, 260);
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(210), WITHIN);
    line.cut();
    await publish(260, 300);
    line.line = null;
    line.heal();
    await vi.waitFor(() => expect(new Set(seen).size).toBe(300), WITHIN);
    const firsts = seen.filter((i, at) => seen.indexOf(i) === at);
    expect(firsts).toEqual(Array.from({ length: 300 }, (_, i) => i));
    line.close();
  });

  test('a decision that was delivered and did not arrive is not overtaken by those behind it', async () => {
    const transport = await fresh();
    const subject = decisionsFor('pop', 'e1');
    const seen: number[] = [];
    transport.subscribe(subject, 'edge', async (_, messages) => {
      seen.push(...messages.map(({ payload }) => payload as number));
    });
    await transport.publish(subject, [{ id: 'd0', payload: 0 }]);
    await vi.waitFor(() => expect(seen).toEqual([0]), WITHIN);
    // Somebody else is given one of them, and says nothing: to the reader it is as if the line had lost it.
    const nats = await connect({ servers: server.url });
    const taken: string[] = [];
    const next = '$JS.API.CONSUMER.MSG.NEXT.STARLING_DECISIONS.acs=v1=command=decision=pop=e1';
    nats.subscribe('taken', { callback: (_, message) => void taken.push(message.subject) });
    nats.publish(next, '', { reply: 'taken' });
    await nats.flush();
    for (let i = 1; i <= 20; i++) await transport.publish(subject, [{ id: `d${i}`, payload: i }]);
    await vi.waitFor(() => expect(seen).toHaveLength(21), { timeout: 4_000, interval: 5 });
    expect(taken).toEqual([subject]);
    expect(seen).toEqual(Array.from({ length: 21 }, (_, i) => i));
    await nats.close();
  });

  test('a handler that takes longer than the server waits is not overtaken by its own repetition', async () => {
    const transport = await fresh();
    const seen: string[] = [];
    transport.subscribe(one, 'slow', async (_, messages) => {
      seen.push(...messages.map(({ id }) => id));
      if (seen.length === 1) await new Promise((resolve) => setTimeout(resolve, 7_000));
    });
    await transport.publish(one, [named('a')]);
    await transport.publish(one, [named('b')]);
    await vi.waitFor(() => expect(seen).toEqual(['a', 'b']), WITHIN);
  });

  test('a lease that is lost lets go of the subject, and its next holder takes it', async () => {
    const transport = await fresh();
    const other = await open({ name: 'other' });
    let holder = 'first';
    const seen: string[] = [];
    const take = (bus: NatsTransport, name: string): void =>
      void bus.subscribe(
        'acs.v1.event.fact.*.*',
        'control',
        async (_, messages) => void seen.push(...messages.map(({ id }) => `${name} ${id}`)),
        () => holder === name,
      );
    take(transport, 'first');
    take(other, 'other');
    await transport.publish(one, [named('a')]);
    await vi.waitFor(() => expect(seen).toEqual(['first a']), WITHIN);
    holder = 'other';
    await transport.publish(one, [named('b')]);
    await vi.waitFor(() => expect(seen).toEqual(['first a', 'other b']), WITHIN);
  });

  test('a record that no message can hold arrives whole, in its place', async () => {
    const transport = await fresh();
    const seen: BusMessage[] = [];
    transport.subscribe('acs.v1.event.fact.*.*', 'reader', async (_, messages) => void seen.push(...messages));
    const large = randomBytes(3 * 1024 * 1024).toString('base64');
    await transport.publish(one, [named('before')]);
    await transport.publish(one, [named('x'), { id: 'large', payload: large }, named('y')]);
    await transport.publish(one, [named('behind')]);
    await vi.waitFor(() => expect(seen).toHaveLength(5), WITHIN);
    expect(seen.map(({ id }) => id)).toEqual(['before', 'x', 'large', 'y', 'behind']);
    expect(seen[2]?.payload).toBe(large);
    await expectEmpty(server);
  });

  test('a batch in parts that was given up and published otherwise is left out, and taken as it came later', async () => {
    const transport = await fresh();
    const registry = new Registry();
    const half = cut(await encode([{ id: 'large', payload: randomBytes(100).toString('hex') }]), 60);
    const nats = await connect({ servers: server.url });
    await nats.request(one, half[0]!);
    await transport.publish(one, [named('large'), named('more')]);
    await nats.close();
    const seen: string[] = [];
    const reader = await open({ name: 'reader' }, registry);
    reader.subscribe('acs.v1.event.fact.*.*', 'reader', async (_, messages) => {
      seen.push(...messages.map(({ id }) => id));
    });
    await vi.waitFor(() => expect(seen).toEqual(['large', 'more']), WITHIN);
    await expectEmpty(server);
  });

  test('what is no batch is handed on as it came and holds up nothing', async () => {
    const transport = await fresh();
    const registry = new Registry();
    const nats = await connect({ servers: server.url });
    await nats.request(one, 'pl4nted');
    await nats.request(one, Uint8Array.of(1, 2, 3));
    await nats.close();
    await transport.publish(one, [named('good')]);
    const seen: BusMessage[] = [];
    const reader = await open({ name: 'reader' }, registry);
    reader.subscribe('acs.v1.event.fact.*.*', 'reader', async (_, messages) => void seen.push(...messages));
    await vi.waitFor(() => expect(seen).toHaveLength(3), WITHIN);
    expect(seen.map(({ id }) => id)).toEqual(['STARLING_FACTS 1', 'STARLING_FACTS 2', 'good']);
    expect(seen[0]?.payload).toContain(Buffer.from('pl4nted').toString('base64'));
    expect(await metric(registry, 'starling_nats_unreadable_total')).toBe(2);
  });

  test('an edge that nobody knew is heard in milliseconds, and a quiet one is known after control starts anew', async () => {
    const edge = await fresh();
    const seen: { subject: string; ms: number }[] = [];
    let publishedAt = 0;
    const read = (control: NatsTransport): void =>
      void control.subscribe('acs.v1.event.fact.*.*', 'control', async (subject) => {
        seen.push({ subject, ms: performance.now() - publishedAt });
      });
    const publish = async (subject: string, id: string): Promise<void> => {
      const count = seen.length;
      publishedAt = performance.now();
      await edge.publish(subject, [named(id)]);
      await vi.waitFor(() => expect(seen).toHaveLength(count + 1), WITHIN);
    };
    const control = await open({ name: 'control' });
    read(control);
    for (let i = 0; i < 10; i++) await publish(factsOf('pop', `new${i}`), 'hello');
    await control.close();
    const again = await open({ name: 'control' });
    read(again);
    // It has nothing in the stream and tells nothing of itself: its consumer is what is left of it.
    await vi.waitFor(async () => {
      const nats = await connect({ servers: server.url });
      const jsm = await jetstreamManager(nats);
      const info = await jsm.consumers.info('STARLING_FACTS', 'acs=v1=event=fact=pop=new0');
      await nats.close();
      expect(info.num_waiting).toBeGreaterThan(0);
    }, WITHIN);
    await publish(factsOf('pop', 'new0'), 'later');
    const ms = seen.map((each) => Math.round(each.ms * 10) / 10);
    console.log('ms from publish to handler, ten new edges and a known one:', ms.join(' '));
    expect(Math.max(...ms)).toBeLessThan(2_000);
  });

  test('it is told when all is taken and nothing comes, not while a batch is refused, and again after another one', async () => {
    const transport = await fresh();
    const subject = factsOf('pop', 'e1');
    const seen: string[] = [];
    let tries = 0;
    transport.subscribe(
      'acs.v1.event.fact.*.*',
      'control',
      async (_, messages) => {
        // For longer than a quiet subject takes to be told.
        if (++tries < 4) throw new Error('not now');
        seen.push(...messages.map(({ id }) => id));
      },
      () => true,
      async (which) => void seen.push(which),
    );
    for (const [i, id] of ['one', 'two'].entries()) {
      await transport.publish(subject, [named(id)]);
      await vi.waitFor(() => expect(seen).toHaveLength(2 * (i + 1)), WITHIN);
    }
    expect(seen).toEqual(['one', subject, 'two', subject]);
  });

  test('a control that knows nothing of an edge, whose hub has lost all, is told of it by a knock', async () => {
    const edge = await fresh();
    const subject = factsOf('pop', 'e1');
    await edge.publish(subject, [named('lost')]);
    const nats = await connect({ servers: server.url });
    await (await jetstreamManager(nats)).streams.purge('STARLING_FACTS');
    await nats.close();
    const control = await open({ name: 'control' });
    const idle: string[] = [];
    control.subscribe(
      'acs.v1.event.fact.*.*',
      'control',
      async () => {},
      () => true,
      async (which) => void idle.push(which),
    );
    await vi.waitFor(() => {
      edge.knock(subject);
      expect(idle).toEqual([subject]);
    }, WITHIN);
  });

  test('a question is answered, and one that nobody answers rejects', async () => {
    const transport = await fresh();
    const asker = await open({ name: 'asker' });
    transport.answer(ALL_FILES, async (subject, question) => Buffer.from(`${subject} ${question}`));
    // The server hears of who answers a moment after it was said: until then nobody does, and callers ask again.
    const answer = await vi.waitFor(() => asker.ask(filesFor('pop', 'e1'), Buffer.from('which')), WITHIN);
    expect(Buffer.from(answer).toString()).toBe(`${filesFor('pop', 'e1')} ${Buffer.from('which')}`);
    await expect(asker.ask('acs.v1.state.nobody', new Uint8Array())).rejects.toThrow(/Nobody answered/);
  });

  test('a full stream takes nothing new and loses nothing old', async () => {
    const transport = await fresh();
    const nats = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nats);
    await jsm.streams.update('STARLING_DECISIONS', { max_bytes: 20_000 });
    await nats.close();
    const subject = decisionsFor('pop', 'e1');
    let stored = 0;
    let refused: Error | null = null;
    while (refused === null && stored < 1_000) {
      await transport.publish(subject, [{ id: `m${stored}`, payload: randomBytes(500).toString('hex') }]).then(
        () => {
          stored++;
        },
        (error: Error) => {
          refused = error;
        },
      );
    }
    expect(String(refused)).toContain('maximum bytes');
    const seen: string[] = [];
    transport.subscribe(subject, 'edge', async (_, messages) => void seen.push(...messages.map(({ id }) => id)));
    await vi.waitFor(() => expect(seen).toHaveLength(stored), WITHIN);
    expect(seen).toEqual(Array.from({ length: stored }, (_, i) => `m${i}`));
  });

  test('a stream that was changed is told with field, is and should be', async () => {
    const transport = await fresh();
    await transport.close();
    const nats = await connect({ servers: server.url });
    const jsm = await jetstreamManager(nats);
    await jsm.streams.update('STARLING_DECISIONS', { max_age: 600_000_000_000 });
    await nats.close();
    await expect(open()).rejects.toThrow(
      'The stream STARLING_DECISIONS was changed: its max_age is 600000000000 and should be 2592000000000000.',
    );
  });

  test.each([
    ['no JetStream', { config: 'debug: false\n' }, {}, 'nats-jetstream'],
    ['small messages', { config: 'max_payload: 64KB\njetstream { store_dir: "DIR/store" }\n' }, {}, 'nats-payload'],
    ['no room', { config: 'jetstream { store_dir: "DIR/store", max_file_store: 1MB }\n' }, {}, 'nats-room'],
    [
      'a user it does not know',
      { config: 'jetstream { store_dir: "DIR/store" }\nauthorization { user: a, password: b }\n' },
      {},
      'nats-credentials',
    ],
    ['an address where TLS wants a name', {}, { ca: '/dev/null' }, 'nats-url'],
    ['a file that is not there', {}, { nkey: '/nowhere' }, 'nats-file'],
  ])('a server with %s is refused at start', async (_, config, change, code) => {
    const own = await startNats(config);
    try {
      const error = await openNats(options(own.url, change), silentLog, new Registry()).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).code).toBe(code);
    } finally {
      await own.stop();
    }
  });

  test('an nkey and a client certificate open a server that wants both, over TLS, and nothing less does', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'starling-nats-tls-'));
    const file = (name: string): string => join(dir, name);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
    const sign = (name: string): void => {
      openssl(
        'req',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.csr`,
        '-subj',
        `/CN=${name}`,
      );
      writeFileSync(file('ext'), 'subjectAltName=DNS:localhost\n');
      openssl(
        ...`x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out ${name}.pem`.split(
          ' ',
        ),
      );
    };
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=ca',
    );
    for (const name of ['server', 'edge']) sign(name);
    const user = nkeys.createUser();
    writeFileSync(file('seed'), `${Buffer.from(user.getSeed()).toString()}\n`);
    const own = await startNats({
      config: [
        'jetstream { store_dir: "DIR/store" }',
        `tls { cert_file: "${file('server.pem')}", key_file: "${file('server.key')}", ca_file: "${file('ca.pem')}", verify: true }`,
        `authorization { users: [ { nkey: "${user.getPublicKey()}" } ] }\n`,
      ].join('\n'),
    });
    try {
      const byName = `tls://localhost:${own.port}`;
      const all = { nkey: file('seed'), ca: file('ca.pem'), certificate: file('edge.pem'), key: file('edge.key') };
      const transport = await openNats(options(byName, all), silentLog, new Registry());
      await transport.publish(one, [named('a')]);
      expect(transport.problems()).toEqual([]);
      await transport.close();
      // One that has no TLS is not spoken to in clear.
      const clear = openNats(options(`tls://localhost:${server.port}`), silentLog, new Registry());
      await expect(clear).rejects.toMatchObject({ code: 'nats-tls' });
      for (const [missing, code] of [
        ['nkey', 'nats-credentials'],
        ['ca', 'nats-tls'],
      ] as const) {
        const opening = openNats(options(byName, { ...all, [missing]: null }), silentLog, new Registry());
        await expect(opening).rejects.toMatchObject({ code });
      }
    } finally {
      await own.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('a server that is not there yet is found when it comes', async () => {
    await fresh();
    await Promise.all(opened.splice(0).map((transport) => transport.close()));
    await server.kill();
    const transport = await open();
    expect(transport.problems()).toHaveLength(1);
    const published = transport.publish(one, [named('a')]);
    await server.restart();
    await published;
    expect(transport.problems()).toEqual([]);
  });
});

/** Everything was acknowledged, so nothing is left in the stream. */
async function expectEmpty(server: TestNats): Promise<void> {
  const nats = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nats);
  await vi.waitFor(async () => expect((await jsm.streams.info('STARLING_FACTS')).state.messages).toBe(0), WITHIN);
  await nats.close();
}
