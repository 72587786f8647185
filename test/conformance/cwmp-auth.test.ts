// CWMP.md §1.6: who a CPE is, in every mode, through real sockets. One edge per mode. Before a CPE has proved itself nothing may be
// written: neither a fact, nor a device, nor a session.

import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { loadInstallationSecret } from '../../base/secret-file.ts';
import { basic, digestResponse, parseChallenges } from '../../bench/fleet/http-auth.ts';
import { openEdgeStore } from '../../edge/store/lmdb-store.ts';
import { storeKeyOf } from '../../edge/store/seal.ts';
import { Stamps } from '../../edge/store/stamps.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import {
  envelope,
  requestOf,
  responseOf,
  value,
  valueList,
  WireCpe,
  type WireCpeOptions,
  type WireReply,
} from './wire.test-helper.ts';

const BOOTSTRAP = { username: 'bootstrap', password: 'first-contact' };
const SHARED = { STARLING_CPE_USERNAME: BOOTSTRAP.username, STARLING_CPE_PASSWORD: BOOTSTRAP.password };

type Mode = 'none' | 'basic' | 'digest' | 'certificate-header' | 'certificate-or-digest';
const edges = {} as Record<Mode | 'far-front', TestEdge>;
const open: WireCpe[] = [];
beforeAll(async () => {
  const start = (mode: Mode, env: Record<string, string> = {}) =>
    startTestEdge({ STARLING_CPE_AUTH: mode, STARLING_EDGE_THREADS: '1', ...env });
  [
    edges.none,
    edges.basic,
    edges.digest,
    edges['certificate-header'],
    edges['certificate-or-digest'],
    edges['far-front'],
  ] = await Promise.all([
    start('none'),
    start('basic', SHARED),
    start('digest', SHARED),
    start('certificate-header'),
    start('certificate-or-digest', SHARED),
    start('certificate-header', { STARLING_TRUSTED_FRONTS: '192.0.2.0/24' }),
  ]);
});
afterAll(async () => {
  for (const cpe of open) cpe.close();
  await Promise.all(Object.values(edges).map((edge) => edge.close()));
});

function newCpe(edge: TestEdge, options: WireCpeOptions = {}): WireCpe {
  const cpe = new WireCpe(edge.port, options);
  open.push(cpe);
  return cpe;
}

interface DigestChoice {
  username: string;
  password: string;
  algorithm?: 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess';
  /** '' is RFC 2069. */
  qop?: string;
  nc?: string;
  uri?: string;
  nonce?: string;
}

/** Authorization in answer to the challenge of `reply`. */
function digest(
  reply: WireReply,
  { username, password, algorithm = 'MD5', qop = 'auth', nc = '00000001', uri = '/', nonce }: DigestChoice,
): string {
  const offered = parseChallenges(reply.all('WWW-Authenticate')).filter(({ scheme }) => scheme === 'digest');
  const challenge = offered.find(({ params }) => params['algorithm'] === algorithm.replace('-sess', '')) ?? offered[0]!;
  const given = {
    algorithm,
    realm: challenge.params['realm']!,
    nonce: nonce ?? challenge.params['nonce']!,
    qop,
    nc,
    cnonce: 'c0ffee',
    uri,
    method: 'POST',
  };
  const response = digestResponse(given, { username, password });
  const rest = qop === '' ? '' : `, qop=${qop}, nc=${nc}, cnonce="c0ffee"`;
  const extra = qop === '' && algorithm.endsWith('-sess') ? ', cnonce="c0ffee"' : '';
  return `Digest username="${username}", realm="${given.realm}", nonce="${given.nonce}", uri="${uri}", response="${response}", algorithm=${algorithm}${rest}${extra}`;
}

/** What the edge knows of a CPE, from its facts and from its store. */
async function tracesOf(edge: TestEdge, cpe: WireCpe): Promise<string[]> {
  const dir = join(edge.dataDir, 'edge');
  const key = storeKeyOf(loadInstallationSecret(edge.dataDir));
  const stamps = Stamps.forNewStart(dir);
  const store = openEdgeStore({ dir, edgeId: 'test', pop: 'default', lane: 9, stamps, key });
  try {
    const traces = edge.facts
      .filter(({ body }) => JSON.stringify(body).includes(cpe.cpeId))
      .map(({ type }) => `fact ${type}`);
    if (store.getDevice(cpe.cpeId) !== undefined) traces.push('device');
    if (store.getSession(cpe.cpeId) !== undefined) traces.push('session');
    if (!store.isNewDevice(cpe.cpeId)) traces.push('shadow');
    return traces;
  } finally {
    await store.close();
  }
}

async function giveSecret(edge: TestEdge, cpe: WireCpe, username: string, password: string): Promise<void> {
  await edge.decide({
    type: 'device',
    body: { cpeId: cpe.cpeId, settings: { cpe: { username, password }, connectionRequest: [] } },
  });
}

test('CWMP A1: mode none asks nobody, and its sessions work', async () => {
  const cpe = newCpe(edges.none);
  responseOf(await cpe.inform({}, { Authorization: 'Digest nonsense' }), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
});

test('CWMP A1, A2: digest mode challenges with realm, qop auth, MD5 first, and another nonce each time', async () => {
  const cpe = newCpe(edges.digest);
  const reply = await cpe.inform();
  expect(reply.status).toBe(401);
  const [first, second] = parseChallenges(reply.all('WWW-Authenticate'));
  expect(first).toMatchObject({
    scheme: 'digest',
    params: { qop: 'auth', algorithm: 'MD5', realm: expect.stringMatching(/./) },
  });
  expect(second!.params['algorithm']).toBe('SHA-256');
  const again = await newCpe(edges.digest).inform();
  expect(parseChallenges(again.all('WWW-Authenticate'))[0]!.params['nonce']).not.toBe(first!.params['nonce']);
});

const FORMS: [string, Partial<DigestChoice>][] = [
  ['MD5', {}],
  ['MD5-sess', { algorithm: 'MD5-sess' }],
  ['SHA-256', { algorithm: 'SHA-256' }],
  ['SHA-256-sess', { algorithm: 'SHA-256-sess' }],
  ['RFC 2069', { qop: '' }],
  ['SHA-256 without qop', { algorithm: 'SHA-256', qop: '' }],
  ['the same nc for ever', { nc: '00000001' }],
  ['a uri that is the whole URL', { uri: 'http://acs/' }],
];

test.each(FORMS)('CWMP A2: digest with %s opens a session on the same connection', async (_name, choice) => {
  const cpe = newCpe(edges.digest);
  const challenge = await cpe.inform();
  const reply = await cpe.inform({}, { Authorization: digest(challenge, { ...BOOTSTRAP, ...choice }) });
  responseOf(reply, 'Inform');
  // CWMP A3: the cookie is enough from here on, and credentials that come along are taken as well.
  responseOf(await cpe.say('<cwmp:GetRPCMethods/>'), 'GetRPCMethods');
  expect((await cpe.empty({ Authorization: digest(challenge, { ...BOOTSTRAP, ...choice }) })).status).toBe(204);
});

test('CWMP A2: a stale or foreign nonce with the right password is challenged with stale=true, and the new one passes', async () => {
  const cpe = newCpe(edges.digest);
  const challenge = await cpe.inform();
  const nonce = parseChallenges(challenge.all('WWW-Authenticate'))[0]!.params['nonce']!;
  const stale = await cpe.inform(
    {},
    { Authorization: digest(challenge, { ...BOOTSTRAP, nonce: `${nonce.slice(0, -2)}00` }) },
  );
  expect(stale.status).toBe(401);
  expect(stale.header('WWW-Authenticate')).toContain('stale=true');
  responseOf(await cpe.inform({}, { Authorization: digest(stale, BOOTSTRAP) }), 'Inform');
});

test.each([
  ['on another connection', (cpe: WireCpe) => cpe.reconnect()],
  ['on the same connection', (cpe: WireCpe) => cpe],
])('CWMP A6: the answer to a challenge is taken %s', async (_name, move) => {
  const cpe = newCpe(edges.digest);
  const challenge = await cpe.inform();
  responseOf(await move(cpe).inform({}, { Authorization: digest(challenge, BOOTSTRAP) }), 'Inform');
});

test('CWMP A1: basic mode challenges, and takes the right credentials also when they come unasked', async () => {
  const cpe = newCpe(edges.basic);
  const reply = await cpe.inform();
  expect([reply.status, reply.header('WWW-Authenticate')]).toEqual([401, expect.stringMatching(/^Basic realm="/)]);
  responseOf(await cpe.inform({}, { Authorization: basic(BOOTSTRAP) }), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
  responseOf(await newCpe(edges.basic).inform({}, { Authorization: basic(BOOTSTRAP) }), 'Inform');
});

test('CWMP A6: basic credentials in digest mode are refused, because they would pass in clear', async () => {
  expect((await newCpe(edges.digest).inform({}, { Authorization: basic(BOOTSTRAP) })).status).toBe(401);
});

test('CWMP S16: a 401 begins no session, and the Inform that follows may have another ID', async () => {
  const cpe = newCpe(edges.digest);
  const challenge = await cpe.inform({ id: '1' });
  expect(challenge.all('Set-Cookie')).toEqual([]);
  expect((await cpe.empty()).status).toBe(401);
  const reply = await cpe.inform({ id: '2' }, { Authorization: digest(challenge, BOOTSTRAP) });
  expect(responseOf(reply, 'Inform').envelope.id).toBe('2');
});

test('CWMP H11, A9: the connection stays open over the 401s of a wrong password', async () => {
  const cpe = newCpe(edges.digest);
  const challenge = await cpe.inform();
  for (let i = 0; i < 3; i++) {
    const wrong = digest(challenge, { username: `nobody-${cpe.cpeId}`, password: 'wrong' });
    expect((await cpe.inform({}, { Authorization: wrong })).status).toBe(401);
  }
  expect(cpe.wire.isOpen).toBe(true);
});

/** A good Inform of another CPE: what its thread wrote before is in the store, and with control, when this one is answered. */
async function settle(mode: Exclude<Mode, 'none'> | 'far-front'): Promise<void> {
  const good = newCpe(edges[mode]);
  if (mode === 'far-front') return; // Nobody is trusted there.
  const headers = {
    basic: async () => ({ Authorization: basic(BOOTSTRAP) }),
    digest: async () => ({ Authorization: digest(await good.inform(), BOOTSTRAP) }),
    'certificate-header': async () => ({ 'X-Client-Certificate-CN': good.cpeId }),
    'certificate-or-digest': async () => ({ 'X-Client-Certificate-CN': good.cpeId }),
  };
  responseOf(await good.inform({ events: ['1 BOOT'] }, await headers[mode]()), 'Inform');
  await edges[mode].until(() => edges[mode].factsOf('inform').some(({ cpeId }) => cpeId === good.cpeId));
}

const wrong = { username: 'bootstrap', password: 'guessed' };
test.each<[string, Exclude<Mode, 'none'> | 'far-front', (cpe: WireCpe) => Promise<Record<string, string>>]>([
  ['digest without credentials', 'digest', async () => ({})],
  [
    'digest with a wrong password',
    'digest',
    async (cpe) => ({ Authorization: digest(await cpe.inform(), { ...wrong, username: `u-${cpe.cpeId}` }) }),
  ],
  ['digest with garbage', 'digest', async () => ({ Authorization: 'Digest username="bootstrap", response=' })],
  [
    'digest with a nonce of its own',
    'digest',
    async (cpe) => ({ Authorization: digest(await cpe.inform(), { ...BOOTSTRAP, nonce: 'made-up' }) }),
  ],
  ['basic without credentials', 'basic', async () => ({})],
  [
    'basic with a wrong password',
    'basic',
    async (cpe) => ({ Authorization: basic({ username: `u-${cpe.cpeId}`, password: 'x' }) }),
  ],
  ['basic with garbage', 'basic', async () => ({ Authorization: 'Basic !!!!' })],
  ['certificate-header without a certificate', 'certificate-header', async () => ({})],
  ['certificate-or-digest with neither', 'certificate-or-digest', async () => ({})],
  ['certificate-header with an empty one', 'certificate-header', async () => ({ 'X-Client-Certificate-CN': '-' })],
  [
    'a certificate header from an untrusted address',
    'far-front',
    async (cpe) => ({ 'X-Client-Certificate-CN': cpe.cpeId }),
  ],
])('CWMP A1: nothing is written before a CPE has proved itself: %s', async (_name, mode, headersOf) => {
  const edge = edges[mode];
  const cpe = newCpe(edge);
  const reply = await cpe.inform({ events: ['0 BOOTSTRAP', '1 BOOT'] }, await headersOf(cpe));
  expect([401, 403]).toContain(reply.status);
  expect(reply.all('Set-Cookie')).toEqual([]);
  expect((await cpe.empty(await headersOf(cpe))).status).not.toBe(204);
  await settle(mode);
  expect(await tracesOf(edge, cpe)).toEqual([]);
  // The same look finds something where there is something.
  const known = newCpe(edges.none);
  await known.inform();
  expect(await tracesOf(edges.none, known)).toEqual(expect.arrayContaining(['device', 'session']));
});

test('CWMP A5: a CPE with a secret of its own informs as itself and as nobody else', async () => {
  const edge = edges.digest;
  const [own, other] = [newCpe(edge), newCpe(edge)];
  await giveSecret(edge, own, 'own-name', 'own-secret');
  const secret = { username: 'own-name', password: 'own-secret' };
  const stolen = await other.inform({}, { Authorization: digest(await other.inform(), secret) });
  expect(stolen.status).toBe(403);
  expect(await tracesOf(edge, other)).toEqual([]);
  responseOf(await own.inform({}, { Authorization: digest(await own.inform(), secret) }), 'Inform');
  expect(await edge.metric('starling_cpe_auth_total', 'other-device')).toBe(1);
});

test('CWMP A5, C6: a session’s cookie beside the credentials of another CPE is not the other’s to use', async () => {
  const edge = edges.basic;
  const [own, thief] = [newCpe(edge), newCpe(edge)];
  await giveSecret(edge, own, 'victim', 'victim-secret');
  await giveSecret(edge, thief, 'thief', 'thief-secret');
  await edge.act(own.cpeId, 'rpc', { method: 'GetRPCMethods' });
  await own.inform({}, { Authorization: basic({ username: 'victim', password: 'victim-secret' }) });
  const taken = await thief.empty({
    Cookie: own.cookie,
    Authorization: basic({ username: 'thief', password: 'thief-secret' }),
  });
  expect(taken.status).toBe(204);
  expect(await edge.metric('starling_cpe_auth_total', 'cookie-of-another')).toBeGreaterThanOrEqual(1);
  // Beside wrong credentials the cookie alone does not help either.
  const guessed = await thief.empty({
    Cookie: own.cookie,
    Authorization: basic({ username: 'victim', password: 'guessed' }),
  });
  expect(guessed.status).toBe(401);
  requestOf(await own.empty(), 'GetRPCMethods');
});

test('CWMP A3, A5: an Inform beside a live cookie proves itself anew', async () => {
  const edge = edges.digest;
  const cpe = newCpe(edge);
  await cpe.inform({}, { Authorization: digest(await cpe.inform(), BOOTSTRAP) });
  const other = newCpe(edge);
  const reply = await other.inform({ events: ['0 BOOTSTRAP'] }, { Cookie: cpe.cookie });
  expect(reply.status).toBe(401);
  expect(await tracesOf(edge, other)).toEqual([]);
});

test('CWMP A4: the recommended user names bind to their device, percent-encoded parts too', async () => {
  const edge = edges['certificate-header'];
  const cpe = newCpe(edge, { device: { ProductClass: 'Box-2 é', SerialNumber: 'A/1' } });
  const reply = await cpe.inform({}, { 'X-Client-Certificate-CN': '00005E-Box%2D2%20%C3%A9-A%2F1' });
  responseOf(reply, 'Inform');
});

test.each([
  ['the bare name', (id: string) => id],
  ['a distinguished name', (id: string) => `C=DE, O=Maker, CN=${id}`],
  ['a distinguished name with slashes', (id: string) => `/C=DE/CN=${id}`],
  ['the name without the ProductClass', (id: string) => id.replace('-Wire-', '-')],
])('CWMP A7: a client certificate told by the trusted front as %s is its CPE', async (_name, spell) => {
  const edge = edges['certificate-header'];
  const cpe = newCpe(edge);
  const header = { 'X-Client-Certificate-CN': spell(cpe.cpeId) };
  responseOf(await cpe.inform({}, header), 'Inform');
  expect((await cpe.empty(header)).status).toBe(204);
  const other = newCpe(edge);
  expect((await other.inform({}, header)).status).toBe(403);
});

test('CWMP A3, A7: behind a TLS front every POST of a session shows the certificate; a cookie alone, or with another, opens nothing', async () => {
  const edge = edges['certificate-header'];
  const cpe = newCpe(edge);
  const own = { 'X-Client-Certificate-CN': cpe.cpeId };
  const other = { 'X-Client-Certificate-CN': newCpe(edge).cpeId };
  const action = await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  responseOf(await cpe.inform({}, own), 'Inform');
  expect((await cpe.empty()).status).toBe(403);
  expect((await cpe.reconnect().empty(other)).status).toBe(204);
  const asked = requestOf(await cpe.reconnect().empty(own), 'GetParameterValues');
  const body = `<cwmp:GetParameterValuesResponse>${valueList(value('Device.DeviceInfo.UpTime', '9', 'unsignedInt'))}</cwmp:GetParameterValuesResponse>`;
  const answer = envelope(cpe.namespace, asked.envelope.id, body);
  expect((await cpe.post(answer)).status).toBe(403);
  expect((await cpe.reconnect().post(answer, other)).status).toBe(400);
  expect((await cpe.reconnect().post(answer, own)).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('done');
});

test('CWMP A3, A7: certificate-or-digest: each by its own, and the cookie of one does not do for the other', async () => {
  const edge = edges['certificate-or-digest'];
  const certified = newCpe(edge);
  const own = { 'X-Client-Certificate-CN': certified.cpeId };
  await edge.act(certified.cpeId, 'rpc', { method: 'GetRPCMethods' });
  responseOf(await certified.inform({}, own), 'Inform');
  // Without the certificate the cookie is somebody else's.
  expect((await certified.empty()).status).toBe(401);
  const stranger = digest(await certified.reconnect().empty(), { ...BOOTSTRAP, nc: '00000002' });
  expect((await certified.empty({ Authorization: stranger })).status).toBe(204);
  requestOf(await certified.reconnect().empty(own), 'GetRPCMethods');

  const other = newCpe(edge);
  await edge.act(other.cpeId, 'rpc', { method: 'GetRPCMethods' });
  responseOf(await other.inform({}, { Authorization: digest(await other.inform(), BOOTSTRAP) }), 'Inform');
  // A certificate beside the cookie of a digest session is another CPE's.
  expect((await other.reconnect().empty(own)).status).toBe(204);
  // The cookie alone goes on, as in digest mode.
  requestOf(await other.reconnect().empty(), 'GetRPCMethods');
});

test('CWMP A8: files have credentials of their own: a signed URL serves without the ACS’s, and those of the ACS open nothing', async () => {
  const edge = edges.basic;
  const cpe = newCpe(edge);
  const auth = { Authorization: basic(BOOTSTRAP) };
  const action = await edge.act(cpe.cpeId, 'upload', { fileType: '1 Vendor Configuration File' });
  await cpe.inform({}, auth);
  const asked = requestOf(await cpe.empty(), 'Upload');
  const text = (name: string) => asked.args.children.find(({ local }) => local === name)!.text;
  expect([text('Username'), text('Password')]).toEqual(['', '']);
  const put = (url: URL, headers: Record<string, string>): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(url, { method: 'PUT', headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end('configuration');
    });
  const url = new URL(text('URL'));
  const forged = new URL(url);
  forged.pathname = `${url.pathname.slice(0, -2)}zz`;
  expect([401, 403, 404]).toContain(await put(forged, auth));
  expect(await put(url, {})).toBeLessThan(300);
  expect(await edge.until(() => edge.factsOf('upload').find((body) => body.actionId === action))).toMatchObject({
    bytes: 13,
  });
});

test('CWMP A9: a CPE that repeats a wrong password is told to wait, and with it the right one until then; others go on', async () => {
  const edge = await startTestEdge({ STARLING_CPE_AUTH: 'basic', STARLING_EDGE_THREADS: '1', ...SHARED });
  try {
    const cpe = newCpe(edge);
    const guess = { Authorization: basic({ username: BOOTSTRAP.username, password: 'guessed' }) };
    const statuses: number[] = [];
    for (let i = 0; i < LIMITS.authFailuresPerName + 2; i++) statuses.push((await cpe.inform({}, guess)).status);
    expect(statuses).toEqual([...Array(LIMITS.authFailuresPerName).fill(401), 503, 503]);
    const right = await cpe.inform({}, { Authorization: basic(BOOTSTRAP) });
    expect([right.status, Number(right.header('Retry-After'))]).toEqual([
      503,
      expect.closeTo(LIMITS.authBlockMsMin / 1_000, -1),
    ]);
    const other = newCpe(edge);
    await giveSecret(edge, other, 'other', 'other-secret');
    responseOf(
      await other.inform({}, { Authorization: basic({ username: 'other', password: 'other-secret' }) }),
      'Inform',
    );
    expect(await edge.metric('starling_cpe_auth_total', 'throttled')).toBe(3);
    expect(await tracesOf(edge, cpe)).toEqual([]);
  } finally {
    await edge.close();
  }
});

test('CWMP A3: a long session in digest mode goes on by its cookie alone, over connections', async () => {
  const edge = edges.digest;
  const cpe = newCpe(edge);
  const action = await edge.act(cpe.cpeId, 'get', { names: ['Device.DeviceInfo.UpTime'] });
  await cpe.inform({}, { Authorization: digest(await cpe.inform(), BOOTSTRAP) });
  const asked = requestOf(await cpe.reconnect().empty(), 'GetParameterValues');
  const body = `<cwmp:GetParameterValuesResponse>${valueList(value('Device.DeviceInfo.UpTime', '9', 'unsignedInt'))}</cwmp:GetParameterValuesResponse>`;
  expect((await cpe.reconnect().post(envelope(cpe.namespace, asked.envelope.id, body))).status).toBe(204);
  expect((await edge.result(action)).outcome).toBe('done');
});
