-- The number lock: at most one call to a number is live, whatever its caller line and its provider.
--
-- text number_lock:<number hash>           the live call; it holds the lock while it is in `live`
-- text number_lock:<bridge>:<number hash>  the same by its caller line, which a report may name. The release before this
--                                          one has only this lock, so it is set and honored as well.
-- set  waiting_for_number:<number hash>    queued calls that wait for the lock

local function lock_key(call) return PREFIX .. 'number_lock:' .. call.number end
local function line_key(call) return PREFIX .. 'number_lock:' .. call.bridge .. ':' .. call.number end
local function waiting_key(call) return PREFIX .. 'waiting_for_number:' .. call.number end

local function delete_own(key, call)
  if redis.call('GET', key) == call.id then redis.call('DEL', key) end
end

-- Lock a call's number, or extend its lock.
function NumberLock.acquire(call, until_ms)
  local live_key = Queue.live_key(call.client)
  redis.call('ZADD', LIVE, until_ms, call.id)
  redis.call('ZREMRANGEBYSCORE', live_key, '-inf', NOW)
  redis.call('ZADD', live_key, until_ms, call.id)
  redis.call('PEXPIRE', live_key, POLICY.client_queue_ttl_ms)
  redis.call('SET', lock_key(call), call.id, 'PX', POLICY.number_lock_ttl_ms)
  redis.call('SET', line_key(call), call.id, 'PX', POLICY.number_lock_ttl_ms)
end

-- Return the id of the call that has the lock of a caller line and number, or nil.
function NumberLock.call_of(bridge, number) return redis.call('GET', line_key({ bridge = bridge, number = number })) end

-- Release the lock of a call's line, which another provider replaces. The lock of its number stays.
function NumberLock.release_line(call) delete_own(line_key(call), call) end

-- Return until when another call locks this call's number, or nil.
function NumberLock.locked_until(call)
  local latest = NOW
  for _, key in ipairs({ lock_key(call), line_key(call) }) do
    local id = redis.call('GET', key)
    if id and id ~= call.id then latest = math.max(latest, tonumber(redis.call('ZSCORE', LIVE, id) or '0')) end
  end
  return latest > NOW and latest or nil
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
  delete_own(lock_key(call), call)
  delete_own(line_key(call), call)
  NumberLock.release_waiting(call)
  Queue.wake_if_due()
end
