// Cookies that are not the sender's: of another CPE, forged, of a session that is over. In mode none a live cookie is all that tells CPEs
// apart, so it must not be guessable; with authentication it must not let one CPE speak for another either (CWMP A5, C5, C6).

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cpeIdOf } from '../../base/ids.ts';
import { requestOf, WireCpe, type WireReply } from '../conformance/wire.test-helper.ts';
import { startTestEdge, type TestEdge } from '../edge.test-helper.ts';
import { counted, type OpenSession, openSession } from './bad-input.test-helper.ts';

const PASSWORD = 'of-both-cpes';
const MODES = ['none', 'basic', 'digest'] as const;
type Mode = (typeof MODES)[number];
const REFUSED = 'starling_requests_refused_total';

const edges = new Map<Mode, TestEdge>();
beforeAll(async () => {
  for (const mode of MODES) edges.set(mode, await startTestEdge({ STARLING_CPE_AUTH: mode }));
});
afterAll(async () => {
  for (const edge of edges.values()) await edge.close();
});

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** Authorization for `username`; in digest mode to a nonce that is fetched with it. */
async function authorization(edge: TestEdge, mode: Mode, username: string): Promise<Record<string, string>> {
  if (mode === 'none') return {};
  if (mode === 'basic') return { Authorization: `Basic ${Buffer.from(`${username}:${PASSWORD}`).toString('base64')}` };
  const asking = new WireCpe(edge.port);
  const challenge =
    (await asking.inform()).all('WWW-Authenticate').find((text) => /algorithm="?MD5"?(,|$)/i.test(text)) ?? '';
  asking.close();
  const part = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? '';
  const [realm, nonce] = [part('realm'), part('nonce')];
  const response = md5(`${md5(`${username}:${realm}:${PASSWORD}`)}:${nonce}:00000001:c:auth:${md5('POST:/')}`);
  return {
    Authorization: `Digest username="${username}", realm="${realm}", nonce="${nonce}", uri="/", algorithm=MD5, qop=auth, nc=00000001, cnonce="c", response="${response}", opaque="${part('opaque')}"`,
  };
}

/** An open session of a CPE with a user name of its own, each POST with its credentials. */
async function openOwn(mode: Mode): Promise<OpenSession & { edge: TestEdge }> {
  const edge = edges.get(mode)!;
  const username = `cpe-${Math.random().toString(36).slice(2)}`;
  const device = { Manufacturer: 'Test', OUI: '00005E', ProductClass: 'Cookie', SerialNumber: username };
  const headers: Record<string, string> = {};
  if (mode !== 'none') {
    const settings = { cpe: { username, password: PASSWORD }, connectionRequest: [] };
    await edge.decide({ type: 'device', body: { cpeId: cpeIdOf(device), settings } });
    Object.assign(headers, await authorization(edge, mode, username));
  }
  return { edge, ...(await openSession(edge, { device, headers })) };
}

/** POSTs as `cpe`, with another cookie, on a connection of its own. */
async function withCookie(
  cpe: WireCpe,
  cookie: string,
  send: (cpe: WireCpe) => Promise<WireReply>,
  headers = cpe.headers,
): Promise<WireReply> {
  const sender = new WireCpe(cpe.port, { device: cpe.device, headers, keepsCookie: false });
  sender.cookie = cookie;
  const reply = await send(sender);
  sender.close();
  return reply;
}

test.each(MODES)('cookies: one that is forged opens nothing (%s)', async (mode) => {
  const [own, other] = await Promise.all([openOwn(mode), openOwn(mode)]);
  const { cookie } = other.cpe;
  const last = cookie.at(-1) === 'A' ? 'B' : 'A';
  const changed = [
    `${cookie.slice(0, -1)}${last}`,
    cookie.replace(/\.[^.]*$/, ''),
    `sid=${'x'.repeat(2_000)}`,
    cookie.replace(other.cpe.cpeId, own.cpe.cpeId),
  ];
  for (const forged of changed) {
    const reply = await withCookie(own.cpe, forged, (cpe) => cpe.answer(other.asked, other.answerXml));
    expect(reply.status, forged).toBe(400);
  }
  await Promise.all([own.finish(), other.finish()]);
});

test.each(MODES)(
  'cookies: an Inform under the live cookie of another CPE begins its own session and leaves the other (%s)',
  async (mode) => {
    const [own, other] = await Promise.all([openOwn(mode), openOwn(mode)]);
    const reply = await withCookie(own.cpe, other.cpe.cookie, (cpe) => cpe.inform());
    expect(reply.status).toBe(200);
    expect(reply.header('Set-Cookie')).toContain(own.cpe.cpeId);
    // Its own Inform took its own session over; the other one does not notice.
    await Promise.all([own.finishInNextSession(), other.finish()]);
  },
);

test.each(['basic', 'digest'] as const)(
  'cookies: the live one of another CPE beside own credentials is no session, and counted (%s)',
  async (mode) => {
    const [own, other] = await Promise.all([openOwn(mode), openOwn(mode)]);
    await counted(own.edge, 'starling_cpe_auth_total', 'cookie-of-another', async () => {
      expect(
        (await withCookie(own.cpe, other.cpe.cookie, (cpe) => cpe.answer(other.asked, other.answerXml))).status,
      ).toBe(400);
      expect((await withCookie(own.cpe, other.cpe.cookie, (cpe) => cpe.empty())).status).toBe(204);
    });
    await Promise.all([own.finish(), other.finish()]);
  },
);

test.each(['basic', 'digest'] as const)(
  'cookies: a live one does not let its CPE inform as another without credentials (%s)',
  async (mode) => {
    const [own, other] = await Promise.all([openOwn(mode), openOwn(mode)]);
    await counted(own.edge, 'starling_cpe_auth_total', 'absent', async () => {
      const reply = await withCookie(other.cpe, own.cpe.cookie, (cpe) => cpe.inform(), {});
      expect(reply.status).toBe(401);
      expect(reply.all('WWW-Authenticate')).not.toEqual([]);
    });
    await Promise.all([own.finish(), other.finish()]);
  },
);

test.each(['basic', 'digest'] as const)(
  'cookies: credentials of one CPE do not let it inform as another (%s)',
  async (mode) => {
    const [own, other] = await Promise.all([openOwn(mode), openOwn(mode)]);
    await counted(own.edge, 'starling_cpe_auth_total', 'other-device', async () => {
      expect((await withCookie(other.cpe, '', (cpe) => cpe.inform(), own.cpe.headers)).status).toBe(403);
    });
    await Promise.all([own.finish(), other.finish()]);
  },
);

test.each(MODES)('cookies: one of a session that is over gives nothing away (%s)', async (mode) => {
  const own = await openOwn(mode);
  const { cookie } = own.cpe;
  await own.finish();
  await own.edge.act(own.cpe.cpeId, 'get', { names: ['Device.DeviceInfo.SoftwareVersion'] });
  // New work waits, and still the old cookie brings nothing: 204 to the empty POST, 400 to everything that wants a session.
  expect((await withCookie(own.cpe, cookie, (cpe) => cpe.empty())).status).toBe(204);
  await counted(own.edge, REFUSED, 'no-session', async () => {
    expect((await withCookie(own.cpe, cookie, (cpe) => cpe.answer(own.asked, own.answerXml))).status).toBe(400);
  });
  const next = new WireCpe(own.edge.port, { device: own.cpe.device, headers: own.cpe.headers });
  expect(requestOf(await next.begin(), 'GetParameterValues').envelope.id).not.toBe(own.asked.envelope.id);
  next.close();
});

test.each(MODES)('cookies: one of a session that was taken over ends with it (%s)', async (mode) => {
  const own = await openOwn(mode);
  const stale = own.cpe.cookie;
  expect((await own.cpe.inform()).status).toBe(200);
  await counted(own.edge, REFUSED, 'no-session', async () => {
    expect((await withCookie(own.cpe, stale, (cpe) => cpe.answer(own.asked, own.answerXml))).status).toBe(400);
  });
  await own.finishInNextSession();
});
