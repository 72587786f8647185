import { expect, test } from 'vitest';
import { ManualTimers } from '../base/timers.ts';
import { CommitWindow } from './commit-window.ts';

const WINDOW_MS = 3;

function bench() {
  const timers = new ManualTimers();
  const window = new CommitWindow(timers, WINDOW_MS);
  const gone: string[] = [];
  const come = (name: string): void => void window.turn().then(() => gone.push(name));
  const turnOfLoop = () => new Promise((resolve) => setImmediate(resolve));
  return { timers, gone, come, turnOfLoop };
}

test('the first one goes at once, those that come while its window is open go together when it closes', async () => {
  const { timers, gone, come, turnOfLoop } = bench();
  come('first');
  await turnOfLoop();
  come('second');
  timers.advance(WINDOW_MS - 1);
  come('third');
  await turnOfLoop();
  expect(gone).toEqual(['first']);
  timers.advance(1);
  await turnOfLoop();
  expect(gone).toEqual(['first', 'second', 'third']);
});

test('each close opens the next window while there is somebody, and the first one after a pause goes at once again', async () => {
  const { timers, gone, come, turnOfLoop } = bench();
  come('a');
  come('b');
  timers.advance(WINDOW_MS);
  come('c');
  await turnOfLoop();
  expect(gone).toEqual(['a', 'b']);
  timers.advance(WINDOW_MS);
  await turnOfLoop();
  expect(gone).toEqual(['a', 'b', 'c']);
  timers.advance(WINDOW_MS);
  come('d');
  await turnOfLoop();
  expect(gone).toEqual(['a', 'b', 'c', 'd']);
});
