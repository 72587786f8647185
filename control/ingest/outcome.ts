// The facts `progress` and `result`: how actions go on the device. Kept in order here; actions/finish.ts applies them to their rows.

import type { FactBody } from '../../bus/messages.ts';
import type { Effects, Origin } from './effects.ts';

/** `progress`: an action began, or waits for something. */
export function foldProgress(effects: Effects, { at, edgeId }: Origin, body: FactBody<'progress'>): void {
  effects.device(body.cpeId, at);
  effects.actions.push({ type: 'progress', at, edgeId, body });
}

/** `result`: an action ended on its device. */
export function foldResult(effects: Effects, { at, edgeId }: Origin, body: FactBody<'result'>): void {
  effects.device(body.cpeId, at);
  effects.actions.push({ type: 'result', at, edgeId, body });
}
