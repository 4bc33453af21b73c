-- Ends what nobody asked for, gives lapsed leases back, and says that this dialer lives.
--
-- ARGV 3 dialer id   4 how long a silent dialer is remembered, ms   5 how many of each kind at most
-- Returns {now, how many were swept, what the log is to be told (JSON), ...}

local swept = 0

local function each_over(key, act)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', NOW, 'LIMIT', 0, ARGV[5])) do
    act(id)
    swept = swept + 1
  end
end

redis.call('ZADD', DIALERS, NOW, ARGV[3])
redis.call('ZREMRANGEBYSCORE', DIALERS, '-inf', NOW - ARGV[4])
redis.call('PEXPIRE', DIALERS, ARGV[4])

each_over(EXPIRING, function(id)
  Verifications.load(id)
  redis.call('ZREM', EXPIRING, id)
end)

-- A holder that is gone before its mark has sent nothing; after it, nobody knows.
each_over(DIALING, function(id)
  local call = Calls.load(id)
  if not call then
    redis.call('ZREM', DIALING, id)
  elseif call.sent_at then
    Calls.transition(call, 'unknown', { reason = 'no_news' })
  else
    Calls.requeue(call, NOW)
  end
end)

each_over(LIVE, function(id)
  local call = Calls.load(id)
  redis.call('ZREM', LIVE, id)
  redis.call('ZREM', STATUS_QUERIES, id)
  if call and call.status == 'placed' then Calls.transition(call, 'unknown', { reason = 'no_news' }) end
  if call then NumberLock.release(call) end
end)

return { NOW, swept, unpack(redis.call('LPOP', PREFIX .. 'audit_log', 100) or {}) }
