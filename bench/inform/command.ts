// `npm run bench:inform`: what an Inform session costs beside a server that answers fixed bytes. Exits 1 when a guard is passed.

import { parseArgs } from 'node:util';
import { besideRow, measureBeside } from './beside.ts';
import { documentsTable, measureDocuments } from './documents.ts';
import { groupCommitTable, measureGroupCommit } from './group-commit.ts';
import { calmest, complaints, reportRows, tableOf } from './report.ts';
import { measureRounds, measureRows, type Sample, startServer, type Target } from './rounds.ts';
import { byFloor, FLOORS, type InformRow, ROWS } from './rows.ts';

const USAGE = `What an Inform session costs: CPU of the server process per session, beside uWebSockets.js answering fixed bytes.

  npm run bench:inform -- [options]

  --rounds N       rounds that count, at least 5 for a verdict (7; 5 with --guards); half as many more are done, and
                   those left out in which other programs are busiest
  --seconds S      for one row in one round (2)
  --at-once N      sessions at once (32)
  --rows TEXT      only rows whose name holds TEXT, and what they are put beside
  --part NAME      only that part: rows, group-commit, beside or documents
  --json           one JSON object instead of the tables
  --guards         only the rows that have a guard, and group-commit, in short rounds: what CI runs
  --target URL     measure the ACS that listens there, with quiet sessions; needs
  --pid PID[,PID]  its processes on this machine
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    'at-once': { type: 'string', default: '32' },
    rows: { type: 'string' },
    part: { type: 'string' },
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
  seconds: Number(values.seconds ?? (values.guards ? 0.5 : 2)),
  atOnce: Number(values['at-once']),
  progress: (what: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`);
  },
};

const PARTS = ['rows', 'group-commit', 'beside', 'documents'] as const;
type Part = (typeof PARTS)[number];
const parts = chosenParts();
const rows = parts.has('rows') ? chosenRows() : [];
const withSpare = { ...options, rounds: Math.ceil(options.rounds * 1.5) };
const runs = byFloor(rows).map((group) => () => measureRows(group, withSpare));
const { samples, othersLoad } = await measureRuns(
  values.target === undefined ? runs : [() => measureTarget(values.target!)],
);
const reports = reportRows(rows, samples);
const { progress } = options;
const few = { rounds: Math.min(options.rounds, 5), progress };
const groupCommit = parts.has('group-commit')
  ? await measureGroupCommit({ ...few, seconds: Math.max(1, options.seconds), perSecond: 400 })
  : null;
const beside = parts.has('beside')
  ? await measureBeside({ ...few, seconds: 4, inFlight: 100, quietPerSecond: 1_000, devices: 300 })
  : null;
const sizes = [8, 16, 32, 64, 128, 256].map((kB) => kB * 1_024);
const documents = parts.has('documents')
  ? await measureDocuments({ ...few, seconds: 2, sizes, bytesPerSecond: 1_000_000, quietPerSecond: 500 })
  : null;
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
if (values.json) {
  const said = { ...options, progress: undefined };
  const report = { options: said, othersLoad, rows: reports, groupCommit, beside, documents };
  console.log(JSON.stringify(report, null, 2));
} else {
  if (rows.length > 0) {
    console.table(tableOf(reports));
    console.log(`Other programs used ${othersLoad.toFixed(2)} of a core beside server and generator.`);
  }
  print('What a value change waits for the disk', groupCommit && groupCommitTable(groupCommit));
  print('Quiet sessions beside GetParameterValuesResponses of 5,000 parameters', beside && [besideRow(beside)]);
  print('Documents dealt with by the session thread and by the pool', documents && documentsTable(documents));
}
const wrong = [...complaints(reports), ...failures()];
for (const sentence of wrong) console.error(sentence);
process.exit(wrong.length > 0 ? 1 : 0);

function print(title: string, table: object[] | null): void {
  if (table === null) return;
  console.log(title);
  console.table(table);
}

/** What is measured: all there is, unless less was asked for. */
function chosenParts(): ReadonlySet<Part> {
  const { part, target, guards } = values;
  if (part !== undefined) {
    const named = PARTS.find((one) => one === part);
    if (named !== undefined) return new Set([named]);
    console.error(`There is no part ${part}. There are: ${PARTS.join(' · ')}`);
    process.exit(2);
  }
  if (target !== undefined || values.rows !== undefined) return new Set(['rows']);
  return new Set(guards ? ['rows', 'group-commit'] : PARTS);
}

/** Sessions that failed in the parts that are no rows. */
function failures(): string[] {
  const all = [...(documents ?? []), ...[groupCommit, beside].filter((one) => one !== null)];
  return all
    .filter(({ errors }) => errors > 0)
    .map(({ errors, why }) => `beside the rows ${errors} sessions failed, e.g. ${why[0]}`);
}

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

/** One run after the other, of each the calmest rounds; the cores others used are those of the busiest run. */
async function measureRuns(
  runs: readonly (() => Promise<Map<string, Sample[]>>)[],
): Promise<ReturnType<typeof calmest>> {
  const all: ReturnType<typeof calmest> = { samples: new Map(), othersLoad: 0 };
  for (const run of runs) {
    const { samples: counted, othersLoad: load } = calmest(await run(), options.rounds);
    for (const [name, of] of counted) all.samples.set(name, of);
    all.othersLoad = Math.max(all.othersLoad, load);
  }
  return all;
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
  const [beside, own] = [rows[0]!, rows[1]!];
  const all = [
    { row: beside, target: floor.target },
    { row: { ...own, load: { ...own.load, tls } }, target },
  ];
  try {
    return await measureRounds(all, withSpare);
  } finally {
    await floor.server.close();
  }
}
