// diagnose: runs one of the CPE's own tests and brings its results (CWMP 1.17). Which object, inputs and spellings a data model has is in
// profiles/diagnostics.ts.
//
//   starting ─▶ requesting ─▶ waiting ─event or time─▶ reading ─▶ ended
//                  ▲  │          ▲                        │
//   other object ──┴──┘          └────still Requested─────┘
//
// requesting  One SetParameterValues with the inputs and DiagnosticsState (D1). It may be sent again: that starts the test anew (D6). 9005
//             moves on to the next object where this test has been found.
// waiting     The session may close, for many CPEs start the test only then (D3). Any later Inform is taken as the moment to look, because
//             many never send 8 DIAGNOSTICS COMPLETE (D10), or send it for another test (D8); without one we look after a while.
// reading     State, results and result table in one GetParameterValues: rows move between two reads (D15).

import { LIMITS } from '../../base/limits.ts';
import type { Work } from '../../bus/messages.ts';
import {
  DIAGNOSTIC_TESTS,
  DIAGNOSTICS,
  type Diagnostic,
  type DiagnosticTest,
  diagnosticRequest,
  findDiagnostic,
  readDiagnostic,
  STATE_PARAMETER,
} from '../../profiles/diagnostics.ts';
import { request, valuesFact, valuesOf } from './answers.ts';
import { faultResult, INVALID_NAME } from './fault-outcome.ts';
import { type Answer, emptyResult, type Task, type TaskContext, type TaskFact, type TaskResult } from './task.ts';
import { badArgs, textArg } from './work-args.ts';
import { decisiveCode } from './writing.ts';

export type DiagnoseState =
  | { phase: 'starting' }
  /** `object` is the diagnostics object in use; the test's table row is found by it. */
  | { phase: 'requesting'; object: string }
  | { phase: 'waiting'; object: string; lookAtMs: number; untilMs: number }
  | { phase: 'reading'; object: string; untilMs: number }
  | { phase: 'ended'; result: TaskResult };

export const diagnose: Task<DiagnoseState> = {
  start(work) {
    testOf(work);
    parametersOf(work);
    return { phase: 'starting' };
  },

  next(work, state, context) {
    const begun = state.phase === 'starting' ? begin(work, context) : state;
    switch (begun.phase) {
      case 'requesting': {
        const asked = diagnosticRequest(rowOf(work, begun.object, context), parametersOf(work));
        if (asked.type === 'bad') return { type: 'end', result: emptyResult('refused', `${asked.why}.`) };
        const args = { ParameterList: asked.values, ParameterKey: work.commandKey };
        return { type: 'send', state: begun, request: request('SetParameterValues', args) };
      }
      case 'waiting': {
        if (context.nowMs < begun.lookAtMs) {
          return {
            type: 'wait',
            state: begun,
            untilMs: begun.lookAtMs,
            why: 'Waiting for the CPE to finish its test.',
          };
        }
        const { object, untilMs } = begun;
        return {
          type: 'send',
          state: { phase: 'reading', object, untilMs },
          request: readRequest(object),
          verifying: true,
        };
      }
      case 'reading':
        return { type: 'send', state: begun, request: readRequest(begun.object), verifying: true };
      case 'ended':
        return { type: 'end', result: begun.result };
    }
  },

  answer(work, state, answer, context) {
    if (state.phase === 'requesting') return { state: requested(work, state.object, answer, context), facts: [] };
    if (state.phase === 'reading') return read(work, state, answer, context);
    return { state, facts: [] };
  },

  event(_work, state, told, context) {
    if (state.phase !== 'waiting' || told.type !== 'event') return state;
    return { ...state, lookAtMs: Math.min(state.lookAtMs, context.nowMs) };
  },

  interrupted: (_work, state) => state,
};

function testOf(work: Work): DiagnosticTest {
  const test = textArg(work, 'test');
  const known = DIAGNOSTIC_TESTS.find((one) => one === test);
  if (known === undefined) throw badArgs(work, `there is no test ${test}; it is one of ${DIAGNOSTIC_TESTS.join(', ')}`);
  return known;
}

function parametersOf(work: Work): Record<string, string> {
  const parameters = work.args['parameters'] ?? {};
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) {
    throw badArgs(work, 'parameters is not an object of names and values');
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== 'string') throw badArgs(work, `the value of ${name} is not text`);
  }
  return parameters as Record<string, string>;
}

function begin(work: Work, context: TaskContext): Exclude<DiagnoseState, { phase: 'starting' }> {
  const test = testOf(work);
  const diagnostic = findDiagnostic(test, context.root, (path) => context.known(path) !== null);
  if (diagnostic !== null) return { phase: 'requesting', object: diagnostic.object };
  const why = context.root === '' ? 'the root of its data model is not known yet' : `${context.root} has no such test`;
  return { phase: 'ended', result: emptyResult('unsupported', `${test} cannot run on this CPE: ${why}.`) };
}

function candidates(work: Work, { root }: TaskContext): Diagnostic[] {
  const test = testOf(work);
  return root === 'Device.' || root === 'InternetGatewayDevice.'
    ? DIAGNOSTICS[root].filter((diagnostic) => diagnostic.test === test)
    : [];
}

/** The row of an object that `begin` or `requested` chose; the root of a CPE does not change under an action. */
function rowOf(work: Work, object: string, context: TaskContext): Diagnostic {
  return candidates(work, context).find((diagnostic) => diagnostic.object === object)!;
}

function readRequest(object: string) {
  return request('GetParameterValues', { ParameterNames: [object] });
}

function requested(work: Work, object: string, answer: Answer, context: TaskContext): DiagnoseState {
  if (answer.type === 'fault') {
    const all = candidates(work, context);
    const other = all[all.findIndex((diagnostic) => diagnostic.object === object) + 1];
    if (decisiveCode(answer.fault) === INVALID_NAME && other !== undefined) {
      return { phase: 'requesting', object: other.object };
    }
    const fault = { ...answer.fault, FaultCode: decisiveCode(answer.fault) };
    const items = fault.SetParameterValuesFault.map(({ ParameterName, FaultCode, FaultString }) => {
      return { name: ParameterName, status: 'refused', faultCode: FaultCode, text: FaultString };
    });
    return { phase: 'ended', result: { ...faultResult(`the ${testOf(work)} test`, fault), items } };
  }
  const lookAtMs = context.nowMs + LIMITS.diagnosticsPollMs;
  return { phase: 'waiting', object, lookAtMs, untilMs: context.nowMs + LIMITS.diagnosticsWaitMs };
}

function read(
  work: Work,
  state: DiagnoseState & { phase: 'reading' },
  answer: Answer,
  context: TaskContext,
): { state: DiagnoseState; facts: TaskFact[] } {
  const test = testOf(work);
  const { object, untilMs } = state;
  if (answer.type === 'fault') {
    const result = faultResult(`showing the results of the ${test} test`, answer.fault);
    return { state: { phase: 'ended', result }, facts: [] };
  }
  const values = valuesOf(answer.result);
  const facts = valuesFact(values);
  const { state: told, results, rows } = readDiagnostic(rowOf(work, object, context), values);
  const spelt = values.find(({ Name }) => Name === object + STATE_PARAMETER)?.Value ?? '';
  const end = (outcome: 'done' | 'failed', why: string) => ({
    state: {
      phase: 'ended',
      result: {
        ...emptyResult(outcome, why),
        data: outcome === 'done' ? { test, state: spelt, results, rows } : { test, state: spelt },
      },
    } as const,
    facts,
  });
  switch (told.type) {
    case 'complete':
      return end('done', `The ${test} test is complete.`);
    case 'error':
      return end('failed', `The ${test} test failed: ${told.text}.`);
    case 'cancelled':
      return end('failed', `The ${test} test was cancelled.`);
    case 'idle':
      // D7: a restart, or another write to its inputs (D6), clears a test.
      return end('failed', `The ${test} test is lost: the CPE restarted, or something else wrote to it.`);
    case 'requested': {
      if (context.nowMs < untilMs) {
        const lookAtMs = context.nowMs + LIMITS.diagnosticsPollMs;
        return { state: { phase: 'waiting', object, lookAtMs, untilMs }, facts };
      }
      return end('failed', `The ${test} test has not ended within ${LIMITS.diagnosticsWaitMs / 60_000} minutes.`);
    }
  }
}
