// Each misbehaviour does on the wire what its row says, and nothing is said of a line without a misbehaviour. How an ACS bears it is
// tested elsewhere, with the ACS.

import iconv from 'iconv-lite';
import { afterEach, expect, test } from 'vitest';
import { type CpeOptions, SimulatedCpe } from './cpe.ts';
import { DigestAnswers, parseChallenges, verifyDigest } from './http-auth.ts';
import { OLD_CREDENTIALS } from './misbehave-http.ts';
import { BATCH_MAX } from './misbehave-model.ts';
import { CHARSET_TEXT, CYRILLIC_TEXT } from './misbehave-xml.ts';
import { MISBEHAVIOURS, misbehaviourOf } from './misbehaviour.ts';
import type { SessionSummary } from './session-run.ts';
import { rpc, TestAcs, type TestAcsOptions } from './test-acs.ts';
import { ManualTimers } from './timers.ts';
import { parseXml } from './xml-tree.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const IGD = 'InternetGatewayDevice.';
const INFO = `${IGD}DeviceInfo.`;
const SSID = `${IGD}LANDevice.1.WLANConfiguration.1.SSID`;
const KEY = `${IGD}LANDevice.1.WLANConfiguration.1.KeyPassphrase`;
const CREDENTIALS = { username: 'u', password: 'p' };

interface Seen {
  acs: TestAcs;
  cpe: SimulatedCpe;
  timers: ManualTimers;
  summary: SessionSummary;
}

/** One session of a CPE with this misbehaviour against an ACS with this script. */
async function session(
  name: string,
  acsOptions: TestAcsOptions = {},
  cpeOptions: Partial<CpeOptions> = {},
): Promise<Seen> {
  const acs = await new TestAcs(acsOptions).listen();
  const timers = new ManualTimers();
  const cpe = new SimulatedCpe({
    ...{ acsUrl: acs.url, serialNumber: 'SIM000001', timers, random: () => 0.5, downMs: 1_000 },
    misbehaviours: [misbehaviourOf(name)],
    ...cpeOptions,
  });
  cleanups.push(
    () => acs.close(),
    () => cpe.stop(),
  );
  await cpe.listen();
  return { acs, cpe, timers, summary: await cpe.inform('1 BOOT') };
}

const inform = ({ acs }: Seen): string => acs.posts[0]!.text;
const last = ({ acs }: Seen): string => acs.posts.at(-1)!.text;
const cookie = { headers: { 'set-cookie': 'session=abc; Path=/' } };
const challenge = (header: string): TestAcsOptions => ({
  intercept: (caught, response) => {
    if (caught.headers.authorization !== undefined) return false;
    response.writeHead(401, { 'www-authenticate': header }).end();
    return true;
  },
});

interface Case {
  name: string;
  script?: string[];
  acs?: TestAcsOptions;
  cpe?: Partial<CpeOptions>;
  check: (seen: Seen) => void | Promise<void>;
}

const has = (part: string | RegExp) => (seen: Seen) =>
  typeof part === 'string' ? expect(inform(seen)).toContain(part) : expect(inform(seen)).toMatch(part);
const lacks = (part: string | RegExp) => (seen: Seen) => expect(inform(seen)).not.toMatch(part);
const faultCode = (code: number) => (seen: Seen) => expect(seen.summary.requests.at(-1)?.faultCode).toBe(code);
const answers = (part: string | RegExp) => (seen: Seen) => expect(last(seen)).toMatch(part);
const answersNot = (part: string | RegExp) => (seen: Seen) => {
  expect(last(seen)).toContain('Response');
  expect(last(seen)).not.toMatch(part);
};
const crUrl = (pattern: RegExp) => (seen: Seen) =>
  expect(seen.cpe.tree.value(`${IGD}ManagementServer.ConnectionRequestURL`)).toMatch(pattern);
const own = (method: string, event: string, shape: RegExp) => (seen: Seen) => {
  expect(inform(seen)).toContain(`<EventCode>${event}</EventCode>`);
  expect(seen.acs.texts(`<cwmp:${method}>`)[0]).toMatch(shape);
  expect(seen.cpe.events.pending).toEqual([]);
};
const charset = (encoding: string, text: string, declared: RegExp) => (seen: Seen) => {
  const post = seen.acs.posts[0]!;
  expect(iconv.decode(post.body, encoding)).toContain(`>${text}</Value>`);
  expect(
    `${post.headers['content-type']}\n${post.body.toString('latin1').split('\n')[0]}`.replaceAll('\0', ''),
  ).toMatch(declared);
};
const wrongPath = rpc.getValues('Wrong.Path');
const setSsid = (...values: [string, string, string][]): string => rpc.setValues('k', ...values);

const CASES: Case[] = [
  { name: 'prefixes-arbitrary', check: has(/<q1:Envelope .*<tns:Inform>.*q3:type="q4:string"/s) },
  { name: 'prefixes-misleading', check: has(/xmlns:soap="[^"]*encoding\/".*soap:arrayType/s) },
  {
    name: 'prefix-undeclared',
    script: [wrongPath],
    check: (seen) => {
      expect(inform(seen)).toContain('<dev:DeviceId>');
      expect(last(seen)).toMatch(/<detail><fault:Fault>.*<\/fault:Fault><\/detail>/);
      expect(() => parseXml(inform(seen))).toThrow(/not declared/);
    },
  },
  { name: 'namespace-on-body', check: has(/Body xmlns:cwmp=/) },
  { name: 'namespace-on-method', check: has(/<cwmp:Inform xmlns:cwmp=/) },
  { name: 'namespace-default', check: has(/<Inform xmlns="urn:dslforum-org:cwmp-1-2">/) },
  { name: 'namespace-unknown', check: has('urn:example:cwmp-9-9') },
  { name: 'request-id-missing', check: lacks(/:ID/) },
  { name: 'request-id-empty', check: has(/<cwmp:ID [^>]*><\/cwmp:ID>/) },
  { name: 'attributes-single-quoted', check: lacks(/<soapenv:Envelope[^>]*"/) },
  { name: 'attribute-values-odd', check: has('note="a:b=c>d"') },
  { name: 'declaration-multiline', check: has(/^<\?xml\n {2}version/) },
  { name: 'comments', check: has(/<!-- a <b> & > "c -->.*<!--p-->/s) },
  { name: 'ampersand-bare', check: has('>cats & dogs<') },
  { name: 'entity-unknown', check: has('>cats &nbsp; dogs<') },
  { name: 'entities-numeric', check: has('InternetGatewayDevice&#46;') },
  { name: 'bom', check: ({ acs }) => expect([...acs.posts[0]!.body.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]) },
  { name: 'junk-before-root', check: has(/^\r\n\0\r\n<\?xml/) },
  { name: 'whitespace-post', check: ({ acs }) => expect(acs.posts[1]!.text).toBe(' \r\n') },
  { name: 'charset-in-content-type', check: charset('latin1', CHARSET_TEXT, /charset=ISO-8859-1\n<soapenv/) },
  { name: 'charset-quoted', check: charset('latin1', CHARSET_TEXT, /charset='iso-8859-1'\n<soapenv/) },
  {
    name: 'charset-in-declaration',
    check: charset('latin1', CHARSET_TEXT, /^text\/xml\n<\?xml .*encoding="ISO-8859-1"/),
  },
  { name: 'charset-utf16', check: charset('utf16', CHARSET_TEXT, /charset=utf-16\nÿþ<\?xml/) },
  { name: 'charset-windows-1251', check: charset('win1251', CYRILLIC_TEXT, /charset=windows-1251/) },
  { name: 'gzip', check: ({ acs }) => expect(acs.posts[0]!.body.subarray(0, 2).toString('hex')).toBe('1f8b') },
  { name: 'deflate', check: ({ acs }) => expect(acs.posts[0]!.body[0]).toBe(0x78) },
  { name: 'type-missing', check: lacks(/:type=/) },
  { name: 'type-odd', check: has(/xsi:type="xsd:">.*xsi:type="xsd:string\(64\)">/s) },
  {
    name: 'values-odd',
    script: [rpc.getValues(`${IGD}ManagementServer.`)],
    check: answers(
      /PeriodicInformEnable<\/Name><Value[^>]*>Enabled<.*PeriodicInformInterval<\/Name><Value[^>]*>n\/a<.*PeriodicInformTime<\/Name><Value[^>]*>unknown</s,
    ),
  },
  { name: 'name-missing', check: has(/<ParameterValueStruct><Value.*<Name>\.\.&lt;&gt;<\/Name>/s) },
  { name: 'writable-missing', script: [rpc.getNames(INFO)], check: answersNot(/Writable/) },
  { name: 'status-missing', script: [setSsid([SSID, 'string', 'a'])], check: answersNot(/Status/) },
  {
    name: 'download-times-odd',
    script: [rpc.download('k', '2 Web Content', 'http://127.0.0.1:1/')],
    check: (seen) => {
      answersNot(/StartTime/)(seen);
      answers('<CompleteTime>soon<')(seen);
    },
  },
  { name: 'inform-bare', check: lacks(/ParameterList|Event|RetryCount/) },
  { name: 'inform-without-oui', check: lacks(/OUI/) },
  { name: 'inform-without-serial-number', check: lacks(/SerialNumber/) },
  { name: 'inform-without-product-class', check: lacks(/ProductClass/) },
  {
    name: 'transfer-complete-bare',
    script: [rpc.download('k', '2 Web Content', 'http://127.0.0.1:1/')],
    check: transferComplete(/<cwmp:TransferComplete><\/cwmp:TransferComplete>/),
  },
  {
    name: 'transfer-complete-unknown-key',
    script: [rpc.download('k', '2 Web Content', 'http://127.0.0.1:1/')],
    check: transferComplete(/<CommandKey>nobody-gave-this</),
  },
  {
    name: 'fault-without-codes',
    script: [wrongPath],
    check: (seen) => {
      answers(/:Fault>.*<detail>/)(seen);
      expect(last(seen)).not.toMatch(/faultcode|faultstring|FaultCode|FaultString/);
    },
  },
  {
    name: 'fault-without-detail',
    script: [wrongPath],
    check: (seen) => {
      answers(/<faultstring>CWMP fault</)(seen);
      expect(last(seen)).not.toContain('detail');
    },
  },
  { name: 'gpn-objects-without-dot', script: [rpc.getNames(INFO)], check: answers(`<Name>${INFO}MemoryStatus</Name>`) },
  { name: 'gpn-omits-objects', script: [rpc.getNames(INFO)], check: answersNot(/\.<\/Name>/) },
  {
    name: 'gpn-outside-path',
    script: [rpc.getNames(INFO, true)],
    check: answers(new RegExp(`<Name>Outside.*<Name>${INFO}</Name>`)),
  },
  { name: 'gpv-extra', script: [rpc.getValues(SSID)], check: answers('<Name>Nobody.Asked</Name>') },
  { name: 'gpv-omits', script: [rpc.getValues(SSID)], check: answers(/ParameterValueStruct\[1\]"><\/ParameterList>/) },
  { name: 'gpa-omits', script: [rpc.getAttributes(SSID)], check: answersNot('SSID') },
  {
    name: 'names-stale',
    script: [rpc.getNames(INFO), rpc.getValues(`${INFO}X_STARLING_Stale`)],
    check: (seen) => {
      expect(seen.acs.texts('GetParameterNamesResponse')[0]).toContain('X_STARLING_Stale');
      faultCode(9005)(seen);
    },
  },
  { name: 'gpn-root-refused', script: [rpc.getNames('', true)], check: faultCode(9005) },
  {
    name: 'gpn-deep-refused',
    script: [rpc.getNames(IGD, true), rpc.getNames(IGD)],
    check: (seen) => {
      expect(seen.summary.requests.map((one) => one.faultCode)).toEqual([0, 9004]);
    },
  },
  { name: 'gpv-batch-refused', script: [rpc.getValues(INFO)], check: faultCode(9004) },
  {
    name: 'spv-batch-refused',
    script: [
      setSsid(
        ...Array.from({ length: BATCH_MAX + 1 }, (_, at): [string, string, string] => [`${SSID}${at}`, 'string', 'a']),
      ),
    ],
    check: faultCode(9004),
  },
  {
    name: 'claims-read-only',
    script: [rpc.getNames(`${SSID}`), setSsid([SSID, 'string', 'a'])],
    check: (seen) => {
      expect(seen.acs.texts('GetParameterNamesResponse')[0]).toContain('<Writable>0</Writable>');
      expect(seen.cpe.tree.value(SSID)).toBe('a');
    },
  },
  {
    name: 'datetime-milliseconds-refused',
    script: [setSsid([`${IGD}ManagementServer.PeriodicInformTime`, 'dateTime', '2024-01-01T00:00:00.000Z'])],
    check: faultCode(9003),
  },
  {
    name: 'boolean-words-refused',
    script: [setSsid([`${IGD}Time.Enable`, 'boolean', 'true'])],
    check: faultCode(9003),
  },
  {
    name: 'values-forgotten',
    script: [setSsid([SSID, 'string', 'Other'])],
    check: (seen) => {
      answers('<Status>0</Status>')(seen);
      expect(seen.cpe.tree.value(SSID)).not.toBe('Other');
    },
  },
  { name: 'values-refused', script: [setSsid([SSID, 'string', 'Other'])], check: faultCode(9003) },
  {
    name: 'transfer-complete-never',
    script: [rpc.download('k', '2 Web Content', 'http://127.0.0.1:1/')],
    check: async ({ cpe, timers }) => {
      timers.advance(0);
      await cpe.waitFor(({ transfers }) => transfers.done.length === 1);
      expect(cpe.events.pending).toEqual([]);
    },
  },
  {
    name: 'passwords-blank',
    script: [rpc.getValues(KEY)],
    check: answers(/KeyPassphrase<\/Name><Value [^>]*><\/Value>/),
  },
  { name: 'passwords-masked', script: [rpc.getValues(KEY)], check: answers('>********<') },
  {
    name: 'object-turns-into-leaf',
    check: async ({ cpe }) => {
      expect(cpe.tree.isObject(`${INFO}X_STARLING_Turning.`)).toBe(true);
      await cpe.inform();
      expect(cpe.tree.isObject(`${INFO}X_STARLING_Turning.`)).toBe(false);
      expect(cpe.tree.value(`${INFO}X_STARLING_Turning`)).toBe('leaf');
      await cpe.inform();
      expect(cpe.tree.value(`${INFO}X_STARLING_Turning`)).toBeUndefined();
    },
  },
  {
    name: 'reboots-on-no-op-write',
    script: [setSsid([`${IGD}Time.Enable`, 'boolean', '1'])],
    check: async ({ cpe, timers }) => {
      timers.advance(1_000);
      await cpe.waitFor(({ sessions }) => sessions.length === 2);
      expect(cpe.sessions[1]!.events[0]!.EventCode).toBe('1 BOOT');
    },
  },
  {
    name: 'cookies-with-commas',
    acs: cookie,
    check: ({ acs }) => expect(acs.posts[1]!.headers.cookie).toBe('lang=en, session=abc'),
  },
  {
    name: 'cookies-quoted',
    acs: cookie,
    check: ({ acs }) => expect(acs.posts[1]!.headers.cookie).toBe('session="abc"'),
  },
  {
    name: 'cookies-need-path',
    acs: { headers: { 'set-cookie': 'session=abc' } },
    check: ({ acs }) => expect(acs.posts[1]!.headers).not.toHaveProperty('cookie'),
  },
  {
    name: 'cookies-stale',
    acs: cookie,
    check: async ({ acs, cpe }) => {
      await cpe.inform();
      expect(acs.posts[2]!.text).toContain('<cwmp:Inform>');
      expect(acs.posts[2]!.headers.cookie).toBe('session=abc');
    },
  },
  {
    name: 'connection-per-request',
    check: ({ acs }) => {
      expect(acs.posts.map((post) => post.connection)).toEqual([1, 2]);
      expect(acs.posts[0]!.headers.connection).toBe('close');
    },
  },
  {
    name: 'closes-with-work-outstanding',
    script: [rpc.getValues(SSID)],
    check: ({ acs, summary }) => {
      expect(summary).toMatchObject({ outcome: 'failed', posts: 2 });
      expect(acs.posts).toHaveLength(2);
    },
  },
  {
    name: 'authorization-malformed',
    check: ({ acs }) => expect(acs.posts[0]!.headers.authorization).toBe('Digest username="half, realm=, nonce'),
  },
  {
    name: 'keeps-connection-open',
    check: async ({ acs, cpe }) => {
      await cpe.inform();
      expect(await acs.openConnections()).toBe(2);
    },
  },
  { name: 'body-slow', check: ({ acs }) => expect(acs.posts[0]!.chunks).toBeGreaterThan(3) },
  { name: 'rpc-unknown', check: ({ acs }) => expect(acs.texts('<cwmp:X_STARLING_Unknown>')).toHaveLength(1) },
  {
    name: 'cr-closes-after-challenge',
    cpe: { connectionRequestUsername: 'cr' },
    check: async ({ cpe }) => {
      const first = await fetch(cr(cpe));
      expect(first.status).toBe(401);
      await cpe.waitFor(({ gate }) => gate.counts.challenged === 1);
      expect((await connectionRequest(cpe, { username: 'cr', password: '' })).status).toBe(200);
    },
  },
  { name: 'cr-answers-204', check: async ({ cpe }) => expect((await fetch(cr(cpe))).status).toBe(204) },
  { name: 'cr-answers-503', check: async ({ cpe }) => expect((await fetch(cr(cpe))).status).toBe(503) },
  {
    name: 'cr-credentials-old',
    cpe: { connectionRequestUsername: 'new', connectionRequestPassword: 'new' },
    check: async ({ cpe }) => {
      expect((await connectionRequest(cpe, { username: 'new', password: 'new' })).status).toBe(401);
      expect((await connectionRequest(cpe, OLD_CREDENTIALS)).status).toBe(200);
    },
  },
  {
    name: 'cr-challenge-odd',
    cpe: { connectionRequestUsername: 'cr' },
    check: async ({ cpe }) => {
      const header = (await fetch(cr(cpe))).headers.get('www-authenticate');
      expect(header).toMatch(
        /realm="Simulated CPE, cellar, left", qop="auth,auth-int" ,nonce="\w+",opaque="a,b=c", algorithm="MD5",$/,
      );
      expect((await connectionRequest(cpe, { username: 'cr', password: '' })).status).toBe(200);
    },
  },
  {
    name: 'udp-address-invalid',
    script: [rpc.getValues(`${IGD}ManagementServer.UDPConnectionRequestAddress`)],
    check: answers('no address:at all'),
  },
  {
    name: 'udp-address-without-stun',
    script: [rpc.getValues(`${IGD}ManagementServer.`)],
    check: answers(/192\.0\.2\.7:7547<.*STUNEnable<\/Name><Value[^>]*>0</s),
  },
  { name: 'cdata', check: has('<OUI><![CDATA[00005E]]></OUI>') },
  {
    name: 'value-missing',
    check: has(/<ParameterValueStruct><Name>[^<]*<\/Name><\/ParameterValueStruct><\/ParameterList>/),
  },
  { name: 'body-empty', check: ({ acs }) => expect(acs.posts[1]!.text).toMatch(/<soapenv:Body\/>/) },
  {
    name: 'cookies-ignored',
    acs: cookie,
    check: ({ acs }) => expect(acs.posts[1]!.headers).not.toHaveProperty('cookie'),
  },
  {
    name: 'closes-after-challenge',
    acs: challenge('Digest realm="r", nonce="n", qop="auth"'),
    cpe: CREDENTIALS,
    check: ({ acs }) => expect(acs.posts.map((post) => post.connection)).toEqual([1, 2, 2]),
  },
  {
    name: 'nc-stuck',
    acs: challenge('Digest realm="r", nonce="n", qop="auth"'),
    cpe: CREDENTIALS,
    check: ({ acs }) => {
      const given = acs.posts.slice(1).map((post) => parseChallenges([post.headers.authorization!])[0]!);
      expect(given.map((one) => [one.params['nc'], verifyDigest(one, 'POST', CREDENTIALS)])).toEqual([
        ['00000001', true],
        ['00000001', true],
      ]);
    },
  },
  {
    name: 'basic-only',
    acs: challenge('Digest realm="r", nonce="n", qop="auth"'),
    cpe: CREDENTIALS,
    check: ({ summary }) => expect(summary.statuses).toEqual([401]),
  },
  {
    name: 'basic-unasked',
    cpe: CREDENTIALS,
    check: ({ acs }) => expect(acs.posts[0]!.headers.authorization).toBe('Basic dTpw'),
  },
  { name: 'cr-url-https', check: crUrl(/^https:\/\/127\.0\.0\.1:\d+\/0/) },
  { name: 'cr-url-ipv6', check: crUrl(/^http:\/\/\[::1\]:\d+\/0/) },
  { name: 'cr-url-odd-port', check: crUrl(/^http:\/\/127\.0\.0\.1:1\//) },
  { name: 'cr-url-without-path', check: crUrl(/^http:\/\/127\.0\.0\.1:\d+$/) },
  {
    name: 'autonomous-transfer-complete',
    check: own('AutonomousTransferComplete', '10 AUTONOMOUS TRANSFER COMPLETE', /<TransferURL>http/),
  },
  {
    name: 'request-download',
    check: own('RequestDownload', '9 REQUEST DOWNLOAD', /<FileTypeArg [^>]*\[1\]"><ArgStruct>/),
  },
  { name: 'kicked', check: own('Kicked', '5 KICKED', /<Next>http/) },
  {
    name: 'du-complete-repeated',
    check: own(
      'DUStateChangeComplete',
      '11 DU STATE CHANGE COMPLETE',
      /<Results><UUID>.*<Results><UUID>.*<Fault><FaultCode>/,
    ),
  },
  {
    name: 'du-complete-array',
    check: own(
      'DUStateChangeComplete',
      '11 DU STATE CHANGE COMPLETE',
      /<Results [^>]*\[1\]"><OpResultStruct>.*<Fault><FaultCode>/,
    ),
  },
  {
    name: 'du-complete-wrapped-fault',
    check: own(
      'DUStateChangeComplete',
      '11 DU STATE CHANGE COMPLETE',
      /<OpResultStruct>.*<Fault><FaultStruct><FaultCode>/,
    ),
  },
  {
    name: 'informs-while-hanging',
    script: [rpc.getValues(SSID), rpc.getValues(SSID)],
    check: async ({ acs, cpe }) => {
      await cpe.waitFor(({ sessions }) => sessions.length === 2);
      expect(cpe.sessions[0]).toMatchObject({ outcome: 'failed', why: 'left hanging' });
      expect(cpe.sessions[1]).toMatchObject({ outcome: 'ended' });
      expect(acs.posts.map((post) => post.connection)).toEqual([1, 1, 2, 2, 2]);
    },
  },
  { name: 'response-id-missing', script: [rpc.getValues(SSID)], check: answersNot(/:ID/) },
  { name: 'response-id-changed', script: [rpc.getValues(SSID)], check: answers('>acs-10</cwmp:ID>') },
  { name: 'response-id-empty', script: [rpc.getValues(SSID)], check: answers(/<cwmp:ID [^>]*><\/cwmp:ID>/) },
  { name: 'response-id-padded', script: [rpc.getValues(SSID)], check: answers(/>\n {2}acs-1 {2}<\/cwmp:ID>/) },
  {
    name: 'digest-md5-sess',
    acs: challenge('Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess'),
    cpe: CREDENTIALS,
    check: digestUsed('MD5-sess'),
  },
  {
    name: 'digest-sha-256',
    acs: challenge(
      'Digest realm="r", nonce="n", qop="auth", algorithm=MD5, Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256',
    ),
    cpe: CREDENTIALS,
    check: digestUsed('SHA-256'),
  },
  {
    name: 'cr-digest-md5-sess',
    cpe: { connectionRequestUsername: 'cr' },
    check: async ({ cpe }) =>
      expect((await connectionRequest(cpe, { username: 'cr', password: '' })).algorithm).toBe('MD5-sess'),
  },
  {
    name: 'cr-digest-sha-256',
    cpe: { connectionRequestUsername: 'cr' },
    check: async ({ cpe }) =>
      expect((await connectionRequest(cpe, { username: 'cr', password: '' })).algorithm).toBe('SHA-256'),
  },
  {
    name: 'needs-declaration',
    acs: { style: { declaration: '' } },
    check: unreadable('the XML declaration is missing'),
  },
  { name: 'breaks-on-declaration', check: unreadable('there is an XML declaration') },
  { name: 'needs-prefix-upper', check: unreadable('the prefix is not SOAP-ENV') },
  { name: 'needs-prefix-lower', acs: { style: { prefix: 'soap' } }, check: unreadable('the prefix is not soap-env') },
  {
    name: 'needs-boolean-digits',
    script: [rpc.getNames(IGD).replace('>0<', '>false<')],
    check: unreadable('a boolean is a word'),
  },
  { name: 'needs-boolean-words', script: [rpc.getNames(IGD)], check: unreadable('a boolean is a digit') },
  {
    name: 'breaks-on-milliseconds',
    script: [setSsid([`${IGD}ManagementServer.PeriodicInformTime`, 'dateTime', '2024-01-01T00:00:00.000Z'])],
    check: unreadable('a dateTime has milliseconds'),
  },
  { name: 'needs-namespace-1-0', check: unreadable('the namespace is not cwmp-1-0') },
  {
    name: 'closes-after-response',
    check: ({ acs }) => {
      expect(acs.posts.map((post) => post.connection)).toEqual([1, 2]);
      expect(acs.posts[0]!.headers.connection).toBe('keep-alive');
    },
  },
];

test.each(CASES)('$name', async ({ name, script, acs, cpe, check }) => {
  await check(await session(name, { ...acs, ...(script === undefined ? {} : { script }) }, cpe));
});

test('every misbehaviour has its case here, and every line of the list its misbehaviour', () => {
  expect(CASES.map((one) => one.name).sort()).toEqual(MISBEHAVIOURS.map((one) => one.name).sort());
  const lines = [...new Set(MISBEHAVIOURS.map((one) => one.field).filter((line) => line !== null))];
  expect(lines).toEqual(Array.from({ length: 55 }, (_, at) => at + 1));
});

test.each([
  ['needs-declaration', {}],
  ['breaks-on-declaration', { declaration: '' }],
  ['needs-prefix-upper', { prefix: 'SOAP-ENV' }],
  ['needs-prefix-lower', {}],
])('the strict reader %s is content with an ACS that writes as it wants', async (name, style) => {
  const { summary } = await session(name, { style, script: [rpc.getNames(IGD, true)] });
  expect(summary).toMatchObject({ outcome: 'ended', why: '' });
});

function transferComplete(shape: RegExp) {
  return async ({ acs, cpe, timers }: Seen): Promise<void> => {
    timers.advance(0);
    await cpe.waitFor(({ sessions }) => sessions.length === 2);
    expect(acs.texts('TransferComplete>')[0]).toMatch(shape);
  };
}

function unreadable(why: string) {
  return ({ summary }: Seen): void =>
    expect(summary).toMatchObject({ outcome: 'failed', why: `this CPE cannot read the ACS: ${why}` });
}

function digestUsed(algorithm: string) {
  return ({ acs }: Seen): void => {
    const given = parseChallenges([acs.posts[1]!.headers.authorization!])[0]!;
    expect(given.params['algorithm']).toBe(algorithm);
    expect(verifyDigest(given, 'POST', CREDENTIALS)).toBe(true);
  };
}

function cr(cpe: SimulatedCpe): string {
  return cpe.tree.value(`${IGD}ManagementServer.ConnectionRequestURL`)!;
}

/** A connection request with digest, as an ACS makes it. */
async function connectionRequest(cpe: SimulatedCpe, credentials: typeof CREDENTIALS) {
  const challenged = parseChallenges([(await fetch(cr(cpe))).headers.get('www-authenticate')!])[0]!;
  const authorization = new DigestAnswers(challenged, credentials).header('GET', new URL(cr(cpe)).pathname);
  const { status } = await fetch(cr(cpe), { headers: { authorization } });
  return { status, algorithm: status === 200 ? challenged.params['algorithm'] : undefined };
}
