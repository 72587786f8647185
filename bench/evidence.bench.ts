// Evidence of a large installation: how many records a second are appended to the chain in PostgreSQL, exported, and verified as a file? A
// record is that of an RPC as support reads it, about 400 bytes. Not asked: what made them.

import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { SecretBox } from '../base/secret-box.ts';
import { evidenceService } from '../control/evidence/export.ts';
import { type NewEvidence, record } from '../control/evidence/record.ts';
import type { Verified } from '../control/evidence/verify.ts';
import { verifyFile } from '../control/evidence/verify-file.ts';
import { LiveEvents } from '../control/live-events.ts';
import { controlMetrics } from '../control/metrics.ts';
import { ProfileBook } from '../control/registry/profile-book.ts';
import { startEmbeddedPostgres } from '../control/store/embedded-postgres.ts';
import { newMember } from '../control/store/leases.ts';
import { migrate } from '../control/store/migrate.ts';
import { openDatabase } from '../control/store/postgres.ts';
import { loadProfiles } from '../profiles/load.ts';
import { medianOf, size } from './harness.ts';

/** Records of one commit: what a batch of facts brings. */
const BATCH = 500;

export interface EvidenceRow {
  step: string;
  records: number;
  'records/s': number;
}

const newRecord = (n: number): NewEvidence => ({
  ...{ actionId: `01M8BENCH${String(n % 100_000).padStart(17, '0')}`, at: 1_700_000_000_000 + n, kind: 'rpc' as const },
  body: {
    method: 'SetParameterValues',
    args: { ParameterList: [{ Name: 'Device.WiFi.SSID.1.SSID', Value: `Harbour ${n}`, Type: 'xsd:string' }] },
    answer: 'response',
    result: { Status: 0 },
    sessionId: `9-1-${n}`,
    durationMs: 17,
  },
});

/** Appends `records`, exports and verifies them; the last one `rounds` times. */
export async function evidenceBench(
  records: number,
  rounds: number,
): Promise<{ rows: EvidenceRow[]; verified: Verified }> {
  const dir = mkdtempSync(join(tmpdir(), 'starling-bench-'));
  const cluster = await startEmbeddedPostgres(dir, silentLog);
  const sql = await openDatabase(cluster.url);
  const rows: EvidenceRow[] = [];
  const note = (step: string, startedAt: number): void => {
    const rate = records / ((performance.now() - startedAt) / 1_000);
    rows.push({ step, records, 'records/s': Math.round(rate) });
  };
  try {
    await migrate(sql);
    const context = {
      ...{ member: newMember(), sql, box: new SecretBox(new Uint8Array(32)), clock: systemClock, log: silentLog },
      ...{ book: new ProfileBook(loadProfiles()), live: new LiveEvents(sql, silentLog) },
      metrics: controlMetrics(new Registry(), async () => new Map()),
    };
    let startedAt = performance.now();
    for (let n = 0; n < records; n += BATCH) {
      const batch = Array.from({ length: Math.min(BATCH, records - n) }, (_, i) => newRecord(n + i));
      await sql.begin((tx) => record(tx, [], batch));
    }
    note('append, 500 in a commit', startedAt);
    const file = join(dir, 'evidence.ndjson');
    startedAt = performance.now();
    await pipeline(Readable.from(evidenceService(context).export({})), createWriteStream(file));
    note('export', startedAt);
    const rates: number[] = [];
    let verified: Awaited<ReturnType<typeof verifyFile>> | null = null;
    for (let round = 0; round < rounds; round++) {
      startedAt = performance.now();
      verified = await verifyFile(file, null);
      rates.push(records / ((performance.now() - startedAt) / 1_000));
    }
    rows.push({ step: 'verify', records, 'records/s': Math.round(medianOf(rates)) });
    if (verified === null || 'why' in verified) throw new Error(`not whole: ${JSON.stringify(verified)}`);
    return { rows, verified };
  } finally {
    await sql.end();
    await cluster.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Runs the bench at its size and prints it. */
export async function printEvidenceBench(): Promise<void> {
  const { rows, verified } = await evidenceBench(size(1_000, 1_000_000), size(1, 5));
  console.table(rows);
  console.log(verified);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await printEvidenceBench();
