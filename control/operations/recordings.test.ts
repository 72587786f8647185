// recordings: asked for at the edges of a device, told of by them, and handed out whole.

import { expect, test } from 'vitest';
import type { AnyFactBody, FactBody } from '../../bus/messages.ts';
import { Dispatcher } from '../actions/dispatch.ts';
import { ADMIN, CPE, inform, type TestControl, testControl } from '../control.test-helper.ts';
import type { FileStore, RecordingService } from '../services.ts';
import { recordingService } from './recordings.ts';

const ASKED = { sessions: 2, minutes: 10, wake: false };

interface Stage extends TestControl {
  recordings: RecordingService;
  asked(): { subject: string; body: FactBody<'recording'> | object }[];
}

async function stage(popShared = false): Promise<Stage> {
  const control = await testControl();
  await control.send(inform());
  const bytes = new Map([
    ['F1', Buffer.from('first\n')],
    ['F2', Buffer.from('second\n')],
  ]);
  const files: FileStore = {
    put: () => Promise.reject(new Error('nobody gives a file here')),
    async read(fileId, offset) {
      const whole = bytes.get(fileId);
      return whole === undefined ? null : { bytes: whole.subarray(offset, offset + 4) };
    },
  };
  const dispatcher = new Dispatcher(control.context, control.bus);
  const recordings = recordingService(control.context, dispatcher, { files, popShared });
  const asked = () =>
    control.bus.decisions.flatMap(({ subject, decision }) =>
      decision.type === 'record' ? [{ subject, body: decision.body }] : [],
    );
  return { ...control, recordings, asked };
}

function over(recordingId: string, more: Partial<FactBody<'recording'>> = {}): AnyFactBody {
  const counts = { bytes: 6, sha256: 'ab', sessions: 2, exchanges: 5, cut: false };
  const body = { cpeId: CPE, recordingId, fileId: 'F1', ...counts, why: 'all sessions that were asked for', ...more };
  return { type: 'recording', body };
}

async function textOf(bytes: AsyncGenerator<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of bytes) text += Buffer.from(chunk).toString();
  return text;
}

test('a recording is asked for at the edge of the device, with evidence of who asked, and is done when it is told of', async () => {
  const { recordings, asked, send, clock, context } = await stage();
  const begun = await recordings.start(CPE, ASKED, ADMIN);
  expect(begun).toMatchObject({ deviceId: CPE, askedBy: 'Ada', state: 'recording', sessionsMax: 2, endedAt: null });
  const untilMs = clock.now() + 600_000;
  const body = { cpeId: CPE, recordingId: begun.id, untilMs, sessions: 2 };
  expect(asked()).toEqual([{ subject: 'acs.v1.command.decision.pop1.edge1', body }]);
  await expect(recordings.read(begun.id)).rejects.toMatchObject({ status: 409, code: 'recording-on' });

  await send(over(begun.id));
  const { items } = await recordings.list({ deviceId: CPE });
  expect(items).toMatchObject([
    {
      id: begun.id,
      state: 'done',
      sessions: 2,
      exchanges: 5,
      bytes: 6,
      why: 'It is over: all sessions that were asked for.',
    },
  ]);
  expect(await textOf(await recordings.read(begun.id))).toBe('first\n');
  const evidence = await context.sql`select kind, body from evidence where kind = 'recording'`;
  expect(evidence).toMatchObject([
    { body: { recordingId: begun.id, deviceId: CPE, by: 'Ada', role: 'admin', sessions: 2 } },
  ]);
  const events = await context.sql<
    { kind: string }[]
  >`select kind from event where kind like 'recording%' order by seq`;
  expect(events.map(({ kind }) => kind)).toEqual(['recording.asked', 'recording']);
});

test('one device is recorded once at a time; told twice it counts once', async () => {
  const { recordings, send, clock } = await stage();
  const { id } = await recordings.start(CPE, ASKED, ADMIN);
  clock.advance(1_000);
  await expect(recordings.start(CPE, ASKED, ADMIN)).rejects.toMatchObject({ status: 409, code: 'being-recorded' });
  await send(over(id));
  await send(over(id, { fileId: 'F2', sessions: 9 }), over('unknown', { fileId: 'F9' }));
  const second = await recordings.start(CPE, ASKED, ADMIN);
  const { items } = await recordings.list({});
  expect(items.map((item) => [item.id, item.state, item.sessions])).toEqual([
    [second.id, 'recording', 0],
    [id, 'done', 2],
  ]);
  expect(await textOf(await recordings.read(id))).toBe('first\n');
});

test('an edge that does not answer records nothing, and the device may be recorded again', async () => {
  const { recordings, bus } = await stage();
  bus.answers = false;
  await expect(recordings.start(CPE, ASKED, ADMIN)).rejects.toMatchObject({ status: 503, code: 'edge-away' });
  const { items } = await recordings.list({});
  expect(items).toMatchObject([{ state: 'empty', why: 'It is over: the edge did not answer.' }]);
  bus.answers = true;
  expect(await recordings.start(CPE, ASKED, ADMIN)).toMatchObject({ state: 'recording' });
});

test('devices nobody knows, or that have not come yet, are refused; so are recordings nobody made, or without a session', async () => {
  const { recordings, send, context } = await stage();
  await expect(recordings.start('00259E-None', ASKED, ADMIN)).rejects.toMatchObject({ status: 404 });
  await context.sql`insert into device (id, oui, product_class, serial_number) values ('00259E-New-1', '00259E', 'New', '1')`;
  await expect(recordings.start('00259E-New-1', ASKED, ADMIN)).rejects.toMatchObject({ status: 409, code: 'no-edge' });
  await expect(recordings.read('none')).rejects.toMatchObject({ status: 404, code: 'unknown-recording' });
  const { id } = await recordings.start(CPE, ASKED, ADMIN);
  await send(over(id, { fileId: null, sessions: 0, exchanges: 0, why: 'its time is over' }));
  await expect(recordings.read(id)).rejects.toMatchObject({ status: 404, code: 'empty-recording' });
});

test('in a POP of several edges each makes a part, and a recording is done when all have told', async () => {
  const { recordings, asked, send, clock, context } = await stage(true);
  const now = new Date(clock.now());
  await context.sql`
    insert into edge (edge_id, pop, last_fact_at) values ('edge2', 'pop1', ${now}), ('other', 'pop2', ${now})`;
  const { id } = await recordings.start(CPE, { ...ASKED, wake: true }, ADMIN);
  expect(asked().map(({ subject }) => subject.split('.').at(-1))).toEqual(['edge1', 'edge2']);
  await send(over(id));
  expect((await recordings.list({})).items).toMatchObject([{ state: 'recording' }]);
  await context.sql`update recording_part set ended_at = ${now}, file_id = 'F2', sessions = 1 where edge_id = 'edge2'`;
  // Its file is told of, and not here.
  await context.sql`insert into file (id, name, file_type, bytes, sha256, source, created_at) values ('F2', '', '', 7, '', 'device', ${now})`;
  expect((await recordings.list({})).items).toMatchObject([{ state: 'fetching', sessions: 3 }]);
  await context.sql`update file set stored_at = ${now} where id = 'F2'`;
  expect(await textOf(await recordings.read(id))).toBe('first\nsecond\n');
});

test('a recording nobody tells of is called lost after a day', async () => {
  const { recordings, clock } = await stage();
  await recordings.start(CPE, ASKED, ADMIN);
  clock.advance(25 * 3_600_000);
  expect((await recordings.list({})).items).toMatchObject([{ state: 'lost' }]);
});
