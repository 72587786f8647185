-- Change control: previews, approvals by people, recovery, and what stays in sight until somebody closes it.

alter table action
  add column owner_person text,
  -- The deadline as asked. While somebody has to decide, expires_at is how long that may take.
  add column asked_until  timestamptz,
  -- What the approval matrix said: need, rule, approvers, holdsMs, why. Null for actions from before there was one.
  add column approval     jsonb,
  -- The action that this one takes back.
  add column recovers     text,
  -- What the device did is not known: somebody has to look.
  add column unknown      boolean not null default false,
  add column closed_at    timestamptz,
  add column closed_by    text,
  add column close_note   text;
update action set asked_until = expires_at;
alter table action alter column asked_until set not null;
create index action_recovers on action (recovers) where recovers is not null;
-- What somebody has to look at; of what expired, that which had begun.
create index action_queue on action (id desc) where closed_at is null
  and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown));

-- The values that the plan counts on, sealed: they may be secrets. What differs from them since is drift.
alter table action_plan add column sealed_basis text;

alter table action_approval
  add column by_person  text,
  add column by_role    text,
  add column expires_at timestamptz;
