// Two documents beside each other as people compare them: a tag on each line, and of what is the same only the lines around what is not.

import { LIMITS } from '../../base/limits.ts';

const CONTEXT = 2;

/** Lines of a unified difference, each with its ' ', '-' or '+'; cut after LIMITS.replayDiffLinesMax, and saying so. */
export function difference(before: string, after: string): string[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  let end = 0;
  while (end < a.length - same && end < b.length - same && a.at(-1 - end) === b.at(-1 - end)) end++;
  const changes = between(a.slice(same, a.length - end), b.slice(same, b.length - end));
  const lines = [
    ...a.slice(Math.max(0, same - CONTEXT), same).map((line) => ` ${line}`),
    ...changes,
    ...a.slice(a.length - end, a.length - end + CONTEXT).map((line) => ` ${line}`),
  ];
  if (lines.length <= LIMITS.replayDiffLinesMax) return lines;
  const kept = lines.slice(0, LIMITS.replayDiffLinesMax);
  return [...kept, `… and ${lines.length - kept.length} lines more`];
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/></g, '>\n<').split('\n');
}

/** By the longest common subsequence; of large parts everything goes and everything comes. */
function between(a: string[], b: string[]): string[] {
  const all = [...a.map((line) => `-${line}`), ...b.map((line) => `+${line}`)];
  if (a.length === 0 || b.length === 0 || a.length + b.length > LIMITS.replayLinesComparedMax) return all;
  // length[i][j]: of the longest one of a from i on and b from j on.
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const down = length[i + 1]!;
      const here = length[i]!;
      here[j] = a[i] === b[j] ? down[j + 1]! + 1 : Math.max(down[j]!, here[j + 1]!);
    }
  }
  const lines: string[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(` ${a[i++]}`);
      j++;
    } else if (j >= b.length || (i < a.length && length[i + 1]![j]! >= length[i]![j + 1]!)) lines.push(`-${a[i++]}`);
    else lines.push(`+${b[j++]}`);
  }
  return lines;
}
