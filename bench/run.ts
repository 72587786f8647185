// `npm run bench`: every bench at its full size, one after the other, each with the counts that show it did its work. Ends as the Inform
// bench does: with 1 when a session costs more than its guard allows.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { NATS_SERVER } from '../test/nats.test-helper.ts';
import { printEvidenceBench } from './evidence.bench.ts';
import { printTable } from './harness.ts';
import { printIngestBench } from './ingest.bench.ts';
import { planningBench } from './planning.bench.ts';
import { printBacklogBench } from './road/backlog.bench.ts';
import { printRelayBench } from './road/relay.bench.ts';
import { printWakeBench } from './road/wake.bench.ts';
import { printWanBench } from './road/wan.bench.ts';
import { printShadowBench } from './shadow.bench.ts';
import { soapReaderBench } from './soap-reader.bench.ts';
import { stepsBench } from './steps.bench.ts';
import { printVerifiedBench } from './verified.bench.ts';

console.log('Reading messages');
printTable(await soapReaderBench());
console.log('Steps of an Inform');
printTable(await stepsBench());
console.log('Shadow of the edge store');
await printShadowBench();
console.log('Facts into PostgreSQL');
await printIngestBench();
console.log('Planning');
printTable(await planningBench());
console.log('Evidence');
await printEvidenceBench();
console.log('Click to verified, beside half of the capacity');
await printVerifiedBench();
if (NATS_SERVER !== null) {
  console.log('The road over NATS');
  await printRelayBench();
  console.log('A backlog into PostgreSQL');
  await printBacklogBench();
  console.log('Quiet devices on the line between leaf and hub');
  await printWanBench();
  console.log('From an order to the first RPC of a CPE that was woken');
  await printWakeBench();
}
console.log('Whole sessions over sockets');
process.exitCode = await informBench();

/** Runs `npm run bench:inform` in a process of its own. Resolves with its exit code; 1 when it was killed. */
function informBench(): Promise<number> {
  const command = fileURLToPath(new URL('./inform/command.js', import.meta.url));
  const child = spawn(process.execPath, [command], { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
