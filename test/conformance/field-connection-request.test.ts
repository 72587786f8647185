// FIELD 38–42 and 49: what CPEs do wrong when they are asked to come. Each is told of by a wake decision of control, over the edge that the
// CPE informed at, to the listener it announced; what counts is that it comes, or that control hears in a sentence why not.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SimulatedCpe } from '../../bench/fleet/cpe.ts';
import { OLD_CREDENTIALS } from '../../bench/fleet/misbehave-http.ts';
import type { FactBody } from '../../bus/messages.ts';
import { type Field, IGD, idOf, startField, wentWell } from './field.test-helper.ts';
import { value, WireCpe } from './wire.test-helper.ts';

const SECRET = { username: 'acs', password: 'call me' };
const WANTS = { connectionRequestUsername: SECRET.username, connectionRequestPassword: SECRET.password };

let field: Field;
const servers: Server[] = [];
beforeAll(async () => {
  field = await startField();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await field.close();
});

/** Sends control's wake and resolves with its outcome. */
async function wake(cpeId: string): Promise<FactBody<'wake'>> {
  await field.edge.decide({ type: 'wake', body: { cpeId, why: 'asked by a test' } });
  return field.edge.until(() => field.edge.factsOf('wake').find((fact) => fact.cpeId === cpeId));
}

/** A CPE that listens for connection requests and has informed; control has told the edge its credentials. */
async function listening(misbehaviours: string[], credentials = [SECRET]): Promise<SimulatedCpe> {
  const cpe = await field.booted(misbehaviours, { connectionRequests: 'own', ...WANTS });
  const settings = { cpe: null, connectionRequest: credentials };
  await field.edge.decide({ type: 'device', body: { cpeId: idOf(cpe), settings } });
  return cpe;
}

/** Wakes it, and sees it come. */
async function comes(cpe: SimulatedCpe): Promise<void> {
  const sessions = cpe.sessions.length;
  expect(await wake(idOf(cpe))).toMatchObject({ outcome: 'accepted', method: 'http' });
  await cpe.waitFor((one) => one.sessions.length > sessions);
  expect(cpe.sessions.at(-1)!.events.map(({ EventCode }) => EventCode)).toEqual(['6 CONNECTION REQUEST']);
  wentWell(cpe.sessions.at(-1)!);
}

test('FIELD 38: a CPE that closes the socket after its challenge gets the answer on a new one', async () => {
  const cpe = await listening(['cr-closes-after-challenge']);
  await comes(cpe);
  expect(cpe.gate.counts).toMatchObject({ challenged: 1, accepted: 1, refused: 0 });
});

test('FIELD 39: 204 is as good as 200, and 503 means busy', async () => {
  await comes(await listening(['cr-answers-204']));
  const cpe = await listening(['cr-answers-503']);
  expect(await wake(idOf(cpe))).toMatchObject({ outcome: 'busy', why: expect.stringContaining('503') });
  expect(cpe.gate.counts).toMatchObject({ accepted: 0, busy: 1 });
});

test('FIELD 40: of several credentials each is tried until one is accepted', async () => {
  const cpe = await listening(
    ['cr-credentials-old'],
    [SECRET, { username: 'other', password: 'wrong' }, OLD_CREDENTIALS],
  );
  await comes(cpe);
  expect(cpe.gate.counts).toMatchObject({ accepted: 1, refused: 2 });
  const stranger = await listening(['cr-credentials-old']);
  expect(await wake(idOf(stranger))).toMatchObject({ outcome: 'unauthorized' });
});

test('FIELD 41: a challenge with commas in quotes, a comma at its end, two qops and an opaque is answered', async () => {
  await comes(await listening(['cr-challenge-odd']));
});

test('FIELD 42: an impossible UDPConnectionRequestAddress is a value like others, and the CPE is asked over HTTP', async () => {
  const address = `${IGD}ManagementServer.UDPConnectionRequestAddress`;
  for (const name of ['udp-address-invalid', 'udp-address-without-stun']) {
    const cpe = await listening([name]);
    await comes(cpe);
    expect(await field.get(cpe, address), name).toMatchObject({
      outcome: 'done',
      after: [{ Value: cpe.tree.value(address) }],
    });
  }
});

// ── 49: URLs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A CPE that informed with this URL and nothing else. */
async function announcing(url: string): Promise<string> {
  const cpe = new WireCpe(field.edge.port);
  const parameters = [value('Device.ManagementServer.ConnectionRequestURL', url)];
  expect((await cpe.begin({ events: ['1 BOOT'], parameters })).status).toBe(204);
  cpe.close();
  return cpe.cpeId;
}

async function listen(server: Server, host: string): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Key and certificate as a CPE would sign them itself; null, with a line saying so, without openssl. */
function selfSigned(): { key: Buffer; cert: Buffer } | null {
  const folder = mkdtempSync(join(tmpdir(), 'starling-field-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=cpe'];
  try {
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } catch {
    console.log('skipped: the part of FIELD 49 about https, as there is no openssl on this machine');
    return null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('FIELD 49: URLs with https, with an IPv6 address, with any high port, without a path are called; port 1 is refused', async () => {
  const asked: { line: string; host: string }[] = [];
  const answer: RequestListener = ({ method, url, headers }: IncomingMessage, response) => {
    asked.push({ line: `${method} ${url}`, host: headers.host ?? '' });
    response.end();
  };
  const plain = await listen(createServer(answer), '127.0.0.1');
  for (const [url, line] of [
    [`http://127.0.0.1:${plain}`, 'GET /'],
    [`http://127.0.0.1:${plain}?id=7`, 'GET /?id=7'],
    [`http://127.0.0.1:${plain}//tr069/cr.cgi?id=7`, 'GET //tr069/cr.cgi?id=7'],
  ]) {
    expect((await wake(await announcing(url!))).outcome, url).toBe('accepted');
    expect(asked.at(-1), url).toEqual({ line, host: `127.0.0.1:${plain}` });
  }

  const six = await listen(createServer(answer), '::1').catch(() => null);
  if (six === null) console.log('skipped: the part of FIELD 49 about IPv6, as this machine has no ::1');
  else {
    expect((await wake(await announcing(`http://[::1]:${six}/cr`))).outcome).toBe('accepted');
    expect(asked.at(-1)).toEqual({ line: 'GET /cr', host: `[::1]:${six}` });
  }

  const own = selfSigned();
  if (own !== null) {
    const port = await listen(createHttps(own, answer), '127.0.0.1');
    expect((await wake(await announcing(`https://127.0.0.1:${port}/cr`))).outcome).toBe('accepted');
    expect(asked.at(-1)!.line).toBe('GET /cr');
  }

  // Announced wrongly, so nobody answers there: control hears what was tried, and the CPE comes by itself some day.
  for (const [name, outcome, why] of [
    ['cr-url-https', 'unreachable', /./],
    ['cr-url-ipv6', 'unreachable', /nothing listens/],
    ['cr-url-odd-port', 'refused', /Port 1 is not called/],
    ['cr-url-without-path', 'unreachable', /404/],
  ] as const) {
    const cpe = await listening([name]);
    expect(await wake(idOf(cpe)), name).toMatchObject({ outcome, why: expect.stringMatching(why) });
  }

  const calls = asked.length;
  for (const [url, why] of [
    ['http://127.0.0.1:1/cr', /Port 1 is not called/],
    ['http://192.0.2.1:7547/cr', /neither the address the CPE informs from/],
    ['ftp://127.0.0.1/cr', /scheme ftp:/],
    ['no url at all', /is not a URL/],
  ] as const) {
    expect(await wake(await announcing(url)), url).toMatchObject({
      outcome: 'refused',
      why: expect.stringMatching(why),
    });
  }
  expect(asked).toHaveLength(calls);
});
