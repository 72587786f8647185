// recording: sessions of every kind on a real edge, recorded, redacted, and replayed to the same bytes.

import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf, newId } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { digestResponse, parseChallenges } from '../../bench/fleet/http-auth.ts';
import { read } from '../../cwmp/read.ts';
import { openFileStore } from '../../edge/files.ts';
import { type Part, parseRecording, type RecordedExchange } from '../../edge/recording/format.ts';
import { type Replayed, replayExchange } from '../../edge/recording/replay.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { envelope, informXml, requestOf, value, valueList, WireCpe } from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';

const SECRET = 'Pl4nted&Secret<9>';
const ESCAPED = 'Pl4nted&amp;Secret&lt;9&gt;';
const PASSPHRASE = 'Device.WiFi.AccessPoint.1.Security.KeyPassphrase';
const SSID = 'Device.WiFi.SSID.1.SSID';
const profiles = loadProfiles();

let edge: TestEdge;
let proving: TestEdge;
const LOGIN = { username: 'bootstrap', password: 'first-contact' };
beforeAll(async () => {
  edge = await startTestEdge();
  proving = await startTestEdge({
    STARLING_CPE_AUTH: 'digest',
    STARLING_CPE_USERNAME: LOGIN.username,
    STARLING_CPE_PASSWORD: LOGIN.password,
  });
});
afterAll(() => Promise.all([edge.close(), proving.close()]));

interface Recorded {
  text: string;
  part: Part;
  exchanges: RecordedExchange[];
  replayed: Replayed[];
}

/** Has the edge record `sessions` of a CPE while `run` does them, and replays what came of it. */
async function recorded(on: TestEdge, cpeId: string, sessions: number, run: () => Promise<unknown>): Promise<Recorded> {
  const recordingId = newId();
  await on.decide({ type: 'record', body: { cpeId, recordingId, untilMs: Date.now() + 60_000, sessions } });
  await run();
  const told = await on.until(() => on.factsOf('recording').find((body) => body.recordingId === recordingId));
  const store = openFileStore(join(on.dataDir, 'files'));
  const { bytes } = (await store.read(told.fileId!, 0, told.bytes))!;
  const text = Buffer.from(bytes).toString();
  const [part] = parseRecording(text);
  expect(told).toMatchObject({ sessions, exchanges: part!.exchanges.length, cut: false });
  expect(part!.end).toMatchObject({ sessions, cut: false, why: 'all sessions that were asked for' });
  const replayed: Replayed[] = [];
  for (const exchange of part!.exchanges) replayed.push(await replayExchange(part!, exchange, { read, profiles }));
  return { text, part: part!, exchanges: part!.exchanges, replayed };
}

const said = (all: RecordedExchange[]): string[] => all.map((exchange) => exchange.said);
const differences = (all: Replayed[]) => all.flatMap((one) => one.differences);

test('recording: a first contact, read whole, with what its edge went by', async () => {
  const cpe = new WireCpe(edge.port);
  const { exchanges, replayed, part } = await recorded(edge, cpe.cpeId, 1, async () => {
    await cpe.inform({ events: ['0 BOOTSTRAP', '1 BOOT'] });
    expect((await cpe.empty()).status).toBe(204);
  });
  expect(said(exchanges)).toEqual(['Inform (0 BOOTSTRAP, 1 BOOT) → InformResponse', 'empty POST → 204 No Content']);
  expect(differences(replayed)).toEqual([]);
  expect(exchanges[1]!.ended).toBe('done');
  expect(part.profiles.size).toBe(1);
  cpe.close();
});

test('recording: a set with read-back; its secret is in no line, and is compared all the same', async () => {
  const cpe = new WireCpe(edge.port);
  await cpe.begin();
  const values = [
    { name: SSID, value: 'home', type: 'xsd:string', secret: false },
    { name: PASSPHRASE, value: SECRET, type: 'xsd:string', secret: true },
  ];
  const { text, exchanges, replayed } = await recorded(edge, cpe.cpeId, 1, async () => {
    const actionId = await edge.act(cpe.cpeId, 'set', { values });
    let request = requestOf(await cpe.begin(), 'GetParameterValues');
    const before = valueList(value(SSID, 'old'), value(PASSPHRASE, 'before-planted'));
    request = requestOf(await cpe.answer(request, before), 'SetParameterValues');
    request = requestOf(await cpe.answer(request, '<Status>0</Status>'), 'GetParameterValues');
    const reply = await cpe.answer(request, valueList(value(SSID, 'home'), value(PASSPHRASE, ESCAPED)));
    expect(reply.status).toBe(204);
    expect(await edge.result(actionId)).toMatchObject({ outcome: 'done' });
  });
  expect(text).not.toMatch(/lanted|Secret/);
  expect(said(exchanges).slice(1)).toEqual([
    'empty POST → GetParameterValues',
    'GetParameterValuesResponse → SetParameterValues',
    'SetParameterValuesResponse → GetParameterValues',
    'GetParameterValuesResponse → 204 No Content',
  ]);
  expect(exchanges.at(-1)!.outcomes).toMatchObject([{ outcome: 'done' }]);
  expect(differences(replayed)).toEqual([]);
  // As many bytes as were sent.
  const sent = exchanges[2]!.response!.body as { text: string };
  expect(sent.text).toContain(`<Name>${PASSPHRASE}</Name>`);
  const mask = /KeyPassphrase<\/Name><Value[^>]*>([^<]*)</.exec(sent.text)![1]!;
  expect(mask).toHaveLength(ESCAPED.length);
  cpe.close();
});

test('recording: a refusal that quotes the secret; a value that does not stick', async () => {
  const cpe = new WireCpe(edge.port);
  await cpe.begin();
  const { text, exchanges, replayed } = await recorded(edge, cpe.cpeId, 1, async () => {
    const values = [{ name: PASSPHRASE, value: SECRET, type: 'xsd:string', secret: true }];
    await edge.act(cpe.cpeId, 'set', { values });
    let request = requestOf(await cpe.begin(), 'GetParameterValues');
    request = requestOf(await cpe.answer(request, valueList(value(PASSPHRASE, 'planted-1'))), 'SetParameterValues');
    const fault =
      `<SetParameterValuesFault><ParameterName>${PASSPHRASE}</ParameterName><FaultCode>9007</FaultCode>` +
      `<FaultString>${ESCAPED} is no good</FaultString></SetParameterValuesFault>`;
    request = requestOf(await cpe.fault(request, 9003, fault), 'GetParameterValues');
    expect((await cpe.answer(request, valueList(value(PASSPHRASE, 'planted-1')))).status).toBe(204);
  });
  expect(text).not.toMatch(/lanted|Secret/);
  expect(exchanges.at(-1)!.outcomes).toMatchObject([{ outcome: 'refused' }]);
  expect(differences(replayed)).toEqual([]);
  cpe.close();
});

test('recording: a download and its end in a later session; the URL is no key to the file', async () => {
  const store = openFileStore(join(edge.dataDir, 'files'));
  async function* firmware() {
    yield Buffer.from('firmware of the test');
  }
  const { fileId } = await store.put(firmware(), { name: 'fw.bin', fileType: '1 Firmware Upgrade Image' });
  const cpe = new SimulatedCpe({ acsUrl: edge.url, serialNumber: `R${process.pid}`, downMs: 20 });
  await cpe.start();
  const cpeId = cpeIdOf(cpe.device);
  const urls: string[] = [];
  const { text, exchanges, replayed } = await recorded(edge, cpeId, 2, async () => {
    const args = { fileType: '1 Firmware Upgrade Image', fileId, fileSize: 20 };
    const actionId = await edge.act(cpeId, 'download', args);
    await cpe.inform('2 PERIODIC');
    expect(await edge.result(actionId)).toMatchObject({ outcome: 'done' });
    for (const { rpcs } of [await edge.result(actionId)]) urls.push(...rpcs.map(({ method }) => method));
  });
  await cpe.stop();
  expect(urls).toEqual(['Download']);
  const url = /<URL>([^<]*)<\/URL>/.exec(JSON.parse(`"${/<URL>[^"]*/.exec(text)![0].split('\\n')[0]}"`))![1]!;
  expect((await fetch(url)).status).toBe(403);
  expect(said(exchanges)).toContain('empty POST → Download');
  expect(said(exchanges)).toContain('TransferComplete → TransferCompleteResponse');
  expect(differences(replayed)).toEqual([]);
});

test('recording: a session that breaks goes on over another connection; a body packed, one in chunks, one nobody can read', async () => {
  const cpe = new WireCpe(edge.port);
  await cpe.begin();
  const { exchanges, replayed } = await recorded(edge, cpe.cpeId, 1, async () => {
    const actionId = await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
    const inform = envelope(cpe.namespace, '1', informXml(cpe.device, { events: ['2 PERIODIC'] }));
    const headers = { 'Content-Encoding': 'gzip', 'Content-Type': 'text/xml' };
    const answered = await fetch(edge.url, { method: 'POST', body: gzipSync(inform), headers });
    expect(await answered.text()).toContain('InformResponse');
    cpe.cookie = answered.headers.get('Set-Cookie')!.split(';')[0]!;
    const request = requestOf(await cpe.empty(), 'GetParameterValues');
    cpe.reconnect();
    // The answer to its empty POST got lost: it is asked again.
    expect(requestOf(await cpe.empty(), 'GetParameterValues').envelope.id).toBe(request.envelope.id);
    expect((await cpe.post('<soap:Envelope>no end')).status).toBe(400);
    cpe.reconnect();
    const answer = envelope(
      cpe.namespace,
      request.envelope.id,
      `<cwmp:GetParameterValuesResponse>${valueList(value('Device.DeviceInfo.UpTime', '17'))}</cwmp:GetParameterValuesResponse>`,
    );
    const bytes = Buffer.from(answer);
    const chunk = (part: Buffer): string => `${part.length.toString(16)}\r\n${part.toString()}\r\n`;
    const head = `POST / HTTP/1.1\r\nHost: acs\r\nCookie: ${cpe.cookie}\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n`;
    cpe.wire.write(`${head}${chunk(bytes.subarray(0, 100))}${chunk(bytes.subarray(100))}0\r\n\r\n`);
    expect((await cpe.read()).status).toBe(204);
    expect(await edge.result(actionId)).toMatchObject({ outcome: 'done' });
  });
  expect(said(exchanges)).toEqual([
    'Inform (2 PERIODIC) → InformResponse',
    'empty POST → GetParameterValues',
    'empty POST → GetParameterValues',
    expect.stringMatching(/→ 400 Bad Request$/),
    'GetParameterValuesResponse → 204 No Content',
  ]);
  expect(exchanges[0]!.request.headers['Content-Encoding']).toBe('gzip');
  expect(differences(replayed)).toEqual([]);
  cpe.close();
});

test('recording: a CPE that proves itself; what proves it is masked', async () => {
  const cpe = new WireCpe(proving.port);
  const login = (challenged: Awaited<ReturnType<WireCpe['inform']>>): string => {
    const [challenge] = parseChallenges(challenged.all('WWW-Authenticate')).filter(({ scheme }) => scheme === 'digest');
    const { realm = '', nonce = '' } = challenge!.params;
    const given = {
      algorithm: 'MD5',
      realm,
      nonce,
      qop: 'auth',
      nc: '00000001',
      cnonce: 'abc',
      method: 'POST',
      uri: '/',
    };
    const response = digestResponse({ ...given, algorithm: 'MD5' }, LOGIN);
    return (
      `Digest username="${LOGIN.username}", realm="${realm}", nonce="${nonce}", uri="/", qop=auth, nc=00000001, cnonce="abc", ` +
      `algorithm=MD5, response="${response}"`
    );
  };
  const { text, exchanges, replayed } = await recorded(proving, cpe.cpeId, 1, async () => {
    const challenged = await cpe.inform();
    expect(challenged.status).toBe(401);
    cpe.reconnect();
    expect((await cpe.inform({}, { Authorization: login(challenged) })).status).toBe(200);
    expect((await cpe.empty()).status).toBe(204);
  });
  expect(exchanges).toHaveLength(2);
  expect(exchanges[0]!.request.identity).toMatchObject({ scheme: 'digest', username: LOGIN.username });
  expect(exchanges[0]!.request.headers['Authorization']).toMatch(/^Digest x+$/);
  expect(exchanges[1]!.request.headers['Cookie']).toMatch(/^sid=x+$/);
  expect(text).not.toContain(cpe.cookie.slice(4));
  expect(text).not.toContain(LOGIN.password);
  expect(differences(replayed)).toEqual([]);
  cpe.close();
});

test('recording: a CPE that is answered at a glance is read while it is recorded, and others go on as before', async () => {
  const cpe = new WireCpe(edge.port);
  const other = new WireCpe(edge.port);
  const session = async (of: WireCpe): Promise<void> => {
    expect((await of.begin()).status).toBe(204);
  };
  const glanced = async (of: WireCpe): Promise<boolean> => {
    const before = await edge.metric('starling_parse_path_total', 'path="glance"');
    await session(of);
    return (await edge.metric('starling_parse_path_total', 'path="glance"')) > before;
  };
  for (const one of [cpe, other]) {
    await session(one);
    await session(one);
    // The mark is written behind the answer.
    await expect.poll(() => glanced(one)).toBe(true);
  }
  const { exchanges, replayed } = await recorded(edge, cpe.cpeId, 2, async () => {
    expect(await glanced(other)).toBe(true);
    expect(await glanced(cpe)).toBe(false);
    expect(await glanced(cpe)).toBe(false);
  });
  expect(exchanges).toHaveLength(4);
  expect(differences(replayed)).toEqual([]);
  await session(cpe);
  await expect.poll(() => glanced(cpe)).toBe(true);
  cpe.close();
  other.close();
});

test('recording: a document so large that the pool reads it', async () => {
  const cpe = new WireCpe(edge.port);
  await cpe.begin();
  const { exchanges, replayed } = await recorded(edge, cpe.cpeId, 1, async () => {
    await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.X_Log', PASSPHRASE] });
    const request = requestOf(await cpe.begin(), 'GetParameterValues');
    const log = value('Device.DeviceInfo.X_Log', 'line\n'.repeat(10_000));
    expect((await cpe.answer(request, valueList(log, value(PASSPHRASE, SECRET.replace(/[&<>]/g, ''))))).status).toBe(
      204,
    );
  });
  expect(exchanges.at(-1)!.thread).toBeGreaterThan(2);
  expect(JSON.stringify(exchanges)).not.toContain('Pl4nted');
  expect(differences(replayed)).toEqual([]);
  cpe.close();
});

test('recording: one that grows too large is cut, and says so', async () => {
  const cpe = new WireCpe(edge.port);
  const recordingId = newId();
  const body = { cpeId: cpe.cpeId, recordingId, untilMs: Date.now() + 60_000, sessions: 1 };
  await edge.decide({ type: 'record', body });
  await cpe.inform({ events: ['1 BOOT'] });
  const large = 'no document '.repeat((LIMITS.recordingBytesMax * 0.6) / 12);
  for (let i = 0; i < 2; i++) expect((await cpe.post(large)).status).toBe(400);
  // The session does not know of it.
  expect((await cpe.empty()).status).toBe(204);
  const told = await edge.until(() => edge.factsOf('recording').find((fact) => fact.recordingId === recordingId));
  expect(told).toMatchObject({ cut: true, exchanges: 2, why: expect.stringContaining('it reached') });
  expect(told.bytes).toBeLessThan(LIMITS.recordingBytesMax);
  cpe.close();
});

test('recording: what the program does otherwise is shown, and nothing else', async () => {
  const cpe = new WireCpe(edge.port);
  await cpe.begin();
  const { text, part } = await recorded(edge, cpe.cpeId, 1, async () => {
    await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime', 'Device.DeviceInfo.SoftwareVersion'] });
    let reply = await cpe.begin();
    // One by one, when both are refused together.
    while (reply.status === 200) reply = await cpe.fault(requestOf(reply, 'GetParameterValues'), 9005);
  });
  const changed = parseRecording(
    text.replaceAll('Device.DeviceInfo.UpTime</string>', 'Device.DeviceInfo.UpTimes</string>'),
  );
  const replayed = await Promise.all(
    changed[0]!.exchanges.map((exchange) => replayExchange(changed[0]!, exchange, { read, profiles })),
  );
  expect(replayed.map((one) => one.differences.map(({ what }) => what))).toEqual(
    part.exchanges.map(({ response }) =>
      'text' in response!.body && response!.body.text.includes('UpTime<') ? ['body'] : [],
    ),
  );
  expect(replayed.some((one) => one.differences.length > 0)).toBe(true);
  cpe.close();
});

test('recording: without a session nothing is handed over, and a second one of a device is refused', async () => {
  const cpe = new WireCpe(edge.port);
  const ask = async (untilMs: number): Promise<string> => {
    const recordingId = newId();
    await edge.decide({ type: 'record', body: { cpeId: cpe.cpeId, recordingId, untilMs, sessions: 1 } });
    return recordingId;
  };
  const told = (id: string) =>
    edge.until(() => edge.factsOf('recording').find(({ recordingId }) => recordingId === id));
  const first = await ask(Date.now() + 700);
  const second = await ask(Date.now() + 700);
  expect(await told(second)).toMatchObject({ fileId: null, why: expect.stringContaining('not begun') });
  expect(await told(first)).toMatchObject({ fileId: null, sessions: 0, why: 'its time is over' });
  cpe.close();
});
