// What reading a message costs. Questions: how far is the reader from a loop that only finds the tags, how far is the second reader, and
// does the cost per value stay the same in long answers? Not asked: inflating, sockets, what is done with the message.

import { fileURLToPath } from 'node:url';
import type { ReadResult } from '../cwmp/message.ts';
import { readMessage } from '../cwmp/soap-reader.ts';
import { readMessage as readSecond } from '../cwmp/xmldom-reader.ts';
import { type Measured, measure, printTable, type Row, size } from './harness.ts';
import { CONTENT_TYPE, namesResponse, referenceInform, valuesResponse } from './reference-inform.ts';

/** Decodes and finds every `<`..`>`: nothing that reads a message can be faster than the tags it consists of. */
function bareTagScan(bytes: Buffer): number {
  const text = bytes.toString('latin1');
  let tags = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    at = text.indexOf('>', at + 1);
    if (at < 0) break;
    tags++;
  }
  return tags;
}

/** The same, looking at each byte, as a reader must. */
function bareByteScan(bytes: Buffer): number {
  let tags = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] !== 0x3c) continue;
    while (at < bytes.length && bytes[at] !== 0x3e) at++;
    tags++;
  }
  return tags;
}

/** Entries of the list in the message: the work that a reader has done. */
function entriesOf(result: ReadResult): number {
  if (result.type === 'refused') throw new Error(`the reference message was refused: ${result.reason}`);
  const { message } = result;
  if (message.type === 'inform') return message.inform.ParameterList.length;
  if (message.type === 'response') return (message.result['ParameterList'] as unknown[]).length;
  throw new Error(`not a reference message: ${message.type}`);
}

function rowsFor(what: string, bytes: Buffer): Row[] {
  const name = (how: string) => `${what} body=${bytes.length} B: ${how}`;
  return [
    { name: name('bare tag scan'), run: () => bareTagScan(bytes) },
    { name: name('bare byte scan'), run: () => bareByteScan(bytes) },
    { name: name('soap-reader'), run: () => entriesOf(readMessage(bytes, CONTENT_TYPE)) },
    { name: name('xmldom-reader'), run: () => entriesOf(readSecond(bytes, CONTENT_TYPE)) },
  ];
}

/** The reference Inform as this many kinds of CPEs would print it: more than the reader remembers, so that it parses each anew. */
const KINDS = 200;

function mixedRow(): Row {
  const text = referenceInform().toString();
  const kinds = Array.from({ length: KINDS }, (_, i) => {
    const indented = text
      .replaceAll('\n      <', `\n${' '.repeat(i % 20)}<`)
      .replaceAll(/ParameterValueStruct>/g, `Entry${i}>`);
    return Buffer.from(indented.replaceAll('soap-env', `env${i}`));
  });
  let turn = 0;
  return {
    name: `Inform params=12 kinds=${KINDS} in turn: soap-reader`,
    run: () => entriesOf(readMessage(kinds[turn++ % KINDS]!, CONTENT_TYPE)),
  };
}

/** Runs all rows; one group for each message, its bare tag scan first. */
export async function soapReaderBench(): Promise<Measured[][]> {
  const options = { rounds: size(1, 7), timeMs: size(1, 150) };
  const values = size(20, 1_000);
  const names = size(50, 3_000);
  const groups = [
    [...rowsFor('Inform params=12', referenceInform()), mixedRow()],
    rowsFor(`GetParameterValuesResponse params=${values}`, valuesResponse(values)),
    rowsFor(`GetParameterNamesResponse names=${names}`, namesResponse(names)),
  ];
  const measured: Measured[][] = [];
  for (const rows of groups) measured.push(await measure(rows, options));
  return measured;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printTable(await soapReaderBench());
