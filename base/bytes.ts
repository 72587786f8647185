// Texts out of bytes, and bytes beside bytes, where a hot path asks for them.

/** Native, and without the checks of toString; Node's typings leave them out. */
interface Slices {
  latin1Slice(from: number, to: number): string;
  utf8Slice(from: number, to: number): string;
}

const slices = Buffer.prototype as unknown as Slices;

/** The bytes from `from` up to `to` as ISO-8859-1. */
export function latin1(bytes: Uint8Array, from: number, to: number): string {
  return slices.latin1Slice.call(bytes, from, to);
}

/** The bytes from `from` up to `to` as UTF-8. */
export function utf8(bytes: Uint8Array, from: number, to: number): string {
  return slices.utf8Slice.call(bytes, from, to);
}

/** The little-endian number of 32 bits at `at`. */
export function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
