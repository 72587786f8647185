// Applies what edges report of actions: progress and results move them on, through the guarded transition, with evidence. What comes for
// an unknown action, another generation or one that ended otherwise is recorded and changes nothing.

import { LIMITS } from '../../base/limits.ts';
import type { ActionResult } from '../../bus/messages.ts';
import type { ControlContext } from '../context.ts';
import type { NewEvent, NewEvidence } from '../evidence/record.ts';
import type { ActionEffect } from '../ingest/effects.ts';
import { type IsSecret, redactResult } from '../redaction.ts';
import type { ActionState } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { withdrawCopies } from './copies.ts';
import { sealContext } from './insert.ts';
import { BEGUN_ELSEWHERE, givenBack, sendAnew } from './moves.ts';
import type { BasisValue } from './plan.ts';
import { learnRecovery, settleRecoveries, writeLearned } from './recover.ts';
import { mayFollow, stateOf, transition } from './states.ts';

interface ActionRow {
  id: string;
  device_id: string;
  kind: string;
  state: ActionState;
  outcome: string | null;
  why: string;
  generation: number;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  moving_at: Date | null;
  cancel_asked_at: Date | null;
  recovers: string | null;
  unknown: boolean;
}

export interface Applied {
  events: NewEvent[];
  evidence: NewEvidence[];
  /** Actions were given back, and are to be handed over anew. */
  handOver: boolean;
}

/** Applies effects in their order. The caller appends what is returned at the end of its transaction. */
export async function applyActionEffects(
  tx: Sql,
  context: ControlContext,
  effects: ActionEffect[],
  isSecretOf: (deviceId: string) => IsSecret,
): Promise<Applied> {
  const applied: Applied = { events: [], evidence: [], handOver: false };
  if (effects.length === 0) return applied;
  const ids = [...new Set(effects.map(({ body }) => body.actionId))];
  const rows = await tx<ActionRow[]>`
    select id, device_id, kind, state, outcome, why, generation, created_at, started_at, ended_at, moving_at, cancel_asked_at, recovers,
      unknown
    from action where id = any(${ids}) or id in (select recovers from action where id = any(${ids}))
    order by id for no key update`;
  const byId = new Map(rows.map((row) => [row.id, row]));
  const changed = new Set<ActionRow>();
  const again = new Map<string, ActionRow>();
  const ends: { id: string; edgeId: string }[] = [];
  const results: { action_id: string; generation: number; result: ActionResult; at: Date }[] = [];

  for (const effect of effects) {
    const { body, at } = effect;
    const row = byId.get(body.actionId);
    const misfit = misfitOf(row, effect);
    if (effect.type === 'progress') {
      if (row && misfit === null && applyProgress(row, effect, applied)) changed.add(row);
      continue;
    }
    let result = redactResult(effect.body.result, isSecretOf(body.cpeId));
    if (!row || misfit !== null) {
      const why = misfit ?? 'unknown action';
      const { outcome, startedAt, endedAt } = result;
      applied.evidence.push({
        actionId: body.actionId,
        at,
        kind: 'late-result',
        body: { why, generation: body.generation, edgeId: effect.edgeId, result },
      });
      const summary = `A result (${outcome}) came that changes nothing: ${why}`;
      const details = { outcome, startedAt, endedAt, generation: body.generation };
      applied.events.push({
        deviceId: body.cpeId,
        actionId: body.actionId,
        at,
        kind: 'action.late-result',
        summary,
        body: details,
      });
      continue;
    }
    const back = givenBack(row, result);
    if (back === 'again') {
      again.set(row.id, row);
      const moved = { edgeId: effect.edgeId, generation: row.generation + 1 };
      applied.evidence.push({ actionId: row.id, at, kind: 'sent-anew', body: moved });
      // What other edges of that POP say under the old generation counts no more.
      row.generation += 1;
      row.moving_at = null;
      continue;
    }
    if (back === 'begun') result = { ...result, outcome: 'failed', why: BEGUN_ELSEWHERE, unknown: true };
    applyResult(row, result, effect.edgeId, at, applied);
    changed.add(row);
    ends.push({ id: row.id, edgeId: effect.edgeId });
    results.push({ action_id: row.id, generation: row.generation, result, at: new Date(at) });
    context.metrics.actionsEnded.inc({ kind: row.kind, outcome: result.outcome });
    context.metrics.actionSeconds.observe({ kind: row.kind }, Math.max(0, at - row.created_at.getTime()) / 1000);
  }

  if (results.length > 0) {
    await tx`
      insert into action_result (action_id, generation, result, at)
      select r.action_id, r.generation, r.result, r.at
      from jsonb_to_recordset(${jsonText(results)}::text::jsonb) as r(action_id text, generation int, result jsonb, at timestamptz)
      on conflict (action_id, generation) do update set result = excluded.result, at = excluded.at`;
  }
  if (changed.size > 0) {
    await tx`
      update action a set state = r.state, outcome = r.outcome, why = r.why, unknown = r.unknown, started_at = r.started_at, ended_at = r.ended_at,
        claimed_at = coalesce(a.claimed_at, a.created_at), sent_at = coalesce(a.sent_at, a.created_at)
      from jsonb_to_recordset(${jsonText([...changed])}::text::jsonb)
        as r(id text, state text, outcome text, why text, unknown boolean, started_at timestamptz, ended_at timestamptz)
      where a.id = r.id`;
  }
  await learn(tx, context, byId, results, isSecretOf);
  const recoveries = ends.map(({ id }) => byId.get(id)!).map((row) => ({ ...row, outcome: row.outcome! }));
  const settled = await settleRecoveries(tx, context, recoveries, context.clock.now());
  applied.events.push(...settled.events);
  applied.evidence.push(...settled.evidence);
  await withdrawCopies(tx, ends);
  await sendAnew(tx, [...again.keys()]);
  applied.handOver = again.size > 0;
  return applied;
}

/** Makes exact how those that ended would be taken back. */
async function learn(
  tx: Sql,
  context: ControlContext,
  byId: ReadonlyMap<string, ActionRow>,
  results: { action_id: string; result: ActionResult }[],
  isSecretOf: (deviceId: string) => IsSecret,
): Promise<void> {
  const telling = results.filter(({ action_id }) => ['set', 'add'].includes(byId.get(action_id)!.kind));
  if (telling.length === 0) return;
  const rows = await tx<{ action_id: string; sealed_basis: string }[]>`
    select action_id, sealed_basis from action_plan
    where action_id = any(${telling.map(({ action_id }) => action_id)}) and sealed_basis is not null`;
  const sealed = new Map(rows.map(({ action_id, sealed_basis }) => [action_id, sealed_basis]));
  const learned = telling.flatMap(({ action_id: id, result }) => {
    const text = sealed.get(id);
    const basis: BasisValue[] = text === undefined ? [] : JSON.parse(context.box.open(text, sealContext(id, 'basis')));
    const { kind, device_id } = byId.get(id)!;
    return learnRecovery(id, kind, result, basis, isSecretOf(device_id)) ?? [];
  });
  await writeLearned(tx, context, learned);
}

/** Why an effect must not be applied to its row, or null. */
function misfitOf(row: ActionRow | undefined, { type, body }: ActionEffect): string | null {
  if (!row) return 'unknown action';
  if (row.device_id !== body.cpeId) return `the action belongs to ${row.device_id}`;
  if (body.generation !== row.generation) return `generation ${body.generation}, the action is at ${row.generation}`;
  if (type === 'result' && !mayFollow(row.state, stateOf(body.result.outcome)))
    return `the action is ${row.state} already`;
  return null;
}

/** Returns whether the row changed. Progress that arrives after the end says nothing new. */
function applyProgress(
  row: ActionRow,
  { at, body, edgeId }: ActionEffect & { type: 'progress' },
  { events, evidence }: Applied,
): boolean {
  const to: ActionState = body.state === 'verifying' ? 'verifying' : 'running';
  if (row.state !== to && !mayFollow(row.state, to)) return false;
  if (row.state === to && row.why === body.why) return false;
  if (row.state !== to) row.state = transition(row.id, row.state, to);
  row.why = body.why;
  if (row.started_at === null) {
    row.started_at = new Date(at);
    evidence.push({
      actionId: row.id,
      at,
      kind: 'running',
      body: { edgeId, generation: body.generation, why: body.why },
    });
  }
  events.push({
    deviceId: row.device_id,
    actionId: row.id,
    at,
    kind: `action.${to}`,
    summary: body.why,
    body: { kind: row.kind, phase: body.state },
  });
  return true;
}

function applyResult(
  row: ActionRow,
  result: ActionResult,
  edgeId: string,
  at: number,
  { events, evidence }: Applied,
): void {
  row.state = transition(row.id, row.state, stateOf(result.outcome));
  row.outcome = result.outcome;
  row.unknown = result.unknown === true;
  row.why = result.why;
  row.started_at ??= new Date(result.startedAt);
  row.ended_at = new Date(result.endedAt);
  const { rpcs, ...rest } = result;
  for (const rpc of rpcs) evidence.push({ actionId: row.id, at: rpc.at, kind: 'rpc', body: { ...rpc } });
  evidence.push({
    actionId: row.id,
    at,
    kind: 'result',
    body: { edgeId, generation: row.generation, ...rest, rpcCount: rpcs.length },
  });
  const body = {
    kind: row.kind,
    outcome: result.outcome,
    fault: result.fault ?? null,
    items: result.items.slice(0, LIMITS.timelineItemsMax),
  };
  events.push({
    deviceId: row.device_id,
    actionId: row.id,
    at,
    kind: `action.${row.state}`,
    summary: result.why,
    body,
  });
}
