-- The queue.
--
-- Each client has a queue of its own, so that no backlog stands before another client's call:
--   queue           zset  client -> when to dial its first call (ms)
--   queue:<client>  zset  call id -> when to dial it (ms)
--   live:<client>   zset  call id -> until when it may ring or talk (ms), as in `live`
function Queue.key(client) return PREFIX .. 'queue:' .. (client or '') end
function Queue.live_key(client) return PREFIX .. 'live:' .. (client or '') end

-- Return the id of a client's first call and when to dial it, or nil.
function Queue.first(client)
  local first = redis.call('ZRANGE', Queue.key(client), 0, 0, 'WITHSCORES')
  return first[1], tonumber(first[2])
end

-- Return when to dial the first call of all, or nil.
function Queue.head() return tonumber(redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')[2]) end

function Queue.index(client)
  local _, due = Queue.first(client)
  if due then redis.call('ZADD', QUEUE, due, client) else redis.call('ZREM', QUEUE, client) end
end

-- Queue a call, or move it within the queue.
function Queue.put(id, client, due)
  redis.call('ZADD', Queue.key(client), due, id)
  redis.call('PEXPIRE', Queue.key(client), HOUR_MS)
  Queue.index(client)
end

function Queue.remove(id, client)
  if redis.call('ZREM', Queue.key(client), id) == 1 then Queue.index(client) end
end

-- Make calls that are still queued due now, or when the pause ends that the provider asked for.
function Queue.bring_forward(ids)
  for _, id in ipairs(ids) do
    local client, not_before = unpack(redis.call('HMGET', Calls.key(id), 'client', 'not_before'))
    if client and redis.call('ZSCORE', Queue.key(client), id) then
      Queue.put(id, client, math.max(NOW, tonumber(not_before or '') or NOW))
    end
  end
end

function Queue.wake()
  redis.call('LPUSH', WAKE, '1')
  redis.call('LTRIM', WAKE, 0, 99)
  redis.call('PEXPIRE', WAKE, 60000)
end

-- A sleeping dialer knows the head of the queue only: a new head is told to it.
function Queue.add(id, client, due)
  local head = Queue.head()
  Queue.put(id, client, due)
  if due <= NOW or not head or due < head then Queue.wake() end
end
