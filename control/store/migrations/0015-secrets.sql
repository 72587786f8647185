-- Rotation of the key that seals (secrets/rotation.ts), records of what is about no action, and retention of evidence (evidence/retention.ts).

-- The newest row says which key seals; without any it is the original one.
create table key_rotation (
  id          bigint generated always as identity primary key,
  key         text not null,                 -- fingerprint
  begun_at    timestamptz not null,
  begun_by    text not null,
  -- All live controls were seen to seal under the key, by this server's clock; null: not yet.
  switched_at timestamptz,
  walk        integer not null default 0,    -- goes over all sealed columns, until one of them finds nothing; 0: none has begun
  ended_at    timestamptz
);
create table key_rotation_column (
  rotation_id      bigint not null references key_rotation on delete cascade,
  name             text not null,            -- table.column
  block            bigint not null default 0,   -- of the table's file: how far the present walk has come, and goes
  blocks           bigint not null default 0,
  resealed         bigint not null default 0,
  resealed_in_walk bigint not null default 0,
  unopened         bigint not null default 0,   -- in the present walk: under no key of the file, left as they are
  primary key (rotation_id, name)
);
-- What each control process has in its key file, and which key it seals under.
create table control_key (
  member  integer primary key references control_member on delete cascade,
  held    text[] not null,
  sealing text not null
);

-- Records about no action name the device in their body: what was read, and what was refused.
create index evidence_device on evidence ((body->>'deviceId'), seq) where action_id = '';

-- The body of a record may be dropped when it is old; digest and hash keep its place in the chain.
alter table evidence add column aged_out boolean not null default false;
create index evidence_aged on evidence (seq) where kind = 'aged-out';

-- Nothing else about a record ever changes, and nothing that no signed head vouches for.
create function evidence_ages_only() returns trigger language plpgsql as $$
begin
  if new.aged_out and not old.aged_out and new.body = '{}'::jsonb and old.digest is not null
    and (new.seq, new.action_id, new.at, new.kind, new.prev_hash, new.digest, new.hash)
      is not distinct from (old.seq, old.action_id, old.at, old.kind, old.prev_hash, old.digest, old.hash)
    and exists (select from evidence_head h where h.seq >= old.seq)
  then return new;
  end if;
  raise exception 'evidence is append-only';
end $$;
drop trigger evidence_append_only on evidence;
create trigger evidence_append_only before delete or truncate on evidence
  for each statement execute function evidence_is_append_only();
create trigger evidence_ages_only before update on evidence
  for each row execute function evidence_ages_only();
