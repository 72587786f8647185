// Taking an action back: its inverse, planned as an action of its own. What would take it back is known from the plan as far as it can be, and
// made exact when the action ends: by the values that the edge read before it wrote, and by the instance that was made.
//
//   done | partial | failed | stuck ─recover─▶ recovering, the inverse runs ─done─▶ recovered
//                                                                         └─else──▶ stuck

import { Refused } from '../../base/errors.ts';
import { REDACTED } from '../../base/secret-box.ts';
import type { ActionResult } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import { type NewEvent, type NewEvidence, record } from '../evidence/record.ts';
import { isPermitted, permissionFor, rolesWith } from '../permissions.ts';
import type { IsSecret } from '../redaction.ts';
import { type ActionState, isEnded, type Principal } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { findDevice, ownerOf, PRIORITY, planOne } from './create.ts';
import { insertActions, sealContext } from './insert.ts';
import type { BasisValue } from './plan.ts';
import type { ActionRequest } from './request.ts';
import { mayFollow, transition } from './states.ts';

/**
 * Begins the recovery of an action. Returns the id of the action that takes it back. Throws Refused 404, 409 'not-recoverable' with the reason,
 * 403 'forbidden', and 422 when the inverse cannot be planned any more.
 */
export async function recoverAction(context: ControlContext, id: string, principal: Principal): Promise<string> {
  const { sql, box, live, clock } = context;
  const [row] = await sql<
    { device_id: string; state: ActionState; possible: boolean; text: string; sealed_plan: string | null }[]
  >`
    select a.device_id, a.state, r.possible, r.text, r.sealed_plan
    from action a join action_recovery r on r.action_id = a.id where a.id = ${id}`;
  if (!row) throw new Refused(404, 'unknown-action', `There is no action ${id}. GET /actions lists them.`);
  const { state, possible, text, sealed_plan } = row;
  const refuse = (why: string): Refused => new Refused(409, 'not-recoverable', why);
  if (!isEnded(state)) throw refuse(`Action ${id} has not ended yet: it is ${state}.`);
  if (!mayFollow(state, 'recovering')) throw refuse(`Action ${id} is ${state}: there is nothing to take back.`);
  if (!possible || sealed_plan === null) throw refuse(`Action ${id} cannot be taken back: ${text}`);
  const inverse = JSON.parse(box.open(sealed_plan, sealContext(id, 'recovery'))) as ActionRequest;
  const permission = permissionFor(inverse.kind);
  if (!isPermitted(principal, permission)) {
    const who = rolesWith([permission]).join(' or ');
    throw new Refused(403, 'forbidden', `Taking this back needs the permission '${permission}', which ${who} have.`);
  }
  const request: ActionRequest = { ...inverse, wake: true, reason: `Takes back action ${id}.` };
  const device = await findDevice(sql, row.device_id);
  const owner = ownerOf(principal, request);
  const wanted = { device, request, owner, priority: PRIORITY.waiting, idempotencyKey: null, recovers: id };
  const action = await planOne(sql, context, wanted);
  const at = clock.now();
  const seq = await sql.begin(async (tx) => {
    const [now] = await tx<{ state: ActionState }[]>`select state from action where id = ${id} for no key update`;
    if (!mayFollow(now!.state, 'recovering')) throw refuse(`Action ${id} is ${now!.state} already.`);
    transition(id, now!.state, 'recovering');
    const why = `${principal.name} takes it back: action ${action.id}.`;
    // Nobody has to look at it while it is being put right.
    await tx`update action set state = 'recovering', why = ${why}, closed_at = null where id = ${id}`;
    await tx`update action_recovery set state = 'running' where action_id = ${id}`;
    const inserted = await insertActions(tx, context, [action]);
    const by = { by: principal.name, role: principal.role, person: principal.person };
    const body = { ...by, recoveredBy: action.id, from: now!.state };
    const begun: NewEvidence = { actionId: id, at, kind: 'recovery-begun', body };
    const event: NewEvent = {
      deviceId: row.device_id,
      actionId: id,
      at,
      kind: 'action.recovering',
      summary: why,
      body,
    };
    return await record(tx, [event, ...inserted.events], [begun, ...inserted.evidence]);
  });
  live.committed(seq);
  return action.id;
}

/** An action that took another one back, and how it ended. */
export interface EndedRecovery {
  id: string;
  recovers: string | null;
  outcome: string;
  why: string;
}

/** Moves on the actions that were being taken back. The caller appends what is returned at the end of its transaction. */
export async function settleRecoveries(
  tx: Sql,
  { log, metrics }: ControlContext,
  ended: EndedRecovery[],
  at: number,
): Promise<{ events: NewEvent[]; evidence: NewEvidence[] }> {
  const events: NewEvent[] = [];
  const evidence: NewEvidence[] = [];
  const recoveries = new Map(ended.flatMap((one) => (one.recovers === null ? [] : [[one.recovers, one]])));
  if (recoveries.size === 0) return { events, evidence };
  const rows = await tx<{ id: string; device_id: string; kind: string; state: ActionState }[]>`
    select id, device_id, kind, state from action where id = any(${[...recoveries.keys()]}) and state in ('recovering', 'stuck')
    order by id for no key update`;
  for (const { id, device_id, kind, state } of rows) {
    const recovery = recoveries.get(id)!;
    const good = recovery.outcome === 'done' || recovery.outcome === 'applied';
    // Stuck by its deadline, and heard of after all: what the device did is the truth. That it failed too is no news.
    if (state === 'stuck' && !good) continue;
    const to = transition(id, state, good ? 'recovered' : 'stuck');
    const why = good
      ? `Taken back by action ${recovery.id}: ${recovery.why}`
      : `Could not be taken back: action ${recovery.id} ended ${recovery.outcome}: ${recovery.why}`;
    await tx`update action set state = ${to}, why = ${why} where id = ${id}`;
    await tx`update action_recovery set state = ${good ? 'done' : 'failed'} where action_id = ${id}`;
    const body = { recoveredBy: recovery.id, outcome: recovery.outcome, state: to };
    evidence.push({ actionId: id, at, kind: 'recovery-ended', body: { ...body, why: recovery.why } });
    events.push({ deviceId: device_id, actionId: id, at, kind: `action.${to}`, summary: why, body: { kind, ...body } });
    metrics.recoveries.inc({ outcome: to });
    if (!good)
      log.error(
        { actionId: id, deviceId: device_id, recovery: recovery.id, why: recovery.why },
        'an action could not be taken back',
      );
  }
  return { events, evidence };
}

/** What the end of an action tells of how to take it back. */
export interface Learned {
  action_id: string;
  possible: boolean;
  text: string;
  inverse: ActionRequest | null;
}

/**
 * The recovery of an action that ended, from what it did; null where its plan knew all there is to know. Pure.
 * @param result redacted; `basis` has the secrets that were known when it was planned.
 */
export function learnRecovery(
  id: string,
  kind: string,
  result: ActionResult,
  basis: readonly BasisValue[],
  isSecret: IsSecret,
): Learned | null {
  if (kind === 'add') return learnAdd(id, result);
  return kind === 'set' ? learnSet(id, result, basis, isSecret) : null;
}

function learnAdd(id: string, { data }: ActionResult): Learned {
  const object = data['object'];
  if (typeof object !== 'string' || !object.endsWith('.')) {
    return { action_id: id, possible: false, text: 'No instance is known to be made.', inverse: null };
  }
  return {
    action_id: id,
    possible: true,
    text: `Deletes ${object}, which it made.`,
    inverse: { kind: 'delete', name: object },
  };
}

function learnSet(
  id: string,
  { items, before, after }: ActionResult,
  basis: readonly BasisValue[],
  isSecret: IsSecret,
): Learned {
  const none = (text: string): Learned => ({ action_id: id, possible: false, text, inverse: null });
  const read = new Map(before.map(({ Name, Value }) => [Name, Value]));
  const held = new Map(after.map(({ Name, Value }) => [Name, Value]));
  const written = items.filter(
    ({ name, status }) =>
      ['set', 'pending', 'unverified'].includes(status) || (status === 'differs' && held.get(name) !== read.get(name)),
  );
  if (written.length === 0) return none('Nothing was changed, so there is nothing to take back.');
  const known = new Map(basis.map(({ name, value }) => [name, value]));
  const values: Record<string, string> = {};
  for (const { name } of written) {
    const value = read.get(name);
    const plain = value === REDACTED || (value === '' && isSecret(name)) ? known.get(name) : value;
    if (plain === undefined || plain === null) return none(`The value of ${name} before is not known.`);
    // Devices that hide secrets answer '' (FIELD 27): writing that back would blank the secret.
    if (plain === '' && isSecret(name)) return none(`The device hides the value of ${name}.`);
    values[name] = plain;
  }
  const count = written.length === 1 ? 'the value' : `${written.length} values`;
  return {
    action_id: id,
    possible: true,
    text: `Sets ${count} back to what the device held before.`,
    inverse: { kind: 'set', values },
  };
}

/** Writes what was learned. */
export async function writeLearned(tx: Sql, { box }: ControlContext, learned: Learned[]): Promise<void> {
  if (learned.length === 0) return;
  const rows = learned.map(({ inverse, ...rest }) => ({
    ...rest,
    sealed_plan: inverse === null ? null : box.seal(JSON.stringify(inverse), sealContext(rest.action_id, 'recovery')),
  }));
  await tx`
    update action_recovery r set possible = l.possible, text = l.text, sealed_plan = l.sealed_plan
    from jsonb_to_recordset(${jsonText(rows)}::text::jsonb) as l(action_id text, possible boolean, text text, sealed_plan text)
    where r.action_id = l.action_id`;
}
