-- The action: owner, object, plan, approval, result, recovery, evidence (DESIGN 6). One row each, so that what is immutable is apart
-- from what changes.

create table action (
  id                text primary key,
  connector         text not null default 'cwmp',
  kind              text not null,
  state             text not null,
  outcome           text,
  why               text not null default '',
  -- owner
  owner_kind        text not null,
  owner_name        text not null,
  owner_role        text not null,
  owner_token       text,
  reason            text,
  reference         text,
  -- object
  device_id         text not null references device on delete cascade,
  external_id       text,
  customer          text,
  site              text,
  -- how it runs
  request           jsonb not null,          -- as asked, redacted
  sealed_args       text not null,           -- arguments for the edge
  generation        integer not null default 1,
  priority          integer not null,
  command_key       text not null,
  wake              boolean not null default false,
  idempotency_key   text,
  created_at        timestamptz not null,
  expires_at        timestamptz not null,
  claimed_at        timestamptz,             -- a hand-over to the edge was begun; it may have arrived
  sent_at           timestamptz,             -- the edge has confirmed that it holds this generation
  sent_to           text,
  cancel_asked_at   timestamptz,
  cancel_sent_at    timestamptz,
  started_at        timestamptz,
  ended_at          timestamptz,
  unique (owner_token, idempotency_key)
) with (fillfactor = 70);
create unique index action_command_key on action (command_key);
create index action_device on action (device_id, id desc);
create index action_state on action (state, id desc);
create index action_reference on action (reference, id desc) where reference is not null;
create index action_open on action (device_id) where ended_at is null;
create index action_unsent on action (priority desc, id) where state = 'ready' and sent_at is null;
create index action_cancel on action (id) where cancel_asked_at is not null and ended_at is null;
create index action_deadline on action (expires_at) where ended_at is null;
create index action_ended_badly on action (ended_at) where state in ('failed', 'stuck');

create table action_plan (
  action_id  text primary key references action on delete cascade,
  hash       text not null,
  plan       jsonb not null,                 -- redacted
  created_at timestamptz not null
);

create table action_approval (
  seq       bigint generated always as identity primary key,
  action_id text not null references action on delete cascade,
  decision  text not null,
  by_name   text not null,
  plan_hash text not null,
  why       text not null,
  at        timestamptz not null
);
create index action_approval_action on action_approval (action_id);

create table action_result (
  action_id  text not null references action on delete cascade,
  generation integer not null,
  result     jsonb not null,                 -- redacted
  at         timestamptz not null,
  primary key (action_id, generation)
);

create table action_recovery (
  action_id   text primary key references action on delete cascade,
  possible    boolean not null,
  text        text not null,
  state       text not null default 'not-run',
  -- The inverse plan for the edge (kind and arguments), sealed; null when there is none.
  sealed_plan text
);

-- Append-only: nothing in Starling updates or deletes here, and the trigger keeps it so. Each record carries the hash of the one before.
create table evidence (
  seq       bigint primary key,
  action_id text not null,
  at        timestamptz not null,
  kind      text not null,
  body      jsonb not null,
  prev_hash text not null,
  hash      text not null
);
create index evidence_action on evidence (action_id, seq);

create function evidence_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'evidence is append-only';
end $$;
create trigger evidence_append_only before update or delete or truncate on evidence
  for each statement execute function evidence_is_append_only();
