// `npm run fuzz -- --seconds 60 [--seed N] [--target readers|edge]`: feeds changed messages to both readers until the time is up. A finding is a throw, a
// disagreement, or memory that grows; its input is saved under test/fuzz/findings and the exit status is 1. It knows no coverage: the
// corpora are what leads it into the corners. The target `edge` is edge.ts.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { readMessage as readFast } from '../../cwmp/soap-reader.ts';
import { readMessage as readSecond } from '../../cwmp/xmldom-reader.ts';
import { ownCorpus, REPOSITORY, sharedCorpus } from '../corpus.ts';
import { mutate } from '../mutate.ts';
import { randomFrom, seedOfRun } from '../random.ts';
import { disagreement } from '../readers.ts';
import { fuzzEdge } from './edge.ts';

/** Documents above this are left out: they take the time of a hundred small ones and hold nothing else. */
const DOCUMENT_BYTES_MAX = 20_000;
/** Growth of the heap, after collection, that counts as a leak: the readers keep nothing between messages. */
const HEAP_GROWTH_BYTES_MAX = 96 * 1024 * 1024;
const FINDINGS_MAX = 20;

export interface FuzzReport {
  runs: number;
  accepted: number;
  seed: number;
  findings: string[];
}

/**
 * Runs until `seconds` have passed, or `runsMax` runs are done.
 * @param save gets the input and the text of each finding.
 */
export function fuzz(
  options: { seconds: number; seed: number; runsMax?: number },
  save: (input: Buffer, finding: string) => void,
): FuzzReport {
  const documents = [...ownCorpus(), ...(sharedCorpus() ?? [])].filter(
    ({ bytes }) => bytes.length < DOCUMENT_BYTES_MAX,
  );
  const random = randomFrom(options.seed);
  const report: FuzzReport = { runs: 0, accepted: 0, seed: options.seed, findings: [] };
  const stopAt = performance.now() + options.seconds * 1_000;
  const runsMax = options.runsMax ?? Number.POSITIVE_INFINITY;
  let heapBytes = 0;
  while (report.runs < runsMax && performance.now() < stopAt && report.findings.length < FINDINGS_MAX) {
    const { bytes, contentType } = documents[Math.floor(random() * documents.length)]!;
    const input = mutate(bytes, random);
    const finding = examine(input, random() < 0.8 ? contentType : null, report);
    if (finding !== null) {
      report.findings.push(finding);
      save(input, finding);
    }
    report.runs++;
    if (report.runs === 5_000) heapBytes = process.memoryUsage().heapUsed;
  }
  const grown = process.memoryUsage().heapUsed - heapBytes;
  if (heapBytes > 0 && grown > HEAP_GROWTH_BYTES_MAX) report.findings.push(`heap grew by ${grown} bytes`);
  return report;
}

function examine(input: Buffer, contentType: string | null, report: FuzzReport): string | null {
  try {
    const fast = readFast(input, contentType);
    const second = readSecond(input, contentType);
    if (fast.type === 'ok') report.accepted++;
    return disagreement(fast, second);
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string', default: 'readers' } },
  });
  const { target } = values;
  const seconds = Number(values.seconds ?? 60);
  const seed = values.seed === undefined ? seedOfRun() : Number(values.seed);
  if (!Number.isFinite(seconds) || !Number.isFinite(seed) || (target !== 'readers' && target !== 'edge')) {
    console.error('usage: npm run fuzz -- [--seconds NUMBER] [--seed NUMBER] [--target readers|edge]');
    process.exitCode = 2;
    return;
  }
  const folder = join(REPOSITORY, 'test/fuzz/findings');
  let count = 0;
  const save = (input: Buffer, finding: string): void => {
    mkdirSync(folder, { recursive: true });
    const base = join(folder, `${target}-${seed}-${++count}`);
    writeFileSync(`${base}.input`, input);
    writeFileSync(`${base}.txt`, `${finding}\n`);
    console.error(`${base}.input\n${finding}`);
  };
  if (target === 'edge') {
    const { runs, statuses, findings, residentMiB } = await fuzzEdge({ seconds, seed }, save);
    console.log(`runs ${runs}, seed ${seed}, statuses ${JSON.stringify(statuses)}, findings ${findings.length}`);
    console.log(`resident ${residentMiB.before} MiB before, ${residentMiB.after} MiB after`);
    if (findings.length > 0) process.exitCode = 1;
    return;
  }
  const { runs, accepted, findings } = fuzz({ seconds, seed }, save);
  console.log(`runs ${runs}, accepted ${accepted}, seed ${seed}, findings ${findings.length}`);
  if (findings.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
