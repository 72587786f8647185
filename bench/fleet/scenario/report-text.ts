// The report in words and pictures for a terminal: tables, one row of bars per thing that moved, and what saturated first in a sentence. Pure.

import { type Second, sum, type Usage } from './collect.ts';
import type { Percentiles, PlayedPhase, Report, ResourceName } from './report.ts';

const BARS = '▁▂▃▄▅▆▇█';
const NAME_WIDTH = 17;

/** The whole report; `width` of the terminal in characters. */
export function reportText(report: Report, plot: string[]): string {
  const { scenario, text, cpes, seconds } = report;
  const lines = [`${scenario}: ${text}`, `${count(cpes)} CPEs, ${seconds.toFixed(1)} s`, ''];
  lines.push(...plot, '');
  lines.push(
    `capacity ${count(report.capacityPerSecond)} sessions/s in a closed loop, best three seconds ${count(report.peakPerSecond)}/s`,
    '',
    ...phaseTable(report),
    '',
    ...classTable(report),
    '',
    ...drainLines(report),
    ...memoryLine(report),
    saturationSentence(report),
    ...failureLine(report),
    ...report.verdicts.map(({ what, wanted, got, met }) => `${met ? 'met    ' : 'NOT MET'}  ${what} ${wanted}: ${got}`),
    ...report.notes.map((note) => `note: ${note}`),
  );
  return `${lines.join('\n')}\n`;
}

function phaseTable({ phases }: Report): string[] {
  return table([
    [
      'phase',
      's',
      'offered/s',
      'wanted/s',
      'first',
      'retries',
      'served',
      'shed',
      'failed',
      'goodput/s',
      'of peak',
      'operator p95',
    ],
    ...phases.map((one) => [
      one.name,
      one.seconds.toFixed(1),
      count(one.offeredPerSecond),
      one.wantedPerSecond === null ? '' : count(one.wantedPerSecond),
      ...[one.first, one.retries, one.served, one.shed, one.failed, one.goodputPerSecond].map(count),
      percent(one.goodputOfPeak),
      duration(one.operator.p95Ms),
    ]),
  ]);
}

function classTable({ classes }: Report): string[] {
  const cells = ({ p50Ms, p95Ms, p99Ms }: Percentiles): string[] => [p50Ms, p95Ms, p99Ms].map(duration);
  return table([
    ['class', 'offered', 'served', 'shed', 'failed', 'session p50', 'p95', 'p99', 'with retries p50', 'p95', 'p99'],
    ...classes.map((one) => [
      one.name,
      ...[one.offered, one.served, one.shed, one.failed].map(count),
      ...cells(one.session),
      ...cells(one.whole),
    ]),
  ]);
}

function drainLines({ drains }: Report): string[] {
  return drains
    .filter(({ backlog }) => backlog > 0)
    .map(({ phase, backlog, seconds, atPeakSeconds, idealSeconds, timesIdeal }) => {
      const times = timesIdeal === null ? '' : `, ${timesIdeal.toFixed(1)} × ideal`;
      const took = seconds === null ? 'not all of them got through' : `drained in ${seconds.toFixed(1)} s${times}`;
      const ideal = `ideal ${idealSeconds.toFixed(1)} s with the waits they were in, ${atPeakSeconds.toFixed(1)} s without`;
      return `${phase}: ${count(backlog)} CPEs wanted a session when it began; ${took} (${ideal})`;
    });
}

function memoryLine({ memory }: Report): string[] {
  if (memory === null) return [];
  const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;
  const { startBytes, maxBytes, endBytes, rssMaxBytes } = memory;
  const own = `${mib(startBytes)} at the start, ${mib(maxBytes)} at most, ${mib(endBytes)} at the end`;
  return [`memory of the server's own: ${own}; with files mapped ${mib(rssMaxBytes)} at most`];
}

/** What saturated first, and how far the others were. */
export function saturationSentence({ resources, saturatedFirst }: Report): string {
  const shares = resources
    .map(({ name, mean, max }) => `${name} ${percent(mean)} (worst second ${percent(max)})`)
    .join(', ');
  if (saturatedFirst === null) return `nothing was saturated: ${shares}`;
  return `${SATURATED_WORDS[saturatedFirst]}: ${shares}`;
}

const SATURATED_WORDS: Record<ResourceName, string> = {
  'session thread': "saturated first: the server's session thread",
  'main thread': "saturated first: the server's main thread",
  generator: 'saturated first: the generator, so the server could do more than was measured',
  machine: 'saturated first: the machine; server and generators share its cores',
  'disk wait': 'saturated first: the disk',
};

function failureLine({ failures }: Report): string[] {
  const parts = Object.entries(failures)
    .sort((a, b) => b[1] - a[1])
    .map(([why, times]) => `${why} ${count(times)}`);
  return parts.length === 0 ? [] : [`failed: ${parts.join(', ')}`];
}

/** Rows of bars over the seconds of the run, with a ruler of its phases. `width`: characters of a line. */
export function plotOf(
  phases: readonly PlayedPhase[],
  seconds: readonly Second[],
  usage: ReadonlyMap<number, Usage>,
  width: number,
): string[] {
  const from = phases.findIndex(({ kind }) => kind !== 'introduction');
  const shown = seconds.filter(({ phase }) => phase >= Math.max(0, from));
  const numbers = [...new Set(shown.map(({ second }) => second))].sort((a, b) => a - b);
  if (numbers.length < 2) return [];
  const columns = groups(numbers, Math.max(10, width - NAME_WIDTH - 16));
  const bySecond = new Map(numbers.map((second) => [second, shown.filter((one) => one.second === second)]));
  const counted = (pick: (parts: Second[]) => number): number[] =>
    columns.map((group) => mean(group.map((second) => pick(bySecond.get(second)!))));
  const used = (pick: (usage: Usage) => number): number[] =>
    columns.map((group) => Math.max(0, ...group.flatMap((second) => usage.get(second) ?? []).map(pick)));
  const worst = (pick: (parts: Second[]) => number): number[] =>
    columns.map((group) => Math.max(...group.map((second) => pick(bySecond.get(second)!))));
  const rate = (values: number[]): string => `${count(Math.max(...values))}/s`;
  const share = (values: number[]): string => percent(Math.max(...values));
  const row = (name: string, values: number[], most: number, unit: (values: number[]) => string): string =>
    `${name.padEnd(NAME_WIDTH)}${bars(values, most)}  max ${unit(values)}`;

  const offered = counted((parts) => sum(parts).first + sum(parts).retries);
  const most = Math.max(...offered, 1);
  const operator = worst((parts) => sum(parts, 'operator').whole.percentile(0.95) ?? 0);
  const wanting = worst((parts) => parts.at(-1)!.wanting);
  const memory = used(({ anonymousBytes }) => anonymousBytes);
  return [
    ruler(phases, columns, bySecond),
    row('offered', offered, most, rate),
    row(
      '  retries',
      counted((parts) => sum(parts).retries),
      most,
      rate,
    ),
    row(
      'served',
      counted((parts) => sum(parts).served),
      most,
      rate,
    ),
    row(
      'shed (503)',
      counted((parts) => sum(parts).shed),
      most,
      rate,
    ),
    row(
      'failed',
      counted((parts) => sum(parts).failed),
      most,
      rate,
    ),
    row('CPEs wanting', wanting, Math.max(...wanting, 1), (values) => count(Math.max(...values))),
    row('operator p95', operator, Math.max(...operator, 1), (values) => duration(Math.max(...values))),
    row(
      'session thread',
      used(({ sessionThread }) => sessionThread),
      1,
      share,
    ),
    row(
      'main thread',
      used(({ mainThread }) => mainThread),
      1,
      share,
    ),
    row(
      'generator',
      used(({ generators }) => Math.max(0, ...generators)),
      1,
      share,
    ),
    row(
      'disk wait',
      used(({ diskWait }) => diskWait ?? 0),
      1,
      share,
    ),
    row('memory', memory, Math.max(...memory, 1), (values) => `${(Math.max(...values) / 1_048_576).toFixed(0)} MiB`),
  ];
}

/** The names of the phases where they begin. */
function ruler(phases: readonly PlayedPhase[], columns: number[][], bySecond: Map<number, Second[]>): string {
  let line = '';
  let before = -1;
  columns.forEach((group, column) => {
    const phase = bySecond.get(group.at(-1)!)!.at(-1)!.phase;
    if (phase === before) return;
    before = phase;
    // A short phase's name may run over its end; the next one begins behind it.
    line = `${line.padEnd(column)}${line.length > column ? ' ' : ''}|${phases[phase]?.name ?? ''}`;
  });
  return `${''.padEnd(NAME_WIDTH)}${line}`;
}

/** At most `columns` groups of neighbours, all but the last of one size. */
function groups(numbers: readonly number[], columns: number): number[][] {
  const each = Math.ceil(numbers.length / columns);
  const found: number[][] = [];
  for (let i = 0; i < numbers.length; i += each) found.push(numbers.slice(i, i + each));
  return found;
}

/** One character per value; a blank for nothing at all. */
export function bars(values: readonly number[], most: number): string {
  return values
    .map((value) => {
      if (!(value > 0)) return ' ';
      return BARS[Math.min(BARS.length - 1, Math.floor((value / most) * BARS.length))];
    })
    .join('');
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** 12,345 */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function duration(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  return ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(0)} s`;
}

/** Columns of one width each, names to the left and numbers to the right. */
function table(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows.map((cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
}
