// The chain of evidence as values: what of a record is hashed, and how each holds the one before. No database, no clock, no key.
//
//   text     canonical JSON of the record: seq, actionId, at, kind, body
//   digest   SHA-256 of the text
//   hash     SHA-256 of the hash before, a line end and the digest; the first one stands on GENESIS
//
// A record whose text is left out, because it is of another device, keeps its place in the chain by its digest alone.

import { hash as digestOf } from 'node:crypto';

/** One thing that happened to an action. `seq` counts from 1 without gaps. */
export interface EvidenceRecord {
  seq: number;
  actionId: string;
  /** ISO 8601, UTC, with milliseconds. */
  at: string;
  kind: string;
  /** Redacted. */
  body: Record<string, unknown>;
}

/** What the first record stands on. */
export const GENESIS = '0'.repeat(64);

/** JSON with members in order of their names: equal values have equal text, whatever order jsonb gives them back in. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : part,
  );
}

/** The text that is hashed. By the order of names it ends with the number of the record. */
export function recordText({ seq, actionId, at, kind, body }: EvidenceRecord): string {
  return canonicalJson({ seq, actionId, at, kind, body });
}

/** SHA-256 in lower-case hex: of a record's text, as a string or as its UTF-8 bytes. */
export const recordDigest = (text: string | Uint8Array): string => digestOf('sha256', text, 'hex');

/** The hash of a record from the hash before it and its own digest. */
export const linkHash = (prevHash: string, digest: string): string =>
  digestOf('sha256', `${prevHash}\n${digest}`, 'hex');

/** The hash of a record behind `prevHash`. */
export const evidenceHash = (prevHash: string, record: EvidenceRecord): string =>
  linkHash(prevHash, recordDigest(recordText(record)));
