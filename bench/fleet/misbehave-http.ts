// Misbehaviours of connection, cookies, authentication and connection requests: lines 30–36, 38–41, 46–49, 51, 53 and 55 of the list of
// what CPEs really do; and the strict readers of line 54.

import type { AcsMessage } from './acs-message.ts';
import type { Hooks, Traits } from './behaviour.ts';
import type { Misbehaviour } from './misbehaviour.ts';
import { booleanSpellings, dateTimesWithMilliseconds } from './strict.ts';

const traits = (change: Partial<Traits>): Hooks => ({ traits: change });

/** A reader that takes nothing but one spelling. */
function strict(
  why: string,
  accepts: (envelope: (AcsMessage & { type: 'request' })['envelope'], message: AcsMessage) => boolean,
): Hooks {
  return { unreadable: (message) => (message.type === 'empty' || accepts(message.envelope, message) ? null : why) };
}

const challenge = (make: Traits['connectionRequestChallenge']): Hooks => traits({ connectionRequestChallenge: make });

const crUrl = (change: Traits['connectionRequestUrl']): Hooks => traits({ connectionRequestUrl: change });

/** Credentials that a CPE goes on to want although the ACS has set others. */
export const OLD_CREDENTIALS = { username: 'old-user', password: 'old-password' };

export const HTTP_MISBEHAVIOURS: Misbehaviour[] = [
  { field: 30, name: 'cookies-with-commas', text: 'cookies separated by commas', hooks: traits({ cookies: 'commas' }) },
  { field: 30, name: 'cookies-quoted', text: 'cookie values in quotes', hooks: traits({ cookies: 'quoted' }) },
  {
    field: 31,
    name: 'cookies-need-path',
    text: 'ignores cookies without Path=/',
    hooks: traits({ cookies: 'need-path' }),
  },
  {
    field: 32,
    name: 'cookies-stale',
    text: 'sends the cookie of the last session with a new Inform',
    hooks: traits({ cookies: 'stale' }),
  },
  {
    field: 33,
    name: 'connection-per-request',
    text: 'a new TCP connection for every request',
    hooks: traits({ connection: 'per-request' }),
  },
  {
    field: 34,
    name: 'closes-with-work-outstanding',
    text: 'closes TCP when the ACS asks something',
    hooks: traits({ closesWithWorkOutstanding: true }),
  },
  {
    field: 35,
    name: 'authorization-malformed',
    text: 'an Authorization header that cannot be read',
    hooks: traits({ malformedAuthorization: true }),
  },
  {
    field: 36,
    name: 'keeps-connection-open',
    text: 'never closes a connection',
    hooks: traits({ keepsConnectionOpen: true }),
  },
  {
    field: 36,
    name: 'body-slow',
    text: 'writes bodies in small pieces with pauses',
    hooks: traits({ slowBody: { bytesPerWrite: 512, pauseMs: 20 } }),
  },
  {
    field: 38,
    name: 'cr-closes-after-challenge',
    text: 'closes the socket after challenging a connection request',
    hooks: traits({ connectionRequestClosesAfterChallenge: true }),
  },
  {
    field: 39,
    name: 'cr-answers-204',
    text: 'answers a connection request with 204',
    hooks: traits({ connectionRequestStatus: 204 }),
  },
  {
    field: 39,
    name: 'cr-answers-503',
    text: 'answers every connection request with 503',
    hooks: traits({ connectionRequestStatus: 503 }),
  },
  {
    field: 40,
    name: 'cr-credentials-old',
    text: 'wants the connection-request credentials of before',
    hooks: traits({ connectionRequestCredentials: OLD_CREDENTIALS }),
  },
  {
    field: 41,
    name: 'cr-challenge-odd',
    text: 'a challenge with commas in quotes, a trailing comma, two qops, opaque',
    hooks: challenge((realm, nonce) => [
      `Digest realm="${realm}, cellar, left", qop="auth,auth-int" ,nonce="${nonce}",opaque="a,b=c", algorithm="MD5",`,
    ]),
  },
  { field: 46, name: 'cookies-ignored', text: 'returns no cookie', hooks: traits({ cookies: 'ignored' }) },
  {
    field: 47,
    name: 'closes-after-challenge',
    text: 'a new connection after the 401',
    hooks: traits({ closesAfterChallenge: true }),
  },
  { field: 47, name: 'nc-stuck', text: 'nc stays 00000001', hooks: traits({ ncStuck: true }) },
  { field: 48, name: 'basic-only', text: 'answers only Basic challenges', hooks: traits({ schemes: ['basic'] }) },
  {
    field: 48,
    name: 'basic-unasked',
    text: 'sends Basic before it is asked',
    hooks: traits({ basicUnasked: true, schemes: ['basic'] }),
  },
  {
    field: 49,
    name: 'cr-url-https',
    text: 'a connection-request URL with https',
    hooks: crUrl((url) => url.replace('http:', 'https:')),
  },
  {
    field: 49,
    name: 'cr-url-ipv6',
    text: 'a connection-request URL with an IPv6 literal',
    hooks: crUrl((url) => url.replace(/\/\/[^:/]+/, '//[::1]')),
  },
  {
    field: 49,
    name: 'cr-url-odd-port',
    text: 'a connection-request URL with port 1',
    hooks: crUrl((url) => url.replace(/:\d+\//, ':1/')),
  },
  {
    field: 49,
    name: 'cr-url-without-path',
    text: 'a connection-request URL without path',
    hooks: crUrl((url) => url.replace(/(\/\/[^/]+)\/.*/, '$1')),
  },
  {
    field: 51,
    name: 'informs-while-hanging',
    text: 'once: informs again while its first session hangs',
    hooks: traits({ informsAgainWhileHanging: true }),
  },
  {
    field: 53,
    name: 'digest-md5-sess',
    text: 'answers only MD5-sess challenges',
    hooks: traits({ schemes: ['digest'], algorithms: ['MD5-sess'] }),
  },
  {
    field: 53,
    name: 'digest-sha-256',
    text: 'answers only SHA-256 challenges',
    hooks: traits({ schemes: ['digest'], algorithms: ['SHA-256'] }),
  },
  {
    field: 53,
    name: 'cr-digest-md5-sess',
    text: 'challenges connection requests with MD5-sess',
    hooks: challenge((realm, nonce) => [`Digest realm="${realm}", qop="auth", nonce="${nonce}", algorithm=MD5-sess`]),
  },
  {
    field: 53,
    name: 'cr-digest-sha-256',
    text: 'challenges connection requests with SHA-256',
    hooks: challenge((realm, nonce) => [`Digest realm="${realm}", qop="auth", nonce="${nonce}", algorithm=SHA-256`]),
  },
  {
    field: 54,
    name: 'needs-declaration',
    text: 'reads nothing without an XML declaration',
    hooks: strict('the XML declaration is missing', (envelope) => envelope.hasDeclaration),
  },
  {
    field: 54,
    name: 'breaks-on-declaration',
    text: 'reads nothing with an XML declaration',
    hooks: strict('there is an XML declaration', (envelope) => !envelope.hasDeclaration),
  },
  {
    field: 54,
    name: 'needs-prefix-upper',
    text: 'knows only the prefix SOAP-ENV',
    hooks: strict('the prefix is not SOAP-ENV', (envelope) => envelope.soapPrefix === 'SOAP-ENV'),
  },
  {
    field: 54,
    name: 'needs-prefix-lower',
    text: 'knows only the prefix soap-env',
    hooks: strict('the prefix is not soap-env', (envelope) => envelope.soapPrefix === 'soap-env'),
  },
  {
    field: 54,
    name: 'needs-boolean-digits',
    text: 'reads booleans only as 1 and 0',
    hooks: strict('a boolean is a word', (_, message) => !booleanSpellings(message).includes('word')),
  },
  {
    field: 54,
    name: 'needs-boolean-words',
    text: 'reads booleans only as true and false',
    hooks: strict('a boolean is a digit', (_, message) => !booleanSpellings(message).includes('digit')),
  },
  {
    field: 54,
    name: 'breaks-on-milliseconds',
    text: 'reads dateTime only without milliseconds',
    hooks: strict('a dateTime has milliseconds', (_, message) => !dateTimesWithMilliseconds(message)),
  },
  {
    field: 54,
    name: 'needs-namespace-1-0',
    text: 'knows only cwmp-1-0 although it informs in its own',
    hooks: strict(
      'the namespace is not cwmp-1-0',
      (envelope) => envelope.namespace === '' || envelope.namespace === 'urn:dslforum-org:cwmp-1-0',
    ),
  },
  {
    field: 55,
    name: 'closes-after-response',
    text: 'closes TCP after every response',
    hooks: traits({ connection: 'closed-after-response' }),
  },
];
