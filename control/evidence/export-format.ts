// An export of evidence as a file: what its lines are. NDJSON, so that people and programs read it with what they have; the record of a line is
// the very text that was hashed.
//
//   {"format":"starling-evidence","version":1,"key":…,"after":{"seq":…,"hash":…},"filter":…,"exportedAt":…}
//   {"record":{…},"hash":"…"}                     what was asked for
//   {"seq":…,"digest":"…","hash":"…"}             a record of others, between those: its place alone
//   {"seq":…,"aged":true,"digest":"…","hash":"…"}  one that was asked for, and whose content was dropped as too old: its place alone
//   {"head":{"seq":…,"hash":…,"at":…},"signature":"…"}
//   {"end":{"records":…,"skipped":…,"aged":…,"header":"…"},"head":{…},"signature":"…"}
//
// `aged` is left out where there is none, as in files from before records could age.

import type { ChainHead } from './signing.ts';

export const EXPORT_FORMAT = 'starling-evidence';
export const EXPORT_VERSION = 1;

export interface ExportFilter {
  deviceId?: string;
  actionId?: string;
  /** ISO 8601; records from then on, and before. */
  from?: string;
  to?: string;
}

export interface ExportHeader {
  format: typeof EXPORT_FORMAT;
  version: typeof EXPORT_VERSION;
  /** Ed25519, 32 bytes in base64. */
  key: string;
  /** What the first line stands on. */
  after: { seq: number; hash: string };
  filter: ExportFilter;
  exportedAt: string;
}

export const headerLine = (header: ExportHeader): string => JSON.stringify(header);
/** @param text as it was hashed. */
export const recordLine = (text: string, hash: string): string =>
  `${RECORD_BEGIN}${text}${HASH_BEGIN}${hash}${LINE_END}`;
export const skippedLine = (seq: number, digest: string, hash: string): string =>
  `{"seq":${seq},"digest":"${digest}","hash":"${hash}"}`;
export const agedLine = (seq: number, digest: string, hash: string): string =>
  `{"seq":${seq},"aged":true,"digest":"${digest}","hash":"${hash}"}`;
export const headLine = (head: ChainHead, signature: string): string => JSON.stringify({ head, signature });
/** How many lines of each kind there are, and the digest of the first one: signed with the last head. */
export interface ExportEnd {
  records: number;
  skipped: number;
  /** 0 is not written. */
  aged: number;
  header: string;
}
export const endLine = ({ records, skipped, aged, header }: ExportEnd, head: ChainHead, signature: string): string =>
  JSON.stringify({ end: { records, skipped, ...(aged === 0 ? {} : { aged }), header }, head, signature });
/** What the signature of the last line vouches for besides its head. */
export const endText = ({ records, skipped, aged, header }: ExportEnd): string =>
  `export ${records} ${skipped} ${aged === 0 ? '' : `${aged} `}${header}\n`;

export const RECORD_BEGIN = '{"record":';
export const HASH_BEGIN = ',"hash":"';
export const LINE_END = '"}';
