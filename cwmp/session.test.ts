import { expect, test } from 'vitest';
import type { CpeMessage, EnvelopeInfo } from './message.ts';
import { type InFlight, type Learned, NEW_SESSION, type Session, step } from './session.ts';

const envelope = (id: string | null): EnvelopeInfo => ({
  id,
  namespace: 'urn:dslforum-org:cwmp-1-0',
  holdRequests: false,
  noMoreRequests: false,
  sessionTimeoutSeconds: null,
  supportedVersions: null,
});
const inform: CpeMessage = {
  type: 'inform',
  envelope: envelope('1'),
  inform: {
    DeviceId: { Manufacturer: 'Acme', OUI: '00D09E', ProductClass: 'Home', SerialNumber: '1' },
    Event: [],
    MaxEnvelopes: 1,
    CurrentTime: '',
    RetryCount: 0,
    ParameterList: [],
  },
};
const empty: CpeMessage = { type: 'empty' };
const transferComplete: CpeMessage = { type: 'request', envelope: envelope('7'), method: 'TransferComplete', args: {} };
const answerTo = (method: string, id: string | null): CpeMessage => ({
  type: 'response',
  envelope: envelope(id),
  method,
  result: {},
});
const fault = (id: string | null): CpeMessage => ({
  type: 'fault',
  envelope: envelope(id),
  fault: { FaultCode: 9002, FaultString: '', SetParameterValuesFault: [] },
});
const get: InFlight = { id: 'a1', method: 'GetParameterValues', args: {}, repeatable: true };
const second: InFlight = { id: 'a2', method: 'GetParameterNames', args: {}, repeatable: true };
const reboot: InFlight = { id: 'a1', method: 'Reboot', args: {}, repeatable: false };

/** Runs the inputs through step; `queue` is what the planner has. Returns phases, replies and what was learned. */
function run(inputs: CpeMessage[], queue: InFlight[] = []) {
  let session: Session = NEW_SESSION;
  const phases: string[] = [];
  const replies: string[] = [];
  const learned: Learned[] = [];
  for (const input of inputs) {
    const done = step(session, input, 'cpe', (what) => {
      learned.push(what);
      return queue.shift() ?? null;
    });
    session = done.session;
    phases.push(session.phase);
    replies.push(done.reply.type === 'bad-request' ? done.reply.why : done.reply.type);
  }
  return { phases, replies, learned, session };
}

test('a quiet session is Inform, empty POST, 204', () => {
  expect(run([inform, empty])).toMatchObject({
    phases: ['cpe-turn', 'ended'],
    replies: ['inform-response', 'no-content'],
  });
});

test('the session ends after the last queued RPC is answered, even by a Fault', () => {
  const done = run([inform, empty, fault('a1')], [get]);
  expect(done.phases).toEqual(['cpe-turn', 'acs-turn', 'ended']);
  expect(done.learned.at(-1)).toMatchObject({ type: 'fault', request: { id: 'a1' }, idDiffers: false });
});

test('one request is outstanding at a time, the next only after the answer', () => {
  const done = run(
    [inform, empty, answerTo('GetParameterValues', 'a1'), answerTo('GetParameterNames', 'a2')],
    [get, second],
  );
  expect(done.replies).toEqual(['inform-response', 'request', 'request', 'no-content']);
});

test('a request of the CPE is answered in the same exchange and never with a request of ours', () => {
  expect(run([inform, transferComplete, empty], [get]).replies).toEqual(['inform-response', 'answer', 'request']);
});

test('a TransferComplete after the empty POST is answered and our request stays outstanding', () => {
  const done = run([inform, empty, transferComplete, answerTo('GetParameterValues', 'a1')], [get]);
  expect(done.phases).toEqual(['cpe-turn', 'acs-turn', 'acs-turn', 'ended']);
  expect(done.replies).toEqual(['inform-response', 'request', 'answer', 'no-content']);
});

test.each([
  ['another ID', 'x9'],
  ['an empty ID', ''],
  ['no ID', null],
])('an answer with %s is taken as the answer of the one outstanding request', (_, id) => {
  const done = run([inform, empty, answerTo('GetParameterValues', id)], [get]);
  expect(done.phases.at(-1)).toBe('ended');
  expect(done.learned.at(-1)).toMatchObject({ type: 'response', idDiffers: true });
});

test.each([
  ['an answer before any Inform', [answerTo('GetParameterValues', 'a1')], 'inform-expected'],
  ['a request before any Inform', [transferComplete], 'inform-expected'],
  ['an answer nobody asked for', [inform, answerTo('GetParameterValues', 'a1')], 'unexpected-answer'],
  ['a fault nobody asked for', [inform, fault('1')], 'unexpected-answer'],
  ['the answer of another method', [inform, empty, answerTo('Reboot', 'a1')], 'method-mismatch'],
  [
    'an answer after the end',
    [inform, empty, answerTo('GetParameterValues', 'a1'), answerTo('GetParameterValues', 'a1')],
    'session-ended',
  ],
])('%s is a violation', (_, inputs, why) => {
  expect(run(inputs as CpeMessage[], [get]).replies.at(-1)).toBe(why);
});

test('an empty POST without a session gets 204 and starts nothing', () => {
  expect(run([empty])).toMatchObject({ phases: ['awaiting-inform'], replies: ['no-content'] });
});

test('a trailing empty POST after the end gets 204', () => {
  expect(run([inform, empty, empty]).replies).toEqual(['inform-response', 'no-content', 'no-content']);
});

test('an Inform starts a new session from every phase', () => {
  for (const before of [[], [inform], [inform, empty], [inform, empty, answerTo('Reboot', 'a1')]]) {
    expect(run([...before, inform] as CpeMessage[], [get]).phases.at(-1)).toBe('cpe-turn');
  }
});

test('the same empty POST again, after a lost response, brings the same request once', () => {
  const done = run([inform, empty, empty, empty], [get, second]);
  expect(done.replies).toEqual(['inform-response', 'request', 'request', 'answer-expected']);
  expect(done.learned).toEqual([null]);
});

test('the same answer again, after a lost response, brings the request that followed it', () => {
  const again = answerTo('GetParameterValues', 'a1');
  const done = run([inform, empty, again, again], [get, second]);
  expect(done.replies.slice(2)).toEqual(['request', 'request']);
  expect(done.session).toMatchObject({ phase: 'acs-turn', inFlight: { id: 'a2' }, repeated: true });
});

test('a request that is not idempotent is never sent again', () => {
  expect(run([inform, empty, empty], [reboot]).replies.at(-1)).toBe('answer-expected');
});
