// Transfers, diagnostics, authentication and connection requests of the simulated CPE over real sockets.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type CpeOptions, SimulatedCpe } from './cpe.ts';
import { basic, DigestAnswers, parseChallenges, verifyDigest } from './http-auth.ts';
import { rpc, TestAcs, type TestAcsOptions } from './test-acs.ts';
import { ManualTimers } from './timers.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function setUp(acsOptions: TestAcsOptions = {}, cpeOptions: Partial<CpeOptions> = {}) {
  const acs = await new TestAcs(acsOptions).listen();
  const timers = new ManualTimers();
  const cpe = new SimulatedCpe({
    acsUrl: acs.url,
    serialNumber: 'SIM000001',
    timers,
    random: () => 0.5,
    ...cpeOptions,
  });
  cleanups.push(
    () => acs.close(),
    () => cpe.stop(),
  );
  return { acs, cpe, timers };
}

/** A file server with one handler; its URL. */
async function fileServer(
  handle: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
): Promise<string> {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handle(request, response, Buffer.concat(chunks)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
}

const IGD = 'InternetGatewayDevice.';
const FIRMWARE = '1 Firmware Upgrade Image';

test('a firmware download: TransferComplete with 7, M Download and 1 BOOT in one Inform, and the new version', async () => {
  const file = Buffer.from('image version=4.2.0 ...');
  const url = await fileServer((_, response) => response.end(file));
  const { acs, cpe, timers } = await setUp({ script: [rpc.download('fw-1', FIRMWARE, url, { size: file.length })] });
  await cpe.inform();
  expect(acs.posts[2]!.text).toContain('<Status>1</Status>');
  timers.advance(0);
  await cpe.waitFor(({ transfers }) => transfers.completions.length === 1);
  timers.advance(2_000);
  await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events.map((event) => `${event.EventCode} ${event.CommandKey}`)).toEqual([
    '7 TRANSFER COMPLETE ',
    'M Download fw-1',
    '1 BOOT ',
  ]);
  expect(acs.texts('<cwmp:TransferComplete>')[0]).toContain('<CommandKey>fw-1</CommandKey><FaultStruct><FaultCode>0<');
  expect(cpe.tree.value(`${IGD}DeviceInfo.SoftwareVersion`)).toBe('4.2.0');
  expect(cpe.transfers.done[0]).toMatchObject({
    bytes: file.length,
    sha256: createHash('sha256').update(file).digest('hex'),
  });
  expect(cpe.events.pending).toEqual([]);
});

test('a TransferComplete that the ACS answers with a fault is kept and sent again', async () => {
  const url = await fileServer((_, response) => response.end('x=y'));
  let refuse = true;
  const { acs, cpe, timers } = await setUp({
    script: [rpc.download('cfg', '3 Vendor Configuration File', url)],
    intercept: (caught, response) => {
      if (!refuse || !caught.text.includes('<cwmp:TransferComplete>')) return false;
      refuse = false;
      const detail =
        '<detail><cwmp:Fault><FaultCode>8002</FaultCode><FaultString>Internal error</FaultString></cwmp:Fault></detail>';
      acs.reply(
        response,
        acs.envelope(
          'x',
          `<soap-env:Fault><faultcode>Server</faultcode><faultstring>CWMP fault</faultstring>${detail}</soap-env:Fault>`,
        ),
      );
      return true;
    },
  });
  await cpe.inform();
  timers.advance(0);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.acknowledged.transfers).toEqual([]);
  timers.advance(10_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 3);
  expect(cpe.sessions[2]!.events.map((event) => event.EventCode)).toEqual(['7 TRANSFER COMPLETE', 'M Download']);
  expect(cpe.acknowledged.transfers).toEqual([{ session: 3, CommandKey: 'cfg', FaultCode: 0 }]);
});

test('a broken download is resumed with Range', async () => {
  const file = Buffer.alloc(200_000, 'abcdefghij');
  const ranges: (string | undefined)[] = [];
  const url = await fileServer((request, response) => {
    ranges.push(request.headers.range);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': file.length - from });
    response.end(file.subarray(from));
  });
  const { cpe, timers } = await setUp(
    { script: [rpc.download('big', '2 Web Content', url)] },
    { misbehaviours: [{ traits: { breaksDownloadAfterBytes: 50_000 } }] },
  );
  await cpe.inform();
  timers.advance(0);
  await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
  expect(ranges).toEqual([undefined, 'bytes=50000-']);
  expect(cpe.transfers.done[0]).toMatchObject({
    faultCode: 0,
    bytes: 200_000,
    requests: 2,
    sha256: createHash('sha256').update(file).digest('hex'),
  });
});

test.each([
  ['404', '9016', (_: IncomingMessage, response: ServerResponse) => response.writeHead(404).end()],
  [
    '401 and wrong credentials',
    '9012',
    (_: IncomingMessage, response: ServerResponse) =>
      response.writeHead(401, { 'www-authenticate': 'Basic realm="f"' }).end(),
  ],
  ['another size than FileSize', '9018', (_: IncomingMessage, response: ServerResponse) => response.end('short')],
])('a download that ends with %s is reported with fault %s', async (_, code, handle) => {
  const url = await fileServer(handle);
  const { acs, cpe, timers } = await setUp({
    script: [rpc.download('bad', FIRMWARE, url, { username: 'u', password: 'p', size: 99 })],
  });
  await cpe.inform();
  timers.advance(0);
  await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
  expect(acs.texts('<cwmp:TransferComplete>')[0]).toContain(`<FaultCode>${code}</FaultCode>`);
  expect(acs.texts('<cwmp:TransferComplete>')[0]).toContain('<StartTime>0001-01-01T00:00:00Z</StartTime>');
});

test('nobody listening is 9015', async () => {
  const { acs, cpe, timers } = await setUp({ script: [rpc.download('gone', FIRMWARE, 'http://127.0.0.1:1/x')] });
  await cpe.inform();
  timers.advance(0);
  await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
  expect(acs.texts('<cwmp:TransferComplete>')[0]).toContain('<FaultCode>9015</FaultCode>');
});

test('an upload PUTs the configuration and answers a digest challenge', async () => {
  const bodies: Buffer[] = [];
  const url = await fileServer((request, response, body) => {
    const given = parseChallenges([request.headers.authorization ?? ''])[0];
    if (given === undefined || !verifyDigest(given, 'PUT', { username: 'up', password: 'load' })) {
      response.writeHead(401, { 'www-authenticate': 'Digest realm="files", nonce="n1", qop="auth"' }).end();
      return;
    }
    bodies.push(body);
    response.writeHead(201).end();
  });
  const request = rpc
    .upload('up-1', '1 Vendor Configuration File', url)
    .replace('<Username></Username><Password></Password>', '<Username>up</Username><Password>load</Password>');
  const { cpe, timers } = await setUp({ script: [request] });
  await cpe.inform();
  timers.advance(0);
  await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
  expect(bodies[0]!.toString()).toContain(`${IGD}ManagementServer.PeriodicInformInterval=300\n`);
  expect(bodies[0]!.toString()).not.toContain('Passphrase');
  expect(cpe.events.pending).toEqual([]);
});

test('queued transfers are listed and can be cancelled until they run', async () => {
  const later = rpc.download('later', FIRMWARE, 'http://127.0.0.1:1/x').replace('<DelaySeconds>0', '<DelaySeconds>600');
  const list = rpc.plain('GetAllQueuedTransfers');
  const { acs, cpe } = await setUp({
    script: [later, list, rpc.keyed('CancelTransfer', 'later'), list, rpc.keyed('CancelTransfer', 'unknown')],
  });
  const { requests } = await cpe.inform();
  const [before, after] = acs.texts('GetAllQueuedTransfersResponse');
  expect(before).toMatch(/<CommandKey>later<\/CommandKey><State>1<\/State><IsDownload>1</);
  expect(after).toContain('AllQueuedTransferStruct[0]');
  expect(requests.map((one) => one.faultCode)).toEqual([0, 0, 0, 0, 0]);
});

test('ScheduleDownload waits for its window', async () => {
  const url = await fileServer((_, response) => response.end('v'));
  const window =
    '<TimeWindowStruct><WindowStart>100</WindowStart><WindowEnd>200</WindowEnd><WindowMode>1 At Any Time</WindowMode><UserMessage></UserMessage><MaxRetries>0</MaxRetries></TimeWindowStruct>';
  const args = `<CommandKey>win</CommandKey><FileType>2 Web Content</FileType><URL>${url}</URL><Username></Username><Password></Password><FileSize>0</FileSize><TargetFileName></TargetFileName><TimeWindowList soap-enc:arrayType="cwmp:TimeWindowStruct[1]">${window}</TimeWindowList>`;
  const { cpe, timers } = await setUp({ script: [`<cwmp:ScheduleDownload>${args}</cwmp:ScheduleDownload>`] });
  await cpe.inform();
  timers.advance(99_000);
  expect(cpe.transfers.list()).toMatchObject([{ State: 1 }]);
  timers.advance(1_000);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events.map((event) => event.EventCode)).toEqual([
    '7 TRANSFER COMPLETE',
    'M ScheduleDownload',
  ]);
});

const IP = 'Device.IP.Diagnostics.';
const str = (name: string, value: string): [string, string, string] => [name, 'string', value];

test.each([
  ['tr098', `${IGD}IPPingDiagnostics.`, [['Host', 'example.org']], 'Complete', { SuccessCount: '3' }],
  [
    'tr181',
    `${IP}IPPing.`,
    [['Host', 'example.org']],
    'Complete',
    { SuccessCount: '3', AverageResponseTimeDetailed: '13000' },
  ],
  ['tr098', `${IGD}IPPingDiagnostics.`, [['Host', 'no.invalid']], 'Error_CannotResolveHostName', { SuccessCount: '0' }],
  [
    'tr098',
    `${IGD}TraceRouteDiagnostics.`,
    [['Host', 'example.org']],
    'Complete',
    { RouteHopsNumberOfEntries: '5', 'RouteHops.5.HopHost': 'example.org' },
  ],
  [
    'tr181',
    `${IP}TraceRoute.`,
    [['Host', 'example.org']],
    'Complete',
    { RouteHopsNumberOfEntries: '5', 'RouteHops.5.Host': 'example.org' },
  ],
  [
    'tr181',
    'Device.DNS.Diagnostics.NSLookupDiagnostics.',
    [['HostName', 'example.org']],
    'Complete',
    { SuccessCount: '1', 'Result.1.Status': 'Success' },
  ],
  [
    'tr098',
    `${IGD}NSLookupDiagnostics.`,
    [['HostName', 'example.org']],
    'Complete',
    { ResultNumberOfEntries: '1', 'Result.1.DNSServerIP': '192.0.2.53' },
  ],
  [
    'tr098',
    `${IGD}DownloadDiagnostics.`,
    [['DownloadURL', 'http://speed.example/1M']],
    'Completed',
    { TestBytesReceived: '1048576' },
  ],
] as const)('%s diagnostics at %s%o end in %s', async (model, base, inputs, state, results) => {
  const set = rpc.setValues(
    '',
    ...inputs.map(([name, value]) => str(base + name, value)),
    str(`${base}DiagnosticsState`, 'Requested'),
  );
  const { acs, cpe, timers } = await setUp({ script: [set, rpc.getValues(`${base}DiagnosticsState`)] }, { model });
  await cpe.inform();
  expect(acs.posts[3]!.text).toContain('>Requested</Value>'); // D11
  timers.advance(500);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events[0]!.EventCode).toBe('8 DIAGNOSTICS COMPLETE');
  expect(cpe.tree.value(`${base}DiagnosticsState`)).toBe(state);
  for (const [name, value] of Object.entries(results)) expect(cpe.tree.value(base + name), name).toBe(value);
});

test.each([
  ['tr181', `${IP}DownloadDiagnostics.`, 'DownloadURL', 'TestBytesReceived'],
  ['tr181', `${IP}UploadDiagnostics.`, 'UploadURL', 'TestBytesSent'],
  ['tr098', `${IGD}UploadDiagnostics.`, 'UploadURL', 'TotalBytesSent'],
] as const)('%s %s over loopback really transfers', async (model, base, urlName, counter) => {
  const seen: [string | undefined, number][] = [];
  const url = await fileServer((request, response, body) => {
    seen.push([request.method, body.length]);
    response.end(request.method === 'GET' ? Buffer.alloc(3_000) : '');
  });
  const length: [string, string, string][] =
    urlName === 'UploadURL'
      ? [[`${base}TestFileLength`, model === 'tr181' ? 'unsignedLong' : 'unsignedInt', '3000']]
      : [];
  const set = rpc.setValues('', str(base + urlName, url), ...length, str(`${base}DiagnosticsState`, 'Requested'));
  const { cpe, timers } = await setUp({ script: [set] }, { model });
  await cpe.inform();
  timers.advance(500);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(seen).toEqual([urlName === 'UploadURL' ? ['PUT', 3_000] : ['GET', 0]]);
  expect(Number(cpe.tree.value(base + counter))).toBeGreaterThanOrEqual(3_000);
});

test('a write to an input gives a requested test up; another state than Requested is 9007', async () => {
  const base = `${IGD}IPPingDiagnostics.`;
  const { acs, cpe } = await setUp({
    script: [
      rpc.setValues('', str(`${base}Host`, 'a.example'), str(`${base}DiagnosticsState`, 'Requested')),
      rpc.setValues('', str(`${base}Host`, 'b.example')),
      rpc.setValues('', str(`${base}DiagnosticsState`, 'Complete')),
    ],
  });
  await cpe.inform();
  expect(cpe.tree.value(`${base}DiagnosticsState`)).toBe('None');
  expect(acs.posts.at(-1)!.text).toContain('<FaultCode>9007</FaultCode>');
});

const CREDENTIALS = { username: '00005E-SimGateway-SIM000001', password: 'pass "word"' };

test.each(['MD5', 'MD5-sess', 'SHA-256'])('answers a Digest challenge with %s and counts nc up', async (algorithm) => {
  const ncs: string[] = [];
  const { acs, cpe } = await setUp(
    {
      intercept: (caught, response) => {
        const given = parseChallenges([caught.headers.authorization ?? ''])[0];
        if (given !== undefined && verifyDigest(given, 'POST', CREDENTIALS)) {
          ncs.push(given.params['nc']!);
          return false;
        }
        response
          .writeHead(401, {
            'www-authenticate': [
              `Digest realm="acs", nonce="n1", qop="auth,auth-int", opaque="o", algorithm=${algorithm}`,
              'Basic realm="acs"',
            ],
          })
          .end();
        return true;
      },
    },
    CREDENTIALS,
  );
  const summary = await cpe.inform();
  expect(summary.statuses).toEqual([401, 200, 204]);
  expect(ncs).toEqual(['00000001', '00000002']);
  expect(acs.connectionCount).toBe(1);
});

test('answers a Basic challenge, and gives up after a second 401', async () => {
  const { acs, cpe } = await setUp(
    {
      intercept: (caught, response) => {
        if (caught.headers.authorization === basic(CREDENTIALS)) return false;
        response.writeHead(401, { 'www-authenticate': 'Basic realm="acs"' }).end();
        return true;
      },
    },
    CREDENTIALS,
  );
  expect((await cpe.inform()).statuses).toEqual([401, 200, 204]);
  cpe.tree.set(`${IGD}ManagementServer.Password`, 'wrong');
  expect(await cpe.inform()).toMatchObject({ outcome: 'failed', statuses: [401, 401] });
  expect(acs.posts).toHaveLength(5);
});

test('connection request: challenge, digest once per nonce, then a session with 6 CONNECTION REQUEST; beyond the rate 503', async () => {
  const { cpe } = await setUp(
    {},
    { connectionRequestUsername: 'cr', connectionRequestPassword: 'secret', connectionRequestsPerMinute: 1 },
  );
  await cpe.listen();
  const url = cpe.tree.value(`${IGD}ManagementServer.ConnectionRequestURL`)!;
  const challenged = await fetch(url);
  expect(challenged.status).toBe(401);
  const challenge = parseChallenges([challenged.headers.get('www-authenticate')!])[0]!;
  const answers = new DigestAnswers(challenge, { username: 'cr', password: 'secret' });
  const { pathname } = new URL(url);
  const authorised = { headers: { authorization: answers.header('GET', pathname) } };
  expect((await fetch(url, authorised)).status).toBe(200);
  await cpe.waitFor(({ sessions }) => sessions.length === 1);
  expect(cpe.sessions[0]!.events).toEqual([{ EventCode: '6 CONNECTION REQUEST', CommandKey: '' }]);
  const again = await fetch(url, { headers: { authorization: answers.header('GET', pathname) } });
  expect(again.status).toBe(401); // The nonce is used up.
  const fresh = new DigestAnswers(parseChallenges([again.headers.get('www-authenticate')!])[0]!, {
    username: 'cr',
    password: 'secret',
  });
  expect((await fetch(url, { headers: { authorization: fresh.header('GET', pathname) } })).status).toBe(503);
  expect(cpe.gate.counts).toEqual({ challenged: 1, accepted: 1, refused: 1, busy: 1 });
});

test('a connection request during the wait for a retry does not wait', async () => {
  const { cpe } = await setUp({
    intercept: (_, response, number) => {
      if (number === 1) response.writeHead(503).end();
      return number === 1;
    },
  });
  await cpe.start();
  expect((await fetch(cpe.tree.value(`${IGD}ManagementServer.ConnectionRequestURL`)!)).status).toBe(200);
  await cpe.waitFor(({ sessions }) => sessions.length === 2);
  expect(cpe.sessions[1]!.events.map((event) => event.EventCode)).toEqual([
    '0 BOOTSTRAP',
    '1 BOOT',
    '6 CONNECTION REQUEST',
  ]);
});
