-- The queue of one device, of which there may be tens of thousands of actions that ended well. Small, as action_queue_state.
create index action_queue_device on action (device_id, id desc) where closed_at is null
  and (state in ('partial', 'unsupported', 'refused', 'failed', 'stuck') or (state = 'expired' and unknown));
