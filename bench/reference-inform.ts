// The messages that readers and sessions are measured with: the reference Inform (3.5 kB, 12 parameters, DESIGN §3), long answers, and
// what they are built from. A CPE of no vendor, printed as most print it.

const OPENING =
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"' +
  ' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"' +
  ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-2">\n';

export const CONTENT_TYPE = 'text/xml; charset="utf-8"';

/** Names of the parameters that the reference Inform carries. */
const INFORM_VALUES: [string, string, string][] = [
  ['Device.RootDataModelVersion', '2.17', 'string'],
  ['Device.DeviceInfo.HardwareVersion', 'TN-440 rev C', 'string'],
  ['Device.DeviceInfo.SoftwareVersion', '4.0.17-build.2291', 'string'],
  ['Device.DeviceInfo.ProvisioningCode', 'retail.home.fibre.north', 'string'],
  ['Device.WiFi.AccessPoint.1.AssociatedDeviceNumberOfEntries', '7', 'unsignedInt'],
  ['Device.ManagementServer.ParameterKey', '9f2c41d07a6b4e3c8d5f', 'string'],
  [
    'Device.ManagementServer.ConnectionRequestURL',
    'http://198.51.100.23:7547/4f1d0c2a9be84f6cb7a05d1e93c8a264',
    'string',
  ],
  ['Device.ManagementServer.AliasBasedAddressing', '0', 'boolean'],
  ['Device.IP.Interface.1.IPv4Address.1.IPAddress', '198.51.100.23', 'string'],
  ['Device.IP.Interface.1.IPv6Address.1.IPAddress', '2001:db8:40:17::1', 'string'],
  ['Device.DeviceInfo.X_0A1B2C_OpticalModule.SerialNumber', '5441524E00000171', 'string'],
  [
    'Device.DeviceInfo.SupportedDataModel.1.Features',
    'Baseline:3,UserInterface:1,Time:1,IPPing:1,TraceRoute:1,Download:1,Upload:1,EthernetLink:1,VLANTermination:1,' +
      'IPInterface:2,DHCPv4Server:1,DHCPv6Server:1,NAT:2,WiFiRadio:1,WiFiSSID:1,WiFiAccessPoint:2,Optical:1,QoS:2',
    'string',
  ],
];

function envelope(id: string, body: string): Buffer {
  const header = ` <soap-env:Header>\n  <cwmp:ID soap-env:mustUnderstand="1">${id}</cwmp:ID>\n </soap-env:Header>\n`;
  return Buffer.from(`${OPENING}${header} <soap-env:Body>\n${body} </soap-env:Body>\n</soap-env:Envelope>\n`);
}

function valueList(values: [string, string, string][]): string {
  const entries = values.map(
    ([name, value, type]) =>
      '     <ParameterValueStruct>\n' +
      `      <Name>${name}</Name>\n` +
      `      <Value xsi:type="xsd:${type}">${value}</Value>\n` +
      '     </ParameterValueStruct>\n',
  );
  const { length } = values;
  return `    <ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[${length}]">\n${entries.join('')}    </ParameterList>\n`;
}

export interface InformOptions {
  SerialNumber?: string;
  EventCode?: string;
  id?: string;
}

/** A periodic Inform of about 3.5 kB with 12 parameters. */
export function referenceInform(options: InformOptions = {}): Buffer {
  const { SerialNumber = 'TN440000171', EventCode = '2 PERIODIC', id = '1' } = options;
  return envelope(
    id,
    '   <cwmp:Inform>\n    <DeviceId>\n     <Manufacturer>Tarn Networks</Manufacturer>\n     <OUI>0A1B2C</OUI>\n' +
      `     <ProductClass>TN-440</ProductClass>\n     <SerialNumber>${SerialNumber}</SerialNumber>\n    </DeviceId>\n` +
      '    <Event soap-enc:arrayType="cwmp:EventStruct[1]">\n     <EventStruct>\n' +
      `      <EventCode>${EventCode}</EventCode>\n      <CommandKey></CommandKey>\n     </EventStruct>\n    </Event>\n` +
      '    <MaxEnvelopes>1</MaxEnvelopes>\n    <CurrentTime>2025-03-04T05:06:07+01:00</CurrentTime>\n' +
      `    <RetryCount>0</RetryCount>\n${valueList(INFORM_VALUES)}   </cwmp:Inform>\n`,
  );
}

/** A GetParameterValuesResponse with `count` values of the types that a TR-181 tree has. */
export function valuesResponse(count: number): Buffer {
  const kinds: [string, string, string][] = [
    ['MACAddress', '0a:1b:2c:00:00:17', 'string'],
    ['Active', 'true', 'boolean'],
    ['Stats.BytesSent', '4294967295', 'unsignedInt'],
    ['HostName', 'kitchen-radio', 'string'],
    ['SignalStrength', '-67', 'int'],
  ];
  const values = Array.from({ length: count }, (_, i): [string, string, string] => {
    const [leaf, value, type] = kinds[i % kinds.length]!;
    return [`Device.WiFi.AccessPoint.1.AssociatedDevice.${Math.floor(i / kinds.length) + 1}.${leaf}`, value, type];
  });
  return envelope('a2', `<cwmp:GetParameterValuesResponse>\n${valueList(values)}</cwmp:GetParameterValuesResponse>\n`);
}

/** A GetParameterNamesResponse with `count` names, every fourth an object. */
export function namesResponse(count: number): Buffer {
  const entries = Array.from({ length: count }, (_, i) => {
    const object = `Device.Hosts.Host.${Math.floor(i / 4) + 1}.`;
    const name = i % 4 === 0 ? object : `${object}${['PhysAddress', 'IPAddress', 'LeaseTimeRemaining'][(i % 4) - 1]}`;
    return `<ParameterInfoStruct>\n<Name>${name}</Name>\n<Writable>${i % 8 === 0 ? 1 : 0}</Writable>\n</ParameterInfoStruct>\n`;
  });
  const list = `<ParameterList soap-enc:arrayType="cwmp:ParameterInfoStruct[${count}]">\n${entries.join('')}</ParameterList>\n`;
  return envelope('a3', `<cwmp:GetParameterNamesResponse>\n${list}</cwmp:GetParameterNamesResponse>\n`);
}
