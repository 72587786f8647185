// What the rest of the edge knows of claims: five questions. Session threads ask them of the main thread (asking.ts), the relay asks the keeper
// (keeper.ts) itself. Where there is nobody to share work with there are no Claims at all: null, and nothing is asked.

import type { CpeId } from '../../base/ids.ts';
import type { Ended } from './claim.ts';

/** What came of asking for the work of a CPE: all of it is this edge's now, some or all is to be left alone, or nobody could tell. */
export type Taken = 'all' | 'some' | 'away';

export interface Claims {
  /**
   * Takes the open work of a CPE, or one action of it, for `token`: a session, or whoever else is about to go on with it. Resolves when the
   * records say whose they are (isOurs), with the state of an edge that had them before. Never rejects.
   * @param actionId that one alone; what an open session of this edge holds stays with it and counts as taken.
   */
  take(cpeId: CpeId, token: string, actionId?: string): Promise<Taken>;
  /**
   * True when one of these actions of a CPE was begun on another edge and has not come here yet, or nobody can tell: what the CPE tells of it
   * would be heard by nobody. Never rejects.
   */
  isBegunElsewhere(cpeId: CpeId, actionIds: readonly string[]): Promise<boolean>;
  /**
   * Says that a request that must not be repeated is about to leave; its record is on the disk. Resolves with the time (steadyMs) until
   * which it may leave, in the past when it must not. Never rejects.
   */
  keep(cpeId: CpeId, token: string, actionId: string): Promise<number>;
  /** The action has ended here; its result is on the disk. */
  over(cpeId: CpeId, actionId: string, generation: number, ended: Ended): void;
  /** Whatever is held for `token` is free: its session is over. */
  release(cpeId: CpeId, token: string): void;
}
