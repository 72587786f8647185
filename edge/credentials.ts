// An Authorization header taken apart into what authentication asks for, in one shape whatever the CPE sent. Nearly all send one plain form,
// twice in each session, so that one is read without a map, a list or a regular expression; http-auth-header.ts reads the others.

import { type AuthPart, param, parseAuthHeader } from './http-auth-header.ts';

/** Parameters of a Digest answer; null where absent. */
export interface DigestFields {
  username: string | null;
  /** As it stood between the quotes: small CPEs neither write nor read escapes, so a backslash of theirs is a backslash. */
  rawUsername: string | null;
  /** `username*` (RFC 7616 §3.4.4). */
  extendedUsername: string | null;
  realm: string | null;
  nonce: string | null;
  uri: string | null;
  response: string | null;
  algorithm: string | null;
  qop: string | null;
  nc: string | null;
  cnonce: string | null;
}

export interface Credentials {
  /** Lower-case. */
  scheme: string;
  /** The single token of `Basic dXNlcjpw`. */
  token: string | null;
  digest: DigestFields | null;
}

/** Reads an Authorization header; null when there is nothing in it that can be read. Never throws. */
export function readCredentials(text: string): Credentials | null {
  const plain = readPlain(text);
  if (plain !== null) return plain;
  const part = parseAuthHeader(text)[0];
  if (part === undefined) return null;
  return { scheme: part.scheme, token: part.token, digest: part.scheme === 'digest' ? fieldsOf(part) : null };
}

/**
 * One set of credentials in the form nearly all CPEs send: a scheme and a token, or a scheme and parameters with commas between. null for
 * anything that is not so plain.
 */
export function readPlain(text: string): Credentials | null {
  const space = text.indexOf(' ');
  const scheme = text.slice(0, Math.max(space, 0)).toLowerCase();
  if (scheme === 'basic') {
    let end = text.length;
    while (text.charCodeAt(end - 1) === EQUALS) end--;
    for (let i = space + 1; i < end; i++) if (!isToken68(text.charCodeAt(i))) return null;
    return space + 1 >= end ? null : { scheme, token: text.slice(space + 1), digest: null };
  }
  const digest = scheme === 'digest' ? readFields(text, space + 1) : null;
  return digest === null ? null : { scheme, token: null, digest };
}

function readFields(text: string, from: number): DigestFields | null {
  const { length } = text;
  const fields = noFields();
  for (let at = from; ; ) {
    const nameAt = at;
    while (at < length && isWord(text.charCodeAt(at))) at++;
    if (at === nameAt || text.charCodeAt(at) !== EQUALS) return null;
    const name = text.slice(nameAt, at++);
    let value: string;
    if (text.charCodeAt(at) === QUOTE) {
      const end = text.indexOf('"', at + 1);
      if (end < 0) return null;
      value = text.slice(at + 1, end);
      if (value.includes('\\')) return null;
      at = end + 1;
    } else {
      const valueAt = at;
      while (at < length && isWord(text.charCodeAt(at))) at++;
      if (at === valueAt) return null;
      value = text.slice(valueAt, at);
    }
    if (!set(fields, name, value)) set(fields, name.toLowerCase(), value);
    if (at === length) return fields;
    if (text.charCodeAt(at) !== COMMA) return null;
    do at++;
    while (text.charCodeAt(at) === SPACE);
  }
}

/** The first of a repeated name counts. Returns false for a name that nobody asks for. */
function set(fields: DigestFields, name: string, value: string): boolean {
  switch (name) {
    case 'username':
      fields.username ??= value;
      fields.rawUsername ??= value;
      return true;
    case 'realm':
    case 'nonce':
    case 'uri':
    case 'response':
    case 'algorithm':
    case 'qop':
    case 'nc':
    case 'cnonce':
      fields[name] ??= value;
      return true;
    default:
      return false;
  }
}

function fieldsOf(part: AuthPart): DigestFields {
  return {
    username: param(part, 'username'),
    rawUsername: part.params.get('username')?.raw ?? null,
    extendedUsername: param(part, 'username*'),
    realm: param(part, 'realm'),
    nonce: param(part, 'nonce'),
    uri: param(part, 'uri'),
    response: param(part, 'response'),
    algorithm: param(part, 'algorithm'),
    qop: param(part, 'qop'),
    nc: param(part, 'nc'),
    cnonce: param(part, 'cnonce'),
  };
}

function noFields(): DigestFields {
  return {
    username: null,
    rawUsername: null,
    extendedUsername: null,
    realm: null,
    nonce: null,
    uri: null,
    response: null,
    algorithm: null,
    qop: null,
    nc: null,
    cnonce: null,
  };
}

const SPACE = 32;
const QUOTE = 34;
const COMMA = 44;
const EQUALS = 61;

/** Letters, digits and the signs of names and bare values: none that could mean anything else. */
function isWord(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 45 ||
    code === 95
  );
}

/** Of base64. */
function isToken68(code: number): boolean {
  return isWord(code) || code === 43 || code === 47;
}
