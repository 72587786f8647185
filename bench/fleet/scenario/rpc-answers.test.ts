import { expect, test } from 'vitest';
import { DEFAULT_STYLE } from '../../../cwmp/envelope-style.ts';
import { read } from '../../../cwmp/read.ts';
import { writeRequest } from '../../../cwmp/soap-writer.ts';
import { CONTENT_TYPE } from '../../reference-inform.ts';
import { answerRpc, type Held, transferComplete } from './rpc-answers.ts';

const NAMESPACE = 'urn:dslforum-org:cwmp-1-2';
const SSID = 'Device.WiFi.SSID.1.SSID';

function ask(method: string, args: Record<string, unknown>, held: Held = new Map()) {
  const { result } = read(
    Buffer.from(answerRpc(writeRequest(DEFAULT_STYLE, NAMESPACE, 'id 7', method, args), held)),
    CONTENT_TYPE,
  );
  if (result.type === 'refused') throw new Error(result.reason);
  return result.message;
}

const get = (names: string[], held: Held) => ask('GetParameterValues', { ParameterNames: names }, held);

test('a value that was set is told when it is asked for, as it was given', () => {
  const held: Held = new Map();
  const list = [
    { Name: SSID, Value: 'a <b> & "c"', Type: 'xsd:string' },
    { Name: 'Device.X', Value: '', Type: 'xsd:string' },
  ];
  const set = ask('SetParameterValues', { ParameterList: list, ParameterKey: 'k' }, held);
  expect(set).toMatchObject({ method: 'SetParameterValues', result: { Status: 0 }, envelope: { id: 'id 7' } });
  expect(get([SSID, 'Device.X'], held)).toMatchObject({
    result: {
      ParameterList: [
        { Name: SSID, Value: 'a <b> & "c"' },
        { Name: 'Device.X', Value: '' },
      ],
    },
  });
});

test('a value that never was set is told, too, and a partial path tells all below it', () => {
  expect(get([SSID], new Map())).toMatchObject({ result: { ParameterList: [{ Name: SSID, Value: 'as shipped' }] } });
  expect(get(['Device.WiFi.'], new Map([[SSID, 'mine']]))).toMatchObject({
    result: { ParameterList: [{ Name: SSID, Value: 'mine' }] },
  });
});

test('names are told', () => {
  const answer = ask('GetParameterNames', { ParameterPath: 'Device.', NextLevel: false });
  expect(answer).toMatchObject({ method: 'GetParameterNames' });
  expect(JSON.stringify(answer)).toContain('Device.DeviceInfo.SoftwareVersion');
});

test('what a light CPE cannot do is refused with fault 9000', () => {
  expect(JSON.stringify(ask('Reboot', { CommandKey: 'k' }))).toContain('9000');
});

test('TransferComplete is read as one that went well', () => {
  const { result } = read(Buffer.from(transferComplete('firmware-wave')), CONTENT_TYPE);
  expect(result).toMatchObject({
    message: { method: 'TransferComplete', args: { CommandKey: 'firmware-wave', FaultStruct: { FaultCode: 0 } } },
  });
});
