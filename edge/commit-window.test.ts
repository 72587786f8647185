import { expect, test } from 'vitest';
import { ManualTimers } from '../base/timers.ts';
import { CommitWindow } from './commit-window.ts';

const WINDOW_MS = 3;
/** As many within a window as are written for themselves. */
const ALONE = 4;

function bench() {
  const timers = new ManualTimers();
  const window = new CommitWindow(timers, WINDOW_MS, () => timers.clock.now());
  const gone: string[] = [];
  const come = (...names: string[]): void => {
    for (const name of names) void window.turn().then(() => gone.push(name));
  };
  const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));
  return { timers, gone, come, turnOfLoop };
}

const some = (name: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${name} ${i}`);

test('while few come each goes at once', async () => {
  const { timers, gone, come, turnOfLoop } = bench();
  for (const name of some('one', 20)) {
    come(name);
    await turnOfLoop();
    expect(gone.at(-1)).toBe(name);
    timers.advance(1);
  }
});

test('after several within a window the others wait for one another, and go together when it closes', async () => {
  const { timers, gone, come, turnOfLoop } = bench();
  const first = some('first', ALONE);
  come(...first, 'second');
  timers.advance(WINDOW_MS - 1);
  come('third');
  await turnOfLoop();
  expect(gone).toEqual(first);
  timers.advance(1);
  await turnOfLoop();
  expect(gone).toEqual([...first, 'second', 'third']);
});

test('while many come one window follows the other, and after a pause they go at once again', async () => {
  const { timers, gone, come, turnOfLoop } = bench();
  const first = some('first', ALONE);
  come(...first);
  await turnOfLoop();
  let turns = 0;
  for (let ms = 0; ms < 10 * WINDOW_MS; ms++) {
    const before = gone.length;
    // Two in a millisecond, each in a turn of the loop of its own.
    come(`${ms} a`);
    await turnOfLoop();
    come(`${ms} b`);
    await turnOfLoop();
    expect(gone.length).toBe(before);
    timers.advance(1);
    await turnOfLoop();
    if (gone.length > before) turns++;
  }
  // A window opens with the first that comes when there is none.
  expect(turns).toBe(10);
  timers.advance(WINDOW_MS);
  come('late');
  await turnOfLoop();
  expect(gone.at(-1)).toBe('late');
});
