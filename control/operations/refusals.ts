// What callers were refused, for the record: the wrong person, a stale hash, a name that is none, the same key with another body. A program that
// repeats its mistake for ever must not fill the evidence, so each token is recorded so often in a minute, and counted past that.

import { LIMITS } from '../../base/limits.ts';
import type { ControlContext } from '../context.ts';
import { record } from '../evidence/record.ts';
import type { RefusalService } from '../services.ts';
import { callerOf } from './people.ts';

/** RefusalService over the evidence. */
export function refusalService({ sql, live, clock, log, metrics }: ControlContext): RefusalService {
  let minute = 0;
  const inMinute = new Map<string, number>();
  return {
    async record(principal, { method, path, status, code, message }) {
      const at = clock.now();
      metrics.refusals.inc({ code });
      if (Math.floor(at / 60_000) !== minute) {
        minute = Math.floor(at / 60_000);
        inMinute.clear();
      }
      const count = (inMinute.get(principal.tokenId) ?? 0) + 1;
      inMinute.set(principal.tokenId, count);
      if (count > LIMITS.refusalsPerMinute) return;
      const [, of, id] = /^\/api\/v1\/(devices|actions|batches)\/([^/]+)/.exec(path) ?? [];
      const about = of === undefined || id === undefined ? {} : { [of === 'devices' ? 'deviceId' : 'id']: decoded(id) };
      const body = { ...callerOf(principal), method, path, status, code, message, ...about };
      // An id that was made up is no action: what is refused belongs to one only when it looks like one.
      const actionId = of !== 'devices' && id !== undefined && /^[0-9A-Z]{26}$/.test(id) ? id : '';
      try {
        live.committed(await sql.begin((tx) => record(tx, [], [{ actionId, at, kind: 'refused', body }])));
      } catch (error) {
        // The caller is to hear why he was refused, whatever becomes of the record.
        log.warn({ err: error, ...body }, 'a refusal could not be recorded');
      }
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
