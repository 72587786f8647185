// A generator of load, a process of its own: what it spends is not the server's. Plays what it is told, says every second what it counted.

import { Engine } from './engine.ts';
import type { FromGenerator, ToGenerator } from './protocol.ts';

const say = (message: FromGenerator): void => void process.send!(message);
let engine: Engine | null = null;

// Also when the run that started this process is gone.
process.once('disconnect', () => process.exit(1));
// Ctrl-C reaches the whole group: the run ends first, and that ends this process in order.
process.on('SIGINT', () => {});
process.on('message', (message: ToGenerator) => {
  switch (message.type) {
    case 'plan':
      engine = new Engine(message.plan, say);
      engine.start();
      say({ type: 'ready' });
      break;
    case 'phase':
      engine!.begin(message);
      break;
    case 'wake':
      engine!.wake(message.cpes);
      break;
    case 'close':
      engine?.close();
      // Not before everything is told.
      process.send!({ type: 'closed' } satisfies FromGenerator, () => process.exit(0));
      break;
  }
});
