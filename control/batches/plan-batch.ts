// Plans a batch: an action for each device of its selection, some hundred in a transaction, in the order of their ids. A control that dies goes on
// where it was. When the last is planned, one hash over all plans is what is looked at, submitted and approved.

import { LIMITS } from '../../base/limits.ts';
import { PRIORITY, planKnown } from '../actions/create.ts';
import { insertActions, type Owner, type PlannedAction } from '../actions/insert.ts';
import { fileOf, firmwareBefore, readKnown } from '../actions/knowledge.ts';
import { objectsOfInterest, type PlanDevice, pathsOfInterest } from '../actions/plan.ts';
import type { ActionRequest } from '../actions/request.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import { readMatrix } from '../policy/matrix-store.ts';
import { deviceFilter } from '../registry/devices.ts';
import type { Risk } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { type BatchRow, batchEvent, batchEvidence } from './batch-row.ts';
import { leafOf, MerkleRoot } from './merkle.ts';
import type { BatchSelection } from './request.ts';

const RISKS: readonly Risk[] = ['none', 'low', 'medium', 'high'];

/** Binds the sealed request to its batch. */
export const sealedRequest = (batchId: string): string => `batch:${batchId}:request`;

interface Selected extends PlanDevice {
  excluded: boolean;
}

/** One step of one batch that is being planned. Returns false when there is none. */
export async function planBatches(context: ControlContext): Promise<boolean> {
  const { sql, live } = context;
  const { seq, found } = await sql.begin(async (tx) => {
    const [batch] = await tx<BatchRow[]>`
      select * from batch where state = 'planning' order by id limit 1 for no key update skip locked`;
    if (!batch) return { seq: null, found: false };
    const devices = await nextDevices(tx, batch);
    if (devices.length === 0) return { seq: await finishPlanning(tx, context, batch), found: true };
    const { planned, refused, risk } = await planPage(tx, context, batch, devices);
    const inserted = await insertActions(tx, context, planned);
    if (refused.length > 0) {
      await tx`
        insert into batch_refusal (batch_id, device_id, code, message)
        select ${batch.id}, r.device_id, r.code, r.message
        from jsonb_to_recordset(${jsonText(refused)}::text::jsonb) as r(device_id text, code text, message text)`;
    }
    await tx`
      update batch set planned_to = ${devices.at(-1)!.id}, selected = selected + ${devices.length}, risk = ${risk},
        excluded = excluded + ${devices.filter(({ excluded }) => excluded).length}, unplannable = unplannable + ${refused.length}
      where id = ${batch.id}`;
    return { seq: await record(tx, inserted.events, inserted.evidence), found: true };
  });
  live.committed(seq);
  return found;
}

async function nextDevices(tx: Sql, { selection, planned_to }: BatchRow): Promise<Selected[]> {
  const { ids = null, filter = {}, exclude = {} } = selection as BatchSelection;
  const out = exclude.ids ?? [];
  const tags = exclude.tags ?? [];
  return await tx<Selected[]>`
    select d.id, d.root, d.profile as "profileId", (d.id = any(${out}) or d.tags && ${tags}::text[]) as excluded
    from device d left join device_seen s on s.device_id = d.id
    where d.id > ${planned_to} and ${ids === null ? sqlTrue(tx) : tx`d.id = any(${ids})`} and ${deviceFilter(tx, filter)}
    order by d.id limit ${LIMITS.batchPlanRows}`;
}
const sqlTrue = (tx: Sql) => tx`true`;

async function planPage(
  tx: Sql,
  context: ControlContext,
  batch: BatchRow,
  devices: Selected[],
): Promise<{
  planned: PlannedAction[];
  refused: { device_id: string; code: string; message: string }[];
  risk: Risk | null;
}> {
  const { box, book } = context;
  const request = JSON.parse(box.open(batch.sealed_request, sealedRequest(batch.id))) as ActionRequest;
  const wanted = devices.filter(({ excluded }) => !excluded);
  const unique = (names: string[]): string[] => [...new Set(names)];
  const ids = wanted.map(({ id }) => id);
  const matrix = await readMatrix(tx);
  const paths = unique(wanted.flatMap((device) => pathsOfInterest(request, device, book)));
  const objects = unique(wanted.flatMap((device) => objectsOfInterest(request, device, book)));
  const known = await readKnown(tx, ids, paths, objects);
  const file = await fileOf(tx, request);
  const before = await firmwareBefore(tx, ids, request);
  const planned: PlannedAction[] = [];
  const refused: { device_id: string; code: string; message: string }[] = [];
  let risk = batch.risk;
  for (const device of wanted) {
    const knowledge = { known: known.get(device.id) ?? new Map(), file, firmwareBefore: before.get(device.id) ?? null };
    const common = { device, request, owner: ownerOfBatch(batch), priority: PRIORITY.bulk, idempotencyKey: null };
    const action = planKnown(context, matrix, { ...common, batchId: batch.id }, knowledge);
    if ('code' in action) refused.push({ device_id: device.id, code: action.code, message: action.message });
    else {
      planned.push({ ...action, expiresAt: batch.asked_until.getTime() });
      const own = action.planned.view.risk;
      if (risk === null || RISKS.indexOf(own) > RISKS.indexOf(risk)) risk = own;
    }
  }
  return { planned, refused, risk };
}

export function ownerOfBatch(batch: BatchRow): Owner {
  return {
    kind: batch.owner_kind,
    name: batch.owner_name,
    role: batch.owner_role,
    tokenId: batch.owner_token,
    person: batch.owner_person,
    reason: batch.reason,
    reference: batch.reference,
  };
}

/** The root over all plans, and how many there are. */
async function finishPlanning(tx: Sql, context: ControlContext, batch: BatchRow): Promise<string | null> {
  const at = context.clock.now();
  const tree = new MerkleRoot();
  let actions = 0;
  const rows = tx<{ device_id: string; hash: string }[]>`
    select a.device_id, p.hash from action a join action_plan p on p.action_id = a.id
    where a.batch_id = ${batch.id} order by a.device_id`.cursor(LIMITS.evidenceExportRows);
  for await (const page of rows) {
    for (const { device_id, hash } of page) tree.add(leafOf(device_id, hash));
    actions += page.length;
  }
  const { selected, excluded, unplannable } = batch;
  const counts = { selected, excluded, unplannable, actions };
  if (actions === 0) {
    const why = `No action could be planned: ${selected} devices selected, ${excluded} excluded, ${unplannable} refused.`;
    await tx`update batch set state = 'done', why = ${why}, ended_at = ${new Date(at)}, root = ${tree.root} where id = ${batch.id}`;
    return await record(
      tx,
      [batchEvent(batch, at, 'done', why, counts)],
      [batchEvidence(batch.id, at, 'done', counts)],
    );
  }
  const why = `Planned for ${actions} devices: look at the plans, then submit it with its root.`;
  await tx`
    update batch set state = 'planned', why = ${why}, root = ${tree.root},
      expires_at = least(asked_until, ${new Date(at + LIMITS.batchPreviewLifeMs)})
    where id = ${batch.id}`;
  const evidence = batchEvidence(batch.id, at, 'planned', { ...counts, root: tree.root, risk: batch.risk });
  return await record(tx, [batchEvent(batch, at, 'planned', why, counts)], [evidence]);
}
