// FIELD 1–16: what CPEs do wrong in XML, SOAP and bytes. Most of it is accepted with a tolerance that is counted; what cannot be
// understood is refused with an HTTP status and a sentence. In no case is a session lost, or a value read as another one.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIMITS } from '../../base/limits.ts';
import { CHARSET_TEXT, CYRILLIC_TEXT } from '../../bench/fleet/misbehave-xml.ts';
import {
  changedIn,
  type Field,
  IGD,
  idOf,
  NOBODY,
  PROVISIONING,
  SSID,
  startField,
  VERSION,
  wentWell,
} from './field.test-helper.ts';
import { envelope, informXml, messageOf, WireCpe } from './wire.test-helper.ts';

/** What the schema calls Unknown Time. */
const UNKNOWN_TIME = '0001-01-01T00:00:00Z';
const ENABLE = `${IGD}LANDevice.1.WLANConfiguration.1.Enable`;

let field: Field;
let fileUrl = '';
const files = createServer((_, response) => response.end(`${PROVISIONING}=from-a-file\n`));
beforeAll(async () => {
  field = await startField();
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  fileUrl = `http://127.0.0.1:${(files.address() as AddressInfo).port}/cfg`;
});
afterAll(async () => {
  await field.close();
  files.closeAllConnections();
  files.close();
});

/** What the CPE said when it was refused: status and text. */
async function refusal(misbehaviour: string): Promise<string> {
  const summary = await field.cpe([misbehaviour]).start();
  expect(summary.outcome).toBe('failed');
  return summary.why;
}

test('FIELD 1: elements are known by their local names, whatever their prefixes', async () => {
  for (const name of ['prefixes-arbitrary', 'prefixes-misleading', 'prefix-undeclared']) {
    await field.talks(await field.booted([name]));
  }
  await field.tolerated('undeclared-prefix', async () => {
    const cpe = new WireCpe(field.edge.port);
    const xml = envelope(cpe.namespace, '1', informXml(cpe.device)).replaceAll('cwmp:Inform>', 'acme:Inform>');
    expect(messageOf(await cpe.post(xml))).toMatchObject({ type: 'response', method: 'Inform' });
    cpe.close();
  });
});

test('FIELD 2: the cwmp namespace may be declared on Body, on the method or as default; an unknown one is refused with a sentence', async () => {
  for (const name of ['namespace-on-body', 'namespace-on-method', 'namespace-default']) {
    await field.talks(await field.booted([name]));
  }
  const count = await field.rise('starling_requests_refused_total', '', async () => {
    expect(await refusal('namespace-unknown')).toMatch(
      /^HTTP 400 to Inform: Unrecognized CWMP version: no urn:dslforum-org:cwmp-1-x namespace/,
    );
  });
  expect(count).toBe(1);
});

test('FIELD 3: a request without cwmp:ID, or with an empty one, is answered the same way', async () => {
  // The CPE complains, and wentWell fails, when the ID that comes back is not the one it sent.
  await field.tolerated('missing-id', async () => field.talks(await field.booted(['request-id-missing'])));
  await field.tolerated('empty-id', async () => field.talks(await field.booted(['request-id-empty'])));
});

test('FIELD 4: odd quotes, odd attribute values, a declaration over several lines and comments change nothing', async () => {
  for (const name of ['attributes-single-quoted', 'attribute-values-odd', 'declaration-multiline', 'comments']) {
    const cpe = await field.booted([name]);
    await field.talks(cpe);
    expect(changedIn(await field.informOf(cpe), VERSION)).toBe(cpe.tree.value(VERSION));
  }
});

test('FIELD 5: a bare ampersand and an unknown entity stay as they are, numeric references are decoded', async () => {
  const sent = async (name: string): Promise<string | undefined> =>
    changedIn(await field.informOf(await field.booted([name])), PROVISIONING);
  await field.tolerated('bare-ampersand', async () => expect(await sent('ampersand-bare')).toBe('cats & dogs'));
  await field.tolerated('unknown-entity', async () => expect(await sent('entity-unknown')).toBe('cats &nbsp; dogs'));
  const numeric = await field.booted(['entities-numeric']);
  expect(changedIn(await field.informOf(numeric), VERSION)).toBe(numeric.tree.value(VERSION));
  await field.talks(numeric);
});

test('FIELD 6: a byte order mark is nothing, junk before the root is skipped, a POST of white space is an empty one', async () => {
  await field.talks(await field.booted(['bom']));
  await field.tolerated('space-before-declaration', async () => field.talks(await field.booted(['junk-before-root'])));
  await field.tolerated('junk-before-root', async () => {
    const cpe = new WireCpe(field.edge.port);
    expect((await cpe.post(`\0POSTED: ${envelope(cpe.namespace, '1', informXml(cpe.device))}`)).status).toBe(200);
    cpe.close();
  });
  await field.talks(await field.booted(['whitespace-post']));
});

test('FIELD 7: text is read in its charset, wherever that is told', async () => {
  for (const name of [
    'charset-in-content-type',
    'charset-quoted',
    'charset-in-declaration',
    'charset-utf16',
    'charset-windows-1251',
  ]) {
    const cpe = await field.booted([name]);
    const text = name === 'charset-windows-1251' ? CYRILLIC_TEXT : CHARSET_TEXT;
    expect(changedIn(await field.informOf(cpe), PROVISIONING), name).toBe(text);
    const read = await field.get(cpe, PROVISIONING);
    expect(read.after, name).toMatchObject([{ Value: text }]);
  }
});

test('FIELD 8: bodies in gzip and deflate are inflated, and answered in kind', async () => {
  for (const name of ['gzip', 'deflate']) await field.talks(await field.booted([name]));
  const { device, namespace, wire } = new WireCpe(field.edge.port);
  wire.close();
  const body = gzipSync(envelope(namespace, '1', informXml(device)));
  const headers = { 'content-type': 'text/xml', 'content-encoding': 'gzip' };
  const response = await fetch(field.edge.url, { method: 'POST', body, headers });
  expect(response.headers.get('content-encoding')).toBe('gzip');
  expect(await response.text()).toContain('InformResponse');
});

test('FIELD 9: a value without xsi:type is a string', async () => {
  await field.tolerated('missing-type', async () => {
    const cpe = await field.booted(['type-missing']);
    const read = await field.get(cpe, SSID, ENABLE);
    expect(read.after).toEqual([
      { Name: SSID, Value: cpe.tree.value(SSID), Type: 'xsd:string' },
      { Name: ENABLE, Value: cpe.tree.value(ENABLE), Type: 'xsd:string' },
    ]);
  });
});

test('FIELD 10: a value of a type that nobody knows is kept as it is, and can be written', async () => {
  await field.tolerated('odd-type', async () => {
    const cpe = await field.booted(['type-odd']);
    expect((await field.get(cpe, SSID)).after).toMatchObject([{ Value: cpe.tree.value(SSID) }]);
    expect(await field.set(cpe, { [SSID]: 'Odd' })).toMatchObject({ outcome: 'done', after: [{ Value: 'Odd' }] });
    expect(cpe.tree.value(SSID)).toBe('Odd');
  });
});

test('FIELD 11: a value that does not fit its type is kept as it was sent; booleans may be asked for in any spelling', async () => {
  await field.tolerated('bad-value', async () => {
    const cpe = await field.booted(['values-odd']);
    expect((await field.get(cpe, ENABLE)).after).toEqual([{ Name: ENABLE, Value: 'Enabled', Type: 'xsd:boolean' }]);
  });
  const cpe = await field.booted();
  for (const [spelling, kept] of [
    ['FALSE', '0'],
    ['True', '1'],
    ['False', '0'],
    ['TRUE', '1'],
  ] as const) {
    expect((await field.set(cpe, { [ENABLE]: spelling })).outcome, spelling).toBe('done');
    expect(cpe.tree.value(ENABLE), spelling).toBe(kept);
  }
});

test('FIELD 12: a list entry without a name is skipped, one with an impossible name is kept as told, and the others are read', async () => {
  await field.tolerated('missing-name', async () => {
    const cpe = await field.booted(['name-missing']);
    const { changed } = await field.informOf(cpe);
    // SpeedTouch sends `.ExternalIPAddress`: what a CPE calls its parameters is not judged.
    expect(changed.map(({ Name }) => Name).filter((name) => !name.startsWith(IGD))).toEqual(['..<>']);
    expect(changedIn(await field.informOf(cpe), VERSION)).toBe(cpe.tree.value(VERSION));
    await field.talks(cpe);
    expect((await field.ask(cpe, 'refresh', { path: `${IGD}DeviceInfo.` })).outcome).toBe('done');
  });
});

test('FIELD 13: without Writable a parameter is read-only, without Status a change is applied, without times they are unknown', async () => {
  await field.tolerated('missing-field', async () => {
    const cpe = await field.booted(['writable-missing']);
    await field.ask(cpe, 'refresh', { path: `${IGD}DeviceInfo.` });
    const names = field.factsOf(cpe, 'names').flatMap((fact) => fact.names);
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter(({ Writable }) => Writable)).toEqual([]);
  });
  const silent = await field.booted(['status-missing']);
  expect(await field.set(silent, { [SSID]: 'Silent' })).toMatchObject({ outcome: 'done', items: [{ status: 'set' }] });
  const table = `${IGD}Layer3Forwarding.Forwarding.`;
  expect((await field.ask(silent, 'add', { objectName: table })).outcome).toBe('done');

  await field.tolerated('bad-time', async () => {
    // Status 0 and odd times: done at once, and never.
    const cpe = await field.booted(['status-missing', 'download-times-odd']);
    const download = await field.ask(cpe, 'download', { fileType: '3 Vendor Configuration File', url: fileUrl });
    expect(download).toMatchObject({ outcome: 'done', data: { StartTime: UNKNOWN_TIME, CompleteTime: UNKNOWN_TIME } });
  });
});

test('FIELD 14: an Inform without lists and counts is accepted, without ProductClass too; without OUI or SerialNumber it is nobody’s', async () => {
  for (const tolerance of ['missing-parameter-list', 'missing-event', 'missing-retry-count']) {
    await field.tolerated(tolerance, async () => {
      const cpe = await field.booted(['inform-bare']);
      expect(await field.informOf(cpe)).toMatchObject({ events: [], changed: [], retryCount: 0 });
    });
  }
  await field.tolerated('missing-product-class', async () => {
    const cpe = field.cpe(['inform-without-product-class'], { device: { ProductClass: '' } });
    wentWell(await cpe.start());
    expect((await field.informOf(cpe)).cpeId).toBe(idOf(cpe));
    await field.talks(cpe);
  });
  expect(await refusal('inform-without-oui')).toMatch(/^HTTP 400 to Inform: .*OUI/);
  expect(await refusal('inform-without-serial-number')).toMatch(/^HTTP 400 to Inform: .*SerialNumber/);
});

test('FIELD 15: a TransferComplete with nothing in it, or with a key nobody gave, is acknowledged and told', async () => {
  for (const [name, key, outcome] of [
    // The event of its Inform said whose it is.
    ['transfer-complete-bare', '', 'done'],
    ['transfer-complete-unknown-key', 'nobody-gave-this', null],
  ] as const) {
    const cpe = await field.booted([name]);
    const action = await field.edge.act(idOf(cpe), 'download', {
      fileType: '3 Vendor Configuration File',
      url: fileUrl,
    });
    wentWell(await cpe.inform());
    await cpe.waitFor(({ acknowledged }) => acknowledged.transfers.length === 1);
    const told = await field.edge.until(() => field.factsOf(cpe, 'request')[0]);
    expect(told).toMatchObject({
      method: 'TransferComplete',
      args: { CommandKey: key, FaultStruct: { FaultCode: 0 } },
    });
    if (key === '') expect(told.args).toMatchObject({ StartTime: UNKNOWN_TIME, CompleteTime: UNKNOWN_TIME });
    if (outcome !== null) expect((await field.edge.result(action)).outcome).toBe(outcome);
  }
});

test('FIELD 16: a fault without codes is an internal error, one without detail is refused, and the action fails in the end', async () => {
  await field.tolerated('missing-fault-code', async () => {
    const cpe = await field.booted(['fault-without-codes']);
    const read = await field.get(cpe, NOBODY);
    expect(read).toMatchObject({ outcome: 'failed', items: [{ name: NOBODY, status: 'refused', faultCode: 9002 }] });
    expect((await field.get(cpe, SSID)).outcome).toBe('done');
  });
  // A fault that says nothing at all is refused; what was asked is not asked for ever.
  const mute = await field.booted(['fault-without-detail']);
  const action = await field.edge.act(idOf(mute), 'get', { names: [NOBODY] });
  for (let attempt = 0; attempt < LIMITS.actionAttemptsMax; attempt++) {
    expect((await mute.inform()).why).toMatch(/^HTTP 400 to GetParameterValues: The fault says nothing/);
  }
  wentWell(await mute.inform());
  expect((await field.edge.result(action)).outcome).toBe('failed');
  expect((await field.get(mute, SSID)).outcome).toBe('done');
});
