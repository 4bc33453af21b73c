-- The number lock: at most one call of a caller line and a number is live.

function NumberLock.key(bridge, number) return PREFIX .. 'number_lock:' .. bridge .. ':' .. number end
function NumberLock.waiting_key(bridge, number) return PREFIX .. 'waiting_for_number:' .. bridge .. ':' .. number end

-- The line's key outlives the hold, because keys end by the server's clock and `live` by NOW, which may be ahead.
function NumberLock.acquire(call, until_ms)
  local own = Queue.live_key(call.client)
  redis.call('ZADD', LIVE, until_ms, call.id)
  redis.call('ZREMRANGEBYSCORE', own, '-inf', NOW)
  redis.call('ZADD', own, until_ms, call.id)
  redis.call('PEXPIRE', own, HOUR_MS)
  redis.call('SET', NumberLock.key(call.bridge, call.number), call.id, 'PX', DAY_MS)
end

-- The call that holds the line of this one, and until when; nil when nothing does.
function NumberLock.holder(call)
  local id = redis.call('GET', NumberLock.key(call.bridge, call.number))
  local until_ms = id and id ~= call.id and tonumber(redis.call('ZSCORE', LIVE, id) or '0')
  if until_ms and until_ms > NOW then return id, until_ms end
end

function NumberLock.release(call)
  redis.call('ZREM', LIVE, call.id)
  redis.call('ZREM', Queue.live_key(call.client), call.id)
  local key = NumberLock.key(call.bridge, call.number)
  if redis.call('GET', key) == call.id then redis.call('DEL', key) end
  local waiting = NumberLock.waiting_key(call.bridge, call.number)
  Queue.bring_forward(redis.call('SMEMBERS', waiting))
  redis.call('DEL', waiting)
  if (Queue.head() or math.huge) <= NOW then Queue.wake() end
end
