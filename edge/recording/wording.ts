// The heads of requests and answers as a recording shows them, and one line of what was said.

import { unescapePart } from '../../base/ids.ts';
import type { CpeMessage } from '../../cwmp/message.ts';
import type { Read } from '../../cwmp/read.ts';
import type { CwmpExchange, HttpExchange, HttpReply } from '../http.ts';
import { maskBody } from './document-masks.ts';
import type { RecordedResponse } from './format.ts';
import type { Masks } from './masks.ts';

/** Headers that count in a session, those that prove something masked to their scheme or name. */
export function maskedHeaders(exchange: CwmpExchange, masks: Masks): Record<string, string> {
  const { authorization = '' } = exchange as Partial<HttpExchange>;
  const headers: Record<string, string> = {};
  const { cookie, contentType, contentEncoding } = exchange;
  if (contentType !== '') headers['Content-Type'] = contentType;
  if (contentEncoding !== '') headers['Content-Encoding'] = contentEncoding;
  if (cookie !== '') headers['Cookie'] = hideValues(cookie);
  if (authorization !== '') headers['Authorization'] = hideAfter(authorization, ' ');
  return masks.value(headers);
}

/** The answer as it was sent, but for its packing. */
export function responseOf(reply: HttpReply, masks: Masks): RecordedResponse {
  const { status, contentType, setCookie, headers = [], close = false } = reply;
  const shown: Record<string, string> = {};
  if (contentType !== undefined) shown['Content-Type'] = contentType;
  if (setCookie !== undefined) shown['Set-Cookie'] = hideValues(setCookie);
  for (const [name, value] of headers) shown[name] = name === 'WWW-Authenticate' ? hideAfter(value, ' ') : value;
  return { status, headers: shown, close, body: maskBody(reply.body, masks) };
}

/** What a cookie of ours is for is named behind it, and stays. */
const hideValues = (cookies: string): string =>
  cookies.replace(/=("?)([^;,"]*)/g, (whole, quote: string, value: string) =>
    /^\/?$/.test(value) ? whole : `=${quote}${'x'.repeat(value.length)}`,
  );

function hideAfter(text: string, mark: string): string {
  const at = text.indexOf(mark) + 1;
  return text.slice(0, at) + 'x'.repeat(text.length - at);
}

/** E.g. `Inform (1 BOOT) → InformResponse`. */
export function said(done: Read | null, reply: HttpReply | null): string {
  const asked =
    done === null ? 'empty POST' : done.result.type === 'ok' ? words(done.result.message) : done.result.reason;
  return `${asked} → ${reply === null ? 'nothing' : answerWords(reply)}`;
}

function words(message: CpeMessage): string {
  switch (message.type) {
    case 'empty':
      return 'empty POST';
    case 'inform':
      return `Inform (${message.inform.Event.map(({ EventCode }) => EventCode).join(', ')})`;
    case 'request':
      return message.method;
    case 'response':
      return `${message.method}Response`;
    case 'fault':
      return `Fault ${message.fault.FaultCode}`;
  }
}

function answerWords({ status, body }: HttpReply): string {
  if (typeof body !== 'string' || !body.includes('Envelope')) return status;
  return /<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)/.exec(body)?.[1] ?? status;
}

/** The parts of a DeviceId by which a CPE is told from others. */
export const identityOf = (cpeId: string): string[] => cpeId.split('-').map(unescapePart);
