// Chance that can be had again: numbers from a printed seed, so that a failed run of a fault test can be looked at twice. What two processes
// do to each other in between stays chance.

/** Mulberry32: a number from 0 up to 1 per call. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The seed of this run: STARLING_TEST_SEED, or a new one. Printed by whoever takes it. */
export function seedOfRun(): number {
  const given = process.env['STARLING_TEST_SEED'];
  return given === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(given);
}

export function pick<T>(random: () => number, choices: readonly T[]): T {
  const chosen = choices[Math.floor(random() * choices.length)];
  if (chosen === undefined) throw new Error('pick from nothing');
  return chosen;
}
