// recording: the two commands on a whole Starling, embedded and with edge and control apart.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { REPOSITORY } from '../corpus.ts';
import { NATS_SERVER } from '../nats.test-helper.ts';
import { startOverNats } from '../nats-starling.test-helper.ts';
import { startStarling, type TestStarling } from '../starling.test-helper.ts';
import { ActionStage, PATHS } from './actions.test-helper.ts';

const SECRET = 'Planted-Secret-7';
const folder = mkdtempSync(join(tmpdir(), 'starling-recordings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command of Starling to its end. */
function command(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(REPOSITORY, 'bin/starling.mjs'), 'session', ...args], (failed, out, error) =>
      resolve({ code: failed === null ? 0 : Number(failed.code), out, error }),
    );
  });
}

const forms: [string, () => Promise<TestStarling>, boolean][] = [
  ['embedded', () => startStarling(), true],
  ['over a leaf and a hub', () => startOverNats(), NATS_SERVER !== null],
];

test.each(forms.filter(([, , isHere]) => isHere))(
  'recording: asked for, fetched and replayed by the commands, %s',
  async (name, start) => {
    const starling = await start();
    const stage = new ActionStage(starling);
    try {
      const device = await stage.device('tr181');
      const out = join(folder, `${name.replaceAll(' ', '-')}.jsonl`);
      const login = ['--api', starling.httpUrl, '--token', starling.token];
      const values = { [PATHS.tr181.ssid]: 'recorded', [PATHS.tr181.password]: SECRET };
      // Without waking it: it comes with the recording.
      const made = await starling.api('POST', `/devices/${device.id}/actions`, { kind: 'set', values });
      expect(made.status).toBe(202);
      const recorded = await command('record', '--device', device.id, '--wake', '--out', out, ...login);
      expect(recorded).toMatchObject({ code: 0, out: expect.stringContaining('all sessions that were asked for') });
      expect(readFileSync(out, 'utf8')).not.toContain('Planted');

      const replayed = await command('replay', out);
      expect(replayed.out).toContain('SetParameterValues');
      expect(replayed).toMatchObject({ code: 0, out: expect.stringContaining('all the same') });
      expect(await command('replay', out, '--reader', 'second')).toMatchObject({ code: 0 });
      expect((await command('replay', out, '--from', '99')).error).toContain('--from asks for 99');

      const other = `${out}.changed`;
      writeFileSync(other, readFileSync(out, 'utf8').replaceAll('xsd:string\\">recorded<', 'xsd:string\\">Recorded<'));
      const differing = await command('replay', other);
      expect(differing.code).toBe(1);
      expect(differing.out).toMatch(/-<Value xsi:type="xsd:string">Recorded<\/Value>\n\s+\+<Value/);

      const { body } = await starling.api('GET', `/recordings?deviceId=${device.id}`);
      expect(body.items).toMatchObject([{ state: 'done', sessions: 1, cut: false }]);
    } finally {
      await stage.close();
    }
  },
  120_000,
);
