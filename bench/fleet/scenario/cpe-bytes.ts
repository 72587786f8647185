// What light CPEs send: each kind of Inform as one prebuilt request with its head, in which only what differs between CPEs is patched, in
// fields of fixed width, so that no length ever changes.

import { cpeIdOf } from '../../../base/ids.ts';
import { CONTENT_TYPE, referenceInform } from '../../reference-inform.ts';
import { CLASS_NAMES, type ClassName, SAYINGS, type Saying } from './scenarios.ts';

const SERIAL_DIGITS = 8;
/** Made of what is patched: octets of three digits, so that every address has as many characters. */
const ADDRESS_MARK = '10.100.100.100';
const ADDRESS_BASE = 150;
const VERSION_MARK = '4.0.17-build.2291';
const FIRST_BUILD = 2_291;
const TIME_MARK = '2025-03-04T05:06:07+01:00';

/** Serial number of CPE `n`. */
export function serialOf(n: number): string {
  return `LC${String(n).padStart(SERIAL_DIGITS, '0')}`;
}

/** What the ACS calls it. */
export function cpeIdOfNumber(n: number): string {
  return cpeIdOf({ Manufacturer: '', OUI: '0A1B2C', ProductClass: 'TN-440', SerialNumber: serialOf(n) });
}

/** Where the POSTs go. */
export interface HttpTarget {
  /** Value of the Host header, and path with query. */
  host: string;
  path: string;
}

/** Head of a POST up to the lines that differ; they follow, each with its end, and then an empty line. */
export function headOf({ host, path }: HttpTarget): string {
  return `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${CONTENT_TYPE}\r\nSOAPAction: \r\n`;
}

/** One kind of Inform with the places of what is patched. */
interface Template {
  bytes: Buffer;
  serialAt: number;
  retryAt: number;
  /** Three digits each, of the two places an address is told at. */
  addressAt: readonly [number, number];
  buildAt: number;
  timeAt: number;
}

/** The Informs of all kinds; the bytes of one are valid until the next of the same kind is made. */
export class InformRequests {
  readonly #templates: Record<ClassName, Template>;

  constructor(target: HttpTarget) {
    const entries = CLASS_NAMES.map((name) => [name, templateOf(SAYINGS[name], target)]);
    this.#templates = Object.fromEntries(entries) as Record<ClassName, Template>;
  }

  /**
   * The Inform of CPE `n`, head and body.
   * @param address which one the CPE has had since it began to count. @param build the same of its firmware.
   * @param retryCount failed sessions before this one; more than 9 are told as 9, which takes an hour to come to.
   */
  of(name: ClassName, n: number, address: number, build: number, retryCount: number): Buffer {
    const { bytes, serialAt, retryAt, addressAt, buildAt } = this.#templates[name];
    digits(bytes, serialAt, SERIAL_DIGITS, n);
    bytes[retryAt] = 48 + Math.min(retryCount, 9);
    const number = (n + address * 7_919) >>> 0;
    for (let i = 0; i < 2; i++) {
      const at = addressAt[i]!;
      digits(bytes, at, 3, 100 + (Math.floor(number / ADDRESS_BASE ** 2) % ADDRESS_BASE));
      digits(bytes, at + 4, 3, 100 + (Math.floor(number / ADDRESS_BASE) % ADDRESS_BASE));
      digits(bytes, at + 8, 3, 100 + (number % ADDRESS_BASE));
    }
    digits(bytes, buildAt, 4, FIRST_BUILD + build);
    return bytes;
  }

  /** Sets the CPEs' clocks, once a second. */
  setTime(nowMs: number): void {
    const text = `${new Date(nowMs).toISOString().slice(0, 19)}+00:00`;
    for (const name of CLASS_NAMES) {
      const { bytes, timeAt } = this.#templates[name];
      bytes.write(text, timeAt, 'latin1');
    }
  }
}

function templateOf(saying: Saying, target: HttpTarget): Template {
  const serial = serialOf(0);
  const structs = saying.events.map(
    ([code, key]) =>
      `     <EventStruct>\n      <EventCode>${code}</EventCode>\n      <CommandKey>${key}</CommandKey>\n     </EventStruct>\n`,
  );
  const events = `<Event soap-enc:arrayType="cwmp:EventStruct[${structs.length}]">\n${structs.join('')}    </Event>`;
  const reference = referenceInform({ SerialNumber: serial }).toString();
  const from = reference.indexOf('<Event ');
  const to = reference.indexOf('</Event>') + '</Event>'.length;
  const body = (reference.slice(0, from) + events + reference.slice(to)).replaceAll('198.51.100.23', ADDRESS_MARK);
  const bytes = Buffer.from(`${headOf(target)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, 'latin1');
  const firstAddress = placeOf(bytes, ADDRESS_MARK, 0);
  const secondAddress = placeOf(bytes, ADDRESS_MARK, firstAddress + 1);
  return {
    bytes,
    serialAt: placeOf(bytes, serial, 0) + 2,
    retryAt: placeOf(bytes, '<RetryCount>', 0) + '<RetryCount>'.length,
    addressAt: [firstAddress + 3, secondAddress + 3],
    buildAt: placeOf(bytes, VERSION_MARK, 0) + VERSION_MARK.length - 4,
    timeAt: placeOf(bytes, TIME_MARK, 0),
  };
}

function placeOf(bytes: Buffer, mark: string, from: number): number {
  const at = bytes.indexOf(mark, from, 'latin1');
  if (at < 0) throw new Error(`the reference Inform has no ${mark} any more`);
  return at;
}

/** Writes a number in so many digits; those in front are lost when it has more. */
function digits(bytes: Buffer, at: number, count: number, value: number): void {
  let left = value;
  for (let i = at + count - 1; i >= at; i--) {
    bytes[i] = 48 + (left % 10);
    left = Math.floor(left / 10);
  }
}
