-- The number lock: at most one call of a caller line and a number is live.
--
-- text number_lock:<bridge>:<number hash>         the live call; it holds the lock while it is in `live`
-- set  waiting_for_number:<bridge>:<number hash>  queued calls that wait for the lock

local function lock_key(call) return PREFIX .. 'number_lock:' .. call.bridge .. ':' .. call.number end
local function waiting_key(call) return PREFIX .. 'waiting_for_number:' .. call.bridge .. ':' .. call.number end

-- Lock a call's number, or extend its lock.
function NumberLock.acquire(call, until_ms)
  local live_key = Queue.live_key(call.client)
  redis.call('ZADD', LIVE, until_ms, call.id)
  redis.call('ZREMRANGEBYSCORE', live_key, '-inf', NOW)
  redis.call('ZADD', live_key, until_ms, call.id)
  redis.call('PEXPIRE', live_key, POLICY.client_queue_ttl_ms)
  redis.call('SET', lock_key(call), call.id, 'PX', POLICY.number_lock_ttl_ms)
end

-- Return the id of the call that has the lock of a caller line and number, or nil.
function NumberLock.call_of(bridge, number) return redis.call('GET', lock_key({ bridge = bridge, number = number })) end

-- Return until when another call locks this call's number, or nil.
function NumberLock.locked_until(call)
  local id = redis.call('GET', lock_key(call))
  local until_ms = id and id ~= call.id and tonumber(redis.call('ZSCORE', LIVE, id) or '0')
  return until_ms and until_ms > NOW and until_ms or nil
end

-- Let a call wait for the lock, until a little after its end.
function NumberLock.add_waiter(call, until_ms)
  redis.call('SADD', waiting_key(call), call.id)
  redis.call('PEXPIRE', waiting_key(call), until_ms - NOW + MINUTE_MS)
end

-- Bring the calls forward that wait for a call's number. Return whether there are any.
function NumberLock.release_waiting(call)
  local waiting = redis.call('SMEMBERS', waiting_key(call))
  if not waiting[1] then return false end
  Queue.bring_forward(waiting)
  redis.call('DEL', waiting_key(call))
  return true
end

-- Release a call's lock and bring the calls forward that wait for it.
function NumberLock.release(call)
  redis.call('ZREM', LIVE, call.id)
  redis.call('ZREM', Queue.live_key(call.client), call.id)
  local key = lock_key(call)
  if redis.call('GET', key) == call.id then redis.call('DEL', key) end
  NumberLock.release_waiting(call)
  Queue.wake_if_due()
end
