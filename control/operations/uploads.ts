// Fetches what CPEs uploaded from the disks of their edges, when control does not share one with them. A job: what did not come is asked
// for again later, and goes on where it was.

import { LIMITS } from '../../base/limits.ts';
import { type ChunkedFiles, fetchFile } from '../../bus/file-chunks.ts';
import { uploadsOf } from '../../bus/subjects.ts';
import type { BusQuestions } from '../../bus/transport.ts';
import type { ControlContext } from '../context.ts';

/** One pass over uploads that are not here. Returns what it did, in words. */
export async function fetchUploads(
  { sql, clock, log }: ControlContext,
  questions: BusQuestions,
  files: ChunkedFiles,
): Promise<string> {
  const now = new Date(clock.now());
  const rows = await sql<{ id: string; edge_id: string; pop: string }[]>`
    select id, edge_id, pop from file
    where stored_at is null and edge_id is not null and (fetch_after is null or fetch_after < ${now})
    order by fetch_after nulls first limit ${LIMITS.fileFetchesMax}`;
  let fetched = 0;
  await Promise.all(
    rows.map(async ({ id, edge_id: edgeId, pop }) => {
      try {
        await fetchFile(questions, uploadsOf(pop, edgeId), id, files);
        await sql`update file set stored_at = now() where id = ${id}`;
        fetched += 1;
      } catch (error) {
        log.warn({ err: error, fileId: id, edgeId }, 'an upload could not be fetched from its edge; it is tried again');
        await sql`update file set fetch_after = ${new Date(clock.now() + LIMITS.uploadFetchAgainMs)} where id = ${id}`;
      }
    }),
  );
  return `${fetched} of ${rows.length} uploads fetched`;
}
