// How records are compressed on the disk: LZ4, with a dictionary of what nearly every CPE says. A hot text of 1 kB consists mostly of
// names and types that are the same on all CPEs; LZ4 alone finds them once per record, with the dictionary not at all.
//
// The dictionary is part of the format: a store can only be read with the very bytes it was written with. A test holds their hash, and
// another dictionary is another FORMAT (environment.ts). The strings nearest to the end are the cheapest to refer to.

/** Leaf names that Informs carry (TR-181 and TR-098, forced Inform parameters and what vendors add), in the form of a hot text. */
const LEAVES: readonly [string, string][] = [
  ['RootDataModelVersion', 'string'],
  ['DeviceSummary', 'string'],
  ['DeviceInfo.SpecVersion', 'string'],
  ['DeviceInfo.HardwareVersion', 'string'],
  ['DeviceInfo.SoftwareVersion', 'string'],
  ['DeviceInfo.ProvisioningCode', 'string'],
  ['DeviceInfo.SerialNumber', 'string'],
  ['DeviceInfo.UpTime', 'unsignedInt'],
  ['DeviceInfo.SupportedDataModel.1.Features', 'string'],
  ['ManagementServer.ParameterKey', 'string'],
  ['ManagementServer.ConnectionRequestURL', 'string'],
  ['ManagementServer.AliasBasedAddressing', 'boolean'],
  ['ManagementServer.UDPConnectionRequestAddress', 'string'],
  ['ManagementServer.NATDetected', 'boolean'],
];

const ROOTS = ['InternetGatewayDevice.', 'Device.'] as const;

const OTHERS = [
  'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress\0xsd:string\0',
  'InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress\0xsd:string\0',
  'InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.AssociatedDevice.1.',
  'InternetGatewayDevice.LANDevice.1.Hosts.Host.1.',
  'Device.WiFi.AccessPoint.1.AssociatedDeviceNumberOfEntries\0xsd:unsignedInt\0',
  'Device.WiFi.Radio.1.Device.WiFi.SSID.1.Device.Hosts.Host.1.Device.Ethernet.Interface.1.Device.PPP.Interface.1.',
  'Device.IP.Interface.1.IPv4Address.1.IPAddress\0xsd:string\0',
  'Device.IP.Interface.1.IPv6Address.1.IPAddress\0xsd:string\0',
  'Baseline:1,UserInterface:1,Time:1,IPPing:1,TraceRoute:1,Download:1,Upload:1,EthernetLink:1,',
  'VLANTermination:1,IPInterface:2,DHCPv4Server:1,DHCPv6Server:1,NAT:1,Routing:2,WiFiRadio:1,WiFiSSID:1,WiFiAccessPoint:1,QoS:2,',
  '\0xsd:string\0true\0\0xsd:string\0false\0\0xsd:boolean\x001\0\0xsd:boolean\x000\0\0xsd:unsignedInt\0\0xsd:int\0\0xsd:dateTime\x000001-01-01T00:00:00Z\0',
] as const;

/** A device record's keys and the values most have, as msgpack writes them. */
const DEVICE =
  '\x85\xa3cpe\x86\xa6device\x84\xacManufacturer\xa3OUI\xa6ProductClass\xacSerialNumber\xa4root\xb6InternetGatewayDevice.' +
  '\xa4root\xa7Device.\xa9namespace\xb9urn:dslforum-org:cwmp-1-0\xa9namespace\xb9urn:dslforum-org:cwmp-1-2\xa7version\xa31.0' +
  '\xa7version\xa31.2\xa7version\xa31.4\xa7address\xa7profile\xa5tr098\xa7profile\xa5tr181\xafsoftwareVersion' +
  '\xb4connectionRequestUrl\xb7http://\xaelastInformAt\xcbB';

function dictionaryText(): string {
  const leaves = ROOTS.flatMap((root) => LEAVES.map(([name, type]) => `${root}${name}\0xsd:${type}\0`));
  return `${OTHERS.join('')}${leaves.join('')}http://`;
}

const BYTES = Buffer.concat([Buffer.from(DEVICE, 'latin1'), Buffer.from(dictionaryText(), 'latin1')]);

/** The bytes themselves, in memory of their own; their number is a multiple of 8, as lmdb-js takes no others. */
export const DICTIONARY = Buffer.from(Uint8Array.from(BYTES.subarray(BYTES.length % 8)).buffer);

/** Of lmdb-js: from 120 bytes on, below which there is little to gain. */
export const COMPRESSION = { threshold: 120, dictionary: DICTIONARY };
