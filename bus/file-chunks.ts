// Files between edge and control, where they have no disk in common: whoever wants one asks for it chunk by chunk, and goes on where it was
// when an answer stayed away. Nothing of a file lies in a stream. What it is and whether it came whole is known by its digest.
//
//   question  JSON { file, offset }
//   answer    JSON { bytes, sha256, name, fileType, createdAt, source, actionId }, a line break, then the bytes from `offset` on
//
// Who does not have it says nothing: of several controls another one may.

import { z } from 'zod';
import { BusError, StoreError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BusQuestions, Subscription } from './transport.ts';

const description = z.object({
  bytes: z.number().int().min(0).max(LIMITS.fileBytesMax),
  sha256: z.string(),
  name: z.string(),
  fileType: z.string(),
  createdAt: z.number(),
  source: z.enum(['operator', 'cpe']),
  actionId: z.string().nullable(),
});
type Description = z.infer<typeof description>;

const question = z.object({ file: z.string(), offset: z.number().int().min(0) });

/** Where the bytes of files lie: what both sides hand in. */
export interface ChunkedFiles {
  has(fileId: string): boolean;
  read(fileId: string, offset: number, bytesMax: number): Promise<{ meta: Description; bytes: Uint8Array } | null>;
  resume(fileId: string): Promise<ResumedFile>;
}
interface ResumedFile {
  readonly bytes: number;
  write(chunk: Uint8Array): Promise<'ok' | 'too-large' | 'disk-full'>;
  matches(sha256: string): boolean;
  commit(details: Omit<Description, 'bytes' | 'sha256'> & { fileId: string }): Promise<unknown>;
  discard(): Promise<void>;
  leave(): Promise<void>;
}

/** Answers with what lies in `files`. */
export function answerFiles(questions: BusQuestions, pattern: string, files: ChunkedFiles): Subscription {
  return questions.answer(pattern, async (_, asked) => {
    const { file, offset } = question.parse(JSON.parse(new TextDecoder().decode(asked)));
    const found = await files.read(file, offset, LIMITS.busFileChunkBytes);
    if (found === null) return null;
    return Buffer.concat([Buffer.from(`${JSON.stringify(description.parse(found.meta))}\n`), found.bytes]);
  });
}

/**
 * Fetches one file into `files`.
 * @throws BusError when nobody answers or the file came damaged, StoreError when the disk is full. What has come stays for the next try.
 */
export async function fetchFile(
  questions: BusQuestions,
  subject: string,
  fileId: string,
  files: ChunkedFiles,
): Promise<void> {
  if (files.has(fileId)) return;
  const pending = await files.resume(fileId);
  try {
    for (;;) {
      const answer = readAnswer(await questions.ask(subject, ask(fileId, pending.bytes)));
      const { bytes, sha256, ...details } = answer.file;
      const outcome = await pending.write(answer.chunk);
      if (outcome === 'disk-full')
        throw new StoreError('disk-full', 'The disk for files is full: a file could not be fetched.');
      if (pending.bytes >= bytes || answer.chunk.length === 0 || outcome === 'too-large') {
        if (pending.bytes === bytes && pending.matches(sha256)) {
          await pending.commit({ ...details, fileId });
          return;
        }
        await pending.discard();
        throw new BusError('not-taken', `File ${fileId} came damaged, or was replaced meanwhile; it is fetched anew.`);
      }
    }
  } finally {
    await pending.leave();
  }
}

function ask(file: string, offset: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ file, offset } satisfies z.infer<typeof question>));
}

function readAnswer(answer: Uint8Array): { file: Description; chunk: Uint8Array } {
  const end = answer.indexOf(0x0a);
  try {
    const file = description.parse(JSON.parse(new TextDecoder().decode(answer.subarray(0, end))));
    return { file, chunk: answer.subarray(end + 1) };
  } catch (cause) {
    throw new BusError('not-taken', 'An answer to a question for a file cannot be read.', { cause });
  }
}
