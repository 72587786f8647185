// The TLS front as it is shipped, before two edges: who a CPE is by its certificate, what of a request is put right on the way, and what must pass
// untouched. Real HAProxy, real certificates, real sessions. Two processes that drain and die are in tls-front-hosts.test.ts.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ConnectionOptions, connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf, type DeviceIdStruct } from '../../base/ids.ts';
import { LIMITS } from '../../base/limits.ts';
import { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { digestResponse, parseChallenges } from '../../bench/fleet/http-auth.ts';
import { Authority, type Certificate } from '../certificates.test-helper.ts';
import {
  envelope,
  informXml,
  requestOf,
  responseOf,
  Wire,
  WireCpe,
  type WireReply,
} from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { type Front, haproxyMissing, startFront } from '../haproxy.test-helper.ts'; // biome-ignore format: one line each

const missing = haproxyMissing();
if (missing !== null) console.log(`skipped: the TLS front, because ${missing}`);
const here = missing === null ? test : test.skip;

const METHODS = '<MethodList enc:arrayType="xsd:string[1]"><string>Inform</string></MethodList>';
const BOOTSTRAP = { username: 'bootstrap', password: 'first-contact' };
const dir = mkdtempSync(join(tmpdir(), 'starling-front-test-'));
let edges: [TestEdge, TestEdge];
let front: Front;
/** Lets CPEs with a bad certificate go on without one; knows no client certificates. */
let lenient: Front;
let bare: Front;
let makers: [Authority, Authority];
let stranger: Authority;
let revoked: Certificate;
let ca = '';
const opened: { close(): void }[] = [];

beforeAll(async () => {
  if (missing !== null) return;
  makers = [new Authority(dir, 'Maker-One'), new Authority(dir, 'Maker-Two')];
  stranger = new Authority(dir, 'Stranger');
  const server = makers[0].sign('/CN=localhost', {}, ['-addext', 'subjectAltName=DNS:localhost']);
  revoked = makers[1].sign('/CN=00005E-Front-REVOKED');
  makers[1].revoke(revoked);
  ca = readFileSync(makers[0].certFile, 'utf8');
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const env = {
    STARLING_CPE_AUTH: 'certificate-or-digest',
    STARLING_ADDRESS_HEADER: 'x-cpe-address',
    STARLING_CPE_USERNAME: BOOTSTRAP.username,
    STARLING_CPE_PASSWORD: BOOTSTRAP.password,
    STARLING_EDGE_THREADS: '1',
  };
  edges = await Promise.all([
    startTestEdge({ ...env, STARLING_EDGE_ID: 'one' }),
    startTestEdge({ ...env, STARLING_EDGE_ID: 'two' }),
  ]);
  const common = {
    FRONT_CERTIFICATE: file('front.pem', server.cert + server.key),
    FRONT_EDGE_1: `127.0.0.1:${edges[0].port}`,
    FRONT_EDGE_2: `127.0.0.1:${edges[1].port}`,
  };
  const clients = {
    FRONT_CLIENT_CA: file('makers.pem', ca + readFileSync(makers[1].certFile, 'utf8')),
    FRONT_CLIENT_CRL: file('revoked.pem', makers[0].revocations() + makers[1].revocations()),
  };
  [front, lenient, bare] = await Promise.all([
    startFront({ ...common, ...clients }),
    startFront({ ...common, ...clients, FRONT_BAD_CERTIFICATE: 'ignore' }),
    startFront({ ...common, FRONT_CONNECTIONS_PER_ADDRESS: '3' }),
  ]);
});
afterAll(async () => {
  for (const one of opened) one.close();
  await Promise.all([front, lenient, bare].map((one) => one?.close()));
  await Promise.all((edges ?? []).map((edge) => edge.close()));
  rmSync(dir, { recursive: true, force: true });
});

let serials = 0;
function newDevice(): DeviceIdStruct {
  return { Manufacturer: 'Test', OUI: '00005E', ProductClass: 'Front', SerialNumber: `F${++serials}` };
}

/** How a CPE with this certificate, or none, connects. */
function tlsOf(certificate: Certificate | null, more: ConnectionOptions = {}): ConnectionOptions {
  const own = certificate === null ? {} : { cert: certificate.cert, key: certificate.key };
  return { ca, servername: 'localhost', ...own, ...more };
}

interface CpeChoice {
  device?: DeviceIdStruct;
  certificate?: Certificate | null;
  port?: number;
  localAddress?: string;
  keepsCookie?: boolean;
}

function newCpe({ device = newDevice(), certificate = null, port = front.port, ...more }: CpeChoice = {}): WireCpe {
  const cpe = new WireCpe(port, { device, tls: tlsOf(certificate), ...more });
  opened.push(cpe);
  return cpe;
}

/** A CPE with the certificate of its maker. */
function certified(more: CpeChoice = {}): WireCpe {
  const device = newDevice();
  return newCpe({ device, certificate: makers[0].sign(`/CN=${cpeIdOf(device)}`), ...more });
}

function digestOf(reply: WireReply, credentials = BOOTSTRAP): Record<string, string> {
  const { params } = parseChallenges(reply.all('WWW-Authenticate')).find(({ scheme }) => scheme === 'digest')!;
  const given = {
    ...{ algorithm: 'MD5' as const, realm: params['realm']!, nonce: params['nonce']!, qop: 'auth', nc: '00000001' },
    ...{ cnonce: 'c0ffee', uri: '/', method: 'POST' },
  };
  const response = digestResponse(given, credentials);
  return {
    Authorization: `Digest username="${credentials.username}", realm="${given.realm}", nonce="${given.nonce}", uri="/", response="${response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c0ffee"`,
  };
}

/** The edges that heard of a CPE. */
function edgesOf(cpeId: string): TestEdge[] {
  return edges.filter((edge) => edge.factsOf('inform').some((body) => body.cpeId === cpeId));
}

async function addressOf(cpeId: string): Promise<string> {
  await expect.poll(() => edgesOf(cpeId).length, { timeout: 5_000 }).toBeGreaterThan(0);
  return edgesOf(cpeId)[0]!
    .factsOf('inform')
    .find((body) => body.cpeId === cpeId)!.cpe.address;
}

/** Work that takes a session some POSTs, on whichever edge it begins. */
async function giveWork(cpeId: string): Promise<void> {
  for (const edge of edges) {
    for (let i = 0; i < 3; i++) await edge.act(cpeId, 'rpc', { method: 'GetRPCMethods' });
  }
}

// ── Who a CPE is ──────────────────────────────────────────────────────────────────────────────────────────────────────

here.each<[string, (device: DeviceIdStruct) => Certificate]>([
  ['OUI-ProductClass-SerialNumber', (device) => makers[0].sign(`/O=Maker/CN=${cpeIdOf(device)}`)],
  ['OUI-SerialNumber', ({ OUI, SerialNumber }) => makers[0].sign(`/CN=${OUI}-${SerialNumber}`)],
  ['of the second CA', (device) => makers[1].sign(`/CN=${cpeIdOf(device)}`)],
])('front: certificate: %s is its CPE, without a password, and nobody else', async (_, sign) => {
  const device = newDevice();
  const certificate = sign(device);
  const cpe = newCpe({ device, certificate });
  responseOf(await cpe.inform({ events: ['0 BOOTSTRAP'] }), 'Inform');
  expect((await cpe.empty()).status).toBe(204);
  const other = newCpe({ certificate });
  expect((await other.inform()).status).toBe(403);
});

here('front: certificate: parts of a name are percent-encoded', async () => {
  const device = { ...newDevice(), ProductClass: 'Box-2 é/1' };
  const certificate = makers[0].sign(`/CN=00005E-Box%2D2%20%C3%A9%2F1-${device.SerialNumber}`);
  responseOf(await newCpe({ device, certificate }).inform(), 'Inform');
});

here('front: certificate: one per class lets in every CPE that has it', async () => {
  const certificate = makers[0].sign('/CN=Gateways of Maker One');
  responseOf(await newCpe({ certificate }).inform(), 'Inform');
  responseOf(await newCpe({ certificate }).inform(), 'Inform');
});

const bad: [string, (cn: string) => Certificate][] = [
  ['of another CA', (cn) => stranger.sign(cn)],
  ['expired', (cn) => makers[0].sign(cn, { fromDays: -3, toDays: -1 })],
  ['not yet valid', (cn) => makers[0].sign(cn, { fromDays: 1, toDays: 3 })],
  ['revoked', () => revoked],
  ['signed by itself', (cn) => selfSigned(cn)],
  ['without a common name', () => makers[0].sign('/O=Maker')],
  ['with a line break in its name', (cn) => makers[0].sign(`${cn}\r\nX-Cpe-Address: 192.0.2.1`)],
  ['with a line break at the end of its name', (cn) => makers[0].sign(`${cn}\n`)],
  ['with a second name in its name', (cn) => makers[0].sign(`/CN=x,CN=${cn.slice(4)}`)],
];

function selfSigned(subject: string): Certificate {
  const own = new Authority(dir, `self-${++serials}`);
  return own.sign(subject);
}

here.each(bad)('front: certificate %s: 403 with the reason, and nothing reaches an edge', async (_, sign) => {
  const device = newDevice();
  const certificate = sign(`/CN=${cpeIdOf(device)}`);
  const cpe = newCpe({ device, certificate });
  const reply = await cpe.inform();
  expect([reply.status, reply.body]).toEqual([403, expect.stringContaining('The client certificate')]);
  // The same certificate again, in a TLS session that goes on where that one was, is no better.
  const again = await resumed(certificate, device);
  expect(again.map(({ status }) => status)).toEqual([403, 403]);
  expect(again.at(-1)?.reused).toBe(true);
  expect(edgesOf(cpe.cpeId)).toEqual([]);
});

/** Two connections, the second with the TLS session of the first. */
async function resumed(
  certificate: Certificate | null,
  device: DeviceIdStruct,
  port = front.port,
): Promise<{ status: number; reused: boolean }[]> {
  const replies = [];
  let session: Buffer | undefined;
  // Tickets of TLS 1.3 come after the handshake, and each is good for one connection: with 1.2 there is one, at once.
  for (let i = 0; i < 2; i++) {
    const options = tlsOf(certificate, { maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) });
    const cpe = new WireCpe(port, { device, tls: options });
    opened.push(cpe);
    const { status } = await cpe.inform();
    const socket = cpe.wire.socket as ReturnType<typeof connectTls>;
    replies.push({ status, reused: socket.isSessionReused() });
    session = socket.getSession();
  }
  return replies;
}

here('front: certificate: a resumed TLS session still shows it', async () => {
  const device = newDevice();
  const again = await resumed(makers[0].sign(`/CN=${cpeIdOf(device)}`), device);
  expect(again).toEqual([
    { status: 200, reused: false },
    { status: 200, reused: true },
  ]);
});

here.each(bad)(
  'front: FRONT_BAD_CERTIFICATE=ignore: certificate %s counts for nothing, and digest does',
  async (_, sign) => {
    const device = newDevice();
    const cpe = newCpe({ device, certificate: sign(`/CN=${cpeIdOf(device)}`), port: lenient.port });
    const challenged = await cpe.inform();
    expect(challenged.status).toBe(401);
    responseOf(await cpe.inform({}, digestOf(challenged)), 'Inform');
    expect(await addressOf(cpe.cpeId)).toBe('127.0.0.1');
  },
);

here('front: no certificate: digest, over TLS, over TLS of old CPEs and without TLS', async () => {
  for (const port of [front.port, lenient.port, bare.port]) {
    const cpe = newCpe({ port });
    const challenged = await cpe.inform();
    expect(challenged.status).toBe(401);
    responseOf(await cpe.inform({}, digestOf(challenged)), 'Inform');
    expect((await cpe.empty()).status).toBe(204);
  }
  const old = new WireCpe(front.legacyPort, {
    device: newDevice(),
    tls: tlsOf(null, { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }),
  });
  const plain = new WireCpe(front.plainPort, { device: newDevice() });
  opened.push(old, plain);
  for (const cpe of [old, plain]) responseOf(await cpe.inform({}, digestOf(await cpe.inform())), 'Inform');
  expect((old.wire.socket as ReturnType<typeof connectTls>).getProtocol()).toBe('TLSv1');
});

here('front: TLS 1.0 and 1.1 are refused on the ordinary port, TLS 1.2 and 1.3 are taken', async () => {
  for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
    const tls = tlsOf(null, { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' });
    const cpe = new WireCpe(front.port, { device: newDevice(), tls });
    opened.push(cpe);
    const answered = cpe.inform().then(
      ({ status }) => status,
      () => 'refused',
    );
    expect(await answered).toBe(version < 'TLSv1.2' ? 'refused' : 401);
  }
});

here('front: what a CPE claims in the front’s headers is taken away, in any spelling', async () => {
  const [victim, thief] = [certified(), newCpe()];
  for (const name of ['X-Client-Certificate-CN', 'x-client-certificate-cn', 'X-CLIENT-CERTIFICATE-CN']) {
    expect((await thief.inform({}, { [name]: victim.cpeId })).status).toBe(401);
    // Beside a certificate of its own, too.
    const own = certified();
    responseOf(await own.inform({}, { [name]: victim.cpeId, 'X-Cpe-Address': '192.0.2.9' }), 'Inform');
    expect(await addressOf(own.cpeId)).toBe('127.0.0.1');
    // Not even named as a header of this hop alone.
    responseOf(await own.reconnect().inform({}, { Connection: `keep-alive, ${name}, X-Cpe-Address` }), 'Inform');
  }
  const plain = new WireCpe(front.plainPort, { device: newDevice() });
  opened.push(plain);
  expect((await plain.inform({}, { 'X-Client-Certificate-CN': victim.cpeId })).status).toBe(401);
  // The same over HTTP/1.0, which takes another way through the front.
  const old = await exchange10(`POST / HTTP/1.0\r\nX-Client-Certificate-CN: ${victim.cpeId}`, thief, tlsOf(null));
  expect(old.status).toBe(401);
});

here('front: each CPE has its own address on the edge, over every way in', async () => {
  const tls = certified({ localAddress: '127.0.3.7' });
  responseOf(await tls.inform(), 'Inform');
  expect(await addressOf(tls.cpeId)).toBe('127.0.3.7');
  const plain = new WireCpe(front.plainPort, { device: newDevice(), localAddress: '127.0.3.8' });
  opened.push(plain);
  responseOf(await plain.inform({}, digestOf(await plain.inform())), 'Inform');
  expect(await addressOf(plain.cpeId)).toBe('127.0.3.8');
});

here('front: sessions of simulated CPEs, with a certificate and with a password', async () => {
  const shared = { acsUrl: `https://localhost:${front.port}/`, connectionRequests: 'none' } as const;
  const device = { OUI: '00005E', ProductClass: 'SimGateway', Manufacturer: 'Starling Simulation' };
  const certificate = makers[1].sign(`/CN=${cpeIdOf({ ...device, SerialNumber: 'CERTIFIED1' })}`);
  const cpes = [
    new SimulatedCpe({ ...shared, serialNumber: 'CERTIFIED1', device, tls: { ca, cert: certificate.cert, key: certificate.key } }),
    new SimulatedCpe({ ...shared, serialNumber: 'PASSWORD1', device, tls: { ca }, ...BOOTSTRAP }),
  ]; // biome-ignore format: one line each
  for (const cpe of cpes) {
    const id = cpeIdOf(cpe.device);
    const actions = await Promise.all(
      edges.map((edge) => edge.act(id, 'get', { names: ['InternetGatewayDevice.DeviceInfo.UpTime'] })),
    );
    await cpe.start();
    await expect.poll(() => cpe.sessions.length, { timeout: 10_000 }).toBeGreaterThan(0);
    expect(cpe.sessions[0]).toMatchObject({ outcome: 'ended', why: '', complaints: [] });
    expect(cpe.sessions[0]!.requests.map(({ method }) => method)).toContain('GetParameterValues');
    const mine = edges.indexOf(edgesOf(id)[0]!);
    expect((await edges[mine]!.result(actions[mine]!)).outcome).toBe('done');
    await cpe.stop();
  }
});

// ── What is put right ─────────────────────────────────────────────────────────────────────────────────────────────────

/** One exchange in HTTP as the test writes it. `lines` are request line and headers. */
async function exchange10(lines: string, cpe: WireCpe, tls: ConnectionOptions, wire?: Wire, body?: string): Promise<WireReply> {
  const own = wire ?? new Wire(front.port, '127.0.0.1', '127.0.0.1', tls);
  opened.push(own);
  const text = body ?? envelope(cpe.namespace, '1', informXml(cpe.device));
  own.write(`${lines}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  return own.read();
} // biome-ignore format: arguments in one line

here.each([
  ['HTTP/1.0 without Host', 'POST /cwmp HTTP/1.0'],
  ['HTTP/1.0 with Host and keep-alive', 'POST / HTTP/1.0\r\nHost: acs.example.net\r\nConnection: keep-alive'],
  ['HTTP/1.0 with a whole URL', 'POST https://acs.example.net:7547/cwmp?a=b HTTP/1.0'],
  ['a whole URL', 'POST https://acs.example.net/cwmp HTTP/1.1\r\nHost: acs.example.net'],
  ['a whole URL with a port', 'POST http://acs.example.net:7547/ HTTP/1.1\r\nHost: acs.example.net:7547'],
  ['a whole URL without a path', 'POST https://acs.example.net HTTP/1.1\r\nHost: acs.example.net'],
  ['HTTP/1.1 without Host', 'POST / HTTP/1.1'],
  ['an empty line in front', '\r\nPOST / HTTP/1.1\r\nHost: acs'],
  ['a head of 13 kB', `POST / HTTP/1.1\r\nHost: acs\r\nX-Long: ${'x'.repeat(13_000)}`],
])('front: %s passes: a whole session', async (_, line) => {
  const device = newDevice();
  const tls = tlsOf(makers[0].sign(`/CN=${cpeIdOf(device)}`));
  const cpe = newCpe({ device });
  await giveWork(cpe.cpeId);
  const first = await exchange10(line, cpe, tls);
  responseOf(first, 'Inform');
  const cookie = `Cookie: ${first.header('Set-Cookie').split(';')[0]}`;
  const second = await exchange10(`${line}\r\n${cookie}`, cpe, tls, undefined, '');
  requestOf(second, 'GetRPCMethods');
  expect(await addressOf(cpe.cpeId)).toBe('127.0.0.1');
});

here('front: HTTP/1.0 keeps the connection when asked, and closes it otherwise', async () => {
  const device = newDevice();
  const tls = tlsOf(makers[0].sign(`/CN=${cpeIdOf(device)}`));
  const cpe = newCpe({ device });
  const kept = new Wire(front.port, '127.0.0.1', '127.0.0.1', tls);
  const line = 'POST / HTTP/1.0\r\nConnection: keep-alive';
  responseOf(await exchange10(line, cpe, tls, kept), 'Inform');
  responseOf(await exchange10(line, cpe, tls, kept), 'Inform');
  const closed = new Wire(front.port, '127.0.0.1', '127.0.0.1', tls);
  responseOf(await exchange10('POST / HTTP/1.0', cpe, tls, closed), 'Inform');
  await closed.closed();
});

here('front: the head in single bytes, Expect: 100-continue and chunks pass', async () => {
  const cpe = certified();
  const text = Buffer.from(envelope(cpe.namespace, '1', informXml(cpe.device)));
  for (const byte of 'POST / HTTP/1.1\r\nHost: acs\r\nTransfer-Encoding: chunked\r\n\r\n') {
    cpe.wire.write(byte);
    await new Promise(setImmediate);
  }
  cpe.wire.write(`${text.length.toString(16)}\r\n`);
  cpe.wire.write(text);
  cpe.wire.write('\r\n0\r\n\r\n');
  responseOf(await cpe.read(), 'Inform');
  cpe.wire.write(`POST / HTTP/1.1\r\nHost: acs\r\nExpect: 100-continue\r\nContent-Length: ${text.length}\r\n\r\n`);
  expect((await cpe.wire.read()).status).toBe(100);
  cpe.wire.write(text);
  responseOf(await cpe.read(), 'Inform');
});

// ── What must pass ────────────────────────────────────────────────────────────────────────────────────────────────────

here('front: bodies of 32 MB pass, and the edge says what is too much', { timeout: 60_000 }, async () => {
  const cpe = certified();
  const text = envelope(cpe.namespace, '1', informXml(cpe.device));
  responseOf(await cpe.post(text.padEnd(LIMITS.bodyBytesMax, ' ')), 'Inform');
  const more = await cpe.post(text.padEnd(LIMITS.bodyBytesMax + 1, ' '));
  expect([more.status, more.body]).toEqual([413, expect.stringContaining('larger than')]);
});

here('front: 503 and Retry-After of the edge pass as they are', async () => {
  const cpe = newCpe();
  const challenged = await cpe.inform();
  let reply = challenged;
  for (let i = 0; i <= LIMITS.authFailuresPerName && reply.status === 401; i++) {
    reply = await cpe.inform({}, digestOf(challenged, { ...BOOTSTRAP, password: 'guessed' }));
  }
  expect([reply.status, reply.header('Retry-After')]).toEqual([503, String(LIMITS.authBlockMsMin / 1_000)]);
  expect(reply.body).toContain('Too many failed attempts');
});

here.concurrent('front: 25 s between two POSTs, on one connection', { timeout: 60_000 }, async ({ expect }) => {
  const cpe = certified();
  await giveWork(cpe.cpeId);
  responseOf(await cpe.inform(), 'Inform');
  await wait(25_000);
  expect(cpe.wire.isOpen).toBe(true);
  let reply = await cpe.empty();
  for (let rpc = 0; rpc < 3; rpc++) {
    await wait(rpc === 1 ? 12_500 : 0);
    expect(cpe.wire.isOpen).toBe(true);
    reply = await cpe.answer(requestOf(reply, 'GetRPCMethods'), METHODS);
  }
  expect(reply.status).toBe(204);
});

// As long as CI alone has time for. An idle connection outlives the time-out of one in the middle of a body.
const inFull = process.env['STARLING_TEST_FULL'] === '1' ? here : test.skip;
inFull.concurrent('front: 150 s between two POSTs, on one connection', { timeout: 200_000 }, async ({ expect }) => {
  const cpe = certified();
  responseOf(await cpe.inform(), 'Inform');
  await wait(150_000);
  expect(cpe.wire.isOpen).toBe(true);
  responseOf(await cpe.inform(), 'Inform');
});

here.concurrent('front: a body at 4 kB/s arrives', { timeout: 60_000 }, async ({ expect }) => {
  const cpe = certified();
  const text = envelope(cpe.namespace, '1', informXml(cpe.device)).padEnd(72_000, ' ');
  cpe.wire.write(`POST / HTTP/1.1\r\nHost: acs\r\nContent-Type: text/xml\r\nContent-Length: ${text.length}\r\n\r\n`);
  for (let at = 0; at < text.length; at += 2_000) {
    cpe.wire.write(text.slice(at, at + 2_000));
    await wait(500);
  }
  responseOf(await cpe.read(), 'Inform');
  await expect.poll(() => edgesOf(cpe.cpeId).length).toBe(1);
});

here.concurrent('front: a head that does not end is told off after 10 s', { timeout: 30_000 }, async ({ expect }) => {
  const wire = new Wire(front.port, '127.0.0.1', '127.0.0.1', tlsOf(null));
  opened.push(wire);
  const since = Date.now();
  wire.write('POST / HTTP/1.1\r\nHost: acs\r\n');
  const drip = setInterval(() => wire.write('X-Slow: 1\r\n'), 1_000);
  const reply = await wire.read();
  clearInterval(drip);
  expect(reply.status).toBe(408);
  expect(Date.now() - since).toBeLessThan(15_000);
  await wire.closed();
});

here('front: one address has so many connections at once and no more; others are not affected', async () => {
  const one = Array.from({ length: 5 }, () => newCpe({ port: bare.port, localAddress: '127.0.5.1' }));
  await expect.poll(() => one.filter(({ wire }) => wire.isOpen).length, { timeout: 5_000 }).toBe(3);
  expect((await newCpe({ port: bare.port, localAddress: '127.0.5.2' }).inform()).status).toBe(401);
  for (const cpe of one) cpe.close();
  await expect
    .poll(() =>
      newCpe({ port: bare.port, localAddress: '127.0.5.1' })
        .inform()
        .then(({ status }) => status, String),
    )
    .toBe(401);
});

// ── Two edges ─────────────────────────────────────────────────────────────────────────────────────────────────────────

here('front: two edges: sessions stay where they began, on new connections and from new addresses', async () => {
  const cpes = Array.from({ length: 24 }, (_, i) => certified({ localAddress: `127.0.1.${i + 1}`, keepsCookie: i % 3 !== 0 }));
  await Promise.all(
    cpes.map(async (cpe) => {
      await giveWork(cpe.cpeId);
      const begun = await cpe.inform();
      responseOf(begun, 'Inform');
      // One cookie of our own, with the name of the edge before its value.
      expect(begun.all('Set-Cookie')).toEqual([expect.stringMatching(/^sid=e[12]~/)]);
      let reply = await cpe.reconnect().empty();
      for (let rpc = 0; rpc < 3; rpc++) {
        const request = requestOf(reply, 'GetRPCMethods');
        cpe.reconnect();
        reply = await cpe.answer(request, METHODS);
      }
      expect(reply.status).toBe(204);
    }),
  );
  await expect.poll(() => cpes.every(({ cpeId }) => edgesOf(cpeId).length > 0), { timeout: 5_000 }).toBe(true);
  const counts = edges.map((edge) => cpes.filter(({ cpeId }) => edgesOf(cpeId).includes(edge)).length);
  expect(counts[0]! + counts[1]!).toBe(cpes.length);
  expect(Math.min(...counts)).toBeGreaterThan(2);
}); // biome-ignore format: lines

here('front: two edges: CPEs with one certificate for all of their class are spread as well', async () => {
  const certificate = makers[0].sign('/CN=Gateways of Maker One');
  const cpes = Array.from({ length: 24 }, (_, i) => newCpe({ certificate, localAddress: `127.0.7.${i + 1}` }));
  await Promise.all(cpes.map(async (cpe) => responseOf(await cpe.inform(), 'Inform')));
  const first = cpes.filter(({ cookie }) => cookie.startsWith('sid=e1~')).length;
  expect(first).toBeGreaterThan(2);
  expect(first).toBeLessThan(cpes.length - 2);
});

here('front: two edges: the cookie counts, not the address; the next session is on the same edge again', async () => {
  const device = newDevice();
  const place = (localAddress: string): WireCpe => {
    const cpe = new WireCpe(front.plainPort, { device, localAddress });
    opened.push(cpe);
    return cpe;
  };
  const first = place('127.0.2.1');
  await giveWork(first.cpeId);
  responseOf(await first.inform({}, digestOf(await first.inform())), 'Inform');
  let reply: WireReply | null = null;
  // Behind a NAT whose connections come from many addresses.
  for (let i = 2; i < 5; i++) {
    const cpe = place(`127.0.2.${i}`);
    cpe.cookie = first.cookie;
    reply = await (reply === null ? cpe.empty() : cpe.answer(requestOf(reply, 'GetRPCMethods'), METHODS));
  }
  requestOf(reply!, 'GetRPCMethods');
  expect(edgesOf(first.cpeId).length).toBe(1);
});

here('front: its own metrics, and a log without secrets', async () => {
  const text = await (await fetch(`http://127.0.0.1:${front.metricsPort}/metrics`)).text();
  expect(text).toMatch(/haproxy_server_status\{proxy="edges",server="edge1",state="UP"\} 1/);
  expect((await fetch(`http://127.0.0.1:${front.metricsPort}/`)).status).toBe(404);
  expect(front.log()).toMatch(/ 403 .* verify=10 cn="00005E-Front-/);
  expect(front.log()).not.toContain('sid=');
  expect(front.log()).not.toContain('Digest');
});
