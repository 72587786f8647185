// `npm run bench`: every bench at its full size, one after the other, each with the counts that show it did its work.

import { printTable } from './harness.ts';
import { printSessionBench } from './session.bench.ts';
import { printShadowBench } from './shadow.bench.ts';
import { soapReaderBench } from './soap-reader.bench.ts';

console.log('Reading messages');
printTable(await soapReaderBench());
console.log('Whole sessions');
await printSessionBench();
console.log('Shadow of the edge store');
await printShadowBench();
