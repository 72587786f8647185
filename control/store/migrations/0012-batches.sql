-- One action over many devices: one plan set, one approval, paced.

create table batch (
  id             text primary key,
  kind           text not null,
  state          text not null,
  why            text not null default '',
  owner_kind     text not null,
  owner_name     text not null,
  owner_role     text not null,
  owner_token    text,
  owner_person   text,
  reason         text,
  reference      text,
  selection      jsonb not null,             -- which devices, and which of them not
  request        jsonb not null,             -- as asked, redacted
  sealed_request text not null,
  pace           jsonb not null,
  -- Planning goes through the devices in the order of their ids, and is here.
  planned_to     text not null default '',
  selected       integer not null default 0, -- devices that the selection has found so far
  excluded       integer not null default 0, -- of them: left out on purpose
  unplannable    integer not null default 0, -- of them: batch_refusal says why
  risk           text,                       -- the highest of all its plans
  root           text,                       -- over the hashes of all its plans; null while it is being planned
  approval       jsonb,
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  asked_until    timestamptz not null,
  started_at     timestamptz,
  ended_at       timestamptz,
  -- Actions up to here in time have been let go: what pace allows is counted from it.
  released_to    timestamptz,
  -- Bad ends that a person has seen when he let it go on.
  forgiven       integer not null default 0
);
create index batch_open on batch (id) where ended_at is null;

create table batch_refusal (
  batch_id  text not null references batch on delete cascade,
  device_id text not null,
  code      text not null,
  message   text not null,
  primary key (batch_id, device_id)
);

create table batch_approval (
  seq        bigint generated always as identity primary key,
  batch_id   text not null references batch on delete cascade,
  decision   text not null,
  by_name    text not null,
  by_person  text,
  by_role    text,
  root       text not null,
  why        text not null,
  at         timestamptz not null
);

alter table action add column batch_id text;
create index action_batch on action (batch_id, device_id) where batch_id is not null;
create index action_batch_state on action (batch_id, state) where batch_id is not null;
create index action_batch_open on action (batch_id, id) where batch_id is not null and ended_at is null;
