// rpc: one request as an engineer wrote it, vendor methods included, and its answer as data. Nothing is read back: what the method means
// is known to the engineer alone, so a write is `applied`, never `done`.
//
//   ready ─▶ sent ─answer─▶ ended
//     ▲       │ broken session: ready again when the RPC table calls the method idempotent, else ended
//     └───────┘

import type { Work } from '../../bus/messages.ts';
import type { Args } from '../../cwmp/message.ts';
import { cpeMethod } from '../../cwmp/rpc-table.ts';
import { attributesOf, infosOf, textOf, valuesFact, valuesOf } from './answers.ts';
import { faultResult } from './fault-outcome.ts';
import { redactArgs } from './redacting.ts';
import { emptyResult, type Task, type TaskFact, type TaskResult, unknownResult } from './task.ts';
import { badArgs, textArg } from './work-args.ts';

export type RpcState = { phase: 'ready' } | { phase: 'sent' } | { phase: 'ended'; result: TaskResult };

export const rpc: Task<RpcState> = {
  start(work) {
    methodOf(work);
    argumentsOf(work);
    return { phase: 'ready' };
  },

  next(work, state) {
    if (state.phase === 'ended') return { type: 'end', result: state.result };
    return { type: 'send', state: { phase: 'sent' }, request: { method: methodOf(work), args: argumentsOf(work) } };
  },

  answer(work, state, answer, context) {
    if (state.phase !== 'sent') return { state, facts: [] };
    const method = methodOf(work);
    if (answer.type === 'fault')
      return { state: { phase: 'ended', result: faultResult(method, answer.fault) }, facts: [] };
    const data = redactArgs(answer.result, new Set(), context.profile);
    const outcome = cpeMethod(method)?.effect === 'reads' ? 'done' : 'applied';
    const result = { ...emptyResult(outcome, `The CPE answered ${method}.`), data };
    return { state: { phase: 'ended', result }, facts: factsOf(method, argumentsOf(work), answer.result) };
  },

  event: (_work, state) => state,

  interrupted(work, state) {
    if (state.phase !== 'sent') return state;
    const method = methodOf(work);
    if (cpeMethod(method)?.idempotent === true) return { phase: 'ready' };
    const why = `The session broke before the CPE answered ${method}; whether it was carried out is not known, and it was not repeated.`;
    return { phase: 'ended', result: unknownResult(why) };
  },
};

function methodOf(work: Work): string {
  const method = textArg(work, 'method');
  if (cpeMethod(method) === undefined && !/^X_[A-Za-z0-9_]+$/.test(method)) {
    throw badArgs(work, `${method} is no method of CWMP, nor a vendor's X_<VENDOR>_<method>`);
  }
  return method;
}

function argumentsOf(work: Work): Args {
  const args = work.args['arguments'] ?? {};
  if (typeof args !== 'object' || args === null || Array.isArray(args))
    throw badArgs(work, 'arguments is not an object');
  for (const [name, type] of Object.entries(cpeMethod(methodOf(work))?.args ?? {})) {
    const value = (args as Args)[name];
    // The CPE would answer 9003, or cut it off: a CommandKey that comes back changed matches nothing.
    if ('charsMax' in type && type.charsMax !== undefined && typeof value === 'string' && value.length > type.charsMax)
      throw badArgs(work, `${name} is longer than the ${type.charsMax} characters of the schema`);
  }
  return args as Args;
}

/** What the answer teaches about the device, for the shadow and the registry. */
function factsOf(method: string, args: Args, result: Args): TaskFact[] {
  switch (method) {
    case 'GetParameterValues':
      return valuesFact(valuesOf(result));
    case 'GetParameterNames': {
      // Never called complete: what an engineer asked for by hand is no reason to forget the rest.
      const names = infosOf(result);
      return names.length === 0 ? [] : [{ type: 'names', path: textOf(args, 'ParameterPath'), complete: false, names }];
    }
    case 'GetParameterAttributes': {
      const attributes = attributesOf(result);
      return attributes.length === 0 ? [] : [{ type: 'attributes', attributes }];
    }
    default:
      return [];
  }
}
