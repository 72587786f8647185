// Every column of the database that holds sealed texts, and what binds a text to its row. A test holds this table against the schema: a
// column that is not in it would keep its old key for ever.

import { sealContext } from '../actions/insert.ts';
import { sealedRequest } from '../batches/plan-batch.ts';
import { sealedMessage } from '../ingest/park.ts';
import { sealedCredential } from '../registry/credentials.ts';
import { sealedParameter } from '../registry/parameters.ts';

export interface SealedColumn {
  table: string;
  column: string;
  /** Text columns that tell the row, in the order in which other writers lock rows. */
  keys: readonly string[];
  /** The context a text is sealed for, from the values of `keys`. */
  contextOf(keys: readonly string[]): string;
}

export const SEALED_COLUMNS: readonly SealedColumn[] = [
  {
    ...{ table: 'action', column: 'sealed_args', keys: ['id'] },
    contextOf: ([id = '']) => sealContext(id, 'args'),
  },
  {
    ...{ table: 'action_plan', column: 'sealed_basis', keys: ['action_id'] },
    contextOf: ([id = '']) => sealContext(id, 'basis'),
  },
  {
    ...{ table: 'action_recovery', column: 'sealed_plan', keys: ['action_id'] },
    contextOf: ([id = '']) => sealContext(id, 'recovery'),
  },
  {
    ...{ table: 'batch', column: 'sealed_request', keys: ['id'] },
    contextOf: ([id = '']) => sealedRequest(id),
  },
  {
    ...{ table: 'device_credential', column: 'sealed', keys: ['device_id'] },
    contextOf: ([id = '']) => sealedCredential(id),
  },
  {
    ...{ table: 'device_parameter', column: 'sealed', keys: ['device_id', 'path'] },
    contextOf: ([id = '', path = '']) => sealedParameter(id, path),
  },
  {
    ...{ table: 'parked_message', column: 'sealed', keys: ['subject', 'message_id'] },
    contextOf: ([subject = '', id = '']) => sealedMessage(subject, id),
  },
];

/** As it is called in key_rotation_column and shown. */
export const nameOf = ({ table, column }: SealedColumn): string => `${table}.${column}`;
