// What each step of an Inform's way through a session thread costs, one by one: where a session's microseconds are, and which step a change
// made slower. Questions: does the glance stay far below reading, in one kind of CPE and in a mixed fleet; does the look for a marked record
// stay the same in a large store; what do the parts cost that come on top when there is news, work or authentication? Not asked: sockets
// and whole sessions (bench/inform), long answers (soap-reader.bench.ts), big trees (shadow.bench.ts).

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpeIdOf } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';
import type { AnyFactBody, CpeFacts } from '../bus/messages.ts';
import { decode } from '../cwmp/decode.ts';
import { DEFAULT_STYLE } from '../cwmp/envelope-style.ts';
import { InformGlance } from '../cwmp/inform-glance.ts';
import type { CpeMessage, Inform, ParameterValue } from '../cwmp/message.ts';
import { read } from '../cwmp/read.ts';
import { type InFlight, type Learned, NEW_SESSION, type Session, step } from '../cwmp/session.ts';
import { readMessage } from '../cwmp/soap-reader.ts';
import { writeCpeResponse, writeInformResponse, writeRequest } from '../cwmp/soap-writer.ts';
import { ToleranceSet } from '../cwmp/tolerances.ts';
import { negotiate } from '../cwmp/versions.ts';
import { type AuthPolicy, authenticate, DEFAULT_AUTH } from '../edge/auth.ts';
import { readCredentials } from '../edge/credentials.ts';
import { digestResponse } from '../edge/digest.ts';
import { encodeBasic } from '../edge/http-auth-header.ts';
import { newNonce } from '../edge/nonce.ts';
import { applyAnswer, newWorkRecord, planNext } from '../edge/planner.ts';
import { type SessionClaims, SessionCookies } from '../edge/session-cookie.ts';
import { FINGERPRINT_BYTES } from '../edge/store/inform-records.ts';
import { type LmdbEdgeStore, openEdgeStore } from '../edge/store/lmdb-store.ts';
import { Stamps } from '../edge/store/stamps.ts';
import type { WorkRecord } from '../edge/store/store.ts';
import type { TaskContext } from '../edge/tasks/task.ts';
import { ProfileChooser } from '../profiles/choose.ts';
import { loadProfiles } from '../profiles/load.ts';
import { type Measured, measure, printTable, type Row, size, type WaitingRow } from './harness.ts';
import { CONTENT_TYPE, referenceInform } from './reference-inform.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
const SSID = 'Device.WiFi.SSID.1.SSID';
const NOW_MS = 1_700_000_000_000;
const EMPTY = Buffer.alloc(0);
const INFORM = referenceInform();
/** Informs that share a commit. */
const GROUP = 32;
/** A step through all devices, so that no row lives on one warm page. */
const STRIDE = 7_919;

function messageOf(bytes: Buffer): CpeMessage {
  const { result } = read(bytes, CONTENT_TYPE);
  if (result.type === 'refused') throw new Error(`a message of the bench was refused: ${result.reason}`);
  return result.message;
}

function informOf(bytes: Buffer): Inform {
  const message = messageOf(bytes);
  if (message.type !== 'inform') throw new Error('no Inform');
  return message.inform;
}

/** A row whose work counts as 1 when it came out right, and as nothing when it did not. */
const checked = (name: string, run: () => boolean): Row => ({ name, run: () => (run() ? 1 : 0) });

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function decodeRows(): Row[] {
  const tolerances = new ToleranceSet();
  const letters = INFORM.toString().replace('Tarn Networks', 'T\u00e4rn Netw\u00f6rks');
  const row = (name: string, bytes: Buffer, contentType: string): Row => ({
    name: `decode ${bytes.length} B: ${name}`,
    run: () => decode(bytes, contentType, tolerances)?.text.length ?? 0,
  });
  return [
    row('utf-8, plain letters', INFORM, CONTENT_TYPE),
    row('utf-8, two others', Buffer.from(letters), CONTENT_TYPE),
    row('latin1', Buffer.from(letters, 'latin1'), 'text/xml; charset=iso-8859-1'),
  ];
}

/** The reference Inform of this many models of one stack: they begin alike, so their layouts share a slot. */
function modelsOf(count: number): Buffer[] {
  const text = INFORM.toString();
  return Array.from({ length: count }, (_, i) =>
    Buffer.from(text.replace('<ProductClass>TN-440', `<ProductClass>TN-${i}`)),
  );
}

/** Ten models each of twenty stacks, which differ in their prefixes and in how they break lines, as real ones do. */
function mixedFleet(): Buffer[] {
  const prefixes = ['soap-env', 'SOAP-ENV', 'soapenv', 'soap', 'SOAP', 'env', 's', 'S', 'ns0', 'e'];
  const stacks = modelsOf(10).flatMap((model) =>
    prefixes.map((prefix) => model.toString().replaceAll('soap-env', prefix)),
  );
  return stacks.flatMap((text) => [Buffer.from(text), Buffer.from(text.replaceAll(/>\s+</g, '><'))]);
}

/** One that tells Informs like the reference by their values. */
function glanceThatLearned(): InformGlance {
  const result = readMessage(INFORM, CONTENT_TYPE);
  if (result.type === 'refused' || result.message.type !== 'inform')
    throw new Error('the Inform of the bench was not read');
  const glance = new InformGlance(1);
  glance.at(INFORM, 1);
  glance.learn(result.message.inform, result.message.envelope);
  return glance;
}

function readRows(): Row[] {
  const glance = new InformGlance(1);
  const fleet = mixedFleet();
  const row = (name: string, informs: Buffer[]): Row => {
    let turn = 0;
    return checked(`glance: ${name}`, () => glance.at(informs[turn++ % informs.length]!, 1));
  };
  const entries = (): number => {
    const result = readMessage(INFORM, CONTENT_TYPE);
    if (result.type === 'refused' || result.message.type !== 'inform') return 0;
    return result.message.inform.ParameterList.length;
  };
  const learned = glanceThatLearned();
  return [
    { name: 'read Inform params=12: soap-reader', run: entries },
    checked('told Inform params=12: glance and values', () => learned.at(INFORM, 1) && learned.values() !== null),
    row('known layout', [INFORM]),
    row(`mixed fleet, kinds=${fleet.length} in turn`, fleet),
    // More than are remembered of one stack, in turn: each has been forgotten when it comes again.
    row('unknown layout', modelsOf(2 * LIMITS.glanceLayoutsMax)),
  ];
}

// ── Store ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const serialOf = (device: number): string => `TN44${device}`;
const cpeIdOfDevice = (device: number): string => `0A1B2C-TN~2D440-${serialOf(device)}`;

/** Devices with the parameters of their Inform, marked. */
async function fill(store: LmdbEdgeStore, devices: number, list: readonly ParameterValue[]): Promise<void> {
  const fingerprints = Buffer.alloc(FINGERPRINT_BYTES, 1);
  for (let device = 0; device < devices; device++) {
    void store.applyValues(cpeIdOfDevice(device), list);
    // Commits of a bounded size.
    if (device % 2_000 === 1_999) await store.flushed();
  }
  await store.flushed();
  for (let device = 0; device < devices; device++) {
    const cpeId = cpeIdOfDevice(device);
    store.mark(cpeId, fingerprints, 'tr181|2|1.2||60', store.openMark(cpeId));
    if (device % 2_000 === 1_999) await store.flushed();
  }
  await store.flushed();
}

/** Rows on a store of `devices`, and one that writes to some of them. */
function storeRows(store: LmdbEdgeStore, devices: number, list: readonly ParameterValue[]): (Row | WaitingRow)[] {
  let turn = 0;
  // The writing row has devices of its own: its news takes their marks away.
  const read = devices / 2;
  const sampled = Array.from({ length: Math.min(read, 1_000) }, (_, i) => cpeIdOfDevice((i * STRIDE) % read));
  const next = (): string => sampled[turn++ % sampled.length]!;
  const changed = list.map((entry, i) => (i === 5 ? { ...entry, Value: 'changed' } : entry));
  const { DeviceId: device } = informOf(INFORM);
  const facts: CpeFacts = {
    ...{ device, root: 'Device.', namespace: NAMESPACE, version: '1.2', address: '192.0.2.1', profile: 'tr181' },
  };
  let news = 0;
  const oneInform = (cpeId: string): Promise<void> => {
    const told = list.map((entry, i) => (i === 5 ? { ...entry, Value: `news ${news}` } : entry));
    news++;
    const difference = store.compareInform(cpeId, told);
    const newOnes = [...difference.changed];
    void store.applyInform(cpeId, told, difference);
    const body = { cpeId, sessionId: '1-1-1', cpe: facts, events: [{ EventCode: '4 VALUE CHANGE', CommandKey: '' }] };
    const more = { retryCount: 0, currentTime: '2025-03-04T05:06:07Z', changed: newOnes, reset: false, tolerances: [] };
    const fact: AnyFactBody = { type: 'inform', body: { ...body, ...more } };
    return store.appendFacts([fact], NOW_MS).durable;
  };
  const group = async (): Promise<number> => {
    const depth = store.outboxDepth();
    const at = news * STRIDE;
    const written = Array.from({ length: GROUP }, (_, i) =>
      oneInform(cpeIdOfDevice(read + ((at + i) % (devices - read)))),
    );
    await Promise.all(written);
    const appended = store.outboxDepth() - depth;
    // As the relay does, so that the outbox stays what it is on an edge with control at hand.
    await store.ackFacts(store.readFacts(10 * GROUP));
    return appended;
  };
  const glance = glanceThatLearned();
  glance.at(INFORM, 1);
  const told = glance.values()!;
  const { places } = glance;
  // As if the fifth value had changed: what is written does not depend on how it differs.
  const fifth = [5];
  const changeInPlace = (): boolean => {
    const record = store.markedRecord(next())!;
    const differing = store.compareInPlace(record, told, places, INFORM);
    return differing?.length === 0 && store.changeInPlace(record, told, places, INFORM, fifth, 0).length > 0;
  };
  // The first look finds the names.
  store.compareInPlace(store.markedRecord(next())!, told, places, INFORM);
  return [
    checked(`marked record: look-up devices=${devices}`, () => store.markedRecord(next()) !== undefined),
    checked(`marked record: look-up, compare and change in place devices=${devices}`, changeInPlace),
    checked(
      `shadow: compare, unchanged devices=${devices}`,
      () => store.compareInform(next(), list).changed.length === 0,
    ),
    checked(
      `shadow: compare, one changed devices=${devices}`,
      () => store.compareInform(next(), changed).changed.length === 1,
    ),
    checked(`work: is there any devices=${devices}`, () => !store.hasWork(next())),
    { name: `store: ${GROUP} Informs with one change, one commit, durable`, runAndWait: group },
  ];
}

// ── Session ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function contextOf(): TaskContext {
  return {
    ...{ nowMs: NOW_MS, profile: new ProfileChooser(loadProfiles()).byId('tr181'), root: 'Device.', version: '1.2' },
    ...{
      known: () => null,
      downloadUrl: () => '',
      uploadUrl: () => '',
      files: { has: () => true, uploaded: () => null },
    },
  };
}

function setRecord(): WorkRecord {
  const args = { values: [{ name: SSID, value: 'new', type: 'xsd:string', secret: false }] };
  return newWorkRecord({
    ...{ actionId: 'a', generation: 1, cpeId: 'bench', kind: 'set', args, priority: 50, commandKey: 'a' },
    ...{ createdAt: NOW_MS, expiresAt: NOW_MS + 60_000 },
  });
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
function pureSession(posts: readonly Buffer[], records: WorkRecord[], context: TaskContext): number {
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
      const { id, method, args } = reply.request;
      sent++;
      written += writeRequest(DEFAULT_STYLE, NAMESPACE, id, method, args).length;
    }
  }
  if (session.phase !== 'ended' || session.why !== 'done' || written === 0)
    throw new Error(`the session is ${session.phase}`);
  return sent;
}

function sessionRows(): Row[] {
  const context = contextOf();
  const record = setRecord();
  const where = { cpeId: 'bench', sessionId: 'bench' };
  const args = { ParameterList: [{ Name: SSID, Value: 'new', Type: 'xsd:string' }], ParameterKey: 'key' };
  const quiet = [INFORM, EMPTY];
  const set = [INFORM, EMPTY, told('old'), respond('SetParameterValues', { Status: 0 }), told('new')];
  return [
    checked('plan: nothing to do', () => planNext([], where, context).send === null),
    checked('plan: one set', () => planNext([record], where, context).send !== null),
    {
      name: 'write: InformResponse',
      run: () => writeInformResponse(DEFAULT_STYLE, NAMESPACE, '1', null).length,
    },
    {
      name: 'write: SetParameterValues of one',
      run: () => writeRequest(DEFAULT_STYLE, NAMESPACE, '1', 'SetParameterValues', args).length,
    },
    { name: 'in memory: quiet session read', run: () => 1 + pureSession(quiet, [], context) },
    { name: 'in memory: session with one set, 3 RPCs', run: () => pureSession(set, [record], context) },
  ];
}

// ── Who it is ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function cookieRows(): Row[] {
  const cookies = new SessionCookies(Buffer.alloc(32, 7));
  const claims: SessionClaims = {
    ...{ sessionId: '1-1-2bf', incarnation: 1, generation: 7, startedAtSeconds: NOW_MS / 1_000, timeoutSeconds: 60 },
    ...{ namespaceDigit: '2', version: '1.2', cpeId: cpeIdOfDevice(171), authTag: '', quiet: '' },
  };
  const cookie = cookies.seal(claims);
  return [
    checked('cookie: seal', () => cookies.seal(claims) === cookie),
    checked('cookie: open', () => cookies.open(cookie) !== null),
  ];
}

function authRows(): Row[] {
  const nonceKey = Buffer.alloc(32, 9);
  const [username, password] = ['0A1B2C-TN~2D440-TN440000171', 'a secret of twenty letters'];
  const lookUp = (name: string) => (name === username ? { password, cpeId: null } : null);
  const nonce = newNonce(nonceKey, NOW_MS);
  const proof = { uri: '/', nonce, nc: '00000001', cnonce: '0a1b2c3d', qop: 'auth', realm: DEFAULT_AUTH.realm };
  const response = digestResponse({ ...proof, algorithm: 'MD5', username, password, method: 'POST' });
  const digest =
    `Digest username="${username}", realm="${DEFAULT_AUTH.realm}", nonce="${nonce}", uri="/", algorithm=MD5, ` +
    `qop=auth, nc=00000001, cnonce="0a1b2c3d", response="${response}"`;
  const row = (name: string, mode: AuthPolicy['mode'], header: string): Row => {
    const policy: AuthPolicy = { ...DEFAULT_AUTH, mode, nonceKey };
    return checked(name, () => {
      const authorization = readCredentials(header);
      const request = { method: 'POST', uri: '/', authorization, isGiven: true, tlsHeader: null, nowMs: NOW_MS };
      return authenticate(policy, request, lookUp).type === 'ok';
    });
  };
  return [
    row('basic: parse and verify', 'basic', `Basic ${encodeBasic(username, password)}`),
    row('digest MD5: parse and verify', 'digest', digest),
    checked('digest: nonce of a challenge', () => newNonce(nonceKey, NOW_MS).length === nonce.length),
  ];
}

/** Runs all rows, a group for each part of the way. */
export async function stepsBench(): Promise<Measured[][]> {
  const options = { rounds: size(1, 7), timeMs: size(1, 150) };
  const devices = size(200, 100_000);
  const dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const store = openEdgeStore({
    dir,
    edgeId: 'bench',
    pop: 'bench',
    lane: 0,
    stamps: Stamps.forNewStart(dir),
    key: new Uint8Array(32),
  });
  try {
    const list = informOf(INFORM).ParameterList;
    await fill(store, devices, list);
    const groups = [decodeRows(), readRows(), storeRows(store, devices, list), sessionRows(), cookieRows(), authRows()];
    const measured: Measured[][] = [];
    for (const rows of groups) measured.push(await measure(rows, options));
    return measured;
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printTable(await stepsBench());
