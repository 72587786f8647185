// `npm run bench:inform`: what an Inform session costs beside a server that answers fixed bytes. Exits 1 when a guard is passed.

import { parseArgs } from 'node:util';
import { measureBeside } from './beside.ts';
import { Child } from './child.ts';
import { complaints, openGuards, reportRows, tableOf } from './report.ts';
import { type Generator, measureOnce, measureRows, type Sample, startServer, type Target } from './rounds.ts';
import { FLOORS, type InformRow, ROWS } from './rows.ts';

const USAGE = `What an Inform session costs: CPU of the server process per session, beside uWebSockets.js answering fixed bytes.

  npm run bench:inform -- [options]

  --rounds N       rounds, at least 5 for a verdict (7)
  --seconds S      for one row in one round (2)
  --at-once N      sessions at once (32)
  --rows TEXT      only rows whose name holds TEXT, and what they are put beside
  --json           one JSON object instead of the table
  --guards         only the rows that have a guard, in short rounds: what CI runs
  --target URL     measure the ACS that listens there, with quiet sessions; needs
  --pid PID[,PID]  its processes on this machine
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'at-once': { type: 'string', default: '32' },
    rows: { type: 'string' },
    json: { type: 'boolean', default: false },
    guards: { type: 'boolean', default: false },
    target: { type: 'string' },
    pid: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const options = {
  rounds: Number(values.rounds ?? (values.guards ? 5 : 7)),
  seconds: Number(values.seconds ?? (values.guards ? 1 : 2)),
  atOnce: Number(values['at-once']),
  progress: (what: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
  },
};

const rows = chosenRows();
const samples = values.target === undefined ? await measureRows(rows, options) : await measureTarget(values.target);
const reports = reportRows(rows, samples);
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
if (values.json) console.log(JSON.stringify({ options: { ...options, progress: undefined }, rows: reports }, null, 2));
else console.table(tableOf(reports));
if (values.target === undefined && values.rows === undefined && !values.guards && !values.json) {
  console.log('Quiet sessions beside GetParameterValuesResponses of 5,000 parameters');
  const beside = {
    rounds: Math.min(options.rounds, 5),
    seconds: 4,
    inFlight: 100,
    quietPerSecond: 1_000,
    devices: 300,
  };
  console.table([await measureBeside({ ...beside, progress: options.progress })]);
}
for (const sentence of openGuards(reports)) console.error(sentence);
const wrong = complaints(reports);
for (const sentence of wrong) console.error(sentence);
process.exit(wrong.length > 0 ? 1 : 0);

function chosenRows(): readonly InformRow[] {
  if (values.target !== undefined) {
    return [FLOORS[0]!, { name: 'target, quiet', server: { kind: 'edge' }, load: {}, base: FLOORS[0]!.name }];
  }
  const { rows: text, guards } = values;
  const wanted = ROWS.filter(
    ({ name, guard }) => (text === undefined || name.includes(text)) && (!guards || guard !== undefined),
  );
  if (wanted.length === 0) {
    console.error(`No row has ${text} in its name. There are: ${ROWS.map(({ name }) => name).join(' · ')}`);
    process.exit(2);
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (let before = 0; before < names.size; ) {
    before = names.size;
    for (const row of ROWS) if (names.has(row.name)) names.add(row.base);
  }
  return ROWS.filter(({ name }) => names.has(name));
}

/** The floor and an ACS of whatever make, in alternating rounds. */
async function measureTarget(url: string): Promise<Map<string, Sample[]>> {
  const { hostname, port, protocol } = new URL(url);
  const pids = (values.pid ?? '').split(',').map(Number);
  if (!pids.every((pid) => pid > 0)) {
    console.error('--target needs --pid: the processes whose CPU is counted.');
    process.exit(2);
  }
  const tls = protocol === 'https:';
  const target: Target = {
    ...{ host: hostname, port: Number(port) || (tls ? 443 : 80), pids, devices: 1_000, storeBytesPerDevice: 0 },
    quietSessions: async () => -1,
    work: async () => {},
  };
  const floor = await startServer({ kind: 'floor' });
  const generator: Generator = new Child('inform/generator', []);
  const measured = new Map<string, Sample[]>(rows.map(({ name }) => [name, []]));
  for (let round = -1; round < options.rounds; round++) {
    for (const { name, load } of rows) {
      options.progress(`${round < 0 ? 'warming up' : `round ${round + 1} of ${options.rounds}`}: ${name}`);
      const isFloor = name === FLOORS[0]!.name;
      const row = isFloor ? { load } : { load: { ...load, tls } };
      const sample = await measureOnce(generator, isFloor ? floor.target : target, row, options, round);
      if (round >= 0) measured.get(name)!.push(sample);
    }
  }
  await floor.server.close();
  await generator.close();
  return measured;
}
