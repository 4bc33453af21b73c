-- Counting within windows that slide. A quota is {label, count, window in ms}: so many within a window.

local function longest_window(quotas)
  local longest = 0
  for _, quota in ipairs(quotas) do longest = math.max(longest, quota.window) end
  return longest
end

-- Tallies: how many, in sixty slices of a window ------------------------------------------------------
-- hash {slice: how many, total, first: the oldest slice in it}. A slice counts until the window of its
-- last millisecond is over, so that no window, wherever it starts, holds more than is allowed.

local SLICES = 60

local function tally_key(name, window) return PREFIX .. 'tally:' .. name .. ':' .. window end
local function slice_of(at, window) return math.floor(at * SLICES / window) end
local function slice_end(slice, window) return math.ceil((slice + 1) * window / SLICES + window) end

-- {slice: how many} of what has not slid out.
local function slices_of(key, window)
  local oldest, slices = slice_of(NOW - window, window), {}
  for field, many in pairs(load(key) or {}) do
    local slice = tonumber(field)
    if slice and slice >= oldest then slices[slice] = tonumber(many) end
  end
  return slices
end

local function is_whole(text) return text and text:find('^%d+$') end

local function total_in(name, window)
  local key = tally_key(name, window)
  local total, first = unpack(redis.call('HMGET', key, 'total', 'first'))
  if not (total or first) then return 0 end
  if not (is_whole(total) and is_whole(first)) then
    records.set_aside(key, 'unreadable count')
    return 0
  end
  if tonumber(first) >= slice_of(NOW - window, window) then return tonumber(total) end
  local left, soonest = 0, nil
  local slices = slices_of(key, window)
  for slice, many in pairs(slices) do
    left, soonest = left + many, math.min(soonest or slice, slice)
  end
  local ends = redis.call('PTTL', key)
  redis.call('DEL', key)
  if left == 0 then return 0 end
  for slice, many in pairs(slices) do redis.call('HSET', key, slice, many) end
  redis.call('HSET', key, 'total', left, 'first', soonest)
  redis.call('PEXPIRE', key, ends)
  return left
end

local function add_to(name, window, at)
  local key, slice = tally_key(name, window), slice_of(at, window)
  total_in(name, window)
  redis.call('HINCRBY', key, 'total', 1)
  if redis.call('HINCRBY', key, slice, 1) > 1 then return end
  local first = tonumber(redis.call('HGET', key, 'first'))
  if not first or slice < first then redis.call('HSET', key, 'first', slice) end
  keep_for(key, slice_end(slice, window) - NOW)
end

local function take_from(name, window, at)
  local key, slice = tally_key(name, window), slice_of(at, window)
  total_in(name, window)
  if (tonumber(redis.call('HGET', key, slice) or '0') or 0) > 0 then
    redis.call('HINCRBY', key, slice, -1)
    redis.call('HINCRBY', key, 'total', -1)
  end
end

-- The first slice, from one on, that lies in no window that is full.
local function first_free(slices, slice, count)
  local held, free, last = 0, slice, slice
  for i = slice - SLICES - 1, slice - 1 do held = held + (slices[i] or 0) end
  while last <= free + SLICES do
    held = held + (slices[last] or 0) - (slices[last - SLICES - 1] or 0)
    last = last + 1
    if held >= count then free = last end
  end
  return free
end

-- Until when a tally has no room for one more at `at`, or 0, and how many are in it. `besides`: when
-- what makes room was counted, if something does.
local function tally_full_until(name, quota, at, besides)
  local used = total_in(name, quota.window)
  if used < quota.count then return 0, used end
  local slices, wanted = slices_of(tally_key(name, quota.window), quota.window), slice_of(at, quota.window)
  local freed = besides and slice_of(besides, quota.window)
  if slices[freed] then slices[freed] = slices[freed] - 1 end
  local free = first_free(slices, wanted, quota.count)
  return free > wanted and math.ceil(free * quota.window / SLICES) or 0, used
end

-- Windows that know who is in them --------------------------------------------------------------------

-- Until when a quota has no room, or 0, and how many are in it: for what happened at `times`, in order.
local function full_until(times, quota)
  local inside = {}
  for _, at in ipairs(times) do
    if at > NOW - quota.window then inside[#inside + 1] = at end
  end
  local first_to_go = inside[#inside - quota.count + 1]
  return first_to_go and first_to_go + quota.window or 0, #inside
end

-- The same for a zset {who: when}, but for `besides`; however many there are.
local function zset_full_until(key, quota, besides)
  local from = '(' .. NOW - quota.window
  local mine = tonumber(besides and redis.call('ZSCORE', key, besides) or '0')
  local counts = mine > NOW - quota.window
  local used = redis.call('ZCOUNT', key, from, '+inf') - (counts and 1 or 0)
  if used < quota.count then return 0, used end
  local two = redis.call('ZRANGEBYSCORE', key, from, '+inf', 'WITHSCORES', 'LIMIT', used - quota.count, 2)
  local first_to_go = counts and mine <= tonumber(two[2]) and two[4] or two[2]
  return first_to_go + quota.window, used
end

local function put_in_window(key, who, at, quotas)
  local longest = longest_window(quotas)
  if longest == 0 then return end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - longest)
  if at <= NOW - longest then return redis.call('ZREM', key, who) end
  redis.call('ZADD', key, at, who)
  keep_for(key, at - NOW + longest)
end
