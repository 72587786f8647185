// Reads a JSON body within bounds before any schema sees it: type, bytes, depth, and the few strings that PostgreSQL cannot hold.
// What the fields mean is the business of each route's schema.

import type { Context, MiddlewareHandler } from 'hono';
import { LIMITS } from '../../base/limits.ts';
import type { ApiEnv } from './auth.ts';
import { ApiError, type ErrorDetail } from './errors.ts';

/** Middleware for routes that take JSON: reads and judges the body, then lets the route's own schema have it. */
export const jsonBody: MiddlewareHandler<ApiEnv> = async (c, next) => {
  const body = await readJson(c);
  c.set('body', body);
  // The validator reads the request once more: it gets the text that was judged, not the stream that is used up.
  const { url, method, signal } = c.req.raw;
  const headers = { ...c.req.header(), 'content-type': 'application/json' };
  c.req.raw = new Request(url, { method, headers, signal, body: JSON.stringify(body) });
  await next();
};

/**
 * The parsed JSON body of a request; an absent body is `{}`, so that a POST without arguments needs none.
 * @throws ApiError 400 not JSON or not storable, 413 too large, 415 another content type.
 */
async function readJson(c: Context): Promise<unknown> {
  const text = await readText(c);
  if (text.trim() === '') return {};
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new ApiError(415, 'not-json', `Send the body as application/json; this one says '${type}'.`);
  }
  refuseDepth(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiError(400, 'not-json', `The body is not JSON: ${(error as SyntaxError).message}.`);
  }
  const bad = unstorable(value);
  if (bad !== null) throw new ApiError(400, 'unstorable-text', `${bad.field}: ${bad.message}`, { details: [bad] });
  return value;
}

/** The body as UTF-8 text, at most LIMITS.apiBodyBytesMax; counted as it arrives, since Content-Length may be absent or untrue. */
async function readText(c: Context): Promise<string> {
  const tooLarge = () =>
    new ApiError(413, 'body-too-large', `The body is larger than ${LIMITS.apiBodyBytesMax} bytes. Split the request.`);
  if (Number(c.req.header('content-length') ?? 0) > LIMITS.apiBodyBytesMax) throw tooLarge();
  const stream = c.req.raw.body;
  if (stream === null) return '';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  let text = '';
  try {
    for await (const chunk of stream) {
      bytes += chunk.byteLength;
      if (bytes > LIMITS.apiBodyBytesMax) throw tooLarge();
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (error instanceof TypeError) throw new ApiError(400, 'not-utf8', 'The body is not UTF-8. Send JSON in UTF-8.');
    // The caller went away or broke its own framing: nobody reads this answer.
    throw new ApiError(400, 'body-broken-off', 'The body broke off before its end. Send it again.');
  }
}

/** Depth is judged on the text, before the parse, so that nothing of ours ever recurses deeper than the bound. */
function refuseDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++;
      else if (code === 34) inString = false;
    } else if (code === 34) inString = true;
    else if (code === 123 || code === 91) depth++;
    else if (code === 125 || code === 93) depth--;
    if (depth > LIMITS.apiJsonDepthMax) {
      throw new ApiError(400, 'too-deep', `The body nests deeper than ${LIMITS.apiJsonDepthMax} levels. Flatten it.`);
    }
  }
}

/** True for text that PostgreSQL can hold: no NUL, no half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !/\u0000|[\uD800-\uDFFF]/u.test(text);
}

const TEXT_RULE = 'holds a NUL character or half of a surrogate pair; remove it';

function unstorable(value: unknown, field = ''): ErrorDetail | null {
  const named = field || '(body)';
  if (typeof value === 'string') return isStorable(value) ? null : { field: named, message: TEXT_RULE };
  // JSON.parse makes Infinity of 1e999, which no JSON written later could say.
  if (typeof value === 'number')
    return Number.isFinite(value) ? null : { field: named, message: 'is too large a number' };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    if (!isStorable(key)) return { field: named, message: `a name in it ${TEXT_RULE}` };
    const bad = unstorable(inner, field === '' ? key : `${field}.${key}`);
    if (bad !== null) return bad;
  }
  return null;
}
