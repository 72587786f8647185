import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACTION_KINDS, OUTCOMES } from '../../bus/messages.ts';
import { ACTION_STATES, type ActionDetail } from '../services.ts';
import { explainAction } from './action.ts';
import { explainForCustomer } from './customer.ts';
import { NAME_WORDS } from './words.ts';

/** What must never be read to a customer, each recognisable. */
const STAFF = 'Staffmember';
const APPROVER = 'Approvername';
const REASON = 'reason-kept-inside';
const PATH = 'Device.Secret.Path.1.Leaf';
const AT = '2026-11-27T09:05:00.000Z';

const canonical = fc.constantFrom(null, 'operators.own', ...Object.keys(NAME_WORDS));
const item = fc.record({
  status: fc.constantFrom(
    'set',
    'unchanged',
    'unverified',
    'pending',
    'differs',
    'refused',
    'unknown',
    'read-only',
    'not-written',
  ),
  faultCode: fc.constantFrom(undefined, 9007),
});
const values = fc.array(fc.tuple(canonical, fc.constantFrom('true', '0', '', '••••', null, 'new'), item), {
  minLength: 1,
  maxLength: 8,
});

const action = fc
  .record({
    kind: fc.constantFrom(...ACTION_KINDS),
    state: fc.constantFrom(...ACTION_STATES),
    outcome: fc.constantFrom(...OUTCOMES),
    owner: fc.constantFrom('person', 'policy', 'campaign', 'agent'),
    began: fc.boolean(),
    hasResult: fc.boolean(),
    decision: fc.constantFrom('auto', 'approved', 'rejected'),
    recovery: fc.constantFrom('not-run', 'running', 'done', 'failed'),
    cut: fc.boolean(),
    fault: fc.constantFrom(undefined, 9001, 9899),
    fileType: fc.constantFrom('1 Firmware Upgrade Image', '3 Vendor Configuration File', 'X 00D09E Thing'),
    values,
  })
  .map(
    ({
      kind,
      state,
      outcome,
      owner,
      began,
      hasResult,
      decision,
      recovery,
      cut,
      fault,
      fileType,
      values,
    }): ActionDetail => {
      const diff = values.map(([name, to], i) => ({
        name: `${PATH}${i}`,
        canonical: name,
        from: 'old',
        to,
        readAt: AT,
        ageSeconds: 1,
      }));
      const open = ['planned', 'awaiting-approval', 'ready', 'running', 'verifying', 'recovering'].includes(state);
      return {
        ...{ id: '01ACTION', kind, state, outcome: open ? null : outcome, why: `${PATH} has fault 9007.` },
        owner: { kind: owner as never, name: STAFF, role: 'support', reason: REASON, reference: 'T-77' },
        object: { connector: 'cwmp', ref: '00D09E-Box-1', externalId: null, customer: null, site: null },
        request: {
          names: [PATH],
          name: PATH,
          method: 'Reboot',
          fileType,
          url: 'http://files.example/x',
          test: 'IPPing',
          delaySeconds: 60,
        },
        ...{ generation: 1, priority: 50, commandKey: '01ACTION', wake: false, createdAt: AT, expiresAt: AT },
        ...{ startedAt: began ? AT : null, endedAt: open ? null : AT },
        plan: {
          ...{ hash: 'f'.repeat(64), rpcs: [], diff, risk: 'low', words: PATH, expected: PATH, createdAt: AT },
          impact: { reboot: cut, serviceCut: cut, customers: 1, text: `${PATH} carries the service.` },
          recovery: { possible: true, text: `Sets ${PATH} back.` },
        },
        approvals: [
          {
            decision: decision as never,
            by: APPROVER,
            role: 'noc',
            planHash: 'f'.repeat(64),
            at: AT,
            until: AT,
            why: REASON,
          },
        ],
        ...{ needs: null, recovers: null, batchId: null, closed: null },
        result: hasResult
          ? {
              ...{
                outcome,
                why: `${PATH} did so.`,
                before: [],
                after: [],
                data: {},
                rpcs: [],
                startedAt: 0,
                endedAt: 1,
              },
              items: values.map(([, , { status, faultCode }], i) => ({
                name: `${PATH}${i}`,
                status,
                ...(faultCode === undefined ? {} : { faultCode }),
              })),
              ...(fault === undefined ? {} : { fault: { FaultCode: fault, FaultString: PATH } }),
            }
          : null,
        recovery: { possible: true, text: `Sets ${PATH} back.`, state: recovery as never, actionId: null },
        evidence: [],
      };
    },
  );

test('customers hear whole sentences without paths, codes, names of staff, reasons or secrets, whatever became of the action', () => {
  fc.assert(
    fc.property(action, (one) => {
      const text = explainForCustomer(one);
      expect(text).toMatch(/^We .*\.$/);
      expect(text).not.toMatch(
        /Device\.|\b9\d{3}\b|Staffmember|Approvername|reason-kept|T-77|operators\.own|••|[a-z]+\.[a-z0-9]|undefined|null|CPE|ACS/,
      );
      expect(text).not.toMatch(/ {2}|\.\.|,\.| \./);
    }),
    { numRuns: 2_000 },
  );
});

test('staff hear who asked, why and who approved, and nothing is left unsaid as undefined', () => {
  fc.assert(
    fc.property(action, (one) => {
      const text = explainAction(one);
      expect(text).toContain(STAFF);
      expect(text).toContain(REASON);
      if (one.approvals[0]!.decision !== 'auto') expect(text).toContain(APPROVER);
      expect(text).not.toMatch(/undefined|null| {2}|••/);
    }),
    { numRuns: 1_000 },
  );
});

test('a customer is never told that it worked when it did not', () => {
  fc.assert(
    fc.property(action, (one) => {
      const said = /^We have /.test(explainForCustomer(one));
      if (said) expect(['done', 'applied', 'partial']).toContain(one.outcome);
    }),
  );
});
