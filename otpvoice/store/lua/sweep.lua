-- Expire what has ended, recover lapsed leases, and record the dialer's heartbeat.
--
-- Arguments  dialer: its id
-- Returns    has_more: 1 if there may be more to sweep, audit_entries: for the log (JSON)

local swept, most = 0, POLICY.sweep_max_records

local function each_due(index, act)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', NOW, 'LIMIT', 0, most)) do
    act(id)
    swept = swept + 1
  end
end

local function record_heartbeat()
  local remembered_ms = 2 * POLICY.dialer_liveness_ms
  redis.call('ZADD', DIALERS, NOW, ARGS.dialer)
  redis.call('ZREMRANGEBYSCORE', DIALERS, '-inf', NOW - remembered_ms)
  redis.call('PEXPIRE', DIALERS, remembered_ms)
end

local function expire_verification(bare_id)
  Verifications.load('vrf_' .. bare_id)
  redis.call('ZREM', EXPIRING, bare_id)
end

-- A holder whose lease expired before its sent mark has sent nothing. After the mark, the result is unknown.
local function recover_expired_lease(id)
  local call = Calls.load(id)
  if not call then
    redis.call('ZREM', DIALING, id)
  elseif call.sent_at then
    Calls.transition(call, 'unknown', { reason = 'no_news' })
  else
    Calls.requeue(call, NOW)
  end
end

local function end_live_call(id)
  local call = Calls.load(id)
  redis.call('ZREM', LIVE, id)
  redis.call('ZREM', STATUS_QUERIES, id)
  if call and call.status == 'placed' then Calls.transition(call, 'unknown', { reason = 'no_news' }) end
  if call then NumberLock.release(call) end
end

record_heartbeat()
each_due(EXPIRING, expire_verification)
each_due(DIALING, recover_expired_lease)
each_due(LIVE, end_live_call)
Verifications.trim_newest()

return { 'has_more', swept >= most and 1 or 0,
  'audit_entries', redis.call('LPOP', AUDIT_LOG, POLICY.audit_batch) or {} }
