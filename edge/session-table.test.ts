import { expect, test } from 'vitest';
import { hashText } from '../base/hash-text.ts';
import { createSessionMemory, SessionTable } from './session-table.ts';

test('an Inform voids the sessions of the same CPE that came before, on every thread', () => {
  const memory = createSessionMemory();
  const [one, two] = [new SessionTable(memory), new SessionTable(memory)];
  const first = one.begin('cpe');
  expect(two.isLive('cpe', first)).toBe(true);
  const second = two.begin('cpe');
  expect(one.isLive('cpe', first)).toBe(false);
  expect(one.isLive('cpe', second)).toBe(true);
});

test('the end of a session voids its cookie, and the end of an old one does not touch the new one', () => {
  const table = new SessionTable(createSessionMemory());
  const first = table.begin('cpe');
  const second = table.begin('cpe');
  table.end('cpe', first);
  expect(table.isLive('cpe', second)).toBe(true);
  table.end('cpe', second);
  expect(table.isLive('cpe', second)).toBe(false);
});

test('a CPE without a cookie is found by its address until its session ends or expires', () => {
  const memory = createSessionMemory();
  const [one, two] = [new SessionTable(memory), new SessionTable(memory)];
  one.rememberAddress('192.0.2.1', 's.1.x.cpe1.seal', 100, 160);
  expect(two.findAddress('192.0.2.1', 120)).toBe('s.1.x.cpe1.seal');
  expect(two.findAddress('192.0.2.2', 120)).toBeNull();
  expect(two.findAddress('192.0.2.1', 160)).toBeNull();
  one.forgetAddress('192.0.2.1', 's.1.x.cpe1.seal');
  expect(two.findAddress('192.0.2.1', 120)).toBeNull();
});

test('two CPEs behind one address are never guessed between, until one of them ends or returns its cookie', () => {
  const table = new SessionTable(createSessionMemory());
  table.rememberAddress('192.0.2.1', 's.1.x.cpe1.seal', 100, 160);
  table.rememberAddress('192.0.2.1', 's.2.x.cpe2.seal', 110, 170);
  expect(table.findAddress('192.0.2.1', 120)).toBeNull();
  table.forgetAddress('192.0.2.1', 's.2.x.cpe2.seal');
  expect(table.findAddress('192.0.2.1', 120)).toBe('s.1.x.cpe1.seal');
});

test('more CPEs behind one address than there is room for are left out, and nobody else suffers', () => {
  const table = new SessionTable(createSessionMemory());
  for (let i = 0; i < 20; i++) table.rememberAddress('192.0.2.1', `s.1.x.cpe${i}.seal`, 100, 160);
  table.rememberAddress('198.51.100.9', 's.1.x.other.seal', 100, 160);
  expect(table.findAddress('198.51.100.9', 120)).toBe('s.1.x.other.seal');
});

test('a CPE that informs again under its address is found by its newest session', () => {
  const table = new SessionTable(createSessionMemory());
  table.rememberAddress('192.0.2.1', 's.1.x.cpe1.seal', 100, 160);
  table.rememberAddress('192.0.2.1', 's.2.x.cpe1.seal', 110, 170);
  expect(table.findAddress('192.0.2.1', 120)).toBe('s.2.x.cpe1.seal');
});

test('serial numbers that differ in their last digits spread over the slots', () => {
  const slots = new Set<number>();
  for (let i = 0; i < 10_000; i++)
    slots.add(hashText(`00259E-EG8145V5-4857${String(i).padStart(8, '0')}`) & ((1 << 20) - 1));
  // 10,000 balls into 1,048,576 slots leave about 9,953 distinct ones.
  expect(slots.size).toBeGreaterThan(9_900);
});
