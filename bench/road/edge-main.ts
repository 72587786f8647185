// The edge of the road benches as a process: what it uses is its own.

import { Registry } from 'prom-client';
import { silentLog } from '../../base/log.ts';
import { openNats } from '../../bus/nats.ts';
import { edgeName } from '../../bus/subjects.ts';
import { FACT_ROWS } from '../facts.ts';
import { type Contacts, RoadEdge } from './edge.ts';

export interface EdgeOptions {
  url: string;
  domain: string;
  pop: string;
  edgeId: string;
}

export type ToEdge =
  | { type: 'fill'; row: string; facts: number; recordFacts: number; devices: number }
  | { type: 'drain' }
  | { type: 'tell'; contacts: Contacts }
  | { type: 'close' };

export type FromEdge = { type: 'ready' } | { type: 'filled'; facts: number } | { type: 'told'; batches: number };

const { url, domain, pop, edgeId } = JSON.parse(process.argv[2] ?? '{}') as EdgeOptions;
const noFiles = { credentials: null, nkey: null, ca: null, certificate: null, key: null };
const transport = await openNats(
  { url, domain, ...noFiles, replicas: null, name: edgeName(pop, edgeId) },
  silentLog,
  new Registry(),
);
const edge = new RoadEdge(edgeId, pop, transport);
const end = async (): Promise<void> => {
  await edge.close();
  await transport.close();
  process.exit(0);
};
// Also when the bench that started this process is gone.
process.once('disconnect', () => void end());
const say = (message: FromEdge): void => void process.send!(message);
process.on('message', async (asked: ToEdge) => {
  if (asked.type === 'fill') {
    const [, make] = FACT_ROWS.find(([row]) => row === asked.row)!;
    say({ type: 'filled', facts: await edge.fill(make, asked.facts, asked.recordFacts, asked.devices) });
  } else if (asked.type === 'drain') edge.drain();
  else if (asked.type === 'tell') say({ type: 'told', batches: await edge.tell(asked.contacts) });
  else await end();
});
say({ type: 'ready' });
