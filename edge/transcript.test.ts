import { expect, test } from 'vitest';
import { LIMITS } from '../base/limits.ts';
import { newWorkRecord } from './planner.ts';
import { FakeCpe } from './tasks/fake-cpe.test-helper.ts';
import { Operation, testWork } from './tasks/operation.test-helper.ts';
import { appendRpc, finishRpc, rpcCount, startedRpc } from './transcript.ts';

const { context } = new Operation(new FakeCpe({}));
const line = (method: string, args = {}) => startedRpc(testWork('rpc', {}), { method, args }, 'S1', context);

test('a request is on record before its answer, and stays so when none comes', () => {
  const sent = appendRpc(newWorkRecord(testWork('get', { names: ['Device.X'] })), line('GetRPCMethods'));
  expect(sent.rpcs).toMatchObject([{ method: 'GetRPCMethods', answer: 'none', sessionId: 'S1' }]);
  const later = { ...context, nowMs: context.nowMs + 40 };
  expect(finishRpc(sent, null, later).rpcs).toMatchObject([{ answer: 'none', durationMs: 40 }]);
  const answer = { type: 'response', method: 'GetRPCMethods', result: { MethodList: ['Reboot'] } } as const;
  expect(finishRpc(sent, answer, later).rpcs).toMatchObject([
    { answer: 'response', durationMs: 40, result: { MethodList: ['Reboot'] } },
  ]);
});

test('a clock that went back does not make a negative duration', () => {
  const sent = appendRpc(newWorkRecord(testWork('reboot', {})), line('Reboot'));
  expect(finishRpc(sent, null, { ...context, nowMs: context.nowMs - 1 }).rpcs[0]!.durationMs).toBe(0);
});

test('a full transcript loses its oldest reads, keeps the writes, and counts', () => {
  let record = appendRpc(newWorkRecord(testWork('set', {})), line('SetParameterValues'));
  for (let i = 0; i < LIMITS.transcriptRpcsMax + 9; i++) record = appendRpc(record, line('GetParameterValues', { i }));
  expect(record.rpcs).toHaveLength(LIMITS.transcriptRpcsMax);
  expect(record.rpcs[0]!.method).toBe('SetParameterValues');
  expect(record.rpcs[1]!.args).toEqual({ i: 10 });
  expect(rpcCount(record)).toBe(LIMITS.transcriptRpcsMax + 10);
});

test('a transcript full of writes still has the request that is outstanding at its end', () => {
  let record = newWorkRecord(testWork('set', {}));
  for (let i = 0; i <= LIMITS.transcriptRpcsMax; i++) record = appendRpc(record, line('SetParameterValues', { i }));
  record = appendRpc(record, line('GetParameterValues'));
  expect(record.rpcs.at(-1)!.method).toBe('GetParameterValues');
  expect(record.rpcs).toHaveLength(LIMITS.transcriptRpcsMax);
});

test('long lists are cut and counted', () => {
  const names = Array.from({ length: LIMITS.transcriptEntriesMax + 5 }, (_, i) => `Device.P${i}`);
  const { args } = line('GetParameterValues', { ParameterNames: names });
  expect(args.ParameterNames).toHaveLength(LIMITS.transcriptEntriesMax);
  expect(args.entriesNotKept).toBe(5);
});

test('secrets of any shape are redacted: by path, by argument name, by the mark of control, nested', () => {
  const work = testWork('set', { values: [{ name: 'X.Marked', value: 'one', secret: true }] });
  const args = {
    ParameterList: [
      { Name: 'Device.X.Marked', Value: 'one', Type: 'xsd:string' },
      { Name: 'Device.Y.KeyPassphrase', Value: 'two', Type: 'xsd:string' },
      { Name: 'Device.Y.SSID', Value: 'open', Type: 'xsd:string' },
      { Name: 'Device.Y.Password', Value: '', Type: 'xsd:string' },
    ],
    Operations: [{ type: 'InstallOpStruct', Password: 'three' }],
    Password: 'four',
  };
  const shown = startedRpc(work, { method: 'X_ACME_All', args }, 'S1', context).args;
  const text = JSON.stringify(shown);
  for (const secret of ['one', 'two', 'three', 'four']) expect(text).not.toContain(`"${secret}"`);
  expect(text).toContain('"open"');
  // Blank is no secret, and worth seeing (FIELD 27).
  expect((shown.ParameterList as { Value: string }[])[3]!.Value).toBe('');
});
