// Fills a store in a process of its own, so that what filling leaves behind in memory is not taken for the edge's. Prints the bytes used.

import { fillStore } from './fill.ts';
import type { ServerOptions } from './server.ts';

const [dir = '', options = '{}'] = process.argv.slice(2);
console.log(await fillStore(dir, JSON.parse(options) as ServerOptions));
