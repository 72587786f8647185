// A home gateway after TR-181 (Device:2): layered interfaces, GPON-fed Ethernet WAN with PPPoE, four LAN ports, two radios with an SSID and an
// access point each. Values are plausible, not measured; what makes a CPE itself stands in {placeholders}, filled by kinds.ts.

import { readTemplate, type TreeTemplate } from './tree-template.ts';

const WIFI = `
WiFi.
  RadioNumberOfEntries r unsignedInt 2
  SSIDNumberOfEntries r unsignedInt 2
  AccessPointNumberOfEntries r unsignedInt 2
WiFi.Radio.
WiFi.Radio.{i}.
  Enable w boolean 1
  Status r string Up
  Alias w string<=64
  Name r string
  LowerLayers w string<=1024
  MaxBitRate r unsignedInt 300
  SupportedFrequencyBands r string 2.4GHz
  OperatingFrequencyBand w string(2.4GHz|5GHz) 2.4GHz
  SupportedStandards r string b,g,n,ax
  OperatingStandards w string<=64 g,n,ax
  PossibleChannels r string 1-13
  Channel w unsignedInt[1:255] 6
  AutoChannelSupported r boolean 1
  AutoChannelEnable w boolean 1
  OperatingChannelBandwidth w string(20MHz|40MHz|80MHz|160MHz|Auto) 20MHz
  GuardInterval w string(400nsec|800nsec|Auto) Auto
  TransmitPower w int[-1:100] 100
  IEEE80211hEnabled w boolean 0
  RegulatoryDomain w string<=3 DEI
WiFi.Radio.1.
  Alias = cpe-radio-1
  Name = wl0
WiFi.Radio.2.
  Alias = cpe-radio-2
  Name = wl1
  MaxBitRate = 2402
  SupportedFrequencyBands = 5GHz
  OperatingFrequencyBand = 5GHz
  SupportedStandards = a,n,ac,ax
  OperatingStandards = n,ac,ax
  PossibleChannels = 36,40,44,48,52,56,60,64,100,104,108,112
  Channel = 36
  OperatingChannelBandwidth = 80MHz
WiFi.SSID. +
WiFi.SSID.{i}.
  Enable w boolean 0
  Status r string Down
  Alias w string<=64
  Name r string
  LastChange r unsignedInt! 0
  LowerLayers w string<=1024
  BSSID r string 00:00:00:00:00:00
  MACAddress r string 00:00:00:00:00:00
  SSID w string<=32
WiFi.SSID.{i}.Stats.
  BytesSent r unsignedLong! 0
  BytesReceived r unsignedLong! 0
  PacketsSent r unsignedLong! 0
  PacketsReceived r unsignedLong! 0
  ErrorsSent r unsignedInt! 0
  ErrorsReceived r unsignedInt! 0
WiFi.SSID.1. +
  Enable = 1
  Status = Up
  Alias = cpe-ssid-1
  Name = wl0
  LowerLayers = Device.WiFi.Radio.1
  BSSID = {wifi-mac}
  MACAddress = {wifi-mac}
  SSID = {ssid}
WiFi.SSID.2. +
  Enable = 1
  Status = Up
  Alias = cpe-ssid-2
  Name = wl1
  LowerLayers = Device.WiFi.Radio.2
  BSSID = {wifi5-mac}
  MACAddress = {wifi5-mac}
  SSID = {ssid}-5G
WiFi.AccessPoint. +
WiFi.AccessPoint.{i}.
  Enable w boolean 0
  Status r string Disabled
  Alias w string<=64
  SSIDReference w string<=256
  SSIDAdvertisementEnabled w boolean 1
  RetryLimit w unsignedInt[0:127] 7
  WMMCapability r boolean 1
  WMMEnable w boolean 1
  IsolationEnable w boolean 0
  MaxAssociatedDevices w unsignedInt 32
  AssociatedDeviceNumberOfEntries r unsignedInt 0
WiFi.AccessPoint.{i}.Security.
  ModesSupported r string None,WPA2-Personal,WPA3-Personal,WPA3-Personal-Transition
  ModeEnabled w string(None|WPA2-Personal|WPA3-Personal|WPA3-Personal-Transition) WPA2-Personal
  PreSharedKey w secret<=64
  KeyPassphrase w secret<=63
  SAEPassphrase w secret<=128
  RekeyingInterval w unsignedInt 3600
  RadiusServerIPAddr w string<=45
  RadiusServerPort w unsignedInt[0:65535] 1812
  RadiusSecret w secret<=256
  MFPConfig w string(Disabled|Optional|Required) Optional
WiFi.AccessPoint.{i}.WPS.
  Enable w boolean 0
  ConfigMethodsSupported r string PushButton
  ConfigMethodsEnabled w string<=256 PushButton
WiFi.AccessPoint.{i}.AssociatedDevice.
WiFi.AccessPoint.1. +
  Enable = 1
  Status = Enabled
  Alias = cpe-ap-1
  SSIDReference = Device.WiFi.SSID.1
  AssociatedDeviceNumberOfEntries = 1
WiFi.AccessPoint.1.Security.
  KeyPassphrase = {wifi-key}
WiFi.AccessPoint.1.AssociatedDevice.
WiFi.AccessPoint.1.AssociatedDevice.1.
  MACAddress r string {host-mac}
  OperatingStandard r string n
  AuthenticationState r boolean 1
  LastDataDownlinkRate r unsignedInt! 144000
  LastDataUplinkRate r unsignedInt! 72000
  SignalStrength r int! -54
  Active r boolean 1
WiFi.AccessPoint.2. +
  Enable = 1
  Status = Enabled
  Alias = cpe-ap-2
  SSIDReference = Device.WiFi.SSID.2
WiFi.AccessPoint.2.Security.
  KeyPassphrase = {wifi-key}
`;

const IP = `
Ethernet.
  InterfaceNumberOfEntries r unsignedInt 5
  LinkNumberOfEntries r unsignedInt 2
Ethernet.Interface.
Ethernet.Interface.{i}.
  Enable w boolean 1
  Status r string Down
  Alias w string<=64
  Name r string
  Upstream r boolean 0
  MACAddress r string {mac}
  MaxBitRate w int[-1:10000] -1
  CurrentBitRate r unsignedInt 0
  DuplexMode w string(Half|Full|Auto) Auto
Ethernet.Interface.1.
  Status = Up
  Name = eth0
  Upstream = 1
  CurrentBitRate = 1000
Ethernet.Interface.2.
  Status = Up
  Name = eth1
  CurrentBitRate = 1000
Ethernet.Interface.3.
  Name = eth2
Ethernet.Interface.4.
  Name = eth3
Ethernet.Interface.5.
  Name = eth4
Ethernet.Link.
Ethernet.Link.1.
  Enable w boolean 1
  Status r string Up
  Name r string lan
  LowerLayers w string<=1024 Device.Bridging.Bridge.1.Port.1
  MACAddress r string {mac}
Ethernet.Link.2.
  Enable w boolean 1
  Status r string Up
  Name r string wan
  LowerLayers w string<=1024 Device.Ethernet.Interface.1
  MACAddress r string {mac}
PPP.
  InterfaceNumberOfEntries r unsignedInt 1
PPP.Interface. +
PPP.Interface.{i}.
  Enable w boolean 0
  Status r string Down
  Alias w string<=64
  Name r string
  LowerLayers w string<=1024
  ConnectionStatus r string Unconfigured
  LastConnectionError r string ERROR_NONE
  Username w string<=64
  Password w secret<=64
  AuthenticationProtocol r string CHAP
  ConnectionTrigger w string(OnDemand|AlwaysOn|Manual) AlwaysOn
  MaxMRUSize w unsignedInt[64:65535] 1492
  CurrentMRUSize r unsignedInt 1492
PPP.Interface.{i}.PPPoE.
  SessionID r unsignedInt 0
  ACName w string<=256
  ServiceName w string<=256
PPP.Interface.{i}.IPCP.
  LocalIPAddress r string
  RemoteIPAddress r string
  DNSServers r string
PPP.Interface.1. +
  Enable = 1
  Status = Up
  Alias = cpe-ppp-1
  Name = ppp0
  LowerLayers = Device.Ethernet.Link.2
  ConnectionStatus = Connected
  Username = {serial}@isp.example
  Password = {wifi-key}
PPP.Interface.1.PPPoE.
  SessionID = 4711
PPP.Interface.1.IPCP.
  LocalIPAddress = {wan-ip}
  RemoteIPAddress = 203.0.113.1
  DNSServers = 192.0.2.53,192.0.2.54
IP.
  IPv4Enable w boolean 1
  IPv4Status r string Enabled
  InterfaceNumberOfEntries r unsignedInt 2
IP.Interface. +
IP.Interface.{i}.
  Enable w boolean 0
  IPv4Enable w boolean 1
  Status r string Down
  Alias w string<=64
  Name r string
  LowerLayers w string<=1024
  MaxMTUSize w unsignedInt[64:65535] 1500
  Type r string Normal
  IPv4AddressNumberOfEntries r unsignedInt 0
IP.Interface.{i}.IPv4Address. +
IP.Interface.{i}.IPv4Address.{i}.
  Enable w boolean 0
  Status r string Disabled
  Alias w string<=64
  IPAddress w string<=45
  SubnetMask w string<=45
  AddressingType r string Static
IP.Interface.1. +
  Enable = 1
  Status = Up
  Alias = cpe-ip-lan
  Name = br0
  LowerLayers = Device.Ethernet.Link.1
  IPv4AddressNumberOfEntries = 1
IP.Interface.1.IPv4Address. +
IP.Interface.1.IPv4Address.1. +
  Enable = 1
  Status = Enabled
  IPAddress = 192.168.1.1
  SubnetMask = 255.255.255.0
IP.Interface.2. +
  Enable = 1
  Status = Up
  Alias = cpe-ip-wan
  Name = ppp0
  LowerLayers = Device.PPP.Interface.1
  MaxMTUSize = 1492
  IPv4AddressNumberOfEntries = 1
IP.Interface.2.IPv4Address. +
IP.Interface.2.IPv4Address.1. +
  Enable = 1
  Status = Enabled
  IPAddress = {wan-ip}
  SubnetMask = 255.255.255.255
  AddressingType = IPCP
IP.Interface.2.Stats.
  BytesSent r unsignedLong! 1204882211
  BytesReceived r unsignedLong! 39844200120
  PacketsSent r unsignedLong! 2210441
  PacketsReceived r unsignedLong! 5523310
`;

const DIAGNOSTICS = `
IP.Diagnostics.
  IPv4PingSupported r boolean 1
  IPv4TraceRouteSupported r boolean 1
  IPv4DownloadDiagnosticsSupported r boolean 1
  IPv4UploadDiagnosticsSupported r boolean 1
IP.Diagnostics.IPPing.
  DiagnosticsState w string None
  Interface w string<=256
  ProtocolVersion w string(Any|IPv4|IPv6) Any
  Host w string<=256
  NumberOfRepetitions w unsignedInt[1:4294967295] 3
  Timeout w unsignedInt[1:4294967295] 1000
  DataBlockSize w unsignedInt[1:65535] 64
  DSCP w unsignedInt[0:63] 0
  IPAddressUsed r string
  SuccessCount r unsignedInt 0
  FailureCount r unsignedInt 0
  AverageResponseTime r unsignedInt 0
  MinimumResponseTime r unsignedInt 0
  MaximumResponseTime r unsignedInt 0
  AverageResponseTimeDetailed r unsignedInt 0
  MinimumResponseTimeDetailed r unsignedInt 0
  MaximumResponseTimeDetailed r unsignedInt 0
IP.Diagnostics.TraceRoute.
  DiagnosticsState w string None
  Interface w string<=256
  ProtocolVersion w string(Any|IPv4|IPv6) Any
  Host w string<=256
  NumberOfTries w unsignedInt[1:3] 3
  Timeout w unsignedInt[1:4294967295] 5000
  DataBlockSize w unsignedInt[1:65535] 38
  DSCP w unsignedInt[0:63] 0
  MaxHopCount w unsignedInt[1:64] 30
  IPAddressUsed r string
  ResponseTime r unsignedInt 0
  RouteHopsNumberOfEntries r unsignedInt 0
IP.Diagnostics.TraceRoute.RouteHops.
IP.Diagnostics.DownloadDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  DownloadURL w string<=2048
  DownloadTransports r string HTTP
  DownloadDiagnosticMaxConnections r unsignedInt 1
  DSCP w unsignedInt[0:63] 0
  EthernetPriority w unsignedInt[0:7] 0
  ProtocolVersion w string(Any|IPv4|IPv6) Any
  NumberOfConnections w unsignedInt[1:1] 1
  IPAddressUsed r string
  ROMTime r dateTime 0001-01-01T00:00:00Z
  BOMTime r dateTime 0001-01-01T00:00:00Z
  EOMTime r dateTime 0001-01-01T00:00:00Z
  TestBytesReceived r unsignedLong 0
  TotalBytesReceived r unsignedLong 0
  TotalBytesSent r unsignedLong 0
  TCPOpenRequestTime r dateTime 0001-01-01T00:00:00Z
  TCPOpenResponseTime r dateTime 0001-01-01T00:00:00Z
IP.Diagnostics.UploadDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  UploadURL w string<=2048
  UploadTransports r string HTTP
  DSCP w unsignedInt[0:63] 0
  EthernetPriority w unsignedInt[0:7] 0
  TestFileLength w unsignedLong 0
  ProtocolVersion w string(Any|IPv4|IPv6) Any
  NumberOfConnections w unsignedInt[1:1] 1
  IPAddressUsed r string
  ROMTime r dateTime 0001-01-01T00:00:00Z
  BOMTime r dateTime 0001-01-01T00:00:00Z
  EOMTime r dateTime 0001-01-01T00:00:00Z
  TestBytesSent r unsignedLong 0
  TotalBytesReceived r unsignedLong 0
  TotalBytesSent r unsignedLong 0
  TCPOpenRequestTime r dateTime 0001-01-01T00:00:00Z
  TCPOpenResponseTime r dateTime 0001-01-01T00:00:00Z
DNS.Diagnostics.NSLookupDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  HostName w string<=256
  DNSServer w string<=256
  Timeout w unsignedInt 5000
  NumberOfRepetitions w unsignedInt[1:4294967295] 1
  SuccessCount r unsignedInt 0
  ResultNumberOfEntries r unsignedInt 0
DNS.Diagnostics.NSLookupDiagnostics.Result.
`;

const TABLE = `
.
  RootDataModelVersion r string 2.15
DeviceInfo.
  DeviceCategory r string
  Manufacturer r string {manufacturer}
  ManufacturerOUI r string {oui}
  ModelName r string {model}
  ModelNumber r string {model}-A
  Description r string Simulated home gateway
  ProductClass r string {product-class}
  SerialNumber r string {serial}
  HardwareVersion r string 2.1
  SoftwareVersion r string* {software}
  AdditionalSoftwareVersion r string
  ProvisioningCode w string*<=64
  UpTime r unsignedInt! 0
  FirstUseDate r dateTime 0001-01-01T00:00:00Z
  VendorConfigFileNumberOfEntries r unsignedInt 1
DeviceInfo.VendorConfigFile.
DeviceInfo.VendorConfigFile.1.
  Alias w string<=64 cpe-config
  Name r string running
  Version r string 1
  Date r dateTime 0001-01-01T00:00:00Z
  Description r string Running configuration
DeviceInfo.MemoryStatus.
  Total r unsignedInt 524288
  Free r unsignedInt! 301184
DeviceInfo.ProcessStatus.
  CPUUsage r unsignedInt! 4
ManagementServer.
  EnableCWMP w boolean 1
  URL w string<=2048 {acs-url}
  Username w string<=256 {acs-username}
  Password w secret<=256 {acs-password}
  PeriodicInformEnable w boolean 1
  PeriodicInformInterval w unsignedInt[1:4294967295] {interval}
  PeriodicInformTime w dateTime 0001-01-01T00:00:00Z
  ParameterKey r string<=32
  ConnectionRequestURL r string* {cr-url}
  ConnectionRequestUsername w string<=256 {cr-username}
  ConnectionRequestPassword w secret<=256 {cr-password}
  SupportedConnReqMethods r string HTTP
  UpgradesManaged w boolean 1
  DefaultActiveNotificationThrottle w unsignedInt 0
  CWMPRetryMinimumWaitInterval w unsignedInt[1:65535] 5
  CWMPRetryIntervalMultiplier w unsignedInt[1000:65535] 2000
  UDPConnectionRequestAddress r string
  STUNEnable w boolean 0
  STUNServerAddress w string<=256
  STUNServerPort w unsignedInt[0:65535] 3478
  NATDetected r boolean 0
  HTTPConnectionRequestEnable w boolean 1
Time.
  Enable w boolean 1
  Status r string Synchronized
  NTPServer1 w string<=128 ntp.example
  NTPServer2 w string<=128
  CurrentLocalTime r dateTime! 0001-01-01T00:00:00Z
  LocalTimeZone w string<=256 CET-1CEST,M3.5.0,M10.5.0/3
UserInterface.
  Enable w boolean 1
  PasswordRequired w boolean 1
  ISPName w string<=64 Example ISP
${IP}${WIFI}
Bridging.
  BridgeNumberOfEntries r unsignedInt 1
Bridging.Bridge.1.
  Enable w boolean 1
  Status r string Enabled
  PortNumberOfEntries r unsignedInt 1
Bridging.Bridge.1.Port.1.
  Enable w boolean 1
  Status r string Up
  ManagementPort w boolean 1
DHCPv4.Server.
  Enable w boolean 1
  PoolNumberOfEntries r unsignedInt 1
DHCPv4.Server.Pool. +
DHCPv4.Server.Pool.{i}.
  Enable w boolean 0
  Status r string Disabled
  Alias w string<=64
  Order w unsignedInt[1:4294967295] 1
  Interface w string<=256
  MinAddress w string<=15
  MaxAddress w string<=15
  SubnetMask w string<=15
  DNSServers w string<=64
  DomainName w string<=64
  IPRouters w string<=64
  LeaseTime w int[-1:2147483647] 86400
DHCPv4.Server.Pool.1. +
  Enable = 1
  Status = Enabled
  Alias = cpe-pool-1
  Interface = Device.IP.Interface.1
  MinAddress = 192.168.1.33
  MaxAddress = 192.168.1.199
  SubnetMask = 255.255.255.0
  DNSServers = 192.168.1.1
  DomainName = home
  IPRouters = 192.168.1.1
Hosts.
  HostNumberOfEntries r unsignedInt 2
Hosts.Host.
Hosts.Host.{i}.
  PhysAddress r string
  IPAddress r string
  AddressSource r string DHCP
  HostName r string
  Layer1Interface r string
  LeaseTimeRemaining r int! 43200
  Active r boolean 1
Hosts.Host.1.
  PhysAddress = {host-mac}
  IPAddress = 192.168.1.33
  HostName = phone <&> "kitchen"
  Layer1Interface = Device.WiFi.Radio.1
Hosts.Host.2.
  PhysAddress = {host2-mac}
  IPAddress = 192.168.1.34
  HostName = Büro-PC
  Layer1Interface = Device.Ethernet.Interface.2
NAT.
  PortMappingNumberOfEntries r unsignedInt 0
NAT.PortMapping. +
NAT.PortMapping.{i}.
  Enable w boolean 0
  Status r string Disabled
  Alias w string<=64
  Interface w string<=256
  AllInterfaces w boolean 0
  LeaseDuration w unsignedInt 0
  RemoteHost w string<=45
  ExternalPort w unsignedInt[0:65535] 0
  InternalPort w unsignedInt[0:65535] 0
  Protocol w string(TCP|UDP) TCP
  InternalClient w string<=256
  Description w string<=256
Firewall.
  Enable w boolean 1
  Config w string(High|Low|Off) Low
${DIAGNOSTICS}
`;

export const TR181: TreeTemplate = readTemplate('Device.', TABLE);

/** Parameters that every Inform carries (CWMP I4). */
export const TR181_FORCED: readonly string[] = [
  'RootDataModelVersion',
  'DeviceInfo.HardwareVersion',
  'DeviceInfo.SoftwareVersion',
  'DeviceInfo.ProvisioningCode',
  'ManagementServer.ParameterKey',
  'ManagementServer.ConnectionRequestURL',
];
