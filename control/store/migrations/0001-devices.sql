-- Devices, what is known of them, and what happened to them. Sized for millions of devices: narrow rows, few indexes.

create table device (
  id                     text primary key,
  manufacturer           text not null default '',
  oui                    text not null,
  product_class          text not null,
  serial_number          text not null,
  root                   text not null default '',
  model_name             text not null default '',
  hardware_version       text not null default '',
  software_version       text not null default '',
  profile                text not null default '',
  namespace              text not null default '',
  version                text not null default '',
  address                text not null default '',
  connection_request_url text not null default '',
  edge_id                text,
  pop                    text,
  tags                   text[] not null default '{}',
  registered_at          timestamptz not null default now(),
  first_seen_at          timestamptz,
  last_inform_at         timestamptz,
  last_boot_at           timestamptz,
  last_bootstrap_at      timestamptz
) with (fillfactor = 80);
-- Lists filter by one of these and page by id.
create index device_edge on device (edge_id, id);
create index device_model on device (manufacturer, product_class, software_version, id);
create index device_serial on device (lower(serial_number));
create index device_tags on device using gin (tags);

-- Apart from device, because it changes with every contact: a narrow row without any index but its key stays a cheap update (HOT).
-- No foreign key here and on device_parameter: the check would cost as much as the row, and ingest writes the device first.
create table device_seen (
  device_id    text primary key,
  last_seen_at timestamptz not null
) with (fillfactor = 60);

-- The last known tree. Objects end with a dot and have neither value nor type. Secrets are null in value and sealed in sealed.
create table device_parameter (
  device_id    text not null,
  path         text collate "C" not null,
  value        text,
  sealed       text,
  type         text not null default '',
  writable     boolean,
  notification smallint,
  read_at      timestamptz,
  primary key (device_id, path)
) with (fillfactor = 80);

-- How a device proves itself to us, and we to it. The whole of it is one sealed JSON text.
create table device_credential (
  device_id  text primary key references device on delete cascade,
  sealed     text not null,
  usernames  text[] not null default '{}',
  changed_at timestamptz not null,
  changed_by text not null,
  sent_at    timestamptz                    -- the edge has confirmed that it holds this; null: to be sent
);
create index device_credential_username on device_credential using gin (usernames);
create index device_credential_unsent on device_credential (device_id) where sent_at is null;

-- The timeline. seq rises in the order of commits (append_lock in the transaction), so that a stream can be resumed after any of them.
create table event (
  seq       bigint generated always as identity primary key,
  device_id text,
  action_id text,
  at        timestamptz not null,
  kind      text not null,
  summary   text not null,
  body      jsonb not null default '{}'
);
create index event_device on event (device_id, seq desc) where device_id is not null;
create index event_action on event (action_id, seq) where action_id is not null;

-- Edges as control has heard of them, and how far the facts of each writer of each have taken effect.
create table edge (
  edge_id      text primary key,
  pop          text not null,
  version      text not null default '',
  threads      integer not null default 0,
  started_at   timestamptz,
  last_fact_at timestamptz not null,
  greeted_at   timestamptz                  -- all settings were sent since its last hello; null: to be sent
);
create table ingest_mark (
  edge_id  text not null references edge on delete cascade,
  lane     integer not null,
  sequence bigint not null,
  primary key (edge_id, lane)
);

-- Facts this program could not read. Sealed, because nobody knows what is in them.
create table parked_message (
  seq        bigint generated always as identity primary key,
  at         timestamptz not null default now(),
  subject    text not null,
  message_id text not null,
  why        text not null,
  sealed     text not null,
  unique (subject, message_id)
);
