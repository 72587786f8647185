// Objects of the hot path keep one shape, so that the code that reads them is compiled for it alone. V8 itself is asked: nothing but its
// hidden classes says whether two objects have the same.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { expect, test, vi } from 'vitest';
import { CONTENT_TYPE, referenceInform } from '../bench/reference-inform.ts';
import { InformGlance } from '../cwmp/inform-glance.ts';
import { InformLayouts, type Layout } from '../cwmp/inform-layouts.ts';
import type { ParameterValue } from '../cwmp/message.ts';
import { readMessage as readSecond } from '../cwmp/xmldom-reader.ts';
import { type HttpExchange, type HttpFront, type HttpReply, openHttp } from './http.ts';
import { EXCHANGE, informIn, informThread } from './inform-handler.test-helper.ts';
import { type SessionClaims, SessionCookies } from './session-cookie.ts';
import { decodeHot, encodeHot } from './store/codec.ts';
import { openStore, sessionOf } from './store/store.test-helper.ts';

setFlagsFromString('--allow-natives-syntax');
const haveSameMap = new Function('a', 'b', 'return %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

/** Places of the objects that have another shape than the first; [] when all have one. */
function others(objects: readonly object[]): number[] {
  expect(objects.length).toBeGreaterThan(1);
  return objects.flatMap((object, i) => (haveSameMap(objects[0]!, object) ? [] : [i]));
}

test('the check tells shapes apart', () => {
  const made = (a: number, b: number): object => ({ a, b });
  const late: Record<string, number> = { a: 1 };
  late['b'] = 2;
  const without: Record<string, number> = { a: 1, b: 2, c: 3 };
  delete without['c'];
  expect(others([made(1, 2), made(3, 4)])).toEqual([]);
  expect(others([made(1, 2), { b: 2, a: 1 }, made(3, 4), without])).toEqual([1, 3]);
  expect(others([made(1, 2), { ...late, extra: 1 }])).toEqual([1]);
});

const FRONT: HttpFront = { certificateHeader: 'x-front', addressHeader: 'x-address', isTrusted: () => true };
const head = (line: string, more: string): string => `${line} HTTP/1.1\r\nHost: acs\r\n${more}\r\n`;
const REQUESTS = [
  head('POST /', 'Content-Length: 0\r\n'),
  head('POST /some/path?x=1', 'Content-Length: 0\r\nCookie: sid=1\r\nAuthorization: Basic eDp5\r\n'),
  `${head('POST /', `Content-Type: ${CONTENT_TYPE}\r\nContent-Length: 4\r\n`)}<x/>`,
  head('POST /', 'Content-Length: 0\r\nX-Front: a\r\nX-Address: 192.0.2.7\r\n'),
  head('POST /files/one', 'Content-Length: 0\r\n'),
  head('GET /files/one', 'Range: bytes=0-1\r\n'),
  `${head('PUT /files/one', 'Content-Length: 4\r\nContent-Range: bytes 0-3/4\r\n')}<x/>`,
];

test.each([true, false])(
  'exchanges of every kind of request have one shape, asked or not, answered or not (credentials: %s)',
  async (credentials) => {
    const exchanges: HttpExchange[] = [];
    const before: (number[] | null)[] = [];
    const server = await openHttp(
      '127.0.0.1',
      0,
      { credentials, front: credentials ? FRONT : null },
      {
        head(exchange) {
          exchanges.push(exchange);
          if (exchanges.length > 1) before.push(others(exchanges));
          if (exchanges.length === 2) exchange.address;
          return { type: 'read' };
        },
        post: () => ({ status: '204 No Content', body: '' }),
        hasRoom: () => true,
        bodyArriving() {},
        bodyFailed() {},
        connection() {},
        failed: () => ({ status: '503 Service Unavailable', body: '' }),
      },
    );
    for (const request of REQUESTS) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.write(request));
        socket.once('data', () => socket.destroy());
        socket.once('close', () => resolve());
      });
    }
    server.close();
    expect(exchanges).toHaveLength(REQUESTS.length);
    expect(before).toEqual(REQUESTS.slice(1).map(() => []));
    expect(others(exchanges)).toEqual([]);
  },
);

const INFORM = referenceInform();

function thread() {
  const { store, quiet, metrics, cookies, informs, lastContacts, answer } = informThread();
  const inform = async (bytes: Buffer): Promise<HttpReply> => {
    const glanced = quiet.answer(EXCHANGE, null, bytes);
    if (glanced !== null) return glanced;
    const news = quiet.news(null, bytes);
    if (news !== null) return 'told' in news ? informs.tell(EXCHANGE, null, news) : news;
    return await answer(bytes);
  };
  const claimsOf = (reply: HttpReply): SessionClaims => cookies.open(/sid=([^;]*)/.exec(reply.setCookie!)![1]!)!;
  return { store, quiet, metrics, inform, claimsOf, lastContacts };
}

test('answers to Informs have one shape (news, quiet, glanced at, news told by values), and so have their claims and session records', async () => {
  const { store, quiet, metrics, inform, claimsOf, lastContacts } = thread();
  const records = vi.spyOn(store, 'putSession');
  const replies: HttpReply[] = [];
  for (const SerialNumber of ['TN1', 'TN2']) {
    const bytes = referenceInform({ SerialNumber });
    replies.push(await inform(bytes));
    const claims = claimsOf(replies.at(-1)!);
    await store.removeSession(claims.cpeId, claims.sessionId);
    replies.push(await inform(bytes));
    quiet.remember(claimsOf(replies.at(-1)!), store.openMark(claims.cpeId));
    await store.flushed();
    replies.push(await inform(bytes));
    // The first is read, and the others are not.
    for (let i = 0; i < 2; i++) replies.push(await inform(referenceInform({ SerialNumber, EventCode: '1 BOOT' })));
  }
  lastContacts.flush();
  expect(metrics.quietInforms).toBe(2);
  expect(others(replies)).toEqual([]);
  expect(others(replies.map(claimsOf))).toEqual([]);
  expect(others(records.mock.calls.map(([, record]) => record))).toEqual([]);
});

test('claims have one shape whatever is in the cookie', () => {
  const cookies = new SessionCookies(Buffer.alloc(32, 7));
  const claims: SessionClaims = {
    ...{ sessionId: '1-1-1', incarnation: 1, generation: 1, startedAtSeconds: 1_700_000_000, timeoutSeconds: 60 },
    ...{ namespaceDigit: '0', version: '1.0', cpeId: '00D09E-Box-1', authTag: '', quiet: '' },
  };
  const all = [
    claims,
    { ...claims, sessionId: 'zz-12-abc', incarnation: 1_295, generation: 70_000 },
    { ...claims, authTag: 'abcdef' },
    { ...claims, quiet: 'x'.repeat(22) },
  ];
  expect(others(all.map((one) => cookies.open(cookies.seal(one))!))).toEqual([]);
});

test('records of sessions have one shape as they are read from the store', async () => {
  const { store } = openStore();
  await store.putSession('a', sessionOf());
  await store.putSession('b', sessionOf({ posts: 2, rpcs: 1, actionId: 'a1', holdUntilSequence: 7 }));
  expect(others(['a', 'b'].map((cpeId) => store.getSession(cpeId)!))).toEqual([]);
});

test('entries of a ParameterList have one shape: of repeated markup or parsed, plain or strange, by either reader, or stored', () => {
  const text = INFORM.toString();
  const strange = text
    .replace('>2.17<', '>2 &amp; 17<')
    .replace('>TN-440 rev C<', '><')
    .replace('<Value xsi:type="xsd:string">4.0.17-build.2291</Value>', '<Value>4.0.17</Value>')
    .replace('>retail.home.fibre.north<', '><![CDATA[north]]><')
    .replace('>7</Value>', '> 7 </Value>')
    .replace('      <Name>Device.ManagementServer.P', '<!-- c --><Name>Device.ManagementServer.P')
    .replace('<Value xsi:type="xsd:string">http:', '<Value xsi:type="vendor:url">http:')
    .replace('<Value xsi:type="xsd:boolean">0</Value>', '')
    .replaceAll('>2001:db8:40:17::1<', '>S\u00e4ule<');
  const second = readSecond(INFORM, CONTENT_TYPE);
  if (second.type === 'refused' || second.message.type !== 'inform') throw new Error('no Inform');
  const lists: ParameterValue[][] = [
    informIn(INFORM).inform.ParameterList,
    informIn(Buffer.from(strange)).inform.ParameterList,
    informIn(INFORM).inform.ParameterList,
    second.message.inform.ParameterList,
    decodeHot(encodeHot(informIn(INFORM).inform.ParameterList)),
  ];
  expect(lists.map(({ length }) => length)).toEqual([12, 12, 12, 12, 12]);
  expect(others(lists.flat())).toEqual([]);
});

test('layouts have one shape', () => {
  const kept: Layout[] = [];
  const keep = vi.spyOn(InformLayouts.prototype, 'keep').mockImplementation((layout) => void kept.push(layout));
  const glance = new InformGlance(1);
  glance.at(INFORM, 0);
  glance.at(referenceInform({ EventCode: '1 BOOT' }), 0);
  glance.at(Buffer.from(INFORM.toString().replace('<ProductClass>TN-440<', '<ProductClass><')), 0);
  glance.at(Buffer.from(INFORM.toString().replaceAll('soap-env', 'SOAP-ENV')), 0);
  keep.mockRestore();
  expect(kept).toHaveLength(4);
  expect(others(kept)).toEqual([]);
});
