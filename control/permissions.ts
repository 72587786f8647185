// Who may do what: one table of permission × role. Pure; the API demands a permission of each route, services where it depends on what is asked.

import type { ActionKind } from '../bus/messages.ts';

export const ROLES = ['support', 'noc', 'field', 'finance', 'engineer', 'admin', 'auditor', 'agent'] as const;
export type Role = (typeof ROLES)[number];

/** Permission → roles that have it. Agents read, and ask the CPE for reads; what else they propose takes a person's approval. */
export const PERMISSIONS = {
  read: ROLES,
  'act-read': ['support', 'noc', 'field', 'engineer', 'admin', 'agent'],
  propose: ['agent'],
  act: ['support', 'noc', 'field', 'engineer', 'admin'],
  rpc: ['engineer', 'admin'],
  approve: ['noc', 'engineer', 'admin'],
  batch: ['noc', 'engineer', 'admin'],
  credentials: ['noc', 'engineer', 'admin'],
  secrets: ['support', 'noc', 'engineer', 'admin'],
  files: ['engineer', 'admin'],
  record: ['noc', 'engineer', 'admin'],
  tokens: ['admin'],
  people: ['admin'],
  settings: ['admin'],
  audit: ['auditor', 'admin'],
} as const satisfies Record<string, readonly Role[]>;
export type Permission = keyof typeof PERMISSIONS;

const READING_KINDS: readonly ActionKind[] = ['get', 'refresh', 'diagnose'];

/** The permission an action of this kind needs. */
export function permissionFor(kind: ActionKind): Permission {
  if (kind === 'rpc') return 'rpc';
  return READING_KINDS.includes(kind) ? 'act-read' : 'act';
}
