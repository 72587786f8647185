// Folds one checked fact of any type into the effects of its batch. Pure but for the effects it fills; the table is the list of types.

import { unreachable } from '../../base/assert.ts';
import type { Fact } from '../../bus/messages.ts';
import { foldHello, foldRequest, foldSeen, foldSession, foldUpload, foldWake } from './contact.ts';
import type { Effects } from './effects.ts';
import { foldInform } from './inform.ts';
import { foldAttributes, foldNames, foldRead } from './tree.ts';

export function fold(effects: Effects, fact: Fact): void {
  switch (fact.type) {
    case 'hello':
      return foldHello(effects, fact, fact.body);
    case 'seen':
      return foldSeen(effects, fact, fact.body);
    case 'inform':
      return foldInform(effects, fact, fact.body);
    case 'values':
      return foldRead(effects, fact, fact.body);
    case 'names':
      return foldNames(effects, fact, fact.body);
    case 'attributes':
      return foldAttributes(effects, fact, fact.body);
    case 'request':
      return foldRequest(effects, fact, fact.body);
    case 'session':
      return foldSession(effects, fact, fact.body);
    case 'wake':
      return foldWake(effects, fact, fact.body);
    case 'upload':
      return foldUpload(effects, fact, fact.body);
    case 'progress':
      effects.device(fact.body.cpeId, fact.at);
      effects.actions.push({ type: 'progress', at: fact.at, edgeId: fact.edgeId, body: fact.body });
      return;
    case 'result':
      effects.device(fact.body.cpeId, fact.at);
      effects.actions.push({ type: 'result', at: fact.at, edgeId: fact.edgeId, body: fact.body });
      return;
    default:
      unreachable(fact);
  }
}
