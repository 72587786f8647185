// Replays a recording: every exchange by the handler that answers CPEs, with the answers it was given then in place of store, clock and claims.
// It opens nothing. What comes out is compared with what was sent, byte by byte; each exchange stands for itself, so that one that differs
// does not make all behind it differ.

import { silentLog } from '../../base/log.ts';
import type { Read } from '../../cwmp/read.ts';
import { GENERIC } from '../../profiles/choose.ts';
import type { Profile } from '../../profiles/profile.ts';
import { CwmpHandler } from '../cwmp-handler.ts';
import { NOTHING_TO_READ, SessionMetrics } from '../edge-metrics.ts';
import type { CwmpExchange, HttpReply } from '../http.ts';
import { Answers, answering, Heard } from './asks.ts';
import { bodyBytes } from './document-masks.ts';
import type { Part, RecordedExchange } from './format.ts';

export interface ReplayOptions {
  read(bytes: Uint8Array, contentType: string | null): Read;
  /** Profiles of this Starling, for one that the recording does not hold. */
  profiles: ReadonlyMap<string, Profile>;
}

/** One thing that came out otherwise. */
export interface Difference {
  what: 'status' | 'headers' | 'body' | 'reader' | 'tolerances' | 'outcomes' | 'end of session' | 'error' | 'asked';
  recorded: string;
  replayed: string;
}

export interface Replayed {
  exchange: RecordedExchange;
  reader: string;
  tolerances: readonly string[];
  /** Empty when all is the same. */
  differences: Difference[];
}

/** Replays one exchange. @param part it is of. */
export async function replayExchange(
  part: Part,
  exchange: RecordedExchange,
  { read, profiles }: ReplayOptions,
): Promise<Replayed> {
  const answers = new Answers(exchange.inputs);
  const heard = new Heard();
  let reader: string = 'fast';
  const handler = new CwmpHandler(
    answering(answers, heard, {
      log: silentLog,
      metrics: new SessionMetrics(NOTHING_TO_READ),
      read(bytes, contentType) {
        const done = read(bytes, contentType);
        reader = done.parsePath;
        return done;
      },
      profile: (id) => part.profiles.get(id) ?? profiles.get(id) ?? profiles.get(GENERIC)!,
    }),
  );
  const { request } = exchange;
  let reply: HttpReply | null = null;
  let error = '';
  try {
    reply = await handler.postUnpacked(exchangeOf(exchange, answers), request.identity, bodyBytes(request.body));
  } catch (cause) {
    error = String(cause);
  }
  const differences = [
    ...(error === (exchange.error ?? '')
      ? []
      : [{ what: 'error' as const, recorded: exchange.error ?? '', replayed: error }]),
    ...differencesOf(exchange, reply),
    ...changed('reader', exchange.reader, reader),
    ...changed('tolerances', list(exchange.tolerances), list(heard.tolerances)),
    ...changed('outcomes', outcomes(exchange.outcomes), outcomes(heard.outcomes)),
    ...changed('end of session', exchange.ended ?? '', heard.ended ?? ''),
    ...changed('asked', '', list([...answers.missing])),
  ];
  return { exchange, reader, tolerances: heard.tolerances, differences };
}

function exchangeOf({ request }: RecordedExchange, answers: Answers): CwmpExchange {
  const { address, headers } = request;
  return {
    cookie: headers['Cookie'] ?? '',
    contentType: headers['Content-Type'] ?? '',
    contentEncoding: '',
    address,
    addressBytes: new Uint8Array(0),
    aborted: answers.peek('aborted', false),
    bodyIsOwned: true,
  };
}

/** What was sent, beside what would be. Cookies are masked: whether there is one, and with which attributes, is compared. */
function differencesOf({ response }: RecordedExchange, reply: HttpReply | null): Difference[] {
  if (response === null || reply === null) return [];
  const { status, contentType, setCookie, headers = [], close = false, body } = reply;
  const replayed: Record<string, string> = {};
  if (contentType !== undefined) replayed['Content-Type'] = contentType;
  if (setCookie !== undefined) replayed['Set-Cookie'] = setCookie;
  for (const [name, value] of headers) replayed[name] = value;
  return [
    ...changed('status', response.status, status),
    ...changed('headers', head(response.headers, response.close), head(replayed, close)),
    ...changed('body', bodyBytes(response.body).toString(), Buffer.from(body).toString()),
  ];
}

function changed(what: Difference['what'], recorded: string, replayed: string): Difference[] {
  return recorded === replayed ? [] : [{ what, recorded, replayed }];
}

/** Of challenges and cookies, which prove something, what comes before that. */
function head(headers: Record<string, string>, close: boolean): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    if (name === 'Set-Cookie') return `${name}: ${value.replace(/=[^;]*/, '=…')}`;
    return name === 'WWW-Authenticate' ? `${name}: ${value.split(' ')[0]} …` : `${name}: ${value}`;
  });
  return [...lines, ...(close ? ['Connection: close'] : [])].join('\n');
}

const list = (names: readonly string[]): string => names.join('\n');
const outcomes = (all: RecordedExchange['outcomes']): string =>
  list(all.map(({ actionId, outcome, why }) => `${actionId} ${outcome}: ${why}`));
