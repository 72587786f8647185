// recordings: each of test/recordings is answered today as on the day it was made. A change of behaviour that is meant shows here: look at it
// with `starling session replay FILE`, then record anew.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { read } from '../cwmp/read.ts';
import { parseRecording } from '../edge/recording/format.ts';
import { replayExchange } from '../edge/recording/replay.ts';
import { loadProfiles } from '../profiles/load.ts';
import { REPOSITORY } from './corpus.ts';

const folder = join(REPOSITORY, 'test/recordings');
const files = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
const profiles = loadProfiles();

test('there are recordings to replay', () => {
  expect(files.length).toBeGreaterThan(1);
});

test.each(files)('%s is answered as it was', async (file) => {
  for (const part of parseRecording(readFileSync(join(folder, file), 'utf8'))) {
    for (const [index, exchange] of part.exchanges.entries()) {
      const { differences } = await replayExchange(part, exchange, { read, profiles });
      expect(differences, `exchange ${index + 1}: ${exchange.said}`).toEqual([]);
    }
    expect(part.end).not.toBeNull();
  }
});
