// Stories whose truth is known, because the test made them up: whoever changed the value last must be named, by what was seen of it alone.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Doing, type ParameterStory, type Told, unfold } from './story.ts';

const OWNER = { kind: 'person', name: 'Ada', role: 'admin', reason: null, reference: null } as const;

function doing(id: string, what: Doing['what'], at: number, rest: Partial<Doing> = {}): Doing {
  return {
    ...{
      id,
      what,
      kind: what === 'looked' ? 'get' : 'set',
      state: 'done',
      outcome: 'done',
      why: '',
      owner: OWNER,
      approvals: [],
    },
    ...{
      createdAt: at,
      startedAt: at,
      endedAt: at + 5,
      wanted: null,
      before: null,
      after: null,
      item: null,
      object: null,
      fault: null,
      held: null,
    },
    ...rest,
  };
}

/** What a made-up device goes through. `local`: somebody at it changes the value, and nobody is told. */
const STEPS = ['set', 'set-refused', 'set-already', 'local', 'inform', 'get', 'bootstrap', 'bootstrap-told'] as const;

function made(steps: readonly (typeof STEPS)[number][]): { story: ParameterStory; truth: string } {
  let at = 1_000;
  let value = 'v0';
  let lastSeen: string | null = null;
  /** Who changed it last, as far as it can be known. */
  let truth = 'found';
  const told: Told[] = [];
  const doings: Doing[] = [];
  const see = (): void => {
    // What is seen first, after a reset or at all, is taken for what it began with.
    if (lastSeen !== null && lastSeen !== value) truth = 'device';
    lastSeen = value;
  };
  steps.forEach((step, n) => {
    at += 100;
    const id = `A${n}`;
    switch (step) {
      case 'set': {
        see();
        const before = value;
        value = `v${n}`;
        doings.push(doing(id, 'wrote', at, { wanted: value, before, after: value, item: { status: 'set' } }));
        truth = id;
        lastSeen = value;
        break;
      }
      case 'set-refused':
        see();
        doings.push(
          doing(id, 'wrote', at, {
            outcome: 'refused',
            wanted: `no${n}`,
            before: value,
            item: { status: 'refused', faultCode: 9007 },
          }),
        );
        break;
      case 'set-already':
        see();
        doings.push(
          doing(id, 'wrote', at, { wanted: value, before: value, after: value, item: { status: 'unchanged' } }),
        );
        break;
      case 'local':
        value = `local${n}`;
        break;
      case 'inform':
        see();
        told.push({ at, codes: ['4 VALUE CHANGE'], value, reset: false });
        break;
      case 'get':
        see();
        doings.push(doing(id, 'looked', at, { after: value }));
        break;
      case 'bootstrap':
      case 'bootstrap-told':
        value = `default${n}`;
        lastSeen = step === 'bootstrap' ? null : value;
        truth = 'reset';
        told.push({ at, codes: ['0 BOOTSTRAP'], value: lastSeen, reset: true });
    }
  });
  see();
  return { story: { type: 'xsd:string', secret: false, now: { value, readAt: at + 100 }, told, doings }, truth };
}

test('whoever changed the value last is named, whatever happened before', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...STEPS), { maxLength: 12 }), (steps) => {
      const { story, truth } = made(steps);
      const { cause, value, entries } = unfold(story);
      expect(value).toBe(story.now!.value);
      expect(cause.type === 'action' ? cause.doing.id : cause.type).toBe(truth);
      // Each step begins where the one before it left off.
      const changes = entries.filter(({ type, fate }) => type !== 'action' || fate === 'took');
      changes.forEach((entry, i) => {
        if (i > 0) expect(entry.from).toBe(changes[i - 1]!.to);
      });
    }),
    { numRuns: 2_000 },
  );
});

const wrote = (rest: Partial<Doing>): ParameterStory => ({
  ...{ type: 'xsd:boolean', secret: false, told: [] },
  now: { value: 'false', readAt: 50 },
  doings: [doing('A1', 'wrote', 100, { wanted: '1', before: 'false', ...rest })],
});
const seenAs = (story: ParameterStory, value: string): ParameterStory => ({ ...story, now: { value, readAt: 500 } });

test.each([
  ['accepted, never seen', wrote({ outcome: 'applied', item: { status: 'unverified' } }), 'action', 'accepted'],
  [
    'accepted, seen later',
    seenAs(wrote({ outcome: 'applied', item: { status: 'unverified' } }), 'true'),
    'action',
    'took',
  ],
  [
    'accepted, seen as before',
    seenAs(wrote({ outcome: 'applied', item: { status: 'unverified' } }), '0'),
    'found',
    'reverted',
  ],
  [
    'pending, not looked at',
    wrote({ outcome: 'applied', after: 'false', item: { status: 'pending' } }),
    'found',
    'later',
  ],
  [
    'pending, not so yet',
    seenAs(wrote({ outcome: 'applied', item: { status: 'pending' } }), 'false'),
    'found',
    'later',
  ],
  ['pending, then so', seenAs(wrote({ outcome: 'applied', item: { status: 'pending' } }), 'true'), 'action', 'took'],
  ['lost on the way, and taken', seenAs(wrote({ outcome: 'failed' }), 'true'), 'action', 'took'],
  ['lost on the way, and not taken', seenAs(wrote({ outcome: 'failed' }), 'false'), 'found', 'unknown'],
  ['under way', wrote({ state: 'running', outcome: null, endedAt: null }), 'found', 'unknown'],
  ['not begun', wrote({ state: 'ready', outcome: null, startedAt: null, endedAt: null }), 'found', 'waiting'],
  ['never begun', wrote({ state: 'expired', outcome: 'expired', startedAt: null }), 'found', 'never'],
] as const)('a write that was %s', (_, story, cause, fate) => {
  const unfolded = unfold(story);
  expect(unfolded.cause.type).toBe(cause);
  expect(unfolded.entries.at(-1)!.fate).toBe(fate);
});

test('what a device makes of a value by itself is its own', () => {
  const story = wrote({ outcome: 'refused', wanted: '200', before: '50', after: '100', item: { status: 'differs' } });
  const { cause, value } = unfold({ ...story, type: 'xsd:unsignedInt', now: { value: '100', readAt: 104 } });
  expect([cause.type, value]).toEqual(['device', '100']);
});

test('a new software version is owed to the firmware before it, and to that one only', () => {
  const version = (at: number, value: string): Told => ({ at, codes: ['1 BOOT'], value, reset: false });
  const firmware = doing('F1', 'firmware', 100, { kind: 'download', endedAt: 210 });
  const story = { type: 'xsd:string', secret: false, now: { value: '2', readAt: 205 }, doings: [firmware] };
  const first = [version(50, '1'), version(205, '2')];
  expect(unfold({ ...story, told: first }).cause).toMatchObject({ type: 'action', doing: { id: 'F1' }, at: 205 });
  const later = [...first, version(900, '3')];
  expect(unfold({ ...story, told: later, now: { value: '3', readAt: 900 } }).cause.type).toBe('device');
  const same = [version(50, '1'), version(300, '1'), version(900, '3')];
  expect(unfold({ ...story, told: same, now: { value: '3', readAt: 900 } }).cause.type).toBe('device');
});

test.each([
  ['the device shows what was written', true, 'action'],
  ['the device shows another one', false, 'device'],
  ['the device hides it', null, 'action'],
] as const)('a secret that an action set: %s', (_, held, cause) => {
  const written = doing('A1', 'wrote', 100, { wanted: '••••', before: '••••', item: { status: 'set' }, held });
  const now = { value: held === null ? '' : '••••', readAt: 500 };
  expect(unfold({ type: 'xsd:string', secret: true, now, told: [], doings: [written] }).cause.type).toBe(cause);
});

test('values that the timeline cut are compared as far as it has them', () => {
  const long = 'x'.repeat(300);
  const told: Told[] = [{ at: 10, codes: [], value: long.slice(0, 256), reset: false }];
  const { entries } = unfold({ type: 'xsd:string', secret: false, now: { value: long, readAt: 20 }, told, doings: [] });
  expect(entries).toHaveLength(1);
});
