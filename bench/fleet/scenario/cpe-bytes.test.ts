import { expect, test } from 'vitest';
import type { CpeMessage } from '../../../cwmp/message.ts';
import { read } from '../../../cwmp/read.ts';
import { CONTENT_TYPE } from '../../reference-inform.ts';
import { cpeIdOfNumber, InformRequests, serialOf } from './cpe-bytes.ts';
import { CLASS_NAMES, SAYINGS } from './scenarios.ts';

const requests = new InformRequests({ host: 'acs.example:7547', path: '/cwmp?x=1' });

function parts(bytes: Buffer): { head: string; body: Buffer } {
  const at = bytes.indexOf('\r\n\r\n') + 4;
  return { head: bytes.toString('latin1', 0, at), body: bytes.subarray(at) };
}

function inform(bytes: Buffer): Extract<CpeMessage, { type: 'inform' }>['inform'] {
  const { result } = read(parts(bytes).body, CONTENT_TYPE);
  if (result.type === 'refused' || result.message.type !== 'inform') throw new Error('no Inform');
  expect([...result.tolerances]).toEqual([]);
  return result.message.inform;
}

test.each(CLASS_NAMES)(
  '%s: an Inform of 12 parameters with the events of its class, and a head that tells its length',
  (name) => {
    const bytes = requests.of(name, 4_711, 3, 2, 1);
    const { head, body } = parts(bytes);
    expect(head).toMatch(/^POST \/cwmp\?x=1 HTTP\/1\.1\r\nHost: acs\.example:7547\r\n/);
    expect(head).toContain(`\r\nContent-Length: ${body.length}\r\n\r\n`);
    expect(body.length).toBeGreaterThan(3_400);
    const said = inform(bytes);
    expect(said.DeviceId.SerialNumber).toBe(serialOf(4_711));
    expect(said.Event.map(({ EventCode, CommandKey }) => [EventCode, CommandKey])).toEqual(SAYINGS[name].events);
    expect(said.RetryCount).toBe(1);
    expect(said.ParameterList).toHaveLength(12);
  },
);

test('address and firmware are what the CPE has had so far; all else stays', () => {
  const valuesOf = (address: number, build: number) =>
    Object.fromEntries(
      inform(requests.of('periodic', 77, address, build, 0)).ParameterList.map((one) => [one.Name, one.Value]),
    );
  const [before, moved, upgraded] = [valuesOf(0, 0), valuesOf(1, 0), valuesOf(0, 1)];
  const differing = (other: Record<string, string>) =>
    Object.keys(before).filter((name) => before[name] !== other[name]);
  const ADDRESS = 'Device.IP.Interface.1.IPv4Address.1.IPAddress';
  expect(differing(moved)).toEqual(['Device.ManagementServer.ConnectionRequestURL', ADDRESS]);
  expect(moved['Device.ManagementServer.ConnectionRequestURL']).toContain(moved[ADDRESS]);
  expect(differing(upgraded)).toEqual(['Device.DeviceInfo.SoftwareVersion']);
});

test('the same CPE sends the same bytes again but for its clock', () => {
  const first = Buffer.from(requests.of('periodic', 5, 0, 0, 0));
  requests.of('periodic', 6, 9, 9, 9);
  expect(Buffer.from(requests.of('periodic', 5, 0, 0, 0)).equals(first)).toBe(true);
  requests.setTime(1_700_000_000_000);
  expect(inform(requests.of('periodic', 5, 0, 0, 0)).CurrentTime).toBe('2023-11-14T22:13:20+00:00');
});

test('the ACS is told of CPEs by the id it makes of their Informs', () => {
  expect(cpeIdOfNumber(42)).toContain(serialOf(42));
});
