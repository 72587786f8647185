import fc from 'fast-check';
import { expect, test } from 'vitest';
import { referenceInform } from '../bench/reference-inform.ts';
import { read } from '../cwmp/read.ts';
import { ownCorpus } from '../test/corpus.ts';
import { glanceAtEvents } from './inform-events.ts';

test('events and device are those the reader finds, in every Inform of the corpus that shows them plainly', () => {
  let seen = 0;
  for (const { bytes, contentType } of ownCorpus()) {
    const { result } = read(bytes, contentType);
    const glance = glanceAtEvents(bytes);
    if (result.type === 'refused' || result.message.type !== 'inform') continue;
    const { inform } = result.message;
    // Comments and CDATA may hold anything; such documents are read all the same.
    if (bytes.includes('<!')) continue;
    if (glance === null || glance.device === null) continue;
    seen++;
    expect(glance.device.SerialNumber).toBe(inform.DeviceId.SerialNumber);
    expect(glance.device.OUI.toUpperCase()).toBe(inform.DeviceId.OUI.toUpperCase());
  }
  expect(seen).toBeGreaterThan(10);
});

test.each([
  ['plain', '<cwmp:Inform><EventStruct><EventCode>1 BOOT</EventCode></EventStruct>', ['1 BOOT']],
  ['with a type', '<cwmp:Inform><EventCode xsi:type="xsd:string"> 4 VALUE CHANGE </EventCode>', ['4 VALUE CHANGE']],
  ['several', '<Inform><EventCode>1 BOOT</EventCode><c:EventCode>M Reboot</c:EventCode>', ['1 BOOT', 'M Reboot']],
  ['none', '<Inform><Event/></Inform>', []],
])('events: %s', (_, text, events) => {
  expect(glanceAtEvents(Buffer.from(text))?.events).toEqual(events);
});

test.each(['', '<Informal>', 'Inform>', '<cwmp:InformResponse>', '<GetParameterValuesResponse>'])(
  'no Inform: %s',
  (text) => {
    expect(glanceAtEvents(Buffer.from(text))).toBeNull();
  },
);

test('a session that was tried before tells so, however long the device and events are', () => {
  const inform = referenceInform().toString();
  const again = inform.replace('<RetryCount>0<', '<RetryCount>2<');
  const long = again.replace('<Event ', `${' '.repeat(3_000)}<Event `);
  expect([inform, again, long].map((text) => glanceAtEvents(Buffer.from(text))?.isRetry)).toEqual([false, true, true]);
  expect(glanceAtEvents(Buffer.from(long))?.events).toEqual(glanceAtEvents(Buffer.from(inform))?.events);
});

test('any bytes at all are looked at without a throw', () => {
  const inform = referenceInform();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void glanceAtEvents(bytes)));
  for (let cut = 0; cut < inform.length; cut += 7) glanceAtEvents(inform.subarray(0, cut));
});
