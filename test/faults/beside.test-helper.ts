// Several control processes beside each other on one PostgreSQL, and the edges they serve: what the test of killing them stands on. The
// parent is the road between; each child takes part in it like a subscription of the same name.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { InProcessTransport } from '../../bus/in-process.ts';
import { type AnyFactBody, type Decision, type Fact, factMessageId, MESSAGE_VERSION } from '../../bus/messages.ts';
import { ALL_FACTS, decisionsFor, factsOf } from '../../bus/subjects.ts';
import type { BusMessage, Subscription } from '../../bus/transport.ts';
import type { ActionRequest } from '../../control/actions/request.ts';
import { inform, result } from '../../control/control.test-helper.ts';
import type { HealthView } from '../../control/services.ts';
import { REPOSITORY } from '../corpus.ts';
import type { ChildSettings, FromChild, ToChild } from './control-child.ts';

const ENTRY = join(REPOSITORY, 'dist/test/faults/control-child.js');

/** One child, from its start to its end. */
export class ControlProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  /** What it last said of each subject. */
  readonly #may = new Map<string, boolean>();
  readonly #subscription: Subscription;
  #next = 1;
  readonly ready: Promise<void>;
  readonly ended: Promise<number | null>;
  /** Nobody killed or stopped it, and it is gone. */
  fell = false;
  #ending = false;

  constructor(settings: ChildSettings, transport: InProcessTransport) {
    this.#child = fork(ENTRY, [JSON.stringify(settings)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.ended = new Promise((done) => this.#child.once('exit', (code) => done(code)));
    this.ready = new Promise((done) => {
      this.#child.on('message', (message: FromChild) => {
        switch (message.type) {
          case 'ready':
            return done();
          case 'may':
            return void this.#may.set(message.subject, message.yes);
          case 'publish':
            return void transport.publish(message.subject, message.messages).then(
              () => this.#send({ type: 'answer', id: message.id, error: null }),
              (error: Error) => this.#send({ type: 'answer', id: message.id, error: error.message }),
            );
          case 'answer': {
            const waiting = this.#waiting.get(message.id);
            this.#waiting.delete(message.id);
            if (message.error === null) waiting?.resolve(message.value);
            else waiting?.reject(new Error(message.error));
          }
        }
      });
    });
    this.#subscription = transport.subscribe(
      ALL_FACTS,
      'control',
      async (subject, messages) => void (await this.#ask({ type: 'batch', id: 0, subject, messages })),
      (subject) => {
        this.#send({ type: 'ask', subject });
        return this.#may.get(subject) ?? false;
      },
    );
    void this.ended.then(() => {
      this.fell = !this.#ending;
      for (const { reject } of this.#waiting.values()) reject(new Error('the control process is gone'));
      this.#waiting.clear();
      this.#may.clear();
      return this.#subscription.close();
    });
  }

  create(deviceId: string, request: ActionRequest, key: string): Promise<string> {
    return this.#ask({ type: 'create', id: 0, deviceId, request, key }) as Promise<string>;
  }
  health(): Promise<HealthView> {
    return this.#ask({ type: 'health', id: 0 }) as Promise<HealthView>;
  }
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
  async kill(): Promise<void> {
    this.#ending = true;
    this.#child.kill('SIGKILL');
    await this.ended;
  }
  async stop(): Promise<number | null> {
    this.#ending = true;
    this.#child.kill('SIGTERM');
    return await this.ended;
  }

  #send(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
  #ask(message: Extract<ToChild, { id: number }>): Promise<unknown> {
    if (!this.#child.connected) return Promise.reject(new Error('the control process is gone'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ ...message, id });
    });
  }
}

const POP = 'pop1';

/** An edge with an outbox: facts in order, each batch published until it is taken; work done once, however often it comes. */
export class BookEdge {
  readonly cpeId: string;
  readonly #edgeId: string;
  readonly #serial: string;
  readonly #transport: InProcessTransport;
  readonly #subscription: Subscription;
  readonly #outbox: Fact[] = [];
  readonly told: string[] = [];
  readonly executed = new Map<string, number>();
  #sequence = 0;
  #draining: Promise<void> | null = null;
  #closed = false;

  constructor(number: number, transport: InProcessTransport) {
    this.#edgeId = `edge${number}`;
    this.#serial = `BESIDE${number}`;
    this.cpeId = `00259E-HG8245-${this.#serial}`;
    this.#transport = transport;
    this.tell(inform({ serial: this.#serial }));
    this.#subscription = transport.subscribe(decisionsFor(POP, this.#edgeId), this.#edgeId, async (_, messages) => {
      for (const { payload } of messages) this.#take(payload as Decision);
    });
  }

  /** A session nobody else had: found again on the timeline by its id. */
  session(): void {
    const sessionId = `${this.#edgeId}-${this.told.length}`;
    this.told.push(sessionId);
    const times = { startedAt: Date.now(), endedAt: Date.now() };
    this.tell({ type: 'session', body: { cpeId: this.cpeId, sessionId, why: 'done', ok: true, ...times, rpcs: 1 } });
  }

  tell(body: AnyFactBody): void {
    const place = { edgeId: this.#edgeId, pop: POP, lane: 1, sequence: ++this.#sequence, at: Date.now() };
    this.#outbox.push({ v: MESSAGE_VERSION, ...place, ...body });
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  get waiting(): number {
    return this.#outbox.length;
  }
  async close(): Promise<void> {
    this.#closed = true;
    await this.#subscription.close();
  }

  #take(decision: Decision): void {
    if (decision.type !== 'work') return;
    const { actionId } = decision.body;
    this.executed.set(actionId, (this.executed.get(actionId) ?? 0) + 1);
    if (this.executed.get(actionId) === 1) this.tell(result(decision.body));
  }

  async #drain(): Promise<void> {
    while (this.#outbox.length > 0 && !this.#closed) {
      const batch = this.#outbox.slice(0, 20);
      const messages: BusMessage[] = [{ id: factMessageId(batch[0]!), payload: JSON.stringify(batch) }];
      try {
        await this.#transport.publish(factsOf(POP, this.#edgeId), messages);
        this.#outbox.splice(0, batch.length);
      } catch {
        await new Promise((done) => setTimeout(done, 20));
      }
    }
  }
}
