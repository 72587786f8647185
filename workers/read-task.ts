// Reading one POST, as a task of the pool: bytes in, message out. The same function the session threads call for ordinary messages.

import { type Read, read } from '../cwmp/read.ts';

export interface ReadTask {
  bytes: Uint8Array;
  contentType: string;
}

export function readTask({ bytes, contentType }: ReadTask): Read {
  return read(bytes, contentType);
}
