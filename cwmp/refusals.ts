// What a reader refuses, with the HTTP status and the sentence for whoever owns the CPE. Both readers refuse by this table.

import type { ReadResult, RefusalReason } from './message.ts';

/** Reason → status and text, for the readers and for docs. */
export const REFUSALS: Readonly<Record<RefusalReason, { status: number; text: string }>> = {
  'not-well-formed': {
    status: 400,
    text: 'The body is not well-formed XML. Check how the CPE escapes and closes its elements.',
  },
  truncated: { status: 400, text: 'The body ends before its envelope does. Check Content-Length and the uplink.' },
  doctype: { status: 400, text: 'The body has a document type declaration. CWMP has none; it is refused unread.' },
  'too-deep': { status: 400, text: 'Elements are nested deeper than any CWMP message.' },
  'too-large': { status: 413, text: 'The body, or one text in it, is too large. Ask the CPE for less at a time.' },
  'too-many': { status: 413, text: 'A list in the body has too many entries. Ask the CPE for less at a time.' },
  encoding: { status: 415, text: 'The character set is unknown and the bytes are not UTF-8. Send UTF-8.' },
  'not-soap': { status: 400, text: 'The body is no SOAP envelope.' },
  'soap-version': { status: 400, text: 'The envelope is SOAP 1.2. CWMP demands SOAP 1.1.' },
  'not-cwmp': { status: 400, text: 'Unrecognized CWMP version: no urn:dslforum-org:cwmp-1-x namespace is declared.' },
  'no-body': { status: 400, text: 'The envelope has no Body.' },
  'several-bodies': { status: 400, text: 'The envelope has more than one Body or method. CWMP allows one.' },
  'bad-device-id': {
    status: 400,
    text: 'DeviceId lacks OUI or SerialNumber, or a part of it is longer than 64 characters.',
  },
  'no-fault-detail': { status: 400, text: 'The fault says nothing: its detail with FaultCode is missing.' },
};

/** The refusal for `reason`, as readMessage returns it. */
export function refused(reason: RefusalReason): ReadResult & { type: 'refused' } {
  const { status, text } = REFUSALS[reason];
  return { type: 'refused', reason, status, text };
}
