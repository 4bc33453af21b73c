-- Counting within sliding windows. A quota is {label, count, window_ms}: at most `count` within a window.

-- Counters: how many, in the buckets of a window.
--
-- hash counter:<what>:<window>   {bucket: how many, total, first: the oldest bucket in it}
--
-- A bucket counts until the window of its last millisecond is over, so no window, wherever it starts, holds more
-- than is allowed.

local BUCKETS = POLICY.counter_buckets

function Counters.key(name, window_ms) return PREFIX .. 'counter:' .. name .. ':' .. window_ms end
function Counters.bucket_of(at, window_ms) return math.floor(at * BUCKETS / window_ms) end

local function bucket_end(bucket, window_ms) return math.ceil((bucket + 1) * window_ms / BUCKETS + window_ms) end

-- Return {bucket: how many} of the buckets that still count.
local function current_buckets(key, window_ms)
  local oldest, buckets = Counters.bucket_of(NOW - window_ms, window_ms), {}
  for field, amount in pairs(load_hash(key) or {}) do
    local bucket = tonumber(field)
    if bucket and bucket >= oldest then buckets[bucket] = tonumber(amount) end
  end
  return buckets
end

local function is_integer(text) return text and text:find('^%d+$') end

-- Rewrite a counter without the buckets that no longer count. Return its total and its first bucket.
local function drop_old_buckets(key, window_ms)
  local total, first = 0, nil
  local buckets = current_buckets(key, window_ms)
  for bucket, amount in pairs(buckets) do
    total, first = total + amount, math.min(first or bucket, bucket)
  end
  local ttl_ms = redis.call('PTTL', key)
  redis.call('DEL', key)
  if total == 0 then return 0, nil end
  for bucket, amount in pairs(buckets) do redis.call('HSET', key, bucket, amount) end
  redis.call('HSET', key, 'total', total, 'first', first)
  redis.call('PEXPIRE', key, ttl_ms)
  return total, first
end

local function read(key, window_ms)
  local total, first = unpack(redis.call('HMGET', key, 'total', 'first'))
  if not (total or first) then return 0, nil end
  if not (is_integer(total) and is_integer(first)) then
    Records.quarantine(key, 'unreadable count')
    return 0, nil
  end
  first = tonumber(first)
  if first >= Counters.bucket_of(NOW - window_ms, window_ms) then return tonumber(total), first end
  return drop_old_buckets(key, window_ms)
end

-- Return {total, first} of a counter. A run reads each counter once and keeps what it changes.
local function state_of(key, window_ms)
  local state = loaded[key]
  if not state then
    local total, first = read(key, window_ms)
    state = { total = total, first = first }
    loaded[key] = state
  end
  return state
end

function Counters.total(name, window_ms) return state_of(Counters.key(name, window_ms), window_ms).total end

function Counters.clear(name, window_ms)
  local key = Counters.key(name, window_ms)
  redis.call('DEL', key)
  loaded[key], loaded['ttl ' .. key] = nil, nil
end

-- Count the first one of a counter.
local function start(key, bucket, ttl_ms)
  redis.call('HSET', key, 'total', 1, 'first', bucket, bucket, 1)
  redis.call('PEXPIRE', key, ttl_ms)
  loaded[key], loaded['ttl ' .. key] = { total = 1, first = bucket }, ttl_ms
end

function Counters.increment(name, window_ms, at)
  local key, bucket = Counters.key(name, window_ms), Counters.bucket_of(at, window_ms)
  local state, ttl_ms = loaded[key], bucket_end(bucket, window_ms) - NOW
  if state and not state.first then return start(key, bucket, ttl_ms) end
  local total = redis.call('HINCRBY', key, 'total', 1)
  if total == 1 then return start(key, bucket, ttl_ms) end
  if state then state.total = total end
  if redis.call('HINCRBY', key, bucket, 1) > 1 then return end
  state = state_of(key, window_ms) -- read again if it was just quarantined
  if not state.first or bucket < state.first then
    redis.call('HSET', key, 'first', bucket)
    state.first = bucket
  end
  extend_ttl(key, ttl_ms)
end

function Counters.decrement(name, window_ms, at)
  local key, bucket = Counters.key(name, window_ms), Counters.bucket_of(at, window_ms)
  if redis.call('HINCRBY', key, bucket, -1) < 0 then return redis.call('HDEL', key, bucket) end
  local total = redis.call('HINCRBY', key, 'total', -1)
  if total < 0 then return redis.call('HDEL', key, 'total') end -- it was just quarantined
  if loaded[key] then loaded[key].total = total end
end

-- Return the first bucket from this one on that lies in no full window.
local function first_free_bucket(buckets, bucket, count)
  local used, free, last = 0, bucket, bucket
  for i = bucket - BUCKETS - 1, bucket - 1 do used = used + (buckets[i] or 0) end
  while last <= free + BUCKETS do
    used = used + (buckets[last] or 0) - (buckets[last - BUCKETS - 1] or 0)
    last = last + 1
    if used >= count then free = last end
  end
  return free
end

-- Return the time from which a counter has room for one more at `at`, 0 if it has room already, and the current
-- total. `released_at`: when something was counted that the new one replaces, if it replaces anything.
function Counters.retry_at(name, quota, at, released_at)
  local window_ms = quota.window_ms
  local used = Counters.total(name, window_ms)
  if used < quota.count then return 0, used end
  local buckets = current_buckets(Counters.key(name, window_ms), window_ms)
  local bucket = Counters.bucket_of(at, window_ms)
  local released = released_at and Counters.bucket_of(released_at, window_ms)
  if buckets[released] then buckets[released] = buckets[released] - 1 end
  local free = first_free_bucket(buckets, bucket, quota.count)
  return free > bucket and math.ceil(free * window_ms / BUCKETS) or 0, used
end

-- Windows whose members are known one by one --------------------------------------------------------

-- Return the time from which a quota has room, or 0, and how many are in it. `times`: when they happened, in order.
function Windows.retry_at(times, quota)
  local inside = {}
  for _, at in ipairs(times) do
    if at > NOW - quota.window_ms then inside[#inside + 1] = at end
  end
  local first_to_leave = inside[#inside - quota.count + 1]
  return first_to_leave and first_to_leave + quota.window_ms or 0, #inside
end

-- Return when a member of a zset {member: when} happened; 0 without a member.
function Windows.time_of(key, member) return tonumber(member and redis.call('ZSCORE', key, member) or '0') end

-- The same as retry_at() for a zset {member: when}, without a member at `excluded_at`; 0: with all. The cost does not
-- grow with the members.
function Windows.zset_retry_at(key, quota, excluded_at)
  local from = '(' .. NOW - quota.window_ms
  local is_inside = excluded_at > NOW - quota.window_ms
  local used = redis.call('ZCOUNT', key, from, '+inf') - (is_inside and 1 or 0)
  if used < quota.count then return 0, used end
  local two = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', used - quota.count, 2)
  local first_to_leave = is_inside and excluded_at <= tonumber(two[2]) and two[4] or two[2]
  return first_to_leave + quota.window_ms, used
end

-- Add a member to a zset that serves these quotas, or move it.
function Windows.add(key, member, at, quotas)
  local longest_ms = 0
  for _, quota in ipairs(quotas) do longest_ms = math.max(longest_ms, quota.window_ms) end
  if longest_ms == 0 then return end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - longest_ms)
  if at <= NOW - longest_ms then return redis.call('ZREM', key, member) end
  redis.call('ZADD', key, at, member)
  extend_ttl(key, at - NOW + longest_ms)
end
