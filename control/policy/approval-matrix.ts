// The approval matrix: who must look at a change before it happens, by risk, role, number of devices and time of day. Pure. An installation's
// own matrix lies in its settings (matrix-store.ts); the one here holds until somebody writes another.

import { z } from 'zod';
import { LIMITS } from '../../base/limits.ts';
import { ROLES, type Role } from '../permissions.ts';

export const APPROVAL_NEEDS = ['auto', 'one', 'second-person', 'denied'] as const;
/**
 * `auto`: nobody is asked. `one`: somebody with a role of `approvers`, the owner too, with such a role: who looks twice. `second-person`: such a
 * person, and not the owner. `denied`: it may not be done at all.
 */
export type ApprovalNeed = (typeof APPROVAL_NEEDS)[number];

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 22:00');
const rule = z.strictObject({
  /** What people call it; named in plans, approvals and refusals. */
  name: z.string().trim().min(1).max(100),
  // Conditions: all that are given must hold.
  risks: z
    .array(z.enum(['none', 'low', 'medium', 'high']))
    .min(1)
    .optional(),
  roles: z.array(z.enum(ROLES)).min(1).optional(),
  owners: z
    .array(z.enum(['person', 'policy', 'campaign', 'agent']))
    .min(1)
    .optional(),
  kinds: z.array(z.string().max(32)).min(1).optional(),
  /** From so many devices on. */
  devicesMin: z.int().min(1).optional(),
  /** Local time in `zone`, the end excluded; over midnight when `from` is later than `to`. `days`: 1 is Monday, 7 Sunday. */
  hours: z
    .strictObject({
      from: clockTime,
      to: clockTime,
      days: z.array(z.int().min(1).max(7)).min(1).optional(),
      zone: z.string().refine(isZone, 'must be a time zone such as Europe/Berlin').default('UTC'),
    })
    .optional(),
  // What follows.
  need: z.enum(APPROVAL_NEEDS),
  approvers: z.array(z.enum(ROLES)).min(1).default(['noc', 'engineer', 'admin']),
  /** How long an approval holds: what has not begun by then expires. */
  holdsHours: z
    .number()
    .positive()
    .max(LIMITS.actionLifeMsMax / 3_600_000)
    .default(LIMITS.approvalHoldsMs / 3_600_000),
});
type Rule = z.infer<typeof rule>;
export const approvalMatrix = z.strictObject({
  /** The first rule whose conditions hold decides. */
  rules: z
    .array(rule)
    .min(1)
    .max(LIMITS.approvalRulesMax)
    .refine(
      (rules) => conditionsOf(rules.at(-1)!).length === 0,
      'the last rule must have no conditions: it decides what is left',
    )
    .refine(
      (rules) => new Set(rules.map(({ name }) => name)).size === rules.length,
      'two rules have the same name: approvals name the rule they were asked by',
    ),
});
export type ApprovalMatrix = z.infer<typeof approvalMatrix>;

/** What is to be decided. */
export interface ApprovalCase {
  risk: 'none' | 'low' | 'medium' | 'high';
  role: string;
  owner: 'person' | 'policy' | 'campaign' | 'agent';
  kind: string;
  devices: number;
  atMs: number;
}
export interface ApprovalDecision {
  need: ApprovalNeed;
  rule: string;
  approvers: readonly Role[];
  holdsMs: number;
  /** The conditions of the rule in words, for people who wonder. */
  why: string;
}

export const DEFAULT_MATRIX: ApprovalMatrix = approvalMatrix.parse({
  rules: [
    { name: 'policies', owners: ['policy'], need: 'auto' },
    { name: 'reading', risks: ['none'], need: 'auto' },
    { name: 'agents', owners: ['agent'], need: 'one' },
    { name: 'risky for many', risks: ['high'], devicesMin: 2, need: 'second-person', approvers: ['engineer', 'admin'] },
    { name: 'very many', devicesMin: 101, need: 'second-person', approvers: ['engineer', 'admin'] },
    { name: 'many', devicesMin: 2, need: 'one' },
    { name: 'risky', risks: ['high'], roles: ['support', 'field', 'finance'], need: 'one' },
    { name: 'one device', need: 'auto' },
  ],
});

/** The decision of `matrix` about one case. */
export function decideApproval(matrix: ApprovalMatrix, asked: ApprovalCase): ApprovalDecision {
  const found = matrix.rules.find((one) => matches(one, asked)) ?? matrix.rules.at(-1)!;
  const { need, name, approvers, holdsHours } = found;
  const conditions = conditionsOf(found).join(', ');
  const why = `Rule “${name}”${conditions === '' ? '' : ` (${conditions})`}`;
  return { need, rule: name, approvers, holdsMs: holdsHours * 3_600_000, why };
}

function matches(one: Rule, { risk, role, owner, kind, devices, atMs }: ApprovalCase): boolean {
  return (
    (one.risks?.includes(risk) ?? true) &&
    (one.roles === undefined || (one.roles as readonly string[]).includes(role)) &&
    (one.owners?.includes(owner) ?? true) &&
    (one.kinds?.includes(kind) ?? true) &&
    devices >= (one.devicesMin ?? 1) &&
    (one.hours === undefined || isWithin(one.hours, atMs))
  );
}

function isWithin({ from, to, days, zone }: NonNullable<Rule['hours']>, atMs: number): boolean {
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(atMs);
  const part = (type: string): string => parts.find((one) => one.type === type)!.value;
  const now = `${part('hour')}:${part('minute')}`;
  const overMidnight = from > to;
  const inside = overMidnight ? now >= from || now < to : now >= from && now < to;
  if (!inside || days === undefined) return inside;
  const today = WEEKDAYS.indexOf(part('weekday')) + 1;
  // The small hours of a night belong to the day it began on.
  const day = overMidnight && now < to ? ((today + 5) % 7) + 1 : today;
  return days.includes(day);
}

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

function conditionsOf({ risks, roles, owners, kinds, devicesMin, hours }: Rule): string[] {
  const said: string[] = [];
  if (risks !== undefined) said.push(`risk ${risks.join(' or ')}`);
  if (roles !== undefined) said.push(`role ${roles.join(' or ')}`);
  if (owners !== undefined) said.push(`owner ${owners.join(' or ')}`);
  if (kinds !== undefined) said.push(`kind ${kinds.join(' or ')}`);
  if (devicesMin !== undefined) said.push(`${devicesMin} devices or more`);
  if (hours !== undefined) {
    const days = hours.days === undefined ? '' : ` on ${hours.days.map((day) => WEEKDAYS[day - 1]).join(', ')}`;
    said.push(`from ${hours.from} to ${hours.to}${days}, ${hours.zone}`);
  }
  return said;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
