-- What people and programs need to work with control: tokens, idempotency, files, settings.

create table api_token (
  id           text primary key,
  hash         text not null unique,
  name         text not null,
  role         text not null,
  hint         text not null,
  created_at   timestamptz not null,
  created_by   text not null,
  expires_at   timestamptz,
  last_used_at timestamptz,
  revoked_at   timestamptz
);

create table idempotency_key (
  token_id    text not null,
  key         text not null,
  fingerprint text not null,
  claimed_at  timestamptz not null,
  status      integer,                       -- null while the first request is under way
  body        jsonb,
  primary key (token_id, key)
);
create index idempotency_key_age on idempotency_key (claimed_at);

create table file (
  id         text primary key,
  name       text not null,
  file_type  text not null,
  bytes      bigint not null,
  sha256     text not null,
  source     text not null,
  device_id  text,
  action_id  text,
  created_by text,
  created_at timestamptz not null
);
create index file_age on file (created_at desc, id desc);

create table setting (
  name  text primary key,
  value jsonb not null
);
