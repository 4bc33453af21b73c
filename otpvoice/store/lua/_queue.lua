-- The queue. Each client has a queue of its own, so no backlog delays another client's calls.
--
-- queue           zset  client -> time at which its first call is due (ms)
-- queue:<client>  zset  bare call id -> time at which it is due (ms)
-- live:<client>   zset  call id -> time until which it may ring or be connected (ms), as in `live`

function Queue.key(client) return PREFIX .. 'queue:' .. (client or '') end
function Queue.live_key(client) return PREFIX .. 'live:' .. (client or '') end

-- Return the id of a client's first call and when it is due, or nil.
function Queue.first(client)
  local first = redis.call('ZRANGE', Queue.key(client), 0, 0, 'WITHSCORES')
  return first[1] and 'call_' .. first[1], tonumber(first[2])
end

-- Return when the first call of all is due, or nil.
function Queue.head() return tonumber(redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')[2]) end

function Queue.index(client)
  local _, due = Queue.first(client)
  if due then redis.call('ZADD', QUEUE, due, client) else redis.call('ZREM', QUEUE, client) end
end

local function put(id, client, due)
  redis.call('ZADD', Queue.key(client), due, bare(id))
  redis.call('PEXPIRE', Queue.key(client), POLICY.client_queue_ttl_ms)
end

-- Move a call within the queue.
function Queue.put(id, client, due)
  put(id, client, due)
  Queue.index(client)
end

function Queue.remove(id, client)
  if redis.call('ZREM', Queue.key(client), bare(id)) == 1 then Queue.index(client) end
end

-- Make calls that are still queued due now, or when the pause ends that the provider requested.
function Queue.bring_forward(ids)
  for _, id in ipairs(ids) do
    local client, not_before = unpack(redis.call('HMGET', Calls.key(id), 'client', 'not_before'))
    if client and redis.call('ZSCORE', Queue.key(client), bare(id)) then
      Queue.put(id, client, math.max(NOW, tonumber(not_before or '') or NOW))
    end
  end
end

-- Wake a blocked dialer.
function Queue.wake()
  local tokens = redis.call('LPUSH', WAKE, '1')
  if tokens > POLICY.wake_max_tokens then redis.call('LTRIM', WAKE, 0, POLICY.wake_max_tokens - 1) end
  redis.call('PEXPIRE', WAKE, POLICY.wake_ttl_ms)
end

function Queue.wake_if_due()
  if (Queue.head() or math.huge) <= NOW then Queue.wake() end
end

-- Queue a call, or bring it forward. A blocked dialer waits for the head of the queue only, so a new head wakes it.
function Queue.add(id, client, due)
  local head = Queue.head()
  put(id, client, due)
  redis.call('ZADD', QUEUE, 'LT', due, client) -- at the head of its client's queue or behind it
  if due <= NOW or not head or due < head then Queue.wake() end
end

-- Return the number of running dialers.
function Queue.dialers() return redis.call('ZCOUNT', DIALERS, NOW - POLICY.dialer_liveness_ms, '+inf') end

-- Return the number of live calls.
function Queue.live_calls() return redis.call('ZCOUNT', LIVE, '(' .. NOW, '+inf') end
