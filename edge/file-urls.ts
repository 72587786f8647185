// URLs under which CPEs fetch and deliver files: unguessable, expiring, and short, because the argument holds 256 characters (CWMP T2, T5).
// The signature is the permission; no credentials of the ACS are ever given to a file transfer (A8). No file is touched here.
//
//   /files/d/<fileId>/<expiry, base 36 seconds>/<signature>[/name]     Download: GET, HEAD
//   /files/u/<actionId>/<cpeId>/<expiry>/<signature>[/name]            Upload: PUT, POST

import { createHmac, timingSafeEqual } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { ConfigError } from '../base/errors.ts';
import type { CpeId } from '../base/ids.ts';
import { LIMITS } from '../base/limits.ts';

const SIGNATURE_CHARS = 22; // 132 bits.
/** Room for the path: prefix, ids, expiry, signature and their slashes, with ids of usual length (26 and, of a CPE, up to 64). */
const PATH_CHARS_MAX = '/files/d/'.length + 26 + 1 + 64 + 1 + 9 + 1 + SIGNATURE_CHARS;
// The ids are as isFileId and cpeIdOf make them; the signature is compared, not matched.
const DOWNLOAD = /^\/files\/(d)\/([\w-]{1,64})\/([0-9a-z]{1,9})\/([^/]*)/;
const UPLOAD = /^\/files\/(u)\/([\w-]{1,64}\/[\w~-]{1,600})\/([0-9a-z]{1,9})\/([^/]*)/;

export type FileUrlVerdict =
  | { type: 'download'; fileId: string }
  | { type: 'upload'; actionId: string; cpeId: CpeId }
  | { type: 'refused'; status: 403 | 404; text: string };

export class FileUrls {
  readonly #key: Buffer;
  readonly #baseUrl: string;

  /**
   * @param key deriveKey(secret, 'file-urls'). @param baseUrl of this edge as CPEs reach it, with or without a slash at its end.
   * Throws ConfigError `public-url` when it is so long that URLs would not fit.
   */
  constructor({ key, baseUrl }: { key: Buffer; baseUrl: string }) {
    this.#key = key;
    this.#baseUrl = baseUrl.replace(/\/+$/, '');
    const charsMax = LIMITS.fileUrlCharsMax - PATH_CHARS_MAX;
    if (this.#baseUrl.length > charsMax) {
      const message = `The public URL of the CWMP port has ${this.#baseUrl.length} characters; file URLs leave room for ${charsMax}.`;
      throw new ConfigError('public-url', message);
    }
  }

  /** `name` is put at the end for CPEs that look at the extension; it is shortened from the left, and not signed. */
  download(fileId: string, expiresAtMs: number, name = ''): string {
    return this.#url('d', fileId, expiresAtMs, name);
  }

  /** Names the CPE as well, so that whoever takes the upload knows whose it is without a look-up. */
  upload(cpeId: CpeId, actionId: string, expiresAtMs: number): string {
    return this.#url('u', `${actionId}/${cpeId}`, expiresAtMs, '');
  }

  /** Judges the path of a request; what follows the signature, such as a file name a CPE appends, is not looked at. Never throws. */
  judge(path: string, nowMs: number): FileUrlVerdict {
    const match = DOWNLOAD.exec(path) ?? UPLOAD.exec(path);
    if (match === null) return { type: 'refused', status: 404, text: 'There is no such file URL.' };
    const [, kind = '', signed = '', expiry = '', signature = ''] = match;
    const expected = Buffer.from(this.#sign(kind, signed, expiry), 'latin1');
    const given = Buffer.from(signature, 'latin1');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
      return { type: 'refused', status: 403, text: 'This file URL is not one of ours: it was altered or cut short.' };
    }
    if (Number.parseInt(expiry, 36) * 1_000 < nowMs) {
      return {
        type: 'refused',
        status: 403,
        text: 'This file URL has expired. Start the transfer again to get a new one.',
      };
    }
    if (kind === 'd') return { type: 'download', fileId: signed };
    const [actionId = '', cpeId = ''] = signed.split('/');
    return { type: 'upload', actionId, cpeId };
  }

  #url(kind: 'd' | 'u', signed: string, expiresAtMs: number, name: string): string {
    const expiry = Math.ceil(expiresAtMs / 1_000).toString(36);
    const path = `/files/${kind}/${signed}/${expiry}/${this.#sign(kind, signed, expiry)}`;
    // Read back as it will be: an id with a slash in it would be another id then.
    assert((kind === 'd' ? DOWNLOAD : UPLOAD).exec(path)?.[2] === signed, `"${signed}" cannot be part of a file URL`);
    const url = this.#baseUrl + path;
    const safeName = name.replace(/[^A-Za-z0-9._-]/g, '_');
    const room = LIMITS.fileUrlCharsMax - url.length - 1;
    return safeName === '' || room < 1 ? url : `${url}/${safeName.slice(-room)}`;
  }

  #sign(kind: string, signed: string, expiry: string): string {
    return createHmac('sha256', this.#key)
      .update(`${kind}/${signed}/${expiry}`)
      .digest('base64url')
      .slice(0, SIGNATURE_CHARS);
  }
}
