// Every bound of Starling, each with its reason. A bound that matters and is not here does not exist.

export const LIMITS = {
  // ── HTTP towards CPEs ────────────────────────────────────────────────────────────────────────────────────────────
  /** Bytes of one request body after inflating. GetParameterNames answers of 3 MB are real; 32 MiB leaves room (CWMP H7). */
  bodyBytesMax: 32 * 1024 * 1024,
  /** Bytes of all request headers. uWebSockets.js answers 431 beyond; real CPEs send 12 kB of cookies and digest fields. */
  headerBytesMax: 16 * 1024,
  /** Slowest body we wait for, bytes per second averaged over bodyGraceMs: below it is a slowloris, not an uplink. */
  bodyBytesPerSecondMin: 256,
  /** Time before the rate above is judged, so that a CPE may pause between two writes. */
  bodyGraceMs: 30_000,
  /** Longest time for one body, whatever its rate: 3 MB at 4 kB/s is 750 s. */
  bodyMsMax: 1_200_000,
  /** Bytes of bodies held by one thread at once; past it a new large body is answered 503 (many slow uploads at once). */
  bodyBytesHeldMax: 256 * 1024 * 1024,

  // ── XML ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Depth of elements. The deepest CWMP message (DUStateChangeComplete) has 9. */
  xmlDepthMax: 64,
  /** Attributes on one element. Envelopes of CPEs declare up to 7 namespaces. */
  xmlAttributesMax: 64,
  /** Characters of an element or attribute name. */
  xmlNameCharsMax: 256,
  /** Entries in one list (parameters, names, events, hops). The largest tree seen has 9,263 entries. */
  listEntriesMax: 100_000,
  /** Characters of one text value; DSL line test results reach 61,430. */
  valueCharsMax: 4 * 1024 * 1024,
  /** Characters of a parameter name. The schema says 256; a few vendors exceed it. */
  parameterNameCharsMax: 1_024,
  /** Characters of a path we send (cwmp-1-2.xsd, ParameterNames and ObjectNameType). */
  pathCharsMax: 256,
  /** Events in one Inform (A.3.3.1 says 64); further ones are read and counted as a tolerance. */
  eventsMax: 64,
  /** Characters of each part of DeviceId (schema: 64). Longer identities are refused: they would become keys. */
  deviceIdPartCharsMax: 64,

  // ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Silence after which a session has failed. TR-069 demands at least 30 s; slow CPEs need more. */
  sessionTimeoutMs: 60_000,
  /** The longest SessionTimeout a CPE may ask for with the SOAP header (CWMP E10). */
  sessionTimeoutMsMax: 600_000,
  /** POSTs in one session; a refresh of a large tree in small batches needs some hundreds. */
  sessionPostsMax: 10_000,
  /** Time in which the trailing empty POST of an ended session is still answered 204 (CWMP S8). */
  sessionLingerMs: 5_000,

  // ── RPCs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Names in one GetParameterValues unless the profile says otherwise (CWMP P1). */
  getBatchNames: 32,
  /** Values in one SetParameterValues unless the profile says otherwise (CWMP P3). */
  setBatchValues: 32,
  /** Characters of a CommandKey or ParameterKey (schema: 32). */
  keyCharsMax: 32,
  /** RPCs one action may send before it is called stuck: a bound against a CPE that answers forever with something new. */
  actionRpcsMax: 5_000,
  /** Times an action is taken up again after a session broke under it. */
  actionAttemptsMax: 5,
  /** RPCs kept in the transcript of one action; past it the oldest reads go and are counted (a walk makes hundreds). */
  transcriptRpcsMax: 100,
  /** List entries kept of one answer in a transcript; the values themselves travel as facts. */
  transcriptEntriesMax: 64,
  /** Time for a CPE to come back after Reboot or FactoryReset: slow boots with a firmware check take 5 minutes. */
  restartWaitMs: 600_000,
  /** Time after the delay of a ScheduleInform in which its Inform must have come; retries of a failed session need minutes. */
  scheduledInformGraceMs: 600_000,
  /** Time for TransferComplete after Download or Upload was accepted, on top of its DelaySeconds (A.3.2.8 names 1 hour). */
  transferWaitMs: 3_600_000,
  /** Time for an uploaded file to be complete on our disk after the CPE called the transfer complete. */
  uploadArrivalMs: 60_000,
  /** Time between looks at a running diagnostic whose CPE does not send 8 DIAGNOSTICS COMPLETE (CWMP D10). */
  diagnosticsPollMs: 30_000,
  /** Time for one diagnostic; a throughput test with ten retries on a slow line ends well within. */
  diagnosticsWaitMs: 600_000,

  // ── Bus, outbox, control ─────────────────────────────────────────────────────────────────────────────────────────
  /** Facts in one batch from the outbox to the bus. */
  relayBatchFacts: 500,
  /** Bytes of the outbox before sessions are refused with 503: the disk is the bound, not memory. */
  outboxBytesMax: 8 * 1024 * 1024 * 1024,
  /** Messages an in-process subscriber may have waiting before publish waits. */
  busInFlightMax: 1_000,
  /** Seconds an API call may wait for an action to end. */
  waitSecondsMax: 120,
  /** Rows in one page of the API. */
  pageRowsMax: 500,
  /** Names or values in one action: more is a configuration file, and belongs in a Download. */
  actionNamesMax: 256,
  /** Silence after which a device no longer counts as online: the usual periodic Inform interval of a day, and an hour of slack. */
  silentAfterMs: 25 * 3_600_000,
  /** Bytes of one API request body. */
  apiBodyBytesMax: 1024 * 1024,
  /** Live event streams at once. */
  eventStreamsMax: 200,

  // ── Connection requests and files ────────────────────────────────────────────────────────────────────────────────
  /** Time for one connection request, both rounds (CWMP R4). */
  connectionRequestMs: 10_000,
  /** Bytes of an answer to a connection request that are read. */
  connectionRequestBytesMax: 16 * 1024,
  /** Connection requests under way at once per edge. */
  connectionRequestsInFlightMax: 500,
  /** Bytes of one file for Download or from Upload. */
  fileBytesMax: 2 * 1024 * 1024 * 1024,
  /** Life of a signed file URL unless the action says otherwise. */
  fileUrlMs: 24 * 3_600_000,
} as const;
