// A home gateway after TR-098 (InternetGatewayDevice:1): ADSL-era layout, PPPoE over Ethernet WAN, four LAN ports, 2.4 and 5 GHz Wi-Fi.
// Values are plausible, not measured; what makes a CPE itself stands in {placeholders}, filled by kinds.ts.

import { readTemplate, type TreeTemplate } from './tree-template.ts';

const WLAN = `
LANDevice.1.WLANConfiguration.
LANDevice.{i}.WLANConfiguration.{i}.
  Enable w boolean 0
  Status r string Disabled
  BSSID r string 00:00:00:00:00:00
  MaxBitRate w string(Auto|54|130|300|450|866|1300) Auto
  Channel w unsignedInt[0:165] 0
  AutoChannelEnable w boolean 1
  SSID w string<=32
  BeaconType w string(None|Basic|WPA|11i|WPAand11i) 11i
  MACAddressControlEnabled w boolean 0
  Standard r string n
  WEPKeyIndex w unsignedInt[1:4] 1
  KeyPassphrase w secret<=63
  WEPEncryptionLevel r string Disabled,40-bit,104-bit
  BasicEncryptionModes w string(None|WEPEncryption) None
  BasicAuthenticationMode w string(None|EAPAuthentication) None
  WPAEncryptionModes w string(TKIPEncryption|AESEncryption|TKIPandAESEncryption) AESEncryption
  WPAAuthenticationMode w string(PSKAuthentication|EAPAuthentication) PSKAuthentication
  IEEE11iEncryptionModes w string(TKIPEncryption|AESEncryption|TKIPandAESEncryption) AESEncryption
  IEEE11iAuthenticationMode w string(PSKAuthentication|EAPAuthentication|EAPandPSKAuthentication) PSKAuthentication
  PossibleChannels r string 1-13
  TransmitPowerSupported r string 25,50,75,100
  TransmitPower w unsignedInt[0:100] 100
  BeaconAdvertisementEnabled w boolean 1
  SSIDAdvertisementEnabled w boolean 1
  RadioEnabled w boolean 1
  RegulatoryDomain w string<=3 DE
  ChannelsInUse r string 6
  TotalBytesSent r unsignedInt! 0
  TotalBytesReceived r unsignedInt! 0
  TotalPacketsSent r unsignedInt! 0
  TotalPacketsReceived r unsignedInt! 0
  TotalAssociations r unsignedInt! 0
LANDevice.{i}.WLANConfiguration.{i}.WPS.
LANDevice.{i}.WLANConfiguration.{i}.AssociatedDevice.
LANDevice.{i}.WLANConfiguration.{i}.PreSharedKey.
LANDevice.1.WLANConfiguration.1.
  Enable = 1
  Status = Up
  BSSID = {wifi-mac}
  Channel = 6
  SSID = {ssid}
  KeyPassphrase = {wifi-key}
  TotalBytesSent = 90412233
  TotalBytesReceived = 20331145
  TotalPacketsSent = 81220
  TotalPacketsReceived = 60118
  TotalAssociations = 1
LANDevice.1.WLANConfiguration.1.WPS.
  Enable w boolean 0
LANDevice.1.WLANConfiguration.1.PreSharedKey.
LANDevice.1.WLANConfiguration.1.PreSharedKey.1.
  PreSharedKey w secret<=64
  KeyPassphrase w secret<=63 {wifi-key}
LANDevice.1.WLANConfiguration.1.AssociatedDevice.
LANDevice.1.WLANConfiguration.1.AssociatedDevice.1.
  AssociatedDeviceMACAddress r string {host-mac}
  AssociatedDeviceIPAddress r string 192.168.1.33
  AssociatedDeviceAuthenticationState r boolean 1
LANDevice.1.WLANConfiguration.2.
  Enable = 1
  Status = Up
  BSSID = {wifi5-mac}
  Channel = 36
  SSID = {ssid}-5G
  Standard = ac
  PossibleChannels = 36,40,44,48,52,56,60,64,100,104,108,112
  ChannelsInUse = 36
  KeyPassphrase = {wifi-key}
LANDevice.1.WLANConfiguration.2.WPS.
  Enable w boolean 0
LANDevice.1.WLANConfiguration.2.PreSharedKey.
LANDevice.1.WLANConfiguration.2.PreSharedKey.1.
  PreSharedKey w secret<=64
  KeyPassphrase w secret<=63 {wifi-key}
`;

const WAN = `
WANDevice.1.
  WANConnectionNumberOfEntries r unsignedInt 1
WANDevice.1.WANCommonInterfaceConfig.
  EnabledForInternet w boolean 1
  WANAccessType r string Ethernet
  Layer1UpstreamMaxBitRate r unsignedInt 100000000
  Layer1DownstreamMaxBitRate r unsignedInt 1000000000
  PhysicalLinkStatus r string Up
  TotalBytesSent r unsignedInt! 1204882211
  TotalBytesReceived r unsignedInt! 3984420012
  TotalPacketsSent r unsignedInt! 2210441
  TotalPacketsReceived r unsignedInt! 5523310
WANDevice.1.WANEthernetInterfaceConfig.
  Enable w boolean 1
  Status r string Up
  MACAddress r string {mac}
  MaxBitRate w string(10|100|1000|Auto) Auto
  DuplexMode w string(Half|Full|Auto) Auto
WANDevice.1.WANConnectionDevice. +
WANDevice.{i}.WANConnectionDevice.{i}.
  WANIPConnectionNumberOfEntries r unsignedInt 0
  WANPPPConnectionNumberOfEntries r unsignedInt 0
WANDevice.{i}.WANConnectionDevice.{i}.WANIPConnection. +
WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection. +
WANDevice.{i}.WANConnectionDevice.{i}.WANIPConnection.{i}.
  Enable w boolean 0
  ConnectionStatus r string Unconfigured
  ConnectionType w string(Unconfigured|IP_Routed|IP_Bridged) IP_Routed
  Name w string<=256
  Uptime r unsignedInt! 0
  NATEnabled w boolean 1
  AddressingType w string(DHCP|Static) DHCP
  ExternalIPAddress w string<=45
  SubnetMask w string<=45
  DefaultGateway w string<=45
  DNSEnabled w boolean 1
  DNSServers w string<=64
  MACAddress w string<=17
  PortMappingNumberOfEntries r unsignedInt 0
WANDevice.{i}.WANConnectionDevice.{i}.WANIPConnection.{i}.PortMapping. +
WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection.{i}.
  Enable w boolean 0
  ConnectionStatus r string Unconfigured
  PossibleConnectionTypes r string IP_Routed,PPPoE_Bridged
  ConnectionType w string(Unconfigured|IP_Routed|PPPoE_Bridged) IP_Routed
  Name w string<=256
  Uptime r unsignedInt! 0
  LastConnectionError r string ERROR_NONE
  NATEnabled w boolean 1
  Username w string<=64
  Password w secret<=64
  PPPEncryptionProtocol r string None
  PPPAuthenticationProtocol r string CHAP
  ExternalIPAddress r string*
  RemoteIPAddress r string
  MaxMRUSize w unsignedInt[1:1540] 1492
  CurrentMRUSize r unsignedInt 1492
  DNSEnabled w boolean 1
  DNSOverrideAllowed w boolean 0
  DNSServers w string<=64
  MACAddress r string
  TransportType r string PPPoE
  PPPoEACName w string<=256
  PPPoEServiceName w string<=256
  ConnectionTrigger w string(OnDemand|AlwaysOn|Manual) AlwaysOn
  PPPLCPEcho r unsignedInt 30
  PPPLCPEchoRetry r unsignedInt 3
  PortMappingNumberOfEntries r unsignedInt 0
WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection.{i}.PortMapping. +
WANDevice.{i}.WANConnectionDevice.{i}.WANPPPConnection.{i}.PortMapping.{i}.
  PortMappingEnabled w boolean 0
  PortMappingLeaseDuration w unsignedInt 0
  RemoteHost w string<=45
  ExternalPort w unsignedInt[0:65535] 0
  InternalPort w unsignedInt[0:65535] 0
  PortMappingProtocol w string(TCP|UDP) TCP
  InternalClient w string<=256
  PortMappingDescription w string<=256
WANDevice.1.WANConnectionDevice.1. +
  WANIPConnectionNumberOfEntries = 1
  WANPPPConnectionNumberOfEntries = 1
WANDevice.1.WANConnectionDevice.1.WANIPConnection. +
WANDevice.1.WANConnectionDevice.1.WANIPConnection.1. +
  Name = voip
WANDevice.1.WANConnectionDevice.1.WANPPPConnection. +
WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1. +
  Enable = 1
  ConnectionStatus = Connected
  Name = internet
  Uptime = 86400
  Username = {serial}@isp.example
  Password = {wifi-key}
  ExternalIPAddress = {wan-ip}
  RemoteIPAddress = 203.0.113.1
  DNSServers = 192.0.2.53,192.0.2.54
  MACAddress = {mac}
`;

const TABLE = `
.
  DeviceSummary r string InternetGatewayDevice:1.4[](Baseline:1, EthernetLAN:1, WiFiLAN:2, EthernetWAN:1, PPPConnection:1, IPPing:1, TraceRoute:1, Download:1, Upload:1, Time:1)
  LANDeviceNumberOfEntries r unsignedInt 1
  WANDeviceNumberOfEntries r unsignedInt 1
DeviceInfo.
  Manufacturer r string {manufacturer}
  ManufacturerOUI r string {oui}
  ModelName r string {model}
  Description r string Simulated home gateway
  ProductClass r string {product-class}
  SerialNumber r string {serial}
  HardwareVersion r string 1.0
  SoftwareVersion r string* {software}
  ModemFirmwareVersion r string 3.12
  EnabledOptions r string
  AdditionalHardwareVersion r string
  SpecVersion r string 1.0
  ProvisioningCode w string*<=64
  UpTime r unsignedInt! 0
  FirstUseDate r dateTime 0001-01-01T00:00:00Z
  DeviceLog r string! boot
  VendorConfigFileNumberOfEntries r unsignedInt 1
DeviceInfo.VendorConfigFile.
DeviceInfo.VendorConfigFile.1.
  Name r string running
  Version r string 1
  Date r dateTime 0001-01-01T00:00:00Z
  Description r string Running configuration
DeviceInfo.MemoryStatus.
  Total r unsignedInt 131072
  Free r unsignedInt! 60221
DeviceInfo.ProcessStatus.
  CPUUsage r unsignedInt! 7
DeviceConfig.
  PersistentData w string<=256
  ConfigFile w string<=32768
ManagementServer.
  EnableCWMP w boolean 1
  URL w string<=256 {acs-url}
  Username w string<=256 {acs-username}
  Password w secret<=256 {acs-password}
  PeriodicInformEnable w boolean 1
  PeriodicInformInterval w unsignedInt[1:4294967295] {interval}
  PeriodicInformTime w dateTime 0001-01-01T00:00:00Z
  ParameterKey r string<=32
  ConnectionRequestURL r string* {cr-url}
  ConnectionRequestUsername w string<=256 {cr-username}
  ConnectionRequestPassword w secret<=256 {cr-password}
  UpgradesManaged w boolean 1
  DefaultActiveNotificationThrottle w unsignedInt 0
  CWMPRetryMinimumWaitInterval w unsignedInt[1:65535] 5
  CWMPRetryIntervalMultiplier w unsignedInt[1000:65535] 2000
  UDPConnectionRequestAddress r string
  STUNEnable w boolean 0
  STUNServerAddress w string<=256
  STUNServerPort w unsignedInt[0:65535] 3478
  NATDetected r boolean 0
Time.
  Enable w boolean 1
  Status r string Synchronized
  NTPServer1 w string<=64 ntp.example
  NTPServer2 w string<=64
  CurrentLocalTime r dateTime! 0001-01-01T00:00:00Z
  LocalTimeZone w string<=6 +01:00
  LocalTimeZoneName w string<=64 Europe/Berlin
UserInterface.
  PasswordRequired w boolean 1
  WarrantyDate r dateTime 0001-01-01T00:00:00Z
  ISPName w string<=64 Example ISP
  AutoUpdateServer w string<=256
LANDevice.1.
  LANEthernetInterfaceNumberOfEntries r unsignedInt 4
  LANWLANConfigurationNumberOfEntries r unsignedInt 2
LANDevice.1.LANHostConfigManagement.
  MACAddress r string {mac}
  DHCPServerConfigurable w boolean 1
  DHCPServerEnable w boolean 1
  DHCPRelay r boolean 0
  MinAddress w string<=45 192.168.1.33
  MaxAddress w string<=45 192.168.1.199
  ReservedAddresses w string<=256
  SubnetMask w string<=45 255.255.255.0
  DNSServers w string<=64 192.168.1.1
  DomainName w string<=64 home
  IPRouters w string<=64 192.168.1.1
  DHCPLeaseTime w int[-1:2147483647] 86400
  IPInterfaceNumberOfEntries r unsignedInt 1
LANDevice.1.LANHostConfigManagement.IPInterface.
LANDevice.1.LANHostConfigManagement.IPInterface.1.
  Enable w boolean 1
  IPInterfaceIPAddress w string<=45 192.168.1.1
  IPInterfaceSubnetMask w string<=45 255.255.255.0
  IPInterfaceAddressingType w string(DHCP|Static|AutoIP) Static
LANDevice.1.LANEthernetInterfaceConfig.
LANDevice.{i}.LANEthernetInterfaceConfig.{i}.
  Enable w boolean 1
  Status r string NoLink
  MACAddress r string {mac}
  MaxBitRate w string(10|100|1000|Auto) Auto
  DuplexMode w string(Half|Full|Auto) Auto
LANDevice.1.LANEthernetInterfaceConfig.1.
  Status = Up
LANDevice.1.LANEthernetInterfaceConfig.2.
LANDevice.1.LANEthernetInterfaceConfig.3.
LANDevice.1.LANEthernetInterfaceConfig.4.
LANDevice.1.Hosts.
  HostNumberOfEntries r unsignedInt 2
LANDevice.1.Hosts.Host.
LANDevice.{i}.Hosts.Host.{i}.
  IPAddress r string
  AddressSource r string DHCP
  LeaseTimeRemaining r int! 43200
  MACAddress r string
  HostName r string
  InterfaceType r string Ethernet
  Active r boolean 1
LANDevice.1.Hosts.Host.1.
  IPAddress = 192.168.1.33
  MACAddress = {host-mac}
  HostName = phone <&> "kitchen"
  InterfaceType = 802.11
LANDevice.1.Hosts.Host.2.
  IPAddress = 192.168.1.34
  MACAddress = {host2-mac}
  HostName = Büro-PC
${WLAN}${WAN}
Layer3Forwarding.
  DefaultConnectionService w string<=256 InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1
  ForwardNumberOfEntries r unsignedInt 0
Layer3Forwarding.Forwarding. +
Layer3Forwarding.Forwarding.{i}.
  Enable w boolean 0
  Status r string Disabled
  DestIPAddress w string<=45
  DestSubnetMask w string<=45
  GatewayIPAddress w string<=45
  Interface w string<=256
  ForwardingMetric w int[-1:2147483647] -1
Capabilities.PerformanceDiagnostic.
  DownloadTransports r string HTTP
  UploadTransports r string HTTP
IPPingDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  Host w string<=256
  NumberOfRepetitions w unsignedInt[1:4294967295] 3
  Timeout w unsignedInt[1:4294967295] 1000
  DataBlockSize w unsignedInt[1:65535] 64
  DSCP w unsignedInt[0:63] 0
  SuccessCount r unsignedInt 0
  FailureCount r unsignedInt 0
  AverageResponseTime r unsignedInt 0
  MinimumResponseTime r unsignedInt 0
  MaximumResponseTime r unsignedInt 0
TraceRouteDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  Host w string<=256
  NumberOfTries w unsignedInt[1:3] 3
  Timeout w unsignedInt[1:4294967295] 5000
  DataBlockSize w unsignedInt[1:65535] 38
  DSCP w unsignedInt[0:63] 0
  MaxHopCount w unsignedInt[1:64] 30
  ResponseTime r unsignedInt 0
  RouteHopsNumberOfEntries r unsignedInt 0
TraceRouteDiagnostics.RouteHops.
DownloadDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  DownloadURL w string<=256
  DSCP w unsignedInt[0:63] 0
  EthernetPriority w unsignedInt[0:7] 0
  ROMTime r dateTime 0001-01-01T00:00:00Z
  BOMTime r dateTime 0001-01-01T00:00:00Z
  EOMTime r dateTime 0001-01-01T00:00:00Z
  TestBytesReceived r unsignedInt 0
  TotalBytesReceived r unsignedInt 0
  TCPOpenRequestTime r dateTime 0001-01-01T00:00:00Z
  TCPOpenResponseTime r dateTime 0001-01-01T00:00:00Z
UploadDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  UploadURL w string<=256
  DSCP w unsignedInt[0:63] 0
  EthernetPriority w unsignedInt[0:7] 0
  TestFileLength w unsignedInt 0
  ROMTime r dateTime 0001-01-01T00:00:00Z
  BOMTime r dateTime 0001-01-01T00:00:00Z
  EOMTime r dateTime 0001-01-01T00:00:00Z
  TotalBytesSent r unsignedInt 0
  TCPOpenRequestTime r dateTime 0001-01-01T00:00:00Z
  TCPOpenResponseTime r dateTime 0001-01-01T00:00:00Z
NSLookupDiagnostics.
  DiagnosticsState w string None
  Interface w string<=256
  HostName w string<=256
  DNSServer w string<=256
  Timeout w unsignedInt 5000
  NumberOfRepetitions w unsignedInt[1:4294967295] 1
  SuccessCount r unsignedInt 0
  ResultNumberOfEntries r unsignedInt 0
NSLookupDiagnostics.Result.
`;

export const TR098: TreeTemplate = readTemplate('InternetGatewayDevice.', TABLE);

/** Parameters that every Inform carries (CWMP I4), the WAN address of the default connection among them. */
export const TR098_FORCED: readonly string[] = [
  'DeviceSummary',
  'DeviceInfo.SpecVersion',
  'DeviceInfo.HardwareVersion',
  'DeviceInfo.SoftwareVersion',
  'DeviceInfo.ProvisioningCode',
  'ManagementServer.ConnectionRequestURL',
  'ManagementServer.ParameterKey',
  'WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.ExternalIPAddress',
];
