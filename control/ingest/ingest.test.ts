import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AnyFactBody, factMessageId, parseMarks } from '../../bus/messages.ts';
import { factsOf, marksFor } from '../../bus/subjects.ts';
import {
  ADMIN,
  CPE,
  inform,
  messageOf,
  progress,
  result,
  type TestControl,
  testControl,
  value,
} from '../control.test-helper.ts';

const SSID = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID';
const KEY = 'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase';

async function tree(control: TestControl, id = CPE): Promise<Record<string, string | null>> {
  const rows = await control.context
    .sql`select path, value from device_parameter where device_id = ${id} order by path`;
  return Object.fromEntries(rows.map((row) => [row['path'], row['value']]));
}
const count = async (control: TestControl, table: string): Promise<number> => {
  const [row] = await control.context.sql.unsafe(`select count(*)::int as count from ${table}`);
  return row!['count'];
};
/** What was put aside, opened. */
async function parked({ context }: TestControl): Promise<{ why: string; raw: unknown }[]> {
  const rows = await context.sql`select subject, message_id, why, sealed from parked_message order by message_id`;
  return rows.map(({ subject, message_id, why, sealed }) => ({
    why,
    raw: JSON.parse(context.box.open(sealed, `parked:${subject}:${message_id}`)),
  }));
}
const values = (...list: [string, string][]): AnyFactBody => ({
  type: 'values',
  body: { cpeId: CPE, sessionId: 's', values: list.map(([name, text]) => value(name, text)) },
});
const names = (path: string, complete: boolean, list: string[]): AnyFactBody => ({
  type: 'names',
  body: { cpeId: CPE, sessionId: 's', path, complete, names: list.map((Name) => ({ Name, Writable: true })) },
});

test('an Inform makes the device, its tree and its timeline', async () => {
  const control = await testControl();
  const changed = [
    value('InternetGatewayDevice.DeviceInfo.SoftwareVersion', 'V3R017'),
    value('InternetGatewayDevice.ManagementServer.ConnectionRequestURL', 'http://192.0.2.7:7547/x'),
    value(SSID, 'home'),
  ];
  await control.send(inform({ changed }));
  expect(await control.devices.get(CPE)).toMatchObject({
    manufacturer: 'Huawei',
    softwareVersion: 'V3R017',
    connectionRequestUrl: 'http://192.0.2.7:7547/x',
    edgeId: 'edge1',
    pop: 'pop1',
    address: '192.0.2.7',
    lastBootAt: new Date(control.clock.now()).toISOString(),
  });
  expect((await tree(control))[SSID]).toBe('home');
  const { items } = await control.devices.timeline(CPE, {});
  expect(items.map(({ kind }) => kind)).toEqual(['device.new', 'inform']);
});

test('a version too long for the index is cut in the device and whole in the tree', async () => {
  const control = await testControl();
  const path = 'InternetGatewayDevice.DeviceInfo.SoftwareVersion';
  const version = randomBytes(4_000).toString('base64');
  await control.send(inform({ changed: [value(path, version)] }));
  expect((await control.devices.get(CPE)).softwareVersion).toBe(version.slice(0, 256));
  expect((await tree(control))[path]).toBe(version);
  expect(await count(control, 'parked_message')).toBe(0);
});

const seen = (at: number): AnyFactBody => ({ type: 'seen', body: { devices: [{ cpeId: CPE, at }] } });
/** What the edge was told last. */
const told = ({ bus }: TestControl) => {
  const { subject, text } = bus.told.at(-1)!;
  expect(subject).toBe(marksFor('pop1', 'edge1'));
  return parseMarks(text);
};

test('the edge of a batch is told how far each of its lanes is taken, also when it was taken before', async () => {
  const control = await testControl();
  const messages = [messageOf(control.facts([inform(), seen(1)], 1)), messageOf(control.facts([seen(2)], 2))];
  for (let delivery = 0; delivery < 2; delivery++) {
    await control.ingest.handle(control.subject, messages);
    expect(told(control)).toEqual({ v: 1, marks: [[1, 2], [2, 1]] }); // biome-ignore format: a table
  }
  expect(control.bus.told).toHaveLength(2);
});

test('an edge of which nothing is left on the road is told all its marks', async () => {
  const control = await testControl();
  await control.ingest.handle(control.subject, [messageOf(control.facts([inform(), seen(1)], 1))]);
  await control.ingest.handle(control.subject, [messageOf(control.facts([seen(2)], 2))]);
  await control.ingest.idle(control.subject);
  expect(told(control)).toEqual({ v: 1, marks: [[1, 2], [2, 1]], idle: true }); // biome-ignore format: a table
});

test('what comes behind something that was lost is left alone, whatever lane it is of, until that is there', async () => {
  const control = await testControl();
  const [first, lost, behind] = [
    messageOf(control.facts([inform()], 1)),
    messageOf(control.facts([seen(1)], 1)),
    { ...messageOf(control.facts([seen(2)], 2)), after: { lane: 1, sequence: 2 } },
  ];
  await control.ingest.handle(control.subject, [first]);
  await control.ingest.handle(control.subject, [behind]);
  expect(told(control)).toEqual({ v: 1, marks: [], again: true });
  const marks = () => control.context.sql`select lane, sequence::int from ingest_mark order by lane`;
  expect([...(await marks())]).toEqual([{ lane: 1, sequence: 1 }]);
  expect(await count(control, 'parked_message')).toBe(0);
  // Published again, the lost one first.
  await control.ingest.handle(control.subject, [lost, behind]);
  expect(told(control)).not.toHaveProperty('again');
  expect([...(await marks())]).toEqual([
    { lane: 1, sequence: 2 },
    { lane: 2, sequence: 1 },
  ]);
});

test('a message that cannot be read is parked, and counts as taken up to where its id says: its edge waits for that', async () => {
  const control = await testControl();
  const [fact] = control.facts([seen(1)], 3);
  await control.ingest.handle(control.subject, [
    { id: 'edge1.3:1-5', payload: 'no list' },
    { id: 'edge1.4:1-3', payload: JSON.stringify([{ ...fact!, lane: 4 }, 'no fact']) },
    // Of another edge: its marks are its own.
    { id: 'edge2.5:1-9', payload: 'no list' },
    { id: 'edge1.6:7', payload: JSON.stringify([{ ...fact!, lane: 6, sequence: 7 }]), after: { lane: 4, sequence: 3 } },
  ]);
  expect(told(control)).toEqual({ v: 1, marks: [[3, 5], [4, 3], [6, 7]] }); // biome-ignore format: a table
  expect(await parked(control)).toHaveLength(3);
});

test('the same batch delivered again takes effect once', async () => {
  const control = await testControl();
  const facts = control.facts([inform({ changed: [value(SSID, 'a')] }), values([SSID, 'b'])]);
  const batch = [messageOf(facts)];
  await control.ingest.handle(control.subject, batch);
  const events = await count(control, 'event');
  await control.ingest.handle(control.subject, batch);
  await control.ingest.handle(control.subject, [messageOf(facts.slice(0, 1)), messageOf(facts.slice(1))]);
  expect(await count(control, 'event')).toBe(events);
  expect((await tree(control))[SSID]).toBe('b');
});

test('however batches are cut, repeated and interleaved by lane, effects are those of one delivery', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          lane: fc.constantFrom(1, 2),
          count: fc.constantFrom(1, 3),
          cut: fc.boolean(),
          again: fc.boolean(),
        }),
        { minLength: 1, maxLength: 12 },
      ),
      async (plan) => {
        const control = await testControl();
        await control.send(inform());
        const before = await count(control, 'event');
        const sent = plan.map(({ lane, count: facts, ...rest }, index) => {
          const body: AnyFactBody = {
            type: 'request',
            body: { cpeId: CPE, sessionId: String(index), method: 'Kicked', args: {} },
          };
          return { ...rest, message: messageOf(control.facts(Array(facts).fill(body), lane)) };
        });
        let batch: typeof sent = [];
        const deliver = async (): Promise<void> => {
          const messages = batch.map(({ message }) => message);
          await control.ingest.handle(control.subject, messages);
          if (batch.some(({ again }) => again)) await control.ingest.handle(control.subject, messages);
          batch = [];
        };
        for (const entry of sent) {
          batch.push(entry);
          if (entry.cut) await deliver();
        }
        await deliver();
        const told = plan.reduce((sum, { count: facts }) => sum + facts, 0);
        expect(await count(control, 'event')).toBe(before + told);
      },
    ),
    { numRuns: 8 },
  );
});

test('a transaction that fails leaves neither effect nor mark, and the next delivery takes effect', async () => {
  const control = await testControl();
  await control.send(inform());
  const batch = [messageOf(control.facts([values([SSID, 'late'])]))];
  // The database goes away between effect and commit: a trigger that fails at commit stands for it.
  await control.context.sql.unsafe(`
    create function cut() returns trigger language plpgsql as $$ begin raise exception using errcode = '57P01'; end $$;
    create constraint trigger cut after insert or update on ingest_mark deferrable initially deferred for each row execute function cut()`);
  await expect(control.ingest.handle(control.subject, batch)).rejects.toMatchObject({ code: '57P01' });
  expect((await tree(control))[SSID]).toBeUndefined();
  await control.context.sql.unsafe('drop trigger cut on ingest_mark');
  await control.ingest.handle(control.subject, batch);
  expect((await tree(control))[SSID]).toBe('late');
});

test('facts of one batch apply in their order: bootstrap drops what was told before it, not after', async () => {
  const control = await testControl();
  await control.send(inform(), values([SSID, 'old'], ['InternetGatewayDevice.X', 'old']));
  const reset = inform({
    reset: true,
    events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }],
    changed: [value(SSID, 'factory')],
  });
  await control.send(
    values(['InternetGatewayDevice.Y', 'before']),
    reset,
    values(['InternetGatewayDevice.Z', 'after']),
  );
  expect(await tree(control)).toEqual({ [SSID]: 'factory', 'InternetGatewayDevice.Z': 'after' });
  expect((await control.devices.get(CPE)).lastBootstrapAt).not.toBe(null);
});

test('complete names drop what is gone below their path and nothing beside it', async () => {
  const control = await testControl();
  const at = 'InternetGatewayDevice.';
  await control.send(inform(), values([`${at}A.1.X`, '1'], [`${at}A.2.X`, '2'], [`${at}AB.X`, '3'], [`${at}B.X`, '4']));
  await control.send(names(`${at}A.`, true, [`${at}A.1.`, `${at}A.1.X`, `${at}A.3.X`]));
  const left = await tree(control);
  expect(Object.keys(left)).toEqual([`${at}A.1.`, `${at}A.1.X`, `${at}A.3.X`, `${at}AB.X`, `${at}B.X`]);
  expect(left[`${at}A.1.X`]).toBe('1'); // Names say nothing about values.
  await control.send(names(`${at}AB`, true, []), names(`${at}B.`, false, [`${at}B.Y`]));
  expect(Object.keys(await tree(control))).toEqual([`${at}A.1.`, `${at}A.1.X`, `${at}A.3.X`, `${at}B.X`, `${at}B.Y`]);
});

test.each([
  ['no object', 'hello', 'garbage'],
  ['no envelope', { type: 'inform' }, 'garbage'],
  ['null', null, 'garbage'],
  [
    'an unknown type',
    { v: 1, edgeId: 'edge1', pop: 'pop1', lane: 9, sequence: 1, at: 0, type: 'telemetry', body: {} },
    'unknown',
  ],
  [
    'a newer version',
    { v: 2, edgeId: 'edge1', pop: 'pop1', lane: 9, sequence: 1, at: 0, type: 'seen', body: {} },
    'unknown',
  ],
  [
    'a wrong body',
    { v: 1, edgeId: 'edge1', pop: 'pop1', lane: 9, sequence: 1, at: 0, type: 'seen', body: { devices: 7 } },
    'unknown',
  ],
  [
    'an edge that speaks for another',
    { v: 1, edgeId: 'edge2', pop: 'pop1', lane: 9, sequence: 1, at: 0, type: 'seen', body: { devices: [] } },
    'misplaced',
  ],
  [
    'an edge that speaks for another in a type that nobody knows',
    { v: 1, edgeId: 'edge2', pop: 'pop1', lane: 1, sequence: 2 ** 52, at: 0, type: 'telemetry', body: {} },
    'misplaced',
  ],
])('%s is parked alone and once, and the facts around it in its message take effect', async (_, odd, why) => {
  const control = await testControl();
  const [first, last] = control.facts([inform(), values([SSID, 'x'])]);
  const batch = [{ id: 'message', payload: JSON.stringify([first, odd, last]) }];
  await control.ingest.handle(control.subject, batch);
  await control.ingest.handle(control.subject, batch);
  const rows = await parked(control);
  expect(rows).toEqual([{ why: expect.stringMatching(new RegExp(`^${why}`)), raw: odd }]);
  expect((await tree(control))[SSID]).toBe('x');
});

test('what an edge says for another in a type that nobody knows hides none of the other one', async () => {
  const control = await testControl();
  await control.send(inform());
  const own = control.facts([values([SSID, 'mine'])])[0]!;
  const lie = { ...own, edgeId: 'edge1', lane: 1, sequence: 2 ** 52, type: 'telemetry', body: {} };
  await control.ingest.handle(factsOf('pop1', 'edge9'), [{ id: 'lie', payload: JSON.stringify([lie]) }]);
  await control.ingest.handle(control.subject, [messageOf([own])]);
  expect((await tree(control))[SSID]).toBe('mine');
});

test.each([
  ['of a text cut short', '[{"v":1,"edgeId":"edge1'],
  ['of no JSON', 'pl4nted'],
  ['of one fact without a list', '{"v":1}'],
  ['that is no text', [{ v: 1 }]],
  ['of nothing', null],
])('a message %s is parked as it is, with a count, and the messages around it take effect', async (_, payload) => {
  const control = await testControl();
  const [first, last] = control.facts([inform(), values([SSID, 'x'])]);
  const batch = [messageOf([first!]), { id: 'message', payload }, messageOf([last!])];
  await control.ingest.handle(control.subject, batch);
  const { values: counts } = await control.context.metrics.parked.get();
  expect(counts).toMatchObject([{ labels: { why: 'garbage' }, value: 1 }]);
  await control.ingest.handle(control.subject, batch);
  expect(await parked(control)).toEqual([{ why: expect.stringMatching(/^garbage/), raw: payload }]);
  expect((await tree(control))[SSID]).toBe('x');
});

test('several facts of one message that are not for us are parked one by one', async () => {
  const control = await testControl();
  const odd = control.facts([inform(), inform(), inform()]).map((fact) => ({ ...fact, v: 2 }));
  const batch = [messageOf([...odd, ...control.facts([values([SSID, 'x'])])])];
  await control.ingest.handle(control.subject, batch);
  await control.ingest.handle(control.subject, batch);
  expect((await parked(control)).map(({ raw }) => raw)).toEqual(odd);
  const ids = await control.context.sql`select message_id from parked_message order by message_id`;
  expect(ids.map((row) => row['message_id'])).toEqual(odd.map(factMessageId));
});

test('a fact that PostgreSQL cannot store is parked alone', async () => {
  const control = await testControl();
  const [first, far, last] = control.facts([inform(), values(['InternetGatewayDevice.Far', 'x']), values([SSID, 'y'])]);
  far!.at = 9e15; // Beyond what timestamptz holds; a Date cannot be made of it.
  const batch = [messageOf([first!, far!, last!])];
  await control.ingest.handle(control.subject, batch);
  await control.ingest.handle(control.subject, batch);
  expect(await parked(control)).toEqual([{ why: expect.stringMatching(/^cannot be stored/), raw: far }]);
  expect(await tree(control)).toEqual({ [SSID]: 'y' });
});

test('NUL characters, lone surrogates and SQL in values are data', async () => {
  const control = await testControl();
  const nasty = `x'); drop table device; -- ' " \\ \${1} %s`;
  await control.send(
    inform({
      changed: [
        value('InternetGatewayDevice.A', 'a\0b'),
        value('InternetGatewayDevice.B', 'x\ud800y'),
        value(SSID, nasty),
      ],
    }),
  );
  expect(await tree(control)).toMatchObject({
    'InternetGatewayDevice.A': 'a\ufffdb',
    'InternetGatewayDevice.B': 'x\ufffdy',
    [SSID]: nasty,
  });
  expect(await control.devices.list({ q: nasty })).toEqual({ items: [], next: null });
  expect((await control.devices.parameters(CPE, { prefix: nasty })).items).toEqual([]);
});

test('an edge that lost its store is heard again, and its work is sent again, once if it has it already', async () => {
  const control = await testControl();
  const hello = (startedAt: number): AnyFactBody => ({ type: 'hello', body: { version: '1', threads: 1, startedAt } });
  await control.send(hello(1_000), inform());
  const { action: begun } = await control.actions.create(CPE, { kind: 'factory-reset' }, { principal: ADMIN });
  await control.handOver.pass();
  await control.send(progress(control.bus.work()[0]!, 'running', 'In session.'));
  await control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
  await control.handOver.pass();
  expect(control.bus.work().map(({ kind, generation }) => [kind, generation])).toEqual([
    ['factory-reset', 1],
    ['reboot', 1],
  ]);
  const envelope = { v: 1, edgeId: 'edge1', pop: 'pop1', lane: 1, at: control.clock.now() };
  const fresh = messageOf([
    { ...envelope, sequence: 1, ...hello(2_000) },
    { ...envelope, sequence: 2, ...values([SSID, 'new']) },
  ]);
  await control.ingest.handle(control.subject, [fresh]);
  await control.handOver.pass();
  expect((await tree(control))[SSID]).toBe('new');
  expect(control.bus.work().slice(2)).toMatchObject([{ kind: 'reboot', generation: 1 }]);
  // To the bus it is another message.
  const ids = control.bus.decisions.flatMap(({ id, decision }) => (decision.type === 'work' ? [id] : []));
  expect(new Set(ids).size).toBe(3);
  // What had begun is not repeated blindly.
  expect(await control.actions.get(begun.id)).toMatchObject({
    state: 'failed',
    why: expect.stringMatching(/lost its store/),
  });
});

test('work of an edge that lost its store is not called cancelled before the edge is asked: it may have it already', async () => {
  const control = await testControl();
  const hello = (startedAt: number): AnyFactBody => ({ type: 'hello', body: { version: '1', threads: 1, startedAt } });
  await control.send(hello(1_000), inform());
  const { action } = await control.actions.create(CPE, { kind: 'reboot' }, { principal: ADMIN });
  await control.handOver.pass();
  const place = { v: 1, edgeId: 'edge1', pop: 'pop1', lane: 1, at: control.clock.now(), sequence: 1 };
  await control.ingest.handle(control.subject, [messageOf([{ ...place, ...hello(2_000) }])]);
  expect(await control.actions.cancel(action.id, ADMIN)).toMatchObject({ state: 'ready', endedAt: null });
});

test('an old hello delivered again does not open the way for duplicates', async () => {
  const control = await testControl();
  const hello: AnyFactBody = { type: 'hello', body: { version: '1', threads: 1, startedAt: 1_000 } };
  const batch = [messageOf(control.facts([hello, inform()]))];
  await control.ingest.handle(control.subject, batch);
  const events = await count(control, 'event');
  await control.ingest.handle(control.subject, batch);
  expect(await count(control, 'event')).toBe(events);
});

test('first contact gets connection-request credentials of its own before the facts are acknowledged', async () => {
  const control = await testControl({ manageConnectionRequest: true });
  await control.send(inform());
  const kinds = control.bus.decisions.map(({ decision }) => decision.type);
  expect(kinds).toEqual(['device', 'work']); // The edge knows the secret before the device does.
  const [work] = control.bus.work();
  expect(work).toMatchObject({ kind: 'set', cpeId: CPE, priority: 30 });
  const [user, password] = (work!.args['values'] as { name: string; value: string }[]).map((entry) => entry.value);
  expect(user).toMatch(/^[A-Za-z0-9]{1,32}$/);
  expect(password).toMatch(/^[A-Za-z0-9]{20,32}$/);
  const settings = control.bus.decisions[0]!.decision;
  expect(settings).toMatchObject({ body: { settings: { connectionRequest: [{ username: user, password }] } } });
  // A second Inform asks for nothing; a refused connection request does, but only when no such action is open.
  await control.send(inform({ events: [{ EventCode: '4 VALUE CHANGE', CommandKey: '' }] }));
  const wake: AnyFactBody = {
    type: 'wake',
    body: { cpeId: CPE, outcome: 'unauthorized', method: 'http', why: '401', durationMs: 5 },
  };
  await control.send(wake);
  expect(control.bus.work()).toHaveLength(1);
});

test('over a bus that only stores, an edge is told what was taken of held facts, behind the work for them', async () => {
  const control = await testControl({ manageConnectionRequest: true });
  control.bus.publishes = 'stored';
  const [held, behind] = control.facts([inform({ held: true }), values([SSID, 'x'])]);
  await control.ingest.handle(control.subject, [messageOf([held!, behind!])]);
  const types = () => control.bus.decisions.map(({ decision }) => decision.type);
  await expect.poll(types).toEqual(['device', 'work', 'taken']);
  expect(control.bus.decisions[2]?.decision.body).toEqual({ lane: held!.lane, sequence: held!.sequence });
  // Nobody waits for this one.
  await control.send(inform());
  expect(types()).toHaveLength(3);
});

test('connection-request credentials that an operator gave stay behind the ones that are made', async () => {
  const control = await testControl({ manageConnectionRequest: true });
  const given = ['a', 'b'].map((username) => ({ username, password: 'x' }));
  await control.devices.setCredentials(CPE, { connectionRequest: given }, ADMIN);
  const usernames: string[][] = [];
  for (let boot = 0; boot < 3; boot++) {
    await control.send(inform({ events: [{ EventCode: '0 BOOTSTRAP', CommandKey: '' }], reset: true }));
    const [work] = control.bus.work().splice(-1);
    await control.send(result(work!));
    const { connectionRequest } = await control.devices.credentials(CPE);
    usernames.push(connectionRequest.map(({ username }) => username.replace(/^stl.{17}$/, 'made')));
  }
  expect(usernames).toEqual([
    ['made', 'a', 'b'],
    ['made', 'made', 'a', 'b'],
    ['made', 'made', 'a', 'b'],
  ]);
});

test('quiet devices are seen without an event each', async () => {
  const control = await testControl();
  await control.send(inform());
  const events = await count(control, 'event');
  const at = control.clock.now() + 60_000;
  await control.send({
    type: 'seen',
    body: {
      devices: [
        { cpeId: CPE, at },
        { cpeId: '00259E-HG8245-OTHER', at },
      ],
    },
  });
  expect(await count(control, 'event')).toBe(events);
  expect((await control.devices.get(CPE)).lastSeenAt).toBe(new Date(at).toISOString());
  expect(await control.devices.get('00259E-HG8245-OTHER')).toMatchObject({ serialNumber: 'OTHER', firstSeenAt: null });
});

test('secrets that devices tell are found nowhere in plain, in any table', async () => {
  const control = await testControl({ manageConnectionRequest: true });
  const secret = 'pl4nted-s3cret';
  await control.send(inform({ changed: [value(KEY, secret), value('InternetGatewayDevice.X_Foo.Password', secret)] }));
  await control.send(values([KEY, secret]), {
    type: 'request',
    body: {
      cpeId: CPE,
      sessionId: 's',
      method: 'RequestDownload',
      args: { Password: secret, URL: `ftp://u:${secret}@h/x` },
    },
  });
  await control.ingest.handle(control.subject, [
    { id: 'odd', payload: JSON.stringify([{ secret }]) },
    { id: 'odder', payload: secret },
  ]);
  await control.devices.setCredentials(
    CPE,
    { cpe: { username: 'cpe', password: secret }, connectionRequest: [{ username: 'cr', password: secret }] },
    ADMIN,
  );
  const { sql } = control.context;
  const tables = await sql`select table_name from information_schema.tables where table_schema = 'public'`;
  for (const { table_name } of tables) {
    const rows = await sql.unsafe(`select t::text as row from "${table_name}" t`);
    for (const { row } of rows) expect(row, table_name).not.toContain(secret);
  }
  const parameters = await control.devices.parameters(CPE, { prefix: KEY });
  expect(parameters.items).toMatchObject([{ value: '••••', secret: true, canonical: 'wifi.2g.password' }]);
});
