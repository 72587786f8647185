// Folds one checked fact of any type into the effects of its batch. Pure but for the effects it fills; the table is the list of types.

import type { Fact, FactBody, FactType } from '../../bus/messages.ts';
import { foldHello, foldRecording, foldRequest, foldSeen, foldSession, foldUpload, foldWake } from './contact.ts';
import type { Effects } from './effects.ts';
import { foldInform } from './inform.ts';
import { foldProgress, foldResult } from './outcome.ts';
import { foldAttributes, foldNames, foldRead } from './tree.ts';

type Origin = Pick<Fact, 'edgeId' | 'pop' | 'at'>;

const FOLDS: { readonly [T in FactType]: (effects: Effects, origin: Origin, body: FactBody<T>) => void } = {
  hello: foldHello,
  seen: foldSeen,
  inform: foldInform,
  values: foldRead,
  names: foldNames,
  attributes: foldAttributes,
  request: foldRequest,
  progress: foldProgress,
  result: foldResult,
  session: foldSession,
  wake: foldWake,
  upload: foldUpload,
  recording: foldRecording,
};

/** Folds a fact by its type. */
export function fold(effects: Effects, fact: Fact): void {
  FOLDS[fact.type](effects, fact, fact.body as never);
}
