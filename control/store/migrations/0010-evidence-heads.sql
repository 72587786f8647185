-- The digest of a record alone holds its place in the chain (evidence/chain.ts). Records from before it was kept have none: their hash covers
-- the text itself, and an export begins behind them.
alter table evidence add column digest text;

-- Signed now and then: up to here the chain was so. `key` is the fingerprint of the key that signed.
create table evidence_head (
  seq       bigint primary key references evidence,
  hash      text not null,
  at        timestamptz not null,
  key       text not null,
  signature text not null
);
