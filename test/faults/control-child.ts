// A control process of its own for tests of several beside each other: startControl, with a bus that is the message channel to the parent.
// Started by beside.test-helper.ts, from what is built.

import { Registry } from 'prom-client';
import { openLog } from '../../base/log.ts';
import type { BusMessage, BusTransport, Subscription } from '../../bus/transport.ts';
import type { ActionRequest } from '../../control/actions/request.ts';
import { startControl } from '../../control/main.ts';
import type { Principal } from '../../control/services.ts';

export interface ChildSettings {
  /** The parent removes it: who is killed cannot. */
  dataDir: string;
  databaseUrl: string;
  keyFile: string;
  principal: Principal;
}
export type ToChild =
  | { type: 'batch'; id: number; subject: string; messages: BusMessage[] }
  | { type: 'ask'; subject: string }
  | { type: 'create'; id: number; deviceId: string; request: ActionRequest; key: string }
  | { type: 'health'; id: number }
  | { type: 'answer'; id: number; error: string | null };
export type FromChild =
  | { type: 'ready' }
  | { type: 'may'; subject: string; yes: boolean }
  | { type: 'publish'; id: number; subject: string; messages: BusMessage[] }
  | { type: 'answer'; id: number; error: string | null; value?: unknown };

type Handler = (subject: string, messages: BusMessage[]) => Promise<void>;
type MayTake = (subject: string) => boolean;

const tell = (message: FromChild): void => {
  process.send?.(message);
};

class ParentTransport implements BusTransport {
  readonly publishes = 'handled';
  #next = 1;
  readonly #waiting = new Map<number, (error: string | null) => void>();
  handler: Handler | null = null;
  mayTake: MayTake = () => true;

  publish(subject: string, messages: BusMessage[]): Promise<void> {
    const id = this.#next++;
    tell({ type: 'publish', id, subject, messages });
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (error) => (error === null ? resolve() : reject(new Error(error))));
    });
  }
  answered(id: number, error: string | null): void {
    this.#waiting.get(id)?.(error);
    this.#waiting.delete(id);
  }
  subscribe(_pattern: string, _name: string, handler: Handler, mayTake: MayTake = () => true): Subscription {
    this.handler = handler;
    this.mayTake = mayTake;
    return { close: async () => {} };
  }
  given(): number {
    return 0;
  }
  async lastStored(): Promise<null> {
    return null;
  }
  tell(): void {}
  knock(): void {}
  hear(): never {
    throw new Error('control hears nothing');
  }
  bucket(): null {
    return null;
  }
  async close(): Promise<void> {}
}

const settings = JSON.parse(process.argv[2]!) as ChildSettings;
const transport = new ParentTransport();
const control = await startControl({
  dataDir: settings.dataDir,
  databaseUrl: settings.databaseUrl,
  databaseWaitMs: 60_000,
  installationKeyFile: settings.keyFile,
  manageConnectionRequest: false,
  transport,
  log: openLog('warn'),
  registry: new Registry(),
  fileStore: null,
});

async function answer(id: number, work: () => Promise<unknown>): Promise<void> {
  try {
    tell({ type: 'answer', id, error: null, value: await work() });
  } catch (error) {
    tell({ type: 'answer', id, error: error instanceof Error ? error.message : String(error) });
  }
}

process.on('message', (message: ToChild) => {
  switch (message.type) {
    case 'batch':
      return void answer(message.id, async () => {
        if (!transport.mayTake(message.subject)) throw new Error('not mine');
        await transport.handler!(message.subject, message.messages);
      });
    case 'ask':
      return tell({ type: 'may', subject: message.subject, yes: transport.mayTake(message.subject) });
    case 'create':
      return void answer(message.id, async () => {
        const { principal } = settings;
        const context = { principal, idempotencyKey: message.key };
        return (await control.services.actions.create(message.deviceId, message.request, context)).action.id;
      });
    case 'health':
      return void answer(message.id, () => control.services.health.check());
    case 'answer':
      return transport.answered(message.id, message.error);
  }
});
process.once('SIGTERM', () => {
  void control.close().then(() => process.exit(0));
});
process.once('disconnect', () => process.exit(1));
tell({ type: 'ready' });
