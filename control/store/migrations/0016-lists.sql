-- Lists of actions at millions: ids in order under every value of a filter. What is not asked for (each state, each kind) is merged out of
-- several such runs (actions/lists.ts), so there is no index for each combination, and none is added for most actions.

drop index action_state;
create index action_state_kind on action (state, kind, id desc);
drop index action_reference;
create index action_reference_state on action (reference, state, id desc) where reference is not null;
drop index action_batch_state;
create index action_batch_states on action (batch_id, state, id desc) where batch_id is not null;

-- The queue by state and by kind. Small: only what did not end well has ever been in it.
create index action_queue_state on action (state, kind, id desc) where closed_at is null
  and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown));
