// The generator, a process of its own: what it spends is not the server's. Runs one load after the other as it is told.

import { type Load, type LoadResult, runLoad } from './load.ts';

export type ToGenerator = { type: 'run'; load: Load } | { type: 'close' };
export interface FromGenerator {
  type: 'ran';
  result: LoadResult;
}

process.on('message', async (message: ToGenerator) => {
  if (message.type === 'close') process.exit(0);
  process.send!({ type: 'ran', result: await runLoad(message.load) } satisfies FromGenerator);
});
