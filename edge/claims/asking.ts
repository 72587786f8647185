// Questions about claims, from session threads and those of their pools to the main thread: one channel for each thread, by name, so that a
// pool's thread, which has no port to the main thread, asks as any other. Nothing of an action travels here but its names: records lie in
// the store, where both sides read them.

import { BroadcastChannel } from 'node:worker_threads';
import type { CpeId } from '../../base/ids.ts';
import type { ClaimAnswer, ClaimQuestion } from '../thread-protocol.ts';
import type { Ended } from './claim.ts';
import type { Claims, Taken } from './claims.ts';

const channelOf = (name: string, lane: number): string => `${name}.${lane}`;

/** The Claims of one thread. */
export class AskedClaims implements Claims {
  readonly #channel: BroadcastChannel;
  /** Bounded as POSTs that are being answered are. */
  readonly #waiting = new Map<number, (answer: ClaimAnswer) => void>();
  #count = 0;

  /** @param name of the edge's channels, as the main thread made it. */
  constructor(name: string, lane: number) {
    this.#channel = new BroadcastChannel(channelOf(name, lane));
    this.#channel.onmessage = (event) => {
      const answer = (event as { data: ClaimAnswer }).data;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    };
    this.#channel.unref();
  }

  async take(cpeId: CpeId, token: string, actionId?: string): Promise<Taken> {
    const answer = await this.#ask({ type: 'take', id: ++this.#count, cpeId, token, actionId: actionId ?? null });
    return answer.type === 'taken' ? answer.taken : 'away';
  }

  async isBegunElsewhere(cpeId: CpeId, actionIds: readonly string[]): Promise<boolean> {
    const answer = await this.#ask({ type: 'begun', id: ++this.#count, cpeId, actionIds });
    return answer.type !== 'begun' || answer.elsewhere;
  }

  async keep(cpeId: CpeId, token: string, actionId: string): Promise<number> {
    const answer = await this.#ask({ type: 'keep', id: ++this.#count, cpeId, token, actionId });
    return answer.type === 'kept' ? answer.untilMs : Number.NEGATIVE_INFINITY;
  }

  over(cpeId: CpeId, actionId: string, generation: number, ended: Ended): void {
    this.#channel.postMessage({ type: 'over', cpeId, actionId, generation, ended } satisfies ClaimQuestion);
  }

  release(cpeId: CpeId, token: string): void {
    this.#channel.postMessage({ type: 'release', cpeId, token } satisfies ClaimQuestion);
  }

  close(): void {
    this.#channel.close();
  }

  #ask(question: Extract<ClaimQuestion, { id: number }>): Promise<ClaimAnswer> {
    return new Promise((resolve) => {
      this.#waiting.set(question.id, resolve);
      this.#channel.postMessage(question);
    });
  }
}

/** Has `claims` answer what threads 1 to `lanes` ask. Returns how to stop. */
export function answerClaims(claims: Claims, name: string, lanes: number): () => void {
  const channels = Array.from({ length: lanes }, (_, index) => {
    const channel = new BroadcastChannel(channelOf(name, index + 1));
    channel.onmessage = (event) => {
      const question = (event as { data: ClaimQuestion }).data;
      void answer(claims, question).then((said) => {
        if (said !== null) channel.postMessage(said);
      });
    };
    channel.unref();
    return channel;
  });
  return () => {
    for (const channel of channels) channel.close();
  };
}

async function answer(claims: Claims, question: ClaimQuestion): Promise<ClaimAnswer | null> {
  const { cpeId } = question;
  switch (question.type) {
    case 'take': {
      const { id, token, actionId } = question;
      return { type: 'taken', id, taken: await claims.take(cpeId, token, actionId ?? undefined) };
    }
    case 'begun': {
      const { id, actionIds } = question;
      return { type: 'begun', id, elsewhere: await claims.isBegunElsewhere(cpeId, actionIds) };
    }
    case 'keep': {
      const { id, token, actionId } = question;
      return { type: 'kept', id, untilMs: await claims.keep(cpeId, token, actionId) };
    }
    case 'over':
      claims.over(cpeId, question.actionId, question.generation, question.ended);
      return null;
    case 'release':
      claims.release(cpeId, question.token);
      return null;
  }
}
