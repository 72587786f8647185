// Signs the newest record now and then. Two controls that do it at once sign the same: the first one counts.

import type { ControlContext } from '../context.ts';
import { EvidenceSigner, fingerprintOf } from './signing.ts';

/** One look. Returns what it came to, in words. */
export async function signHead({ sql, box, clock }: ControlContext): Promise<string> {
  const [newest] = await sql<{ seq: string; hash: string; signed: boolean }[]>`
    select e.seq, e.hash, exists (select from evidence_head h where h.seq = e.seq) as signed
    from evidence e order by e.seq desc limit 1`;
  if (newest === undefined) return 'no evidence yet';
  const { seq, hash, signed } = newest;
  if (signed) return `signed up to record ${seq}`;
  const signer = new EvidenceSigner(box.signingSeed);
  const at = new Date(clock.now()).toISOString();
  const signature = signer.sign({ seq: Number(seq), hash, at });
  await sql`
    insert into evidence_head (seq, hash, at, key, signature)
    values (${seq}, ${hash}, ${new Date(at)}, ${fingerprintOf(signer.publicKey)}, ${signature})
    on conflict (seq) do nothing`;
  return `signed up to record ${seq}`;
}
