// What the fence in the transaction of the effects is for: a control that was slow commits what it had in hand after its edge went to another.

import { expect, test } from 'vitest';
import { silentLog } from '../../base/log.ts';
import { type AnyFactBody, type Fact, MESSAGE_VERSION } from '../../bus/messages.ts';
import { inform, messageOf, type TestControl, testControl } from '../control.test-helper.ts';
import { Leases, newMember } from '../store/leases.ts';
import { Ingest, type IngestOptions } from './ingest.ts';

/** One more control on the same database. */
async function beside({ context, subject }: TestControl): Promise<{ leases: Leases; ingest: Ingest }> {
  const leases = new Leases({ member: newMember(), sql: context.sql, log: silentLog, onWant: () => {} });
  leases.want(subject);
  await leases.pass();
  return { leases, ingest: ingestOf(context, leases) };
}
const ingestOf = (context: TestControl['context'], leases: IngestOptions['leases']): Ingest =>
  new Ingest(context, {
    ...{ manageConnectionRequest: false, sharesFiles: true, sharesWork: false, leases },
    ...{ handOver: async () => {}, greet: () => {}, taken: () => {}, tellMarks: () => {} },
  });

/** The lease goes from one to the other, as when the first stood still for longer than it lasts. */
async function stolen({ context, subject }: TestControl, by: Leases): Promise<void> {
  await context.sql`update lease set holder = null where name = ${subject}`;
  await by.pass();
  expect(by.holds(subject)).toBe(true);
}
const factOf = (sequence: number, body: AnyFactBody): Fact => ({
  v: MESSAGE_VERSION,
  edgeId: 'edge1',
  pop: 'pop1',
  lane: 1,
  sequence,
  at: 1_700_000_000_000,
  ...body,
});
const hello = (startedAt: number): AnyFactBody => ({ type: 'hello', body: { version: '1', threads: 1, startedAt } });
const told = (sessionId: string): AnyFactBody => inform({ sessionId });

async function sessionsOf({ context }: TestControl): Promise<string[]> {
  const rows = await context.sql<
    { id: string }[]
  >`select body->>'sessionId' as id from event where kind = 'inform' order by seq`;
  return rows.map(({ id }) => id);
}

test.each([
  ['without the fence new facts are lost behind it', false, ['a', 'old']],
  ['with the fence it is given back, and nothing is lost', true, ['a', 'b', 'c']],
])('a batch of an edge that lost its store, committed late by an earlier holder: %s', async (_, fenced, expected) => {
  const control = await testControl();
  const { context, subject } = control;
  const first = await beside(control);
  const second = await beside(control);
  await first.ingest.handle(subject, [messageOf([factOf(1, hello(1_000)), factOf(50, told('a'))])]);

  // In the hands of the first while it stands still; its edge comes up meanwhile without its store and counts from the beginning.
  const late = [messageOf([factOf(60, told('old'))])];
  await stolen(control, second.leases);
  await second.ingest.handle(subject, [messageOf([factOf(1, hello(2_000))])]);
  const slow = fenced ? first.ingest : ingestOf(context, null);
  const outcome = await slow.handle(subject, late).catch((error: { code: string }) => error.code);
  expect(outcome).toBe(fenced ? 'not-taken' : undefined);
  expect(first.leases.holds(subject)).toBe(!fenced); // What it found out it does not ask for again.
  // Of the next start of the numbers: below the mark that the old batch left.
  for (const [sequence, name] of [
    [2, 'b'],
    [3, 'c'],
  ] as const) {
    await second.ingest.handle(subject, [messageOf([factOf(sequence, told(name))])]);
  }
  expect(await sessionsOf(control)).toEqual(expected);
});

test('a lease that was lost and came back is not the one a batch came under', async () => {
  const control = await testControl();
  const { context, subject } = control;
  const first = await beside(control);
  const second = await beside(control);
  const before = first.leases.fenceOf(subject)!;
  await stolen(control, second.leases);
  await stolen(control, first.leases);
  const stale = ingestOf(context, { fenceOf: () => before, lost: (fence) => first.leases.lost(fence) });
  await expect(stale.handle(subject, [messageOf([factOf(1, told('a'))])])).rejects.toMatchObject({ code: 'not-taken' });
  expect(first.leases.holds(subject)).toBe(true);
  await first.ingest.handle(subject, [messageOf([factOf(1, told('a'))])]);
  expect(await sessionsOf(control)).toEqual(['a']);
});
