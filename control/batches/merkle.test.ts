import fc from 'fast-check';
import { expect, test } from 'vitest';
import { leafOf, proofOf, rootOf, verifyProof } from './merkle.ts';

const leaves = fc
  .array(fc.string(), { minLength: 1, maxLength: 40 })
  .map((texts) => texts.map((text, i) => leafOf(`d${i}`, text)));

test('every leaf is proven to be in the root, and in no other', () => {
  fc.assert(
    fc.property(leaves, fc.nat(), (all, at) => {
      const index = at % all.length;
      const root = rootOf(all);
      const proof = proofOf(all, index);
      expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(all.length)) + 1);
      expect(verifyProof(all[index]!, proof, root)).toBe(true);
      expect(verifyProof(leafOf('other', 'plan'), proof, root)).toBe(false);
    }),
  );
});

test('one plan that is another, missing, doubled or elsewhere makes another root', () => {
  fc.assert(
    fc.property(leaves, fc.nat(), (all, at) => {
      const index = at % all.length;
      const root = rootOf(all);
      const other = leafOf('other', 'plan');
      expect(rootOf(all.with(index, other))).not.toBe(root);
      expect(rootOf(all.toSpliced(index, 1))).not.toBe(root);
      expect(rootOf(all.toSpliced(index, 0, all[index]!))).not.toBe(root);
      if (all.length > 1) expect(rootOf([...all.slice(1), all[0]!])).not.toBe(root);
    }),
  );
});

test('a node cannot stand for a leaf', () => {
  const all = ['a', 'b', 'c', 'd'].map((text) => leafOf(text, text));
  expect(rootOf([rootOf(all.slice(0, 2)), rootOf(all.slice(2))])).toBe(rootOf(all));
  // So the tree says how many leaves there are only together with them: leaves made by leafOf never equal a node.
  expect(all.includes(rootOf(all.slice(0, 2)))).toBe(false);
});
