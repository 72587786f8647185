// Who may approve what the matrix asks somebody about. Pure.

import { Refused } from '../../base/errors.ts';
import { isPermitted, rolesWith } from '../permissions.ts';
import type { Principal } from '../services.ts';
import type { ApprovalDecision } from './approval-matrix.ts';

/** @throws Refused 403 'not-an-approver'. */
export function demandApprover({ approvers, why }: ApprovalDecision, { role, scope }: Principal): void {
  if (approvers.includes(role) && isPermitted({ role, scope }, 'approve')) return;
  const mayApprove = rolesWith(['approve']);
  const who = approvers.filter((one) => mayApprove.includes(one)).join(' or ');
  throw new Refused(403, 'not-an-approver', `${why} asks for ${who}; you are ${role}.`);
}

/**
 * Nobody approves their own where a second person is asked. @throws Refused 403 'needs-person' for a program, which cannot be told from whoever made
 * its token, and 'own-action'.
 */
export function demandOther(
  { need, why }: ApprovalDecision,
  owner: { person: string | null; tokenId: string | null },
  { person, tokenId }: Principal,
): void {
  if (need !== 'second-person') return;
  if (person === null) {
    throw new Refused(403, 'needs-person', 'This takes a second person: use the token of a person, not of a program.');
  }
  if (person !== owner.person && tokenId !== owner.tokenId) return;
  throw new Refused(403, 'own-action', `${why} asks for a second person: nobody approves their own.`);
}
