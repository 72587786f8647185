// A chain of evidence in memory, written out as an export.

import { type EvidenceRecord, GENESIS, linkHash, recordDigest, recordText } from './chain.ts';
import {
  agedLine,
  EXPORT_FORMAT,
  EXPORT_VERSION,
  endLine,
  endText,
  headerLine,
  headLine,
  recordLine,
  skippedLine,
} from './export-format.ts';
import { EvidenceSigner } from './signing.ts';

export const SIGNER = new EvidenceSigner(new Uint8Array(32).fill(5));
const AT = '2026-01-31T12:00:00.000Z';

export const recordOf = (seq: number): EvidenceRecord => ({
  ...{ seq, actionId: `A${seq % 7}`, at: new Date(Date.parse(AT) + seq).toISOString(), kind: 'rpc' },
  body: { method: 'SetParameterValues', answer: 'response', text: `"quoted", ü and ${seq}`, seq: seq + 1 },
});

/** Lines of an export of records `1` to `count`, without their ends; every tenth is of somebody else, and the first `agedCount` have aged. */
export function exportOf(count: number, headEach = 25, signer = SIGNER, agedCount = 0): string[] {
  const header = headerLine({
    ...{ format: EXPORT_FORMAT, version: EXPORT_VERSION, key: signer.publicKey },
    ...{ after: { seq: 0, hash: GENESIS }, filter: {}, exportedAt: AT },
  });
  const lines = [header];
  let hash = GENESIS;
  let skipped = 0;
  let aged = 0;
  for (let seq = 1; seq <= count; seq++) {
    const text = recordText(recordOf(seq));
    const digest = recordDigest(text);
    hash = linkHash(hash, digest);
    if (seq % 10 === 0) {
      skipped++;
      lines.push(skippedLine(seq, digest, hash));
    } else if (seq <= agedCount) {
      aged++;
      lines.push(agedLine(seq, digest, hash));
    } else lines.push(recordLine(text, hash));
    const head = { seq, hash, at: AT };
    if (seq % headEach === 0) lines.push(headLine(head, signer.sign(head)));
  }
  const head = { seq: count, hash, at: AT };
  const end = { records: count - skipped - aged, skipped, aged, header: recordDigest(header) };
  lines.push(endLine(end, head, signer.sign(head, endText(end))));
  return lines;
}
