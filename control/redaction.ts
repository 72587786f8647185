// Keeps secrets out of whatever is stored in plain or shown: timeline, evidence, results, plans. The edge redacts too; this is the
// second lock on the same door, because what is once in evidence cannot be taken out again. It seals nothing: see secret-box.

import { REDACTED } from '../base/secret-box.ts';
import type { ActionResult } from '../bus/messages.ts';
import { isSecretLeaf } from '../profiles/resolve.ts';

export type IsSecret = (path: string) => boolean;

/** User and password in front of a host. */
const URL_LOGIN = /^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/i;

/**
 * A copy of any JSON-like value without secrets: `{ Name, Value }` pairs whose Name is secret, `{ name, value }` likewise, members
 * with the name of a secret argument, members whose own name is a secret path, and logins in URLs.
 */
export function redact(value: unknown, isSecret: IsSecret): unknown {
  if (typeof value === 'string') return value.replace(URL_LOGIN, `$1${REDACTED}@`);
  if (Array.isArray(value)) return value.map((item) => redact(item, isSecret));
  if (typeof value !== 'object' || value === null) return value;
  const named = (value as { Name?: unknown; name?: unknown }).Name ?? (value as { name?: unknown }).name;
  const secretValue = typeof named === 'string' && isSecret(named);
  const members = Object.entries(value).map(([key, member]) => {
    const holdsSecret =
      (secretValue && /^value$/i.test(key)) || (typeof member !== 'object' && (isSecretLeaf(key) || isSecret(key)));
    return [key, holdsSecret && member !== null && member !== '' ? REDACTED : redact(member, isSecret)];
  });
  // Not by assignment: a member called __proto__ would then be the prototype, and missing from the evidence.
  return Object.fromEntries(members);
}

/** `redact` for records, keeping the type. */
export function redactRecord(record: Record<string, unknown>, isSecret: IsSecret): Record<string, unknown> {
  return redact(record, isSecret) as Record<string, unknown>;
}

/** A result as it may be stored and shown. */
export function redactResult(result: ActionResult, isSecret: IsSecret): ActionResult {
  return redact(result, isSecret) as ActionResult;
}
