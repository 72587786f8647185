// Every bound of Starling, each with its reason. A bound that matters and is not here does not exist.

export const LIMITS = {
  // ── HTTP towards CPEs ────────────────────────────────────────────────────────────────────────────────────────────
  /** Bytes of one request body after inflating. GetParameterNames answers of 3 MB are real; 32 MiB leaves room (CWMP H7). */
  bodyBytesMax: 32 * 1024 * 1024,
  /** Bytes of a refused body that are read and dropped so that its answer arrives; past it the connection is closed with the answer under way. */
  bodyBytesDroppedMax: 128 * 1024 * 1024,
  /** Bytes of all request headers. uWebSockets.js answers 431 beyond; real CPEs send 12 kB of cookies and digest fields. */
  headerBytesMax: 16 * 1024,
  /** Slowest body we wait for, bytes per second averaged over bodyGraceMs: below it is a slowloris, not an uplink. */
  bodyBytesPerSecondMin: 256,
  /** Time before the rate above is judged, so that a CPE may pause between two writes. */
  bodyGraceMs: 30_000,
  /** Longest time for one body, whatever its rate: 3 MB at 4 kB/s is 750 s. */
  bodyMsMax: 1_200_000,
  /**
   * Largest body a session thread deals with by itself. Of a document of 32 kB the pool takes 1.2 ms off the session thread, which its other
   * CPEs would wait, and costs the server 3 to 4 ms more; of 64 kB it takes 3.7 for 2.3, of 256 kB 13 for nothing. The 99th percentile of
   * quiet POSTs beside them is the same within the noise up to 32 kB, and a third lower with the pool at 64 kB (`bench:inform -- --part documents`).
   */
  inlineBytesMax: 32 * 1024,
  /** Documents that run in the pool of one thread or wait for it, and their bytes: past it their CPEs are told to come again. */
  poolQueueMax: 1_000,
  poolQueueBytesMax: 256 * 1024 * 1024,
  /**
   * Bytes of documents in the pool past which large bodies stay in their sockets: 0.1 s of its work. A hundred megabytes that waited for it
   * here made V8 mark the session thread's whole heap five times within two seconds, with pauses of 7 to 77 ms.
   */
  poolAheadBytes: 4 * 1024 * 1024,
  /** Documents the pool thread has begun and not answered: a read one takes some ten times its bytes, and waits milliseconds for the disk. */
  poolAtOnceMax: 8,
  /** Megabytes of young objects of the pool thread: a document makes some 15, and what is young when it is done was never copied. */
  poolThreadYoungMb: 192,
  /** Time a scrape waits for the metrics of the pool thread, which may be in a document; past it those of the last scrape stand in. */
  poolMetricsMs: 250,
  /** Bytes of bodies held by one thread at once; past it a new large body is answered 503 (many slow uploads at once). */
  bodyBytesHeldMax: 256 * 1024 * 1024,
  /** What one body counts for besides the memory it lies in, about its objects: of one that has just begun they are nearly all it takes. */
  bodyCostBytes: 256,
  /**
   * Bytes a second that one thread takes of bodies too large to deal with inline, and those it takes at once before it pauses them: a
   * megabyte costs it 1 to 2 ms, in which its other CPEs wait. The pool behind it gets through 20 to 40 MB a second.
   */
  bigBodyBytesPerSecond: 64 * 1024 * 1024,
  bigBodyBytesAtOnce: 512 * 1024,
  /** Compressed bodies one thread inflates at once: as many as libuv has threads, each up to bodyBytesMax. */
  inflatesMax: 4,
  /** Those that wait for it, and their bytes as received. Ordinary ones take 0.1 ms, so the last of 1,000 waits 25 ms. */
  inflatesWaitingMax: 1_000,
  inflatesWaitingBytesMax: 64 * 1024 * 1024,

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
  /** Characters in front of a document in which its XML declaration is looked for. */
  xmlDeclarationCharsMax: 512,
  /** Characters of one SOAP header value (cwmp:ID, SupportedCWMPVersions): it is echoed, so it must stay small. */
  headerValueCharsMax: 1_024,
  /** Characters of an xsi:type that is kept; the longest that XML Schema defines has 18. */
  typeNameCharsMax: 64,
  /** Bytes of a document the second reader takes: it builds a tree of some 100 bytes for each byte. */
  secondReaderBytesMax: 4 * 1024 * 1024,
  /** Tags of a document the second reader takes; 9,263 parameter names make 74,000. */
  secondReaderTagsMax: 400_000,
  /** Beginnings of documents remembered by one thread: a fleet has some dozens of stacks. A power of two. */
  prologuesMax: 64,
  /** Bytes of one remembered beginning; the longest Envelope tags seen have 600. */
  prologueBytesMax: 1_024,
  /** Sizes of an Inform that is glanced at before it is read: longer ones are rare, and reading is the least of what they cost. */
  glanceBytesMin: 400,
  glanceBytesMax: 64 * 1024,
  /** Bytes of a text the glance leaves out (ID, CurrentTime, RetryCount) or takes for a serial number; the schema says 64 at most. */
  glanceTextBytesMax: 64,
  /** Ways to print an Inform remembered for one beginning: models and events of one stack. Each is tried in turn, some 50 ns. */
  glanceLayoutsMax: 16,
  /** Lists of parameters remembered for one of them: the usual one, and what comes with changed values. */
  glanceValuesMax: 4,
  /** Bytes of the part with the parameters that is remembered for one of them; longer ones are read each time. */
  glanceValuesBytesMax: 16 * 1024,
  /** The same over all that one thread has learned: past it everything is learned anew, or CPEs that print each Inform otherwise would fill memory. */
  glanceLearnedBytesMax: 16 * 1024 * 1024,
  /** Ways to print a list entry remembered by one thread, and bytes of markup in each part of one: Informs have 20 to 60. */
  entryStylesMax: 64,
  entryMarkupBytesMax: 256,
  /** Content-Type values whose charset is remembered. A fleet sends a handful. */
  charsetLabelsMax: 64,
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
  /** Characters of a session cookie that is looked at. It holds the identity, whose three parts of 64 characters take up to 9 each. */
  cookieCharsMax: 2_048,

  /** Megabytes of young objects of one session thread. With Node's 48 the collector took twice the time, and four threads of helpers. */
  sessionThreadYoungMb: 96,
  /**
   * Time in which Informs with news gather for one transaction when several come in it (group commit): it is added to their answer at most.
   * A transaction costs some 300 µs of CPU whatever is in it.
   */
  commitWindowMs: 4,

  // ── Admission (docs/operating/overload.md) ───────────────────────────────────────────────────────────────────────
  /**
   * How often the wait of POSTs is looked at, and the waits, for loop and disk, beyond which fewer sessions are let in. A turn of 30 ms may be a
   * neighbour's doing. Once it is not, aiming at 12 serves as many as aiming at 30, and each of the five POSTs of a session with work, which wait
   * for two or three turns, waits for shorter ones: operators p95 0.5 s in place of 0.9 after the onset of a storm (docs/performance.md).
   */
  admissionTickMs: 20,
  admissionWaitMs: 30,
  admissionAimMs: 12,
  admissionDiskWaitMs: 300,
  /** Time for which a CPE somebody waits for is let in first, after its work was handed over or it was woken. */
  expectedSeconds: 120,

  // ── RPCs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Names in one GetParameterValues unless the profile says otherwise (CWMP P1). */
  getBatchNames: 32,
  /** Values in one SetParameterValues unless the profile says otherwise (CWMP P3). */
  setBatchValues: 32,
  /** Candidate paths of one canonical name: 3 WAN devices × 8 connections × 2 kinds are 48; each is one look-up. */
  profileCandidatesMax: 64,
  /** Kinds of CPE (maker, model, firmware) whose profile is remembered; a large fleet has some hundreds. */
  profileKindsMax: 10_000,
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
  /** Time for TransferComplete after Download or Upload was accepted, on top of its DelaySeconds: a slow line and its retries. */
  transferWaitMs: 3_600_000,
  /** Time for an uploaded file to be complete on our disk after the CPE called the transfer complete. */
  uploadArrivalMs: 60_000,
  /** Time between looks at a running diagnostic whose CPE does not send 8 DIAGNOSTICS COMPLETE (CWMP D10). */
  diagnosticsPollMs: 30_000,
  /** Time for one diagnostic; a throughput test with ten retries on a slow line ends well within. */
  diagnosticsWaitMs: 600_000,

  // ── Bus, outbox, control ─────────────────────────────────────────────────────────────────────────────────────────
  /** Facts in one batch from the outbox to the bus, and so in one transaction of control. */
  relayBatchFacts: 500,
  /** About their bytes: a fact of 5,000 parameters has 0.6 MB, and its objects ten times that. */
  relayBatchBytes: 1024 * 1024,
  /** Batches that may be on their way to control before the next one waits, and grows: on a line of 300 ms some thousand facts a second. */
  relayWindowBatches: 8,
  /** Silence of control after which it is told again that there is something of this edge: it may not know of an edge whose hub lost its disk. */
  relayKnockMs: 30_000,
  /** Age from which what control has not taken, and finds nothing left of, is lost: its word was on the way for less. */
  relaySettleMs: 2_000,
  /** Least time between two repetitions that control asks for: it asks once for each message that came behind a gap. */
  relayAgainMs: 5_000,
  /** Bytes of the outbox before sessions are refused with 503: the disk is the bound, not memory. */
  outboxBytesMax: 8 * 1024 * 1024 * 1024,
  /**
   * Messages an in-process subscriber may have waiting before publish waits: the largest batch of the relay, each fact a record and so a
   * message of its own, or two hand-overs of decisions. Records of 32 kB come to 16 MB; the relay itself hands over 1 MB at once.
   */
  busInFlightMax: 500,
  /** Time a publish waits for a subscriber: both sides start in one process, the slower one in seconds. */
  busSubscriberWaitMs: 10_000,
  /** Time between two asks whether a subscriber may take a subject by now: getting a lease takes some milliseconds. */
  busMayTakeMs: 20,
  /** First and longest pause before a batch that its handler rejected is handed over again. */
  busRedeliverMsMin: 50,
  busRedeliverMsMax: 2_000,
  /** Times a batch is handed over before publish rejects and the publisher, who has it durably, decides. */
  busDeliveriesMax: 5,
  /** How often a subject that may not be taken is asked for again. */
  busAskAgainMs: 500,
  /** Time for the answer to a question over the bus: a chunk of a file over a slow line, or nobody there. */
  busAnswerMs: 10_000,
  /** Questions being answered at once: each reads one chunk of a file. */
  busAnswersMax: 64,
  /** Bytes of a batch unpacked. A document of 32 MiB is about as long as a fact in JSON, which is a text in JSON once more. */
  busUnpackedBytesMax: 256 * 1024 * 1024,
  /** Parts of one batch: the bytes above, should nothing of them pack, in messages of 1 MiB, and room. */
  busPartsMax: 512,
  /** Bytes of a file in one answer: five of them a second are 10 Mbit/s on a line with 200 ms. */
  busFileChunkBytes: 256 * 1024,
  /** Bytes of one message over NATS. What every server takes unless told otherwise; how large one of leaf and hub takes cannot be seen from the other. */
  natsMessageBytesMax: 1024 * 1024,
  /** Time a start waits for NATS before it goes on without: the centre may be away. */
  natsStartMs: 5_000,
  /** Time for an answer of the server: connecting, JetStream's API, storing a message (a flush to a slow disk). */
  natsAnswerMs: 5_000,
  /** Silence after which the server is asked whether it is there; two without an answer and the connection is opened anew. */
  natsPingMs: 10_000,
  /** Pause before connecting again: all edges of a centre lose it in one moment. */
  natsReconnectMsMin: 250,
  natsReconnectMsMax: 2_000,
  /** Pause before a server that was not as it must be is looked at again. */
  natsCheckAgainMs: 2_000,
  /** Between two looks for consumers that a killed server of the hub left stuck. */
  natsMendMs: 5_000,
  /** Time for the last acknowledgements to leave when the bus closes. */
  natsCloseMs: 1_000,
  /** JetStream's window of duplicates: a help only, marks make it exact, so the time of a reconnect is enough. */
  natsDuplicateMs: 120_000,
  /** Bytes of each stream at the hub. Past it nothing is dropped: facts wait on their edges, decisions in the database. Packed facts have some 60 bytes. */
  natsFactsBytesMax: 4 * 1024 * 1024 * 1024,
  natsDecisionsBytesMax: 1024 * 1024 * 1024,
  /** Messages of decisions that may be on their way to one edge at a time: 100 a second over a round trip of 300 ms. */
  natsDecisionsWindow: 32,
  /** Time after which what a killed process had in hand goes to another; who works on it says so well within. */
  natsAckWaitMs: 5_000,
  natsWorkingMs: 1_500,
  /** Life of one pull request, and of the silence in which it counts as lost: a heartbeat comes in each half of that. */
  natsPullMs: 60_000,
  natsPullSilenceMs: 10_000,
  /** How often control looks for subjects of new edges, though they tell of themselves. */
  natsDiscoverMs: 5_000,
  /** Tries after which a batch in parts, with other things behind it, counts as given up: 7 s, and its publisher waits 5 for one part. */
  natsPartTriesMax: 8,
  /**
   * Time without a sign of an edge after which another may take what it held. A CPE whose edge died comes again after 5 to 20 s (TR-069
   * §3.2.1.1) and finds the rest of its work left alone until then; a pause of an edge, or of NATS, that is shorter costs nothing.
   */
  claimLeaseMs: 30_000,
  /** How much earlier an edge stops to rely on what it holds: clocks that run apart, and an answer that is on its way to the CPE. */
  claimMarginMs: 10_000,
  /** How often an edge says that it is there: four signs may be lost before it stops. */
  claimBeatMs: 4_000,
  /** Time for an answer about a claim; a CPE waits for it, and goes on without the work past it. */
  claimAnswerMs: 1_500,
  /** Bytes of one claim: past it the transcript of what ran stays behind, and an edge that takes over says so instead of going on. */
  claimBytesMax: 512 * 1024,
  /** Bytes of all claims of a POP: a million that have ended and wait for their deadline have 200 each. */
  claimsBytesMax: 1024 * 1024 * 1024,
  /** Tries to write a claim that others write at the same moment; between two edges the second one decides. */
  claimTriesMax: 3,
  /** Pause before work that a session has at this moment is claimed again, for an upload or an event that it may wait for. */
  claimAgainMs: 500,
  /** Time a claim may be held without a session of its CPE: one that is just beginning, or an upload that is told. */
  claimLooseMs: 15_000,
  /**
   * Least time between two nudges of a session thread: facts of that time travel in one batch. A batch costs the relay 0.2 ms and more
   * whatever is in it, most of it for waking up: 10 ms cost 15 µs more per value change than 30, and 30 ms 1.5 µs more than 50.
   */
  nudgeGapMs: 50,
  /** Time in which last contacts of quiet devices gather, and how many make a batch at once: half a second of what a thread serves at most. */
  lastContactsMs: 1_000,
  lastContactsMax: 2_000,
  /**
   * Devices of a batch that is worth its way to a control elsewhere, and how long fewer wait for more. A batch costs some 450 bytes on the
   * line whatever is in it, a device in it 10 (docs/performance.md): without this 1,000 devices with an interval of 5 minutes took 117 each.
   */
  lastContactsFew: 50,
  lastContactsFewMs: 60_000,
  /** The outbox is looked at this often even when nobody nudged, for a thread may die between writing and nudging. A wake-up each. */
  relayPollMs: 250,
  /** First and longest pause after a batch that the bus did not take; a centre that is away for a day costs a try every 10 s. */
  relayBackoffMsMin: 100,
  relayBackoffMsMax: 10_000,
  /** Round of the relay's timer: expired work, waits that are over, sessions that went silent, room on the disk. */
  relayTickMs: 1_000,
  /** Expired or due work, and silent sessions, dealt with in one round of the timer. */
  relayDueMax: 200,
  /** Time the relay keeps draining when the edge closes; what is left is on the disk. */
  relayDrainMs: 5_000,
  /** Time control gives the batch and the jobs in hand when it closes; a transaction takes milliseconds, a database that is away for ever. */
  controlDrainMs: 5_000,

  // ── Edge store ───────────────────────────────────────────────────────────────────────────────────────────────────
  /** Address space the store maps at first (it grows by itself): growing remaps, so the first GiB comes at once. */
  storeMapBytes: 1024 * 1024 * 1024,
  /** Free bytes on the store's disk below which it takes no new writes: a write that really meets a full disk may end the process. */
  storeReserveBytes: 128 * 1024 * 1024,
  /** Longest wait for one flush to disk; a slower disk than this is broken, and its sessions are refused. */
  storeFlushMs: 30_000,
  /** Session records looked at in one round for silent ones: about 5 ms of the main thread. */
  storeSessionScanMax: 1_000,
  /** Work that is due is handed out again after this, should nothing have come of it: a CPE that was woken in vain. */
  storeDueAgainMs: 60_000,
  /** Parameters in one page of a shadow: one page is decoded to answer one look-up, and rewritten for one new value. */
  shadowPageEntries: 200,
  /** Lists of parameter names stored once for all CPEs that send them; a fleet has some hundreds, and a CPE that invents names is one. */
  shadowShapesMax: 4_096,
  /** Parameters of a shadow compared with every Inform; what past Informs had beyond them moves to the pages. */
  shadowHotEntriesMax: 256,

  // ── Control: database, actions, evidence ─────────────────────────────────────────────────────────────────────────
  /** Connections of one control to PostgreSQL; its private cluster has 40 places. */
  databaseConnectionsMax: 10,
  /** Longest pause between two tries to reconnect to a database that went away: it is to be noticed soon when it is back. */
  databaseReconnectMsMax: 2_000,
  /** Pause between two tries at start, and how often it is said what is waited for. */
  databaseRetryMs: 500,
  waitingSaidEveryMs: 5_000,
  /** Time a health check waits for the database before it says that it does not answer; probes of load balancers wait some seconds. */
  databaseHealthMs: 2_000,
  /** Time between two looks whether another process has let go of the migrations. */
  migrateRetryMs: 250,
  /** Life of what one control holds while nothing is heard of it (its host is gone, or it stands still); a killed process loses it at once. */
  leaseMs: 10_000,
  /** Time between two signs of life, and so the longest wait for what a killed process held. Several must fail before anything lapses. */
  leaseRenewMs: 1_000,
  /** What a holder stops short of the end: for reading the clock, and for clocks that do not run at quite the same rate. */
  leaseSlackMs: 1_000,
  /** Time after which a name nobody asks for any more is let go: this control's road to it may be cut. */
  leaseWantMs: 30_000,
  /** Names one control may want: an edge is one, and a large ISP has hundreds. */
  leaseNamesMax: 10_000,
  /** Period at which live events are looked for besides being told of them: the connection that tells may have died silently. */
  livePollMs: 5_000,
  /** Time for the private PostgreSQL to answer. Recovery after a kill under load took seconds on a slow disk. */
  postgresStartMs: 60_000,
  /** Time for its fast shutdown (one checkpoint) before it is ended at once; it recovers from that. */
  postgresStopMs: 20_000,
  /** Bytes of its log before the next start puts it aside, keeping one older file. */
  postgresLogBytesMax: 16 * 1024 * 1024,
  /** Parked facts that one transaction takes again at start: a day of a POP that was ahead of its centre is gone through in a minute. */
  unparkFacts: 200,
  /** Parameters written by one statement of the ingest: keeps one batch's JSON at some MB. */
  upsertRowsMax: 5_000,
  /** Characters kept of model, versions and connection-request URL beside the tree; an index takes no row beyond 2,704 bytes. */
  identityCharsMax: 256,
  /** Characters of one evidence record; larger members are kept as size and digest, or the chain would hold whole trees. */
  evidenceBodyCharsMax: 64 * 1024,
  /** Changed values listed in one timeline entry; the first Inform of a device brings all it has. */
  timelineValuesMax: 50,
  /** Characters of one value in a timeline entry. */
  timelineValueCharsMax: 256,
  /** Items of a result listed in one timeline entry; the result itself has them all. */
  timelineItemsMax: 50,
  /** Events read at once behind the commits for those who listen. */
  livePageRows: 1_000,
  /** Time the ingest waits for an edge to take first-contact work before it acknowledges anyway; the work then goes by the reconciler. */
  dispatchWaitMs: 3_000,
  /** Time after which a claimed but unconfirmed hand-over is tried again. */
  dispatchLeaseMs: 15_000,
  /** Period of the dispatcher without any signal. */
  dispatchPeriodMs: 5_000,
  /** Silence after which an edge gets no copies of what others of its POP have: its first fact, or its start, brings them. */
  edgeAliveMs: 24 * 3_600_000,
  /** Time in which the edges of a POP must say what became of work whose device is in another POP now; then it is settled without them. */
  recallWaitMs: 15 * 60_000,
  /** Time to the next try of a job of control that failed, where its period is longer. */
  jobRetryMs: 2_000,
  /** Actions or device settings in one hand-over to an edge. */
  dispatchBatchMax: 200,
  /** Life of an action that names no expiresAt: two periodic Informs of the usual day. */
  actionLifeMs: 48 * 3_600_000,
  /** Longest life an action may ask for. */
  actionLifeMsMax: 30 * 24 * 3_600_000,
  /** Time past its deadline in which an edge may still report on an action before control calls it expired. */
  actionExpiryGraceMs: 15 * 60_000,
  /** Time past its deadline after which an action that began, and of which nothing more was heard, is called failed: a day without the centre, and slack. */
  actionSilenceMs: 48 * 3_600_000,
  /** How long a preview waits to be submitted. Longer, and what it shows is likely not so any more. */
  previewLifeMs: 3_600_000,
  /** How long an action waits for somebody to approve it: over a weekend. */
  approvalWaitMs: 3 * 24 * 3_600_000,
  /** How long an approval holds where its rule does not say: a change window of a week. */
  approvalHoldsMs: 7 * 24 * 3_600_000,
  /** Rules of an approval matrix; more than anybody reads. */
  approvalRulesMax: 100,
  /** Life of a batch that names no expiresAt: a week of change windows. */
  batchLifeMs: 7 * 24 * 3_600_000,
  /** How long a planned batch waits to be submitted: somebody looks at a sample of its plans first. */
  batchPreviewLifeMs: 24 * 3_600_000,
  /** Devices a batch may name one by one; more are a filter or a tag. */
  batchIdsMax: 10_000,
  /** Devices planned in one transaction: some tens of milliseconds, so that ingest is not kept from appending. */
  batchPlanRows: 200,
  /** Actions of a batch under way at a time, and let go in a minute, at most. */
  batchAtOnceMax: 100_000,
  batchPerMinuteMax: 600_000,
  /** Actions let go in one transaction, and time for which a pace that was not used up is made up. */
  batchReleaseMax: 500,
  batchBurstMs: 5_000,
  /** Between two steps of batches. */
  batchPeriodMs: 1_000,
  /** Refusals of one token that become evidence in a minute; the rest is counted. */
  refusalsPerMinute: 60,
  /** Age from which a value is read anew before somebody is shown what would change. */
  planValueAgeMs: 15 * 60_000,
  /** How long a preview waits for the device to tell such values. */
  planRefreshMs: 10_000,
  /** Actions past their deadline that end in one transaction. */
  expiryBatchMax: 500,
  /** Silence after which a device no longer counts as online: the usual periodic Inform interval of a day, and an hour of slack. */
  silentAfterMs: 25 * 3_600_000,

  // ── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Bytes of one API request body. */
  apiBodyBytesMax: 1024 * 1024,
  /** Depth of JSON in an API body; deeper than any argument of an RPC, shallow enough for code that recurses. */
  apiJsonDepthMax: 32,
  /** Time for the headers of an API request: nobody types them by hand. */
  apiHeadersMs: 10_000,
  /** Time for a whole API request with its body: fileBytesMax over an uplink of 5 Mbit/s. */
  apiRequestMs: 3_600_000,
  /** Time that open API requests get to end by themselves when Starling stops. */
  apiDrainMs: 5_000,
  /** Seconds an API call may wait for an action to end. */
  waitSecondsMax: 120,
  /** API calls that wait for an action at once; each holds a connection and a timer. */
  apiWaitsMax: 2_000,
  /** Rows in one page when the caller names no limit. */
  pageRows: 50,
  /** Rows in one page of the API. */
  pageRowsMax: 500,
  /** Characters of a device id: three parts of deviceIdPartCharsMax, each character up to 9 when escaped, and two dashes. */
  cpeIdCharsMax: 3 * 64 * 9 + 2,
  /** Newest actions of a device that changed something, and that read, among which an explanation looks for a parameter: a device has some ten. */
  explainActionsMax: 200,
  explainReadsMax: 50,
  /** Newest entries of a device's timeline among which it looks, and those it takes from them: a counter is in each of them. */
  explainEventsMax: 2_000,
  explainTellingsMax: 200,
  /** Steps that it shows. */
  explainStepsMax: 20,
  /** Stored paths beside which an unknown one is looked for, to name the nearest. */
  explainNearMax: 200,
  /** Names or values in one action: more is a configuration file, and belongs in a Download. */
  actionNamesMax: 256,
  /** Tags of one device, and characters of one. */
  tagsMax: 64,
  tagCharsMax: 64,
  /** Time between the moment the last control seals under a new key and the first look for texts under older ones: what was being written is in by then. */
  keySettleMs: 10_000,
  /** Blocks of 8 kB in one transaction that seals anew: some hundred actions, a few thousand parameters of which few are secrets. */
  resealBlocks: 64,
  /** Such transactions in one pass of the job, so that a stopping control waits for one and not for all. */
  resealBatches: 20,
  /** Time between two looks for evidence and events that are older than they are kept. */
  retentionPeriodMs: 3_600_000,
  /** Records that lose their bodies, and events that go, in one transaction: the evidence lock is held for as long as it takes. */
  retentionBatch: 2_000,
  /** Such transactions in one pass of the job. */
  retentionBatches: 20,
  /** Actions of a device that are looked through for what they set, when it hides a secret itself. */
  secretActionsMax: 100,
  /** Characters of the reason for reading a secret. */
  reasonCharsMax: 1_000,
  /** Time between two signatures under the chain of evidence: what was appended since can be changed unseen by who has database and time. */
  evidenceHeadMs: 60_000,
  /** Records of an export that are in memory at a time, exports at once (each has a connection to the database), and how long one waits for its reader. */
  evidenceExportRows: 500,
  evidenceExportsMax: 2,
  evidenceStallMs: 60_000,
  /** Life of an idempotency key, and of the claim of a request that never finished (longer than the longest wait). */
  idempotencyKeyMs: 24 * 3_600_000,
  idempotencyClaimMs: 180_000,
  /** Characters of an Idempotency-Key; a UUID has 36. */
  idempotencyKeyCharsMax: 200,
  /** Characters of an API token: ours have 47; one that the operator chose must not be guessable, and must fit a header. */
  tokenCharsMin: 24,
  tokenCharsMax: 256,
  /** A token says when it was last used to this precision: it is for people, and spares a write per call. */
  tokenUsedEveryMs: 60_000,
  /** The use of a token that has ended is recorded this often: a program that was not told of the end repeats its call for days. */
  tokenRefusedEveryMs: 60_000,
  /** Characters of the name of a person or a token, and of an address of e-mail (RFC 5321 §4.5.3.1.3, less its angle brackets). */
  personNameCharsMax: 100,
  emailCharsMax: 254,
  /** Live event streams at once. */
  eventStreamsMax: 200,
  /** Events waiting for one slow reader of a stream; past it they are dropped from memory and read again from the store. */
  eventQueueMax: 1_000,
  /** A stream without events says something this often, so that proxies do not close it. */
  eventHeartbeatMs: 15_000,

  // ── Authentication of CPEs ───────────────────────────────────────────────────────────────────────────────────────
  /** Life of a nonce: bounds how long a captured Digest answer can be repeated; a CPE that is slower gets stale=true. */
  authNonceMs: 300_000,
  /** Failed attempts of one user name from one address before it must wait: a CPE with a wrong password repeats it for ever (CWMP A9). */
  authFailuresPerName: 10,
  /** Failed attempts from one address, all names together; many CPEs may share it behind NAT. */
  authFailuresPerAddress: 300,
  /** Time after which failures are forgotten. */
  authFailureWindowMs: 300_000,
  /** Shortest and longest wait; each further failure doubles it. The longest stays below a usual periodic Inform interval. */
  authBlockMsMin: 30_000,
  authBlockMsMax: 900_000,
  /** Basic headers remembered as right by one thread: those of the sessions that are open, and some. */
  authVerifiedMax: 1_000,
  /** Failure counts kept per thread, about 20 MB; past it the oldest is forgotten. */
  authThrottleEntriesMax: 100_000,
  /** Peers remembered by one thread as a trusted front or not. A POP has a handful of fronts; past it all are looked up anew. */
  frontPeersMax: 1_024,

  // ── Connection requests and files ────────────────────────────────────────────────────────────────────────────────
  /** Time for one connection request, both rounds (CWMP R4). */
  connectionRequestMs: 10_000,
  /** Bytes of an answer to a connection request that are read. */
  connectionRequestBytesMax: 16 * 1024,
  /** Connection requests under way at once per edge. */
  connectionRequestsInFlightMax: 500,
  /** Wait for the body of a 401 before a new connection is opened instead: some CPEs send neither a length nor an end. */
  connectionRequestBodyMs: 1_000,
  /** Time in which a CPE that accepted must inform (CWMP R2); until then it is not asked again. */
  connectionRequestAnswerMs: 30_000,
  /** Least time between two connection requests to one CPE that has not come for the first (CWMP R6). */
  connectionRequestGapMs: 5_000,
  /** Time after which a CPE that was in a session when it was wanted is looked at again. */
  connectionRequestLookMs: 500,
  /** CPEs a wake is wanted for at once, waiting ones included; past it a wake is refused. */
  connectionRequestsWaitingMax: 200_000,
  /** Credentials tried on one CPE. */
  connectionRequestCredentialsMax: 5,
  /** Bytes of one file for Download or from Upload. */
  fileBytesMax: 2 * 1024 * 1024 * 1024,
  /** Files an edge fetches from control at once, and control from edges; further ones wait. */
  fileFetchesMax: 4,
  /** Files that wait to be fetched; past it one is left out, and asked for again by whoever waits for it. */
  fileFetchesWaitingMax: 1_000,
  /** First and longest pause before a chunk of a file is asked for again; the centre may be away. */
  fileFetchBackoffMsMin: 500,
  fileFetchBackoffMsMax: 30_000,
  /** Time a hand-over of work waits for the file it needs: a small one is there before the CPE is woken. A large one comes later, and so does its work. */
  fileFetchHoldMs: 500,
  /** How often work that waits for its file looks whether it is there. */
  fileLookMs: 1_000,
  /** Pause before an upload that an edge did not hand over is asked for again. */
  uploadFetchAgainMs: 60_000,
  /** Age of a file that was begun and not gone on with after which a start removes it. */
  fileFetchLeftMs: 7 * 24 * 3_600_000,
  /** Life of a signed file URL unless the action says otherwise. */
  fileUrlMs: 24 * 3_600_000,
  /** Characters of a signed URL: the argument's bound in the data model of Download and Upload (CWMP T5). */
  fileUrlCharsMax: 256,
  /** Bytes read from the disk at once for a download; also what one download holds in memory. */
  fileChunkBytes: 64 * 1024,
  /** Bytes of an upload held in memory while the disk is behind; past it the CPE is paused. */
  uploadHeldBytesMax: 256 * 1024,
  /** File transfers of one thread at once; past it 503 with Retry-After, which CPEs repeat. */
  fileTransfersMax: 500,
  /** Time without a byte taken after which a download is given up: 64 KiB at 1 kB/s would be 64 s. */
  fileStallMs: 120_000,

  // ── Recordings of sessions (edge/recording) ──────────────────────────────────────────────────────────────────────────
  /** CPEs of one edge that are recorded at once: whose a POST is has to be found out first, for all that are not quiet. */
  recordingsMax: 16,
  /** Bytes of one recording on one edge: the walk of a tree of 9,000 parameters is some 5 MB, with all that was known meanwhile. */
  recordingBytesMax: 32 * 1024 * 1024,
  /** Sessions of one recording, and minutes within which they begin: a day, for what a CPE does at night. */
  recordingSessionsMax: 100,
  recordingMinutesMax: 24 * 60,
  /** Time after which a recording is called lost of which its edge has told nothing: it was away, or lost its store. */
  recordingLostMs: 24 * 3_600_000,
  /** Bytes of a recording handed to the API at once. */
  recordingChunkBytes: 256 * 1024,
  /** Lines of a difference that a replay prints for one exchange, and of a document that are compared at all (a table of both is made). */
  replayDiffLinesMax: 40,
  replayLinesComparedMax: 2_000,

  // ── Metrics ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Values of one label that are counted apart. Fault codes come from CPEs: 33 are in the specification, vendors use some dozens. */
  metricLabelValuesMax: 256,

  // ── Simulated CPEs (bench/fleet) ─────────────────────────────────────────────────────────────────────────────────
  /** Nonces of one simulated CPE that wait for their use: more than connection requests can be under way to it. */
  fleetNoncesMax: 64,
  /** Transfers queued in one simulated CPE; TransferList has 16 entries at most (A.4.1.7). */
  fleetTransfersMax: 16,
  /** Records a simulated CPE keeps of its dealings, for tests; counts stay exact beyond. */
  fleetRecordsMax: 10_000,
  /** Bytes a simulated diagnostic really transfers over loopback: enough to measure, not to fill a disk. */
  fleetDiagnosticBytesMax: 64 * 1024 * 1024,
} as const;
