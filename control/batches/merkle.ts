// One hash over many plans: a Merkle tree whose leaves are the plans of a batch in the order of their devices. Who approves the root approves
// each of them, and a proof of some twenty hashes shows that one plan was among them. Leaves and nodes are hashed with different first bytes, as
// in RFC 6962, so that none can stand for the other.

import { createHash } from 'node:crypto';

/** Hash of one plan as a leaf. @param planHash hex, as plans have it. */
export function leafOf(deviceId: string, planHash: string): string {
  return createHash('sha256').update('\0').update(deviceId).update('\0').update(planHash).digest('hex');
}

const node = (left: string, right: string): string =>
  createHash('sha256').update('\x01').update(Buffer.from(left, 'hex')).update(Buffer.from(right, 'hex')).digest('hex');

/** Grows leaf by leaf, keeping one hash for each level: a million plans need no million hashes in memory. */
export class MerkleRoot {
  /** Whole subtrees, from the largest to the smallest. */
  readonly #trees: { hash: string; size: number }[] = [];

  add(leaf: string): void {
    let tree = { hash: leaf, size: 1 };
    while (this.#trees.at(-1)?.size === tree.size) {
      const left = this.#trees.pop()!;
      tree = { hash: node(left.hash, tree.hash), size: left.size + tree.size };
    }
    this.#trees.push(tree);
  }

  /** Hex; of no leaf at all the hash of nothing. */
  get root(): string {
    const last = this.#trees.at(-1);
    if (last === undefined) return createHash('sha256').digest('hex');
    return this.#trees.slice(0, -1).reduceRight((right, { hash }) => node(hash, right), last.hash);
  }
}

/** A step of a proof: the hash beside ours, and on which side of it ours is. */
export interface ProofStep {
  hash: string;
  ours: 'left' | 'right';
}

/** The way from leaf `index` to the root, from the bottom up. */
export function proofOf(leaves: readonly string[], index: number): ProofStep[] {
  if (leaves.length === 1) return [];
  // The largest power of two below the number of leaves goes to the left, as it does when leaves are added one by one.
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  const left = leaves.slice(0, split);
  const right = leaves.slice(split);
  return index < split
    ? [...proofOf(left, index), { hash: rootOf(right), ours: 'left' }]
    : [...proofOf(right, index - split), { hash: rootOf(left), ours: 'right' }];
}

export function rootOf(leaves: readonly string[]): string {
  const tree = new MerkleRoot();
  for (const leaf of leaves) tree.add(leaf);
  return tree.root;
}

/** True when `leaf` is in the tree of `root`. */
export function verifyProof(leaf: string, steps: readonly ProofStep[], root: string): boolean {
  return (
    steps.reduce((ours, { hash, ours: side }) => (side === 'left' ? node(ours, hash) : node(hash, ours)), leaf) === root
  );
}
