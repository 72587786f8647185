// The story of one parameter: what was done to it and what the device told of it, put in order, becomes who set it to what it is. Pure; what
// goes in is read by read.ts, what comes out is put into words by parameter.ts.
//
//   nothing known ─told or read─▶ known ─action took─▶ known, set by it ─told or read otherwise─▶ known, changed by the device
//        ▲                          │ action accepted, not seen: assumed (or, when the device says later, waited for) until it is looked at
//        └────0 BOOTSTRAP, delete───┘

import { LIMITS } from '../../base/limits.ts';
import { REDACTED } from '../../base/secret-box.ts';
import type { ActionKind, Outcome } from '../../bus/messages.ts';
import { sameValue } from '../../cwmp/values.ts';
import type { ActionState, ActionView } from '../services.ts';
import { type Fate, fateOf, wouldBe } from './fate.ts';
import type { Approval } from './words.ts';

/** An action as far as it bears on this parameter. Times are milliseconds; values of secrets are redacted. */
export interface Doing {
  id: string;
  /**
   * wrote: values were to be written, this one among them; made, deleted: an instance the parameter lies in; reset: the whole device;
   * firmware, file: what may change it as a consequence; looked: it was read.
   */
  what: 'wrote' | 'made' | 'deleted' | 'reset' | 'firmware' | 'file' | 'looked';
  kind: ActionKind;
  state: ActionState;
  outcome: Outcome | null;
  why: string;
  owner: ActionView['owner'];
  approvals: Approval[];
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
  /** What it was to be; null when no value was named. */
  wanted: string | null;
  before: string | null;
  after: string | null;
  /** The instance that was made or is deleted. */
  object: string | null;
  item: { status: string; faultCode?: number; text?: string } | null;
  fault: number | null;
  /** Of secrets: whether the device shows the value that was written; null when it shows none, or nobody can tell. */
  held: boolean | null;
}

/** The parameter in an Inform, or a 0 BOOTSTRAP, after which nothing known before holds. */
export interface Told {
  at: number;
  codes: string[];
  /** Cut at LIMITS.timelineValueCharsMax; null: not in this Inform. */
  value: string | null;
  reset: boolean;
}

export interface ParameterStory {
  type: string;
  secret: boolean;
  /** As stored, secrets redacted; null when the device has no such parameter, as far as is known. */
  now: { value: string | null; readAt: number | null } | null;
  told: Told[];
  doings: Doing[];
}

/** What the value is owed to. */
export type Cause =
  | { type: 'nothing' }
  | { type: 'action'; doing: Doing; at: number }
  | { type: 'device'; at: number; entry: Entry }
  /** It had this value when it was first heard of. */
  | { type: 'found'; at: number; entry: Entry }
  | { type: 'reset'; at: number; doing: Doing | null };

/** One step of the story. `lastSeenAt`: when the value before was last known to be so. */
export interface Entry {
  type: 'action' | 'told' | 'read' | 'reset';
  at: number;
  from: string | null;
  to: string | null;
  doing: Doing | null;
  codes: string[];
  lastSeenAt: number | null;
  /** Of an action: what is known of its effect now. */
  fate: Fate | null;
}

export interface Unfolded {
  /** As the story ends; null when it is not known. */
  value: string | null;
  cause: Cause;
  /** Oldest first. */
  entries: Entry[];
}

/** Puts a story together. */
export function unfold(story: ParameterStory): Unfolded {
  const walk = new Walk(story);
  const resets = pairResets(story);
  const moments = [
    ...story.told.map((told) => ({ at: told.at, run: () => walk.told(told, resets.get(told) ?? null) })),
    ...story.doings.map((doing) => ({ at: doing.startedAt ?? doing.createdAt, run: () => walk.doing(doing) })),
    ...[...resets]
      .filter(([told]) => !story.told.includes(told))
      .map(([told, doing]) => ({ at: told.at, run: () => walk.told(told, doing) })),
  ];
  // Stable: of one moment, what the device told comes before what was done then.
  moments.sort((a, b) => a.at - b.at);
  for (const { run } of moments) run();
  walk.look();
  return { value: walk.value, cause: walk.cause, entries: walk.entries };
}

/** The 0 BOOTSTRAP that a factory reset of ours led to; one is made up when the timeline has it no more. */
function pairResets({ told, doings }: ParameterStory): Map<Told, Doing> {
  const pairs = new Map<Told, Doing>();
  for (const doing of doings) {
    const { what, outcome, startedAt, endedAt } = doing;
    if (what !== 'reset' || startedAt === null || endedAt === null || (outcome !== 'done' && outcome !== 'applied'))
      continue;
    const proof = told.find(({ reset, at }) => reset && at >= startedAt && at <= endedAt);
    pairs.set(proof ?? { at: endedAt, codes: [], value: null, reset: true }, doing);
  }
  return pairs;
}

/** A write that was not seen on the device yet. `assumed`: it counts until something else is seen. */
interface Open {
  entry: Entry;
  doing: Doing;
  to: string | null;
  assumed: boolean;
  before: { value: string | null; cause: Cause };
}

class Walk {
  value: string | null = null;
  cause: Cause = { type: 'nothing' };
  readonly entries: Entry[] = [];
  readonly #story: ParameterStory;
  #seenAt: number | null = null;
  #open: Open | null = null;
  /** Firmware or a configuration file, which the next change is owed to. */
  #loaded: Doing | null = null;
  /** End of the last action that wrote and read back, begin of one that did not: what was read until then is part of it, or older. */
  #wroteUntil = Number.NEGATIVE_INFINITY;

  constructor(story: ParameterStory) {
    this.#story = story;
  }

  told({ at, codes, value, reset }: Told, doing: Doing | null): void {
    if (reset) {
      const entry = this.#enter({ type: 'reset', at, to: value, doing, codes, lastSeenAt: this.#seenAt });
      this.value = value;
      this.cause = { type: 'reset', at: entry.at, doing };
      this.#seenAt = value === null ? null : at;
      this.#open = null;
      this.#loaded = null;
      return;
    }
    // Nobody can compare what is redacted: that a secret is another one, the device itself must say.
    if (this.#story.secret && value === REDACTED && codes.includes('4 VALUE CHANGE'))
      this.#changed(value, { type: 'told', at, codes });
    else this.#observe(value, { type: 'told', at, codes });
  }

  doing(doing: Doing): void {
    const { what, before, after, wanted, outcome, startedAt, endedAt } = doing;
    if (what === 'reset') return;
    if (what === 'looked') {
      this.#observe(after, { type: 'read', at: endedAt ?? doing.createdAt, doing });
      return;
    }
    const at = endedAt ?? startedAt ?? doing.createdAt;
    const succeeded = outcome === 'done' || outcome === 'applied';
    if (what === 'firmware' || what === 'file') {
      if (succeeded) this.#loaded = doing;
      return;
    }
    if (what === 'wrote') this.#observe(before, { type: 'read', at: startedAt ?? at, doing });
    const fate = fateOf(doing);
    const entry = this.#enter({ type: 'action', at, to: wouldBe(doing), doing, lastSeenAt: this.#seenAt, fate });
    const until = (doing.item === null ? startedAt : endedAt) ?? Number.NEGATIVE_INFINITY;
    this.#wroteUntil = Math.max(this.#wroteUntil, until);
    const was = { value: this.value, cause: this.cause };
    switch (fate) {
      case 'took':
      case 'accepted':
        this.value = entry.to;
        this.cause = { type: 'action', doing, at };
        this.#seenAt = fate === 'took' && what !== 'deleted' ? at : null;
        this.#open = fate === 'took' ? null : { entry, doing, to: entry.to, assumed: true, before: was };
        return;
      case 'already':
        this.#observe(wanted, { type: 'read', at, doing });
        return;
      case 'later':
      case 'unknown':
        this.#open = { entry, doing, to: entry.to, assumed: false, before: was };
        return;
      case 'not':
        // Some devices answer with a value of their own making: that is theirs.
        if (after !== null && !this.#same(after, wanted)) this.#observe(after, { type: 'read', at, doing });
    }
  }

  /** What is stored now: the last that anybody has read. */
  look(): void {
    const { now, secret } = this.#story;
    if (now === null || now.readAt === null) return;
    const how = { type: 'read', at: now.readAt } as const;
    if (this.value !== null && now.readAt <= this.#wroteUntil) return;
    if (!secret || this.cause.type !== 'action') this.#observe(now.value, how);
    else if (this.cause.doing.held === false) this.#changed(now.value, how);
    else if (this.cause.doing.held === true && this.#open !== null) this.#open.entry.fate = 'took';
  }

  #enter(step: Partial<Entry> & Pick<Entry, 'type' | 'at' | 'to'>): Entry {
    const entry: Entry = { from: this.value, doing: null, codes: [], lastSeenAt: null, fate: null, ...step };
    this.entries.push(entry);
    return entry;
  }

  /** Somebody saw the value. What is as it was known to be is no step. */
  #observe(value: string | null, how: Seen): void {
    // A secret that the device does not show says nothing (FIELD 27).
    if (value === null || (this.#story.secret && this.value !== null)) return;
    const open = this.#open;
    if (open !== null) {
      if (this.#same(value, open.to)) {
        open.entry.fate = 'took';
        this.value = value;
        this.cause = { type: 'action', doing: open.doing, at: open.entry.at };
        this.#seenAt = how.at;
        this.#open = null;
        return;
      }
      if (this.#same(value, open.before.value)) {
        if (open.assumed) {
          open.entry.fate = 'reverted';
          this.value = value;
          this.cause = open.before.cause;
          this.#open = null;
        }
        this.#seenAt = how.at;
        return;
      }
    }
    if (this.value === null || !this.#same(value, this.value)) {
      this.#changed(value, how);
      return;
    }
    this.#seenAt = how.at;
    if (this.#loaded !== null && how.at > this.#loaded.endedAt!) this.#loaded = null;
  }

  #changed(value: string | null, { type, at, codes = [], doing = null }: Seen): void {
    const { cause } = this;
    const lastSeenAt = this.#seenAt;
    this.#open = null;
    this.#seenAt = at;
    // The first value after a reset, or of a new instance, came with it: nobody has set it since.
    const made = cause.type === 'action' && cause.doing.what === 'made';
    if (this.value === null && (cause.type === 'reset' || made)) {
      this.value = value;
      const entry = this.entries.findLast(({ type }) => type === (made ? 'action' : 'reset'))!;
      entry.to = value;
      if (made) entry.fate = 'took';
      return;
    }
    if (this.#loaded !== null && this.value !== null) {
      const by = this.#loaded;
      this.#loaded = null;
      this.#enter({ type: 'action', at, to: value, doing: by, lastSeenAt, fate: 'took' });
      this.value = value;
      this.cause = { type: 'action', doing: by, at };
      return;
    }
    const entry = this.#enter({ type, at, to: value, doing, codes, lastSeenAt });
    this.cause = { type: this.value === null && cause.type === 'nothing' ? 'found' : 'device', at, entry };
    this.value = value;
  }

  #same(a: string | null, b: string | null): boolean {
    if (a === null || b === null) return a === b;
    const max = LIMITS.timelineValueCharsMax;
    // The timeline keeps the beginning of long values alone.
    if (a.length === max || b.length === max) return a.slice(0, max) === b.slice(0, max);
    return sameValue(this.#story.type, a, b);
  }
}

type Seen = { type: 'told' | 'read'; at: number; codes?: string[]; doing?: Doing | null };
