// Scenarios as data: what CPEs say, how many come when, and how they come again. The engine plays them, the report judges them; nothing
// here runs.

import { type RetryPolicy, TR069_RETRY } from './retry-policy.ts';

/** What a kind of session says, in an Inform of 12 parameters, and whether it does more than inform. */
export interface Saying {
  events: readonly (readonly [EventCode: string, CommandKey: string])[];
  /** The CPE has another IP address than in its last Inform, for good. */
  newAddress?: true;
  /** It has the next SoftwareVersion, for good. */
  newFirmware?: true;
  /** Sends TransferComplete between Inform and empty POST: what delivers event 7 (A.3.3.2). */
  transferComplete?: true;
  /** The ACS gives it a value within the session, and reads it back: a session without that was not what it came for. */
  provisioned?: true;
}

/** The classes of sessions that latencies are told by. */
export const SAYINGS = {
  periodic: { events: [['2 PERIODIC', '']] },
  boot: { events: [['1 BOOT', '']] },
  change: { events: [['4 VALUE CHANGE', '']], newAddress: true },
  /** Power is back: every CPE boots and gets another address. */
  return: {
    events: [
      ['1 BOOT', ''],
      ['4 VALUE CHANGE', ''],
    ],
    newAddress: true,
  },
  /** Back without its settings: the ACS forgets what it knew of it, keeps the session until control has said what it shall have, and sets that. */
  reset: {
    events: [
      ['0 BOOTSTRAP', ''],
      ['1 BOOT', ''],
      ['4 VALUE CHANGE', ''],
    ],
    newAddress: true,
    provisioned: true,
  },
  reboot: {
    events: [
      ['1 BOOT', ''],
      ['M Reboot', 'mass-reboot'],
    ],
  },
  firmware: {
    events: [
      ['7 TRANSFER COMPLETE', ''],
      ['1 BOOT', ''],
      ['4 VALUE CHANGE', ''],
      ['M Download', 'firmware-wave'],
    ],
    newFirmware: true,
    transferComplete: true,
  },
  /** Somebody waits: the ACS was handed a value to set, and asked the CPE to come. */
  operator: { events: [['6 CONNECTION REQUEST', '']] },
} as const satisfies Record<string, Saying>;

export type ClassName = keyof typeof SAYINGS;
export const CLASS_NAMES = Object.keys(SAYINGS) as ClassName[];

/** Parts of the sessions by class; need not add up to 1. */
export type Mix = Partial<Record<ClassName, number>>;

export type Arrivals =
  | { pattern: 'rate'; perSecond: number }
  /**
   * Multiples of the measured capacity. `sessions`: so many CPEs want to begin one. `attempts`: so many connections are opened, retries
   * among them; CPEs that want to for the first time fill up what retries leave.
   */
  | { pattern: 'capacity'; times: number; counting: 'sessions' | 'attempts' }
  /** Each CPE once, evenly within that time. */
  | { pattern: 'everyone'; withinSeconds: number }
  /** The next begins when one ends, so many at once: finds the capacity. */
  | { pattern: 'closed'; open: number }
  /** The same until each CPE came so many times. */
  | { pattern: 'rounds'; rounds: number; open: number };

export interface Stream {
  arrivals: Arrivals;
  mix: Mix;
}

export interface Phase {
  name: string;
  /** Longest time. A phase of rounds, or one that drains, ends when that is done. */
  seconds: number;
  streams: readonly Stream[];
  /** Ends when all sessions wanted before it are over; that time is told beside the ideal one. */
  drains?: true;
  /** Carries the load that the scenario is about: `--seconds` is its length. */
  main?: true;
}

/** What a scenario has to show. */
export interface Contract {
  /** Phases in which goodput and the operator's latency count. */
  phases: readonly string[];
  goodputOfPeak: number;
  operatorP95Ms: number;
  /** Most that memory of its own may grow within the first of the phases, once it is warm. */
  memoryGrowth: number;
  drainPhase: string;
  drainTimesIdeal: number;
}

export interface Scenario {
  name: ScenarioName;
  text: string;
  cpes: number;
  /** Sessions an operator waits for, per second, in all phases but the first two. */
  operatorPerSecond: number;
  retry: RetryPolicy;
  /** Time for measuring the capacity, with this mix. */
  capacitySeconds: number;
  mix: Mix;
  phases: readonly Phase[];
  contract?: Contract;
}

export type ScenarioName = 'steady' | 'mass-reboot' | 'outage-return' | 'firmware-wave' | 'storm' | 'boot-storm';
export type SizeName = 'small' | 'usual' | 'large';

/** What differs by size. `time` shortens phases and retries alike. */
const SIZES = {
  small: { cpes: 0.0025, time: 1 / 60, operators: 2, capacitySeconds: 0.5 },
  usual: { cpes: 1, time: 1, operators: 1, capacitySeconds: 8 },
  large: { cpes: 5, time: 1, operators: 1, capacitySeconds: 15 },
} as const satisfies Record<SizeName, object>;

const DAY: Mix = { periodic: 0.9, change: 0.07, boot: 0.03 };
const QUIET: Mix = { periodic: 1 };
const BEFORE: Phase = {
  name: 'before',
  seconds: 10,
  streams: [{ arrivals: { pattern: 'capacity', times: 0.2, counting: 'sessions' }, mix: DAY }],
};
/** Nobody new: whoever still waits comes when its retry is due. */
const DRAIN: Phase = { name: 'drain', seconds: 300, streams: [], drains: true };

/** Four times the capacity for a minute, then the capacity until those from before have had their session. */
function stormOf(mix: Mix) {
  const attempts = (times: number): Stream[] => [
    { arrivals: { pattern: 'capacity', times, counting: 'attempts' }, mix },
  ];
  return {
    ...{ cpes: 100_000, operatorPerSecond: 4, retry: TR069_RETRY, mix },
    phases: [
      BEFORE,
      { name: 'storm', seconds: 60, streams: attempts(4), main: true },
      { name: 'after', seconds: 600, streams: attempts(1), drains: true },
      { ...DRAIN, seconds: 60 },
    ],
    contract: {
      ...{ phases: ['storm', 'after'], goodputOfPeak: 0.9, operatorP95Ms: 1_000, memoryGrowth: 0.1 },
      ...{ drainPhase: 'after', drainTimesIdeal: 2 },
    },
  } satisfies Omit<Scenario, 'name' | 'text' | 'capacitySeconds'>;
}

/** Each scenario in its usual size. */
export const SCENARIOS = {
  steady: {
    text: 'an ordinary hour: periodic Informs that say nothing new, some changed addresses, some boots, at 60 % of the capacity',
    ...{ cpes: 20_000, operatorPerSecond: 2, retry: TR069_RETRY, mix: DAY },
    phases: [
      {
        name: 'steady',
        seconds: 60,
        streams: [{ arrivals: { pattern: 'capacity', times: 0.6, counting: 'sessions' }, mix: DAY }],
        main: true,
      },
      DRAIN,
    ],
  },
  'mass-reboot': {
    text: 'every CPE was told to reboot at once, and they are all back within 10 s',
    ...{ cpes: 20_000, operatorPerSecond: 2, retry: TR069_RETRY, mix: { reboot: 1 } },
    phases: [
      BEFORE,
      {
        name: 'reboot',
        seconds: 10,
        streams: [{ arrivals: { pattern: 'everyone', withinSeconds: 10 }, mix: { reboot: 1 } }],
        main: true,
      },
      DRAIN,
    ],
  },
  'outage-return': {
    text: 'power returns to a region: every CPE boots within 5 s and has another address; retries as TR-069 wants them',
    ...{ cpes: 20_000, operatorPerSecond: 2, retry: TR069_RETRY, mix: { return: 1 } },
    phases: [
      BEFORE,
      {
        name: 'return',
        seconds: 5,
        streams: [{ arrivals: { pattern: 'everyone', withinSeconds: 5 }, mix: { return: 1 } }],
        main: true,
      },
      DRAIN,
    ],
  },
  'firmware-wave': {
    text: 'a firmware campaign: within 60 s every CPE comes back with its transfer complete and a new version, above the day’s traffic',
    ...{ cpes: 20_000, operatorPerSecond: 2, retry: TR069_RETRY, mix: { firmware: 1 } },
    phases: [
      BEFORE,
      {
        name: 'wave',
        seconds: 60,
        streams: [
          { arrivals: { pattern: 'everyone', withinSeconds: 60 }, mix: { firmware: 1 } },
          { arrivals: { pattern: 'capacity', times: 0.2, counting: 'sessions' }, mix: QUIET },
        ],
        main: true,
      },
      DRAIN,
    ],
  },
  /**
   * One kind of session alone: with several, those let in during the storm would be dearer than those of the peak it is compared with,
   * because the dear ones (a boot) come before the cheap ones (a periodic Inform).
   */
  storm: {
    text: 'a region reboots into factory settings: four times what the ACS can provision for 60 s, then as much as it can',
    ...stormOf({ reset: 1 }),
  },
  'boot-storm': {
    text: 'power returns: four times the boots the ACS can serve for 60 s, then as many as it can; a boot costs little more than a refusal',
    ...stormOf({ return: 1 }),
  },
} as const satisfies Record<ScenarioName, Omit<Scenario, 'name' | 'capacitySeconds'>>;

/**
 * A scenario in a size.
 * @param over.seconds length of the main phase; the others keep theirs. @param over.cpes how many CPEs.
 */
export function scenarioOf(
  name: ScenarioName,
  size: SizeName = 'usual',
  over: { cpes?: number; seconds?: number } = {},
): Scenario {
  const usual: Omit<Scenario, 'name' | 'capacitySeconds'> = SCENARIOS[name];
  const { cpes, time, operators, capacitySeconds } = SIZES[size];
  const { retry, operatorPerSecond } = usual;
  return {
    ...usual,
    name,
    capacitySeconds,
    cpes: over.cpes ?? Math.max(50, Math.round(usual.cpes * cpes)),
    operatorPerSecond: operatorPerSecond * operators,
    retry: { ...retry, minimumSeconds: retry.minimumSeconds * time },
    phases: usual.phases.map((phase) => {
      const isChanged = phase.main === true && over.seconds !== undefined;
      return stretched(phase, isChanged ? over.seconds! / phase.seconds : time);
    }),
  };
}

function stretched(phase: Phase, factor: number): Phase {
  const streams = phase.streams.map(({ arrivals, mix }): Stream => {
    if (arrivals.pattern !== 'everyone') return { arrivals, mix };
    return { arrivals: { ...arrivals, withinSeconds: arrivals.withinSeconds * factor }, mix };
  });
  return { ...phase, seconds: phase.seconds * factor, streams };
}
