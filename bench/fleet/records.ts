// What a CPE remembers of its dealings with the ACS, for tests that ask: was anything executed twice, was anything lost. Counts are exact;
// the lists keep the latest entries.

import type { EventStruct, ParameterValue } from '../../cwmp/message.ts';

/** One request of the ACS as it arrived. */
export interface ReceivedRpc {
  method: string;
  /** CommandKey or ParameterKey, '' when the method has none. */
  commandKey: string;
  id: string | null;
  /** Number of the session in this CPE's life, from 1. */
  session: number;
  /** Fault code answered, 0 when it was carried out. */
  faultCode: number;
}

export interface AcknowledgedInform {
  session: number;
  events: EventStruct[];
  values: ParameterValue[];
}

export interface AcknowledgedTransfer {
  session: number;
  CommandKey: string;
  FaultCode: number;
}

export class Received {
  readonly #keep: number;
  readonly #counts = new Map<string, number>();
  readonly #executed = new Map<string, number>();
  list: ReceivedRpc[] = [];

  /** @param keep entries of `list` that are kept. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  add(rpc: ReceivedRpc): void {
    this.list.push(rpc);
    if (this.list.length > this.#keep) this.list.shift();
    for (const key of [rpc.method, `${rpc.method} ${rpc.commandKey}`]) {
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
      if (rpc.faultCode === 0) this.#executed.set(key, (this.#executed.get(key) ?? 0) + 1);
    }
  }

  /** Times the method arrived, with this CommandKey or ParameterKey when one is given. */
  count(method: string, commandKey?: string): number {
    return this.#counts.get(commandKey === undefined ? method : `${method} ${commandKey}`) ?? 0;
  }

  /** Times it was carried out without a fault. */
  executed(method: string, commandKey?: string): number {
    return this.#executed.get(commandKey === undefined ? method : `${method} ${commandKey}`) ?? 0;
  }
}

/** What the ACS has taken over: whatever stands here must never be lost by it. */
export class Acknowledged {
  readonly #keep: number;
  /** Informs whose InformResponse arrived. */
  informs: AcknowledgedInform[] = [];
  /** TransferCompletes that were answered. */
  transfers: AcknowledgedTransfer[] = [];
  /** Answers to requests of the ACS whose POST was itself answered with 200 or 204. */
  responses: { session: number; method: string; commandKey: string; id: string | null; faultCode: number }[] = [];

  constructor(keep: number) {
    this.#keep = keep;
  }

  inform(entry: AcknowledgedInform): void {
    this.informs.push(entry);
    if (this.informs.length > this.#keep) this.informs.shift();
  }

  transfer(entry: AcknowledgedTransfer): void {
    this.transfers.push(entry);
    if (this.transfers.length > this.#keep) this.transfers.shift();
  }

  response(rpc: ReceivedRpc): void {
    this.responses.push({ ...rpc });
    if (this.responses.length > this.#keep) this.responses.shift();
  }

  /** All acknowledged events, oldest first, each with its session. */
  get events(): (EventStruct & { session: number })[] {
    return this.informs.flatMap(({ session, events }) => events.map((event) => ({ ...event, session })));
  }
}
