// What a whole session costs. Questions: how much of it are the pure parts (reading, step, planner, writing), with nothing to do and with
// one value to set; and how much CPU does the edge spend on a quiet session over real sockets, beside a server that answers fixed bytes?
// Not asked: what control does with facts, big trees, storms.

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { cpeIdOf } from '../base/ids.ts';
import { DEFAULT_STYLE } from '../cwmp/envelope-style.ts';
import type { CpeMessage } from '../cwmp/message.ts';
import { read } from '../cwmp/read.ts';
import { type InFlight, type Learned, NEW_SESSION, type Session, step } from '../cwmp/session.ts';
import { writeCpeResponse, writeInformResponse, writeRequest } from '../cwmp/soap-writer.ts';
import { negotiate } from '../cwmp/versions.ts';
import { applyAnswer, newWorkRecord, planNext } from '../edge/planner.ts';
import type { WorkRecord } from '../edge/store/store.ts';
import type { TaskContext } from '../edge/tasks/task.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { type Measured, measure, printTable, type Row, size } from './harness.ts';
import { CONTENT_TYPE, referenceInform } from './reference-inform.ts';
import { runSessions } from './session-load.ts';
import type { FromServer, Served } from './session-server.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
const SSID = 'Device.WiFi.SSID.1.SSID';
const EMPTY = Buffer.alloc(0);

const context: TaskContext = {
  nowMs: 1_700_000_000_000,
  profile: new ProfileChooser(loadProfiles()).byId('tr181'),
  root: 'Device.',
  version: '1.2',
  known: () => null,
  downloadUrl: () => '',
  uploadUrl: () => '',
};

function messageOf(bytes: Buffer): CpeMessage {
  const { result } = read(bytes, CONTENT_TYPE);
  if (result.type === 'refused') throw new Error(`a message of the bench was refused: ${result.reason}`);
  return result.message;
}

const respond = (method: string, result: Record<string, unknown>): Buffer =>
  Buffer.from(writeCpeResponse(DEFAULT_STYLE, NAMESPACE, '1', method, result));
const told = (value: string): Buffer =>
  respond('GetParameterValues', { ParameterList: [{ Name: SSID, Value: value, Type: 'xsd:string' }] });

/**
 * One session in memory, as the edge's handler runs it, without store and socket.
 * @param posts bodies of the CPE, Inform first. @param records its open work. Returns how many requests were sent.
 * @throws Error when a session of this bench does not end: then the numbers would be of something else.
 */
function pureSession(posts: readonly Buffer[], records: WorkRecord[]): number {
  let session: Session = NEW_SESSION;
  let sent = 0;
  let written = 0;
  const where = { cpeId: '', sessionId: 'bench' };
  const next = (learned: Learned): InFlight | null => {
    if (learned?.type === 'response') {
      const answer = { type: 'response', method: learned.request.method, result: learned.result } as const;
      records = records.map((record) =>
        record.inFlight ? applyAnswer(record, answer, where, context).record : record,
      );
    }
    const plan = planNext(records, where, context);
    const changed = new Map(plan.records.map((record) => [record.work.actionId, record]));
    const over = new Set(plan.ended.map(({ record }) => record.work.actionId));
    records = records.flatMap((one) => (over.has(one.work.actionId) ? [] : [changed.get(one.work.actionId) ?? one]));
    return plan.send === null ? null : { ...plan.send.request, id: '1', repeatable: plan.send.repeatable };
  };
  for (const post of posts) {
    const message = messageOf(post);
    if (message.type === 'inform') where.cpeId = cpeIdOf(message.inform.DeviceId);
    const { session: after, reply } = step(session, message, where.cpeId, next);
    session = after;
    if (reply.type === 'inform-response') {
      const agreed = negotiate(NAMESPACE, reply.supportedVersions);
      if (agreed.type === 'fault') throw new Error(agreed.text);
      written += writeInformResponse(DEFAULT_STYLE, NAMESPACE, reply.id, agreed.useVersion).length;
    }
    if (reply.type === 'request') {
      sent++;
      written += writeRequest(
        DEFAULT_STYLE,
        NAMESPACE,
        reply.request.id,
        reply.request.method,
        reply.request.args,
      ).length;
    }
  }
  if (session.phase !== 'ended' || session.why !== 'done' || written === 0)
    throw new Error(`the session is ${session.phase}`);
  return sent;
}

function pureRows(): Row[] {
  const inform = referenceInform();
  const args = { values: [{ name: SSID, value: 'new', type: 'xsd:string', secret: false }] };
  const work = newWorkRecord({
    ...{ actionId: 'a', generation: 1, cpeId: 'bench', kind: 'set', args, priority: 50, commandKey: 'a' },
    ...{ createdAt: context.nowMs, expiresAt: context.nowMs + 60_000 },
  });
  const quiet = [inform, EMPTY];
  const set = [inform, EMPTY, told('old'), respond('SetParameterValues', { Status: 0 }), told('new')];
  return [
    { name: 'read the Inform alone', run: () => (messageOf(inform).type === 'inform' ? 1 : 0) },
    { name: 'quiet session: read, step, planner, write', run: () => 1 + pureSession(quiet, []) },
    { name: 'session with a set of one value: the same, 3 RPCs', run: () => pureSession(set, [work]) },
  ];
}

export interface SocketRow {
  row: string;
  'CPU µs/session': number;
  'sessions/s': number;
  '× floor': number;
  sessions: number;
  /** Those among them that taught the edge nothing: all of them, or the numbers are of something else. */
  quiet: number;
}

/** Quiet sessions over loopback against a process of its own; `warm` sessions of each CPE come before and are not counted. */
async function socketRow(served: Served): Promise<Omit<SocketRow, '× floor'>> {
  const built = import.meta.url.endsWith('.ts') ? '../dist/bench/session-server.js' : './session-server.js';
  const server = fork(fileURLToPath(new URL(built, import.meta.url)), [served], { execArgv: [] });
  const gone = new Promise<never>((_, reject) =>
    server.once('exit', (code) => reject(new Error(`the ${served} ended with ${code}`))),
  );
  gone.catch(() => {});
  const heard = async <T extends FromServer['type']>(type: T): Promise<Extract<FromServer, { type: T }>> => {
    const message = new Promise<FromServer>((resolve) => server.once('message', (one) => resolve(one as FromServer)));
    const first = await Promise.race([message, gone]);
    if (first.type !== type) throw new Error(`the ${served} said ${first.type} instead of ${type}`);
    return first as Extract<FromServer, { type: T }>;
  };
  const spent = async () => {
    server.send('cpu');
    return await heard('cpu');
  };
  const { port } = await heard('listening');
  const informs = Array.from({ length: size(5, 1_000) }, (_, n) => referenceInform({ SerialNumber: `TN44${n}` }));
  const inform = (n: number): Buffer => informs[n % informs.length]!;
  const atOnce = size(2, 32);
  await runSessions({ port, inform, sessions: informs.length * size(1, 5), atOnce });
  const before = await spent();
  const startedAt = performance.now();
  const ended = await runSessions({ port, inform, sessions: size(20, 20_000), atOnce });
  const seconds = (performance.now() - startedAt) / 1_000;
  const after = await spent();
  const cpu = after.us - before.us;
  const closed = new Promise((resolve) => server.once('exit', resolve));
  server.send('close');
  await closed;
  const row = served === 'floor' ? 'fixed bytes (the floor)' : 'edge, 1 session thread';
  return {
    row,
    'CPU µs/session': Number((cpu / ended).toFixed(1)),
    'sessions/s': Math.round(ended / seconds),
    sessions: ended,
    quiet: after.quietSessions - before.quietSessions,
  };
}

/** Runs all rows: the pure ones in this process, the ones over sockets each against a process of its own. */
export async function sessionBench(): Promise<{ pure: Measured[]; sockets: SocketRow[] }> {
  const pure = await measure(pureRows(), { rounds: size(1, 7), timeMs: size(1, 150) });
  const floor = await socketRow('floor');
  const edge = await socketRow('edge');
  const sockets = [floor, edge].map(({ sessions, quiet, ...row }) => {
    const times = Number((row['CPU µs/session'] / floor['CPU µs/session']).toFixed(2));
    return { ...row, '× floor': times, sessions, quiet };
  });
  return { pure, sockets };
}

/** Prints what `sessionBench` measured. */
export async function printSessionBench(): Promise<void> {
  const { pure, sockets } = await sessionBench();
  printTable([pure]);
  console.table(sockets);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printSessionBench();
