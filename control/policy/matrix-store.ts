// Where the approval matrix of this installation lies: one setting in PostgreSQL, which every control reads when it decides.

import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import type { ApprovalMatrixService, Principal } from '../services.ts';
import { jsonText, type Sql } from '../store/postgres.ts';
import { type ApprovalMatrix, approvalMatrix, DEFAULT_MATRIX } from './approval-matrix.ts';

const SETTING = 'approval-matrix';

/** The matrix that holds now. */
export async function readMatrix(sql: Sql): Promise<ApprovalMatrix> {
  const [row] = await sql<{ value: unknown }[]>`select value from setting where name = ${SETTING}`;
  return row ? approvalMatrix.parse(row.value) : DEFAULT_MATRIX;
}

/** ApprovalMatrixService over the setting. */
export function matrixService({ sql, clock, live }: ControlContext): ApprovalMatrixService {
  return {
    get: () => readMatrix(sql),
    async put(matrix: ApprovalMatrix, principal: Principal) {
      const seq = await sql.begin(async (tx) => {
        await tx`select pg_advisory_xact_lock(hashtext(${SETTING}))`;
        const before = await readMatrix(tx);
        await tx`
          insert into setting (name, value) values (${SETTING}, ${jsonText(matrix)}::text::jsonb)
          on conflict (name) do update set value = excluded.value`;
        const at = clock.now();
        const by = { by: principal.name, role: principal.role, person: principal.person };
        const summary = `The approval matrix was changed by ${principal.name}: ${matrix.rules.length} rules.`;
        return await record(
          tx,
          [{ deviceId: null, actionId: null, at, kind: 'approval-matrix', summary, body: by }],
          [{ actionId: '', at, kind: 'setting', body: { setting: SETTING, before, after: matrix, ...by } }],
        );
      });
      live.committed(seq);
      return matrix;
    },
  };
}
