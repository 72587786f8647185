// Signatures under the chain: an Ed25519 key (RFC 8032) that belongs to the installation, derived from its installation key, so that all its
// controls sign with the same one and there is no other secret to keep. A signed head says: up to here the chain was so at that time.

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { recordDigest } from './chain.ts';

/** The last record of a chain, at a time. */
export interface ChainHead {
  seq: number;
  hash: string;
  /** ISO 8601, UTC, with milliseconds. */
  at: string;
}

/** What stands before the bare 32 bytes of a key in its DER form (RFC 8410). */
const PRIVATE_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export class EvidenceSigner {
  readonly #key: KeyObject;
  /** The public key: 32 bytes in base64. */
  readonly publicKey: string;

  /** @param seed 32 bytes. */
  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.concat([PRIVATE_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    const der = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    this.publicKey = der.subarray(PUBLIC_PREFIX.length).toString('base64');
  }

  /**
   * @param more what else the signature vouches for; '' for a head of the chain alone.
   * @returns the signature in base64.
   */
  sign(head: ChainHead, more = ''): string {
    return sign(null, signedText(head, more), this.#key).toString('base64');
  }
}

/** How people tell keys apart: 16 letters, to be compared with what the installation itself shows. */
export const fingerprintOf = (publicKey: string): string => recordDigest(Buffer.from(publicKey, 'base64')).slice(0, 16);

/** The key to verify with; null when `publicKey` is none. */
export function verifyingKey(publicKey: string): KeyObject | null {
  const bytes = Buffer.from(publicKey, 'base64');
  if (bytes.length !== 32) return null;
  return createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, bytes]), format: 'der', type: 'spki' });
}

/** @param more as it was signed with. */
export function isSigned(head: ChainHead, more: string, signature: string, key: KeyObject): boolean {
  return verify(null, signedText(head, more), key, Buffer.from(signature, 'base64'));
}

const signedText = ({ seq, hash, at }: ChainHead, more: string): Buffer =>
  Buffer.from(`starling evidence head 1\n${seq}\n${hash}\n${at}\n${more}`);
