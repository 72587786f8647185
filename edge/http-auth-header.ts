// Reads the values of Authorization and WWW-Authenticate as CPEs really write them: commas inside quotes, trailing and doubled
// commas, several challenges in one header, folded lines, quotes that are missing or never closed (FIELD 35, 41). It decides nothing:
// whether a part is acceptable is for those who asked.

export interface AuthParam {
  /** Without quotes, escapes undone. */
  value: string;
  /** Without quotes, escapes left in: small CPEs neither write nor read escapes, so a backslash of theirs is a backslash. */
  raw: string;
}

/** One challenge, or the one set of credentials of an Authorization header. */
export interface AuthPart {
  /** Lower-case. */
  scheme: string;
  /** The single token of `Basic dXNlcjpw`; null when parameters follow. */
  token: string | null;
  /** By lower-case name; the first of a repeated name counts. */
  params: Map<string, AuthParam>;
}

const SEPARATORS = /[\s,]*/y;
const WORD = /[^\s,="]+/y;
const SPACES = /\s*/y;
const TOKEN68 = /\s+([A-Za-z0-9._~+/-]+=*)\s*(?=,|$)/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)("?)/y;
const BARE = /[^\s,]*/y;

/**
 * Splits a header value into its challenges. Linear in the length of `text`; never throws.
 * @returns [] when there is not even a scheme.
 */
export function parseAuthHeader(text: string): AuthPart[] {
  const parts: AuthPart[] = [];
  let at = skip(SEPARATORS, text, 0);
  let afterComma = true;
  let lastName = '';
  while (at < text.length) {
    const word = match(WORD, text, at);
    if (word === null) {
      // A stray '=' or quote: junk is stepped over, up to the next separator.
      at = skip(SEPARATORS, text, Math.max(at + 1, skip(BARE, text, at)));
      continue;
    }
    const afterWord = at + word[0].length;
    const equals = skip(SPACES, text, afterWord);
    const current = parts.at(-1);
    if (text[equals] === '=') {
      const { param, end } = readValue(text, skip(SPACES, text, equals + 1));
      lastName = word[0].toLowerCase();
      if (current !== undefined && !current.params.has(lastName)) current.params.set(lastName, param);
      at = end;
    } else {
      const qop = current?.params.get('qop');
      const alone = equals >= text.length || text[equals] === ',';
      // The rest of a list that should have been quoted: `qop=auth,auth-int, nonce=…` opens no challenge named auth-int.
      const ofList = alone && qop !== undefined && lastName === 'qop';
      if (ofList) qop.value = qop.raw = `${qop.raw},${word[0]}`;
      // A bare word opens a challenge at the start or after a comma; elsewhere it is the rest of an unquoted value with blanks.
      const opens = afterComma && !ofList;
      if (opens) parts.push({ scheme: word[0].toLowerCase(), token: null, params: new Map() });
      at = afterWord;
      const opened = opens ? parts.at(-1) : undefined;
      // Digest has no token form; `Digest nonce=` followed by a comma must not be taken for one.
      if (opened !== undefined && opened.scheme !== 'digest') {
        const token = match(TOKEN68, text, at);
        if (token !== null) {
          opened.token = token[1] ?? '';
          at += token[0].length;
        }
      }
    }
    const next = skip(SEPARATORS, text, at);
    afterComma = text.slice(at, next).includes(',');
    at = next;
  }
  return parts;
}

/** A parameter's value, or null when it is absent. */
export function param(part: AuthPart, name: string): string | null {
  return part.params.get(name)?.value ?? null;
}

/** Writes a quoted string (RFC 9110 §5.6.4); control characters, which would end the header, become blanks. */
export function quoted(text: string): string {
  return `"${text.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/["\\]/g, '\\$&')}"`;
}

/** User name and password of a Basic token; null when it is not base64 of `name:password` (RFC 7617). */
export function decodeBasic(token: string): { username: string; password: string } | null {
  const bytes = Buffer.from(token, 'base64');
  const colon = bytes.indexOf(58);
  if (colon < 0) return null;
  return { username: bytes.toString('utf8', 0, colon), password: bytes.toString('utf8', colon + 1) };
}

export function encodeBasic(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
}

function readValue(text: string, at: number): { param: AuthParam; end: number } {
  const quotedValue = match(QUOTED, text, at);
  if (quotedValue !== null) {
    const raw = quotedValue[1] ?? '';
    return { param: { raw, value: raw.replace(/\\([\s\S])/g, '$1') }, end: at + quotedValue[0].length };
  }
  const bare = match(BARE, text, at)?.[0] ?? '';
  return { param: { raw: bare, value: bare }, end: at + bare.length };
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function skip(pattern: RegExp, text: string, at: number): number {
  return at + (match(pattern, text, at)?.[0].length ?? 0);
}
