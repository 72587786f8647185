// The table of subjects: acs.v1.<event|command|state>.<noun>.<pop>.<edgeId>. Nothing else in Starling spells a subject. Events and commands
// are kept by a transport that keeps anything; a state is of the moment: a question, or a notice, lost when nobody hears it.

/** Facts of one edge, in the order of its outbox. */
export const factsOf = (pop: string, edgeId: string): string => `acs.v1.event.fact.${pop}.${edgeId}`;
/** Facts of every edge: what control reads. */
export const ALL_FACTS = 'acs.v1.event.fact.*.*';
/** Whose facts travel on `subject`. */
export function edgeOfFacts(subject: string): { pop: string; edgeId: string } {
  const [edgeId = '', pop = ''] = subject.split('.').reverse();
  return { pop, edgeId };
}
/** Decisions for one edge. */
export const decisionsFor = (pop: string, edgeId: string): string => `acs.v1.command.decision.${pop}.${edgeId}`;

/**
 * Where an edge asks control for bytes of files, and where control hears all that ask. A `>` and not `*.*`: a hub (2.9.10) that lets a
 * leaf publish on some subjects of a pattern does not tell it of an interest in `*.*`, which is more than those.
 */
export const filesFor = (pop: string, edgeId: string): string => `acs.v1.state.file.${pop}.${edgeId}`;
export const ALL_FILES = 'acs.v1.state.file.>';
/** Where control asks an edge for bytes of what CPEs uploaded to it. */
export const uploadsOf = (pop: string, edgeId: string): string => `acs.v1.state.upload.${pop}.${edgeId}`;

/** The bucket in which the edges of one POP say who runs what. */
export const claimsOf = (pop: string): string => `STARLING_CLAIMS_${pop}`;

/** Everything that is stored, by its direction. */
export const ALL_EVENTS = 'acs.v1.event.>';
export const ALL_COMMANDS = 'acs.v1.command.>';

/** Where it is told that an event was published for the first time on a connection. */
export const noticeOf = (event: string): string => event.replace(/^acs\.v1\.event\./, 'acs.v1.state.');
/** Where that is heard for a pattern of events, and of others too: see ALL_FILES. */
export const noticesOf = (pattern: string): string => noticeOf(pattern).replace(/[*>].*$/, '>');
/** The event that a notice is of. */
export const eventOf = (notice: string): string => notice.replace(/^acs\.v1\.state\./, 'acs.v1.event.');

/** The durable consumer of a subject, and back: names of consumers may hold no dots, nor may subjects hold this. */
export const consumerOf = (subject: string): string => subject.replaceAll('.', '=');
export const subjectOf = (consumer: string): string => consumer.replaceAll('=', '.');

/** Who an edge is on the road. */
export const edgeName = (pop: string, edgeId: string): string => `edge.${pop}.${edgeId}`;
/** Where control tells an edge how far it has taken its facts: in its place for answers, which it may hear already. */
export const marksFor = (pop: string, edgeId: string): string => `${inboxOf(edgeName(pop, edgeId))}.marks`;

/** Below these the answers to questions arrive: a place of each asker's own, so that nobody hears another's. */
export const inboxOf = (asker: string): string => `acs.v1.inbox.${asker}`;

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
