-- Counting within windows that slide. A quota is {label, count, window in ms}: so many within a window.

function Windows.longest(quotas)
  local longest = 0
  for _, quota in ipairs(quotas) do longest = math.max(longest, quota.window) end
  return longest
end

-- Tallies: how many, in sixty buckets of a window ------------------------------------------------------
-- hash {bucket: how many, total, first: the oldest bucket in it}. A bucket counts until the window of its
-- last millisecond is over, so that no window, wherever it starts, holds more than is allowed.

local BUCKETS = 60

function Counters.key(name, window) return PREFIX .. 'counter:' .. name .. ':' .. window end
function Counters.bucket_of(at, window) return math.floor(at * BUCKETS / window) end
function Counters.bucket_end(bucket, window) return math.ceil((bucket + 1) * window / BUCKETS + window) end

-- {bucket: how many} of what has not slid out.
function Counters.buckets(key, window)
  local oldest, buckets = Counters.bucket_of(NOW - window, window), {}
  for field, many in pairs(load_hash(key) or {}) do
    local bucket = tonumber(field)
    if bucket and bucket >= oldest then buckets[bucket] = tonumber(many) end
  end
  return buckets
end

local function is_integer(text) return text and text:find('^%d+$') end

function Counters.total(name, window)
  local key = Counters.key(name, window)
  local total, first = unpack(redis.call('HMGET', key, 'total', 'first'))
  if not (total or first) then return 0 end
  if not (is_integer(total) and is_integer(first)) then
    Records.quarantine(key, 'unreadable count')
    return 0
  end
  if tonumber(first) >= Counters.bucket_of(NOW - window, window) then return tonumber(total) end
  local left, soonest = 0, nil
  local buckets = Counters.buckets(key, window)
  for bucket, many in pairs(buckets) do
    left, soonest = left + many, math.min(soonest or bucket, bucket)
  end
  local ends = redis.call('PTTL', key)
  redis.call('DEL', key)
  if left == 0 then return 0 end
  for bucket, many in pairs(buckets) do redis.call('HSET', key, bucket, many) end
  redis.call('HSET', key, 'total', left, 'first', soonest)
  redis.call('PEXPIRE', key, ends)
  return left
end

function Counters.increment(name, window, at)
  local key, bucket = Counters.key(name, window), Counters.bucket_of(at, window)
  Counters.total(name, window)
  redis.call('HINCRBY', key, 'total', 1)
  if redis.call('HINCRBY', key, bucket, 1) > 1 then return end
  local first = tonumber(redis.call('HGET', key, 'first'))
  if not first or bucket < first then redis.call('HSET', key, 'first', bucket) end
  extend_ttl(key, Counters.bucket_end(bucket, window) - NOW)
end

function Counters.decrement(name, window, at)
  local key, bucket = Counters.key(name, window), Counters.bucket_of(at, window)
  Counters.total(name, window)
  if (tonumber(redis.call('HGET', key, bucket) or '0') or 0) > 0 then
    redis.call('HINCRBY', key, bucket, -1)
    redis.call('HINCRBY', key, 'total', -1)
  end
end

-- The first bucket, from one on, that lies in no window that is full.
local function first_free_bucket(buckets, bucket, count)
  local held, free, last = 0, bucket, bucket
  for i = bucket - BUCKETS - 1, bucket - 1 do held = held + (buckets[i] or 0) end
  while last <= free + BUCKETS do
    held = held + (buckets[last] or 0) - (buckets[last - BUCKETS - 1] or 0)
    last = last + 1
    if held >= count then free = last end
  end
  return free
end

-- Until when a tally has no room for one more at `at`, or 0, and how many are in it. `exclude`: when
-- what makes room was counted, if something does.
function Counters.retry_at(name, quota, at, exclude)
  local used = Counters.total(name, quota.window)
  if used < quota.count then return 0, used end
  local buckets, wanted = Counters.buckets(Counters.key(name, quota.window), quota.window), Counters.bucket_of(at, quota.window)
  local freed = exclude and Counters.bucket_of(exclude, quota.window)
  if buckets[freed] then buckets[freed] = buckets[freed] - 1 end
  local free = first_free_bucket(buckets, wanted, quota.count)
  return free > wanted and math.ceil(free * quota.window / BUCKETS) or 0, used
end

-- Windows that know who is in them --------------------------------------------------------------------

-- Until when a quota has no room, or 0, and how many are in it: for what happened at `times`, in order.
function Windows.retry_at(times, quota)
  local inside = {}
  for _, at in ipairs(times) do
    if at > NOW - quota.window then inside[#inside + 1] = at end
  end
  local first_to_go = inside[#inside - quota.count + 1]
  return first_to_go and first_to_go + quota.window or 0, #inside
end

-- The same for a zset {who: when}, but for `exclude`; however many there are.
function Windows.zset_retry_at(key, quota, exclude)
  local from = '(' .. NOW - quota.window
  local mine = tonumber(exclude and redis.call('ZSCORE', key, exclude) or '0')
  local counts = mine > NOW - quota.window
  local used = redis.call('ZCOUNT', key, from, '+inf') - (counts and 1 or 0)
  if used < quota.count then return 0, used end
  local two = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', used - quota.count, 2)
  local first_to_go = counts and mine <= tonumber(two[2]) and two[4] or two[2]
  return first_to_go + quota.window, used
end

function Windows.add(key, who, at, quotas)
  local longest = Windows.longest(quotas)
  if longest == 0 then return end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - longest)
  if at <= NOW - longest then return redis.call('ZREM', key, who) end
  redis.call('ZADD', key, at, who)
  extend_ttl(key, at - NOW + longest)
end
