import { expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import type { Args } from '../../cwmp/message.ts';
import { FakeCpe } from './fake-cpe.test-helper.ts';
import { informEvent, Operation, testProfile, testWork } from './operation.test-helper.ts';
import type { CpeEvent } from './task.ts';

const FIRMWARE = { fileId: 'F1', fileType: '1 Firmware Upgrade Image', fileSize: 1234, targetFileName: 'fw.bin' };
const download = (args: Args = FIRMWARE, commandKey = 'ours') => testWork('download', args, { commandKey });
const upload = () =>
  testWork('upload', { fileType: '1 Vendor Configuration File' }, { commandKey: 'ours', actionId: 'UP' });
const box = () => new FakeCpe({ 'Device.DeviceInfo.ModelName': 'Box' });

const complete = (CommandKey: string, FaultCode = 0, FaultString = ''): CpeEvent => ({
  type: 'request',
  method: 'TransferComplete',
  args: { CommandKey, FaultStruct: { FaultCode, FaultString }, StartTime: 'T1', CompleteTime: 'T2' },
});
const FILE: CpeEvent = { type: 'upload', fileId: 'F9', bytes: 42, sha256: 'abc' };

test('download: Download goes out with a signed URL, and TransferComplete with our key ends it', () => {
  const run = new Operation(box(), download()).session();
  expect(run.cpe.received[0]).toEqual({
    method: 'Download',
    args: {
      CommandKey: 'ours',
      FileType: '1 Firmware Upgrade Image',
      URL: 'http://acs/files/d/F1/sig',
      Username: '',
      Password: '',
      FileSize: 1234,
      TargetFileName: 'fw.bin',
      DelaySeconds: 0,
      SuccessURL: '',
      FailureURL: '',
    },
  });
  expect(run.ended).toEqual([]);
  run.session(
    informEvent('7 TRANSFER COMPLETE'),
    informEvent('M Download', 'ours'),
    informEvent('1 BOOT'),
    complete('ours'),
  );
  expect(run.result).toMatchObject({ outcome: 'done', data: { StartTime: 'T1', CompleteTime: 'T2' } });
});

test('download: the signed URL and the password stay out of the transcript', () => {
  const args = { url: 'http://files/x', fileType: '3 Vendor Configuration File', username: 'u', password: 'p4ssword' };
  const foreign = new Operation(box(), download(args)).session().session(complete('ours'));
  expect(foreign.cpe.received[0]!.args).toMatchObject({ URL: 'http://files/x', Password: 'p4ssword' });
  expect(foreign.result.rpcs[0]!.args).toMatchObject({ URL: 'http://files/x', Password: '••••' });
  const own = new Operation(box(), download()).session().session(complete('ours'));
  expect(own.result.rpcs[0]!.args.URL).toBe('file F1');
});

test.each([
  [9010, 'failed'],
  [9013, 'unsupported'],
  [9001, 'refused'],
])('download: TransferComplete with fault %i is %s, with code and text', (code, outcome) => {
  const run = new Operation(box(), download()).session().session(complete('ours', code, 'no such file'));
  expect(run.result).toMatchObject({ outcome, fault: { FaultCode: code, FaultString: 'no such file' } });
  expect(run.result.why).toContain('no such file');
});

test('download: Status 0 is done at once, a fault ends it', () => {
  const quick = new Operation(box(), download());
  quick.cpe.misbehaviour = { answers: { Download: { Status: 0, StartTime: 'T1', CompleteTime: 'T2' } } };
  expect(quick.session().result).toMatchObject({ outcome: 'done', data: { CompleteTime: 'T2' } });
  const refused = new Operation(box(), download());
  refused.cpe.misbehaviour = { faults: { Download: 9013 } };
  expect(refused.session().result.outcome).toBe('unsupported');
});

test('FIELD 15: TransferComplete without CommandKey counts while a single transfer waits, not while two do', () => {
  const one = new Operation(box(), download()).session().session(complete(''));
  expect(one.result.outcome).toBe('done');
  const two = new Operation(box(), download(), download(FIRMWARE, 'second')).session().session(complete(''));
  expect(two.ended).toEqual([]);
  two.session(complete('second'));
  expect(two.ended.map(({ work }) => work.commandKey)).toEqual(['second']);
  // Now it can only be about the first.
  two.session(complete(''));
  expect(two.ended.map(({ work }) => work.commandKey)).toEqual(['second', 'ours']);
});

test('FIELD 15: TransferComplete without FaultStruct is a success; an unknown key is nobody’s', () => {
  const bare: CpeEvent = { type: 'request', method: 'TransferComplete', args: { CommandKey: 'ours' } };
  expect(new Operation(box(), download()).session().session(bare).result.outcome).toBe('done');
  expect(new Operation(box(), download()).session().session(complete('theirs')).ended).toEqual([]);
});

test('FIELD 26: a CPE that never sends TransferComplete is called applied after its time', () => {
  const run = new Operation(box(), download({ ...FIRMWARE, delaySeconds: 60 }));
  run.profile = testProfile({ transferCompleteAfterSeconds: 300 });
  run.session().wait(359_000);
  expect(run.ended).toEqual([]);
  expect(run.wait(1_000).result.outcome).toBe('applied');
});

test('download: without the quirk it fails after the longest wait, and says whether the CPE announced its end', () => {
  const silent = new Operation(box(), download()).session().wait(LIMITS.transferWaitMs);
  expect(silent.result.outcome).toBe('failed');
  const announced = new Operation(box(), download()).session().session(informEvent('M Download', 'ours'));
  expect(announced.wait(LIMITS.transferWaitMs).result.why).toContain('M Download');
});

test.each(['request-lost', 'answer-lost'] as const)('download: %s is awaited and never sent again', (fate) => {
  const interrupted = () => {
    const run = new Operation(box(), download());
    run.fate = () => fate;
    return run.session().session(informEvent('2 PERIODIC'));
  };
  const told = interrupted().session(complete('ours'));
  expect(told.result.outcome).toBe('done');
  expect(told.cpe.received).toHaveLength(fate === 'answer-lost' ? 1 : 0);
  const silent = interrupted().wait(LIMITS.transferWaitMs);
  expect(silent.result).toMatchObject({ outcome: 'failed', why: expect.stringContaining('not repeated') });
});

test('download: TransferComplete in the session of the Download, before its answer (CWMP S6), counts', () => {
  const run = new Operation(box(), download());
  const { cpe } = run;
  cpe.answer = (request) => {
    run.tell(complete('ours'));
    return FakeCpe.prototype.answer.call(cpe, request);
  };
  expect(run.session().result.outcome).toBe('done');
});

test('upload: needs TransferComplete and the file, in either order', () => {
  const fileFirst = new Operation(box(), upload()).session().tell(FILE);
  expect(fileFirst.ended).toEqual([]);
  expect(fileFirst.session(complete('ours')).result).toMatchObject({
    outcome: 'done',
    data: { fileId: 'F9', bytes: 42, sha256: 'abc' },
  });
  const fileLast = new Operation(box(), upload()).session().session(complete('ours'));
  expect(fileLast.ended).toEqual([]);
  // No session is needed to end it: the file alone was missing.
  expect(fileLast.tell(FILE).wait(0).result.outcome).toBe('done');
  expect(fileLast.cpe.received[0]!.args.URL).toBe('http://acs/files/u/UP/sig');
  expect(fileLast.result.rpcs[0]!.args.URL).toBe('upload of action UP');
});

test('upload: what lies on the disk counts, also when the work was not told of it', () => {
  const run = new Operation(box(), upload());
  run.uploaded = { fileId: 'UP', bytes: 42, sha256: 'abc' };
  // Not before the CPE says that it is whole.
  expect(run.session().ended).toEqual([]);
  expect(run.session(complete('ours')).result).toMatchObject({ outcome: 'done', data: { fileId: 'UP', bytes: 42 } });

  const late = new Operation(box(), upload()).session().session(complete('ours'));
  expect(late.ended).toEqual([]);
  late.uploaded = { fileId: 'UP', bytes: 42, sha256: 'abc' };
  expect(late.wait(LIMITS.fileLookMs).result.outcome).toBe('done');

  const quiet = new Operation(box(), upload()).session();
  quiet.uploaded = { fileId: 'UP', bytes: 42, sha256: 'abc' };
  expect(quiet.wait(LIMITS.transferWaitMs).result).toMatchObject({ outcome: 'applied', data: { fileId: 'UP' } });
});

test('upload: Status 0 without a file, or TransferComplete without one, fails soon', () => {
  const run = new Operation(box(), upload());
  run.cpe.misbehaviour = { answers: { Upload: { Status: 0 } } };
  run.session().wait(LIMITS.uploadArrivalMs);
  expect(run.result).toMatchObject({ outcome: 'failed', why: expect.stringContaining('not arrived') });
});

test('upload: a file without TransferComplete is applied after the wait; neither has failed', () => {
  const file = new Operation(box(), upload()).session().tell(FILE);
  // An event makes work due; the wait goes on when there is still nothing to end.
  expect(file.wait(0).ended).toEqual([]);
  expect(file.wait(LIMITS.transferWaitMs).result).toMatchObject({ outcome: 'applied', data: { fileId: 'F9' } });
  const nothing = new Operation(box(), upload());
  nothing.profile = testProfile({ transferCompleteAfterSeconds: 60 });
  expect(nothing.session().wait(60_000).result.outcome).toBe('failed');
});
