// What a GET or HEAD of a file is answered: status, headers and which bytes (RFC 9110 §13, §14; CWMP T2). Pure: the file is known by its
// metadata alone, and sending is for file-stream.ts.

import type { FileMeta } from './files.ts';

export interface DownloadRequest {
  method: 'GET' | 'HEAD';
  /** Header values; '' when absent. */
  range: string;
  ifRange: string;
}

export interface DownloadPlan {
  status: '200 OK' | '206 Partial Content' | '416 Range Not Satisfiable';
  /** All but Content-Length, which is `bytes`. */
  headers: [string, string][];
  /** First byte to send, and how many Content-Length tells. */
  start: number;
  bytes: number;
  /** False for HEAD and 416. */
  sendBody: boolean;
}

export function planDownload(request: DownloadRequest, file: FileMeta): DownloadPlan {
  const etag = `"${file.sha256.slice(0, 32)}"`;
  const modified = new Date(Math.floor(file.createdAt / 1_000) * 1_000).toUTCString();
  const headers: [string, string][] = [
    ['Content-Type', 'application/octet-stream'],
    ['Accept-Ranges', 'bytes'],
    ['ETag', etag],
    ['Last-Modified', modified],
  ];
  const sendBody = request.method === 'GET';
  const whole: DownloadPlan = { status: '200 OK', headers, start: 0, bytes: file.bytes, sendBody };
  // Another version since the CPE began: it gets the whole of this one, never a mixture. Dates must agree exactly.
  const sameVersion = request.ifRange === '' || request.ifRange === etag || request.ifRange === modified;
  if (!sameVersion) return whole;
  const range = parseRange(request.range, file.bytes);
  if (range === 'whole') return whole;
  if (range === 'unsatisfiable') {
    const told: [string, string][] = [['Content-Range', `bytes */${file.bytes}`]];
    return { status: '416 Range Not Satisfiable', headers: told, start: 0, bytes: 0, sendBody: false };
  }
  headers.push(['Content-Range', `bytes ${range.first}-${range.last}/${file.bytes}`]);
  return { status: '206 Partial Content', headers, start: range.first, bytes: range.last - range.first + 1, sendBody };
}

/**
 * One range of a body of `size` bytes. Several ranges, other units and nonsense mean the whole file, as RFC 9110 §14.2 allows; so does any
 * range of an empty file, because CPEs that resume at 0 would take a 416 for a failure.
 */
function parseRange(header: string, size: number): { first: number; last: number } | 'whole' | 'unsatisfiable' {
  const match = /^\s*bytes\s*=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header);
  if (match === null || size === 0) return 'whole';
  const [, from = '', to = ''] = match;
  if (from === '') {
    if (to === '') return 'whole';
    const suffix = Number(to);
    return suffix === 0 ? 'unsatisfiable' : { first: Math.max(0, size - suffix), last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return 'whole';
  return first >= size ? 'unsatisfiable' : { first, last };
}
