// The direction of imports (ARCHITECTURE, "Who may import whom"), read off the sources: what is not in the map fails here.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  cwmp: ['base'],
  profiles: ['base', 'cwmp'],
  workers: ['base', 'cwmp', 'profiles'],
  bus: ['base', 'cwmp'],
  edge: ['base', 'cwmp', 'profiles', 'workers', 'bus'],
  control: ['base', 'cwmp', 'profiles', 'workers', 'bus'],
  bench: ['base', 'cwmp', 'profiles', 'workers', 'bus', 'edge', 'control', 'test'],
  bin: ['base', 'cwmp', 'profiles', 'workers', 'bus', 'edge', 'control', 'bench'],
  test: ['base', 'cwmp', 'profiles', 'workers', 'bus', 'edge', 'control', 'bench', 'bin'],
};

/** Native or heavy packages and the only place that may name them. */
const DOORS: Record<string, RegExp> = {
  'uWebSockets.js': /^(edge\/http\.ts|bench\/)/,
  lmdb: /^edge\/store\//,
  piscina: /^workers\/pool\.ts$/,
  postgres: /^control\/store\//,
  '@nats-io/transport-node': /^bus\/nats[a-z-]*\.ts$/,
  '@nats-io/jetstream': /^bus\/nats[a-z-]*\.ts$/,
  '@nats-io/kv': /^bus\/nats-bucket\.ts$/,
  '@xmldom/xmldom': /^(cwmp\/xmldom-reader|profiles\/data-models\/distil)\.ts$/,
};

const files = Object.keys(MAY_IMPORT).flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);
const isTest = (file: string): boolean => /\.(test|contract|test-helper)\.ts$/.test(file);

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');
}

test('every import goes along the arrows', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const from = file.split('/')[0] ?? '';
    for (const target of importsOf(file)) {
      if (!target.startsWith('.')) continue;
      const to = relative(root, resolve(root, file, '..', target)).split('/')[0] ?? '';
      const allowed =
        to === from || MAY_IMPORT[from]?.includes(to) || (isTest(file) && (to === 'bench' || to === 'test'));
      if (!allowed) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('each native dependency has its one door', () => {
  const wrong: string[] = [];
  for (const file of files) {
    for (const target of importsOf(file)) {
      const door = DOORS[target];
      if (door && !door.test(file) && !isTest(file)) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('there are sources to check', () => {
  expect(files.length).toBeGreaterThan(50);
});
