// The few shapes of answers a CPE gets over HTTP.

import type { HttpReply } from './http.ts';
import { COOKIE_NAME } from './session-cookie.ts';

export const SOAP = 'text/xml; charset="utf-8"';
const PLAIN = 'text/plain; charset="utf-8"';

/** Nothing to say, or the end of a session (CWMP H3). */
export const NO_CONTENT: HttpReply = { status: '204 No Content', body: '' };

/** There is no room for this one now; the CPE keeps what it wanted to tell (TR-069 §3.2.1.1). */
export const COME_AGAIN: HttpReply = {
  status: '503 Service Unavailable',
  body: '',
  headers: [['Retry-After', '30']],
};

/** There is no room for a session of this CPE now. The connection ends with it: one that waits takes room too. */
export function shed(retryAfterSeconds: number): HttpReply {
  return {
    status: '503 Service Unavailable',
    body: '',
    headers: [['Retry-After', String(retryAfterSeconds)]],
    close: true,
  };
}

/** An answer that is no envelope; `text` may be shown to the owner of the CPE. */
export function plain(status: string, text: string): HttpReply {
  return { status, body: `${text}\n`, contentType: PLAIN };
}

/** An envelope, faults included (CWMP H2). */
export function soap(body: string): HttpReply {
  return { status: '200 OK', body, contentType: SOAP };
}

/** Status line of a refusal of the readers. */
export function statusLine(status: number): string {
  if (status === 413) return '413 Payload Too Large';
  if (status === 415) return '415 Unsupported Media Type';
  return '400 Bad Request';
}

/** Value of Set-Cookie for a session (CWMP C2); `Path=/` unless the CPE cannot bear it (FIELD 31). */
export function setCookieOf(cookie: string, path: boolean): string {
  return path ? `${COOKIE_NAME}=${cookie}; Path=/` : `${COOKIE_NAME}=${cookie}`;
}
