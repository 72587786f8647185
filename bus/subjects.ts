// The table of subjects: acs.v1.<event|command|state>.<noun>.<pop>.<edgeId>. Nothing else in Starling spells a subject.

/** Facts of one edge, in the order of its outbox. */
export const factsOf = (pop: string, edgeId: string): string => `acs.v1.event.fact.${pop}.${edgeId}`;
/** Facts of every edge: what control reads. */
export const ALL_FACTS = 'acs.v1.event.fact.*.*';
/** Decisions for one edge. */
export const decisionsFor = (pop: string, edgeId: string): string => `acs.v1.command.decision.${pop}.${edgeId}`;

/** NATS matching: `*` one token, `>` the rest. */
export function subjectMatches(pattern: string, subject: string): boolean {
  const p = pattern.split('.');
  const s = subject.split('.');
  for (let i = 0; i < p.length; i++) {
    if (p[i] === '>') return s.length > i;
    if (i >= s.length || (p[i] !== '*' && p[i] !== s[i])) return false;
  }
  return p.length === s.length;
}
