-- Who may be called how often. A quota is {label, count, window in ms}: so many in a window that slides.
-- A call takes its places when it is queued and gives them back if it is never sent; a refusal takes none.

-- Tallies: how many, in sixty slices of a window -------------------------------------------------------
-- hash {slice: how many, total, first: the oldest slice in it}. A slice counts to the end of its last
-- millisecond's window, so that no window of any start holds more than is allowed.

local SLICES = 60

local function tally_key(name, window) return PREFIX .. 'tally:' .. name .. ':' .. window end
local function slice_of(at, window) return math.floor(at * SLICES / window) end
local function slice_end(slice, window) return math.ceil((slice + 1) * window / SLICES + window) end

local function tally(name, window)
  local key, oldest = tally_key(name, window), slice_of(NOW - window, window)
  local total, first = unpack(redis.call('HMGET', key, 'total', 'first'))
  if not total or tonumber(first) >= oldest then return tonumber(total or '0') end
  local left, soonest = 0, math.huge
  for field, count in pairs(load(key)) do
    local slice = tonumber(field)
    if slice and slice < oldest then
      redis.call('HDEL', key, field)
    elseif slice then
      left, soonest = left + count, math.min(soonest, slice)
    end
  end
  if left == 0 then
    redis.call('DEL', key)
  else
    redis.call('HSET', key, 'total', left, 'first', soonest)
  end
  return left
end

local function count(name, window, at)
  local key, slice = tally_key(name, window), slice_of(at, window)
  tally(name, window)
  redis.call('HINCRBY', key, slice, 1)
  redis.call('HINCRBY', key, 'total', 1)
  local first = tonumber(redis.call('HGET', key, 'first'))
  if not first or slice < first then redis.call('HSET', key, 'first', slice) end
  keep_for(key, slice_end(slice, window) - NOW)
end

local function uncount(name, window, at)
  local key, slice = tally_key(name, window), slice_of(at, window)
  tally(name, window)
  if tonumber(redis.call('HGET', key, slice) or '0') > 0 then
    redis.call('HINCRBY', key, slice, -1)
    redis.call('HINCRBY', key, 'total', -1)
  end
end

-- Until when a tally has no room, and how many count; 0 when it has. `spare`: so many do not.
local function tally_full_until(name, quota, spare)
  local used = tally(name, quota.window) - spare
  local over = used - quota.count + 1
  if over <= 0 then return 0, used end
  local slices = {}
  for field, number in pairs(load(tally_key(name, quota.window))) do
    if tonumber(field) then slices[#slices + 1] = { tonumber(field), number } end
  end
  table.sort(slices, function(a, b) return a[1] < b[1] end)
  for _, slice in ipairs(slices) do
    over = over - slice[2]
    if over <= 0 then return slice_end(slice[1], quota.window), used end
  end
end

-- Until when a quota has no room, for what happened at `times` (in order), and how many count; 0 when
-- it has.
local function full_until(times, quota)
  local inside = {}
  for _, at in ipairs(times) do
    if at > NOW - quota.window then inside[#inside + 1] = at end
  end
  local first_to_go = inside[#inside - quota.count + 1]
  return first_to_go and first_to_go + quota.window or 0, #inside
end

-- The times of a zset {who: when} but of one member, in order.
local function times_in(key, besides)
  local times, flat = {}, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    if flat[i] ~= besides then times[#times + 1] = tonumber(flat[i + 1]) end
  end
  return times
end

local function longest_window(quotas)
  local longest = 0
  for _, quota in ipairs(quotas) do longest = math.max(longest, quota.window) end
  return longest
end

local function put_in_window(key, who, at, quotas)
  local longest = longest_window(quotas)
  if longest == 0 then return end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - longest)
  redis.call('ZADD', key, at, who)
  keep_for(key, at - NOW + longest)
end

-- Numbers ---------------------------------------------------------------------------------------------
-- hash  until, sent, last           the gap: until when, after how many calls since the last approval
--       shares                      "prefix area region": what it shares with others; the area can be
--                                   read, the prefix not
--       blocked_until               at the wish of who answers there
--       pending <client>            id of the verification
--       call <id>                   when it is or was due, of the last day; "+" before it: it takes no
--                                   place among the calls without approval
--       verification <id>           when it began; the newest twenty

local NEWEST = 20
local REMEMBERED = math.max(DAY, longest_window(RULES.calls_per_number), longest_window(RULES.all_calls_per_number))

local function number_key(name) return PREFIX .. 'number:' .. name end

local function gap_until(number) return tonumber(redis.call('HGET', number_key(number), 'until') or '0') end

local function blocked_until(number)
  return tonumber(redis.call('HGET', number_key(number), 'blocked_until') or '0')
end

local function write_number(number, ...)
  redis.call('HSET', number_key(number), ...)
  keep_for(number_key(number), REMEMBERED)
end

-- {id: {at, proven}} of the calls to a number.
local function calls_to(number)
  local calls = {}
  for field, value in pairs(load(number_key(number)) or {}) do
    local id = field:match('^call (.+)')
    if id then calls[id] = { at = tonumber((value:gsub('%+', ''))), proven = value:sub(1, 1) == '+' } end
  end
  return calls
end

-- When they were due, but one of them, in order.
local function times_of(calls, besides)
  local times = {}
  for id, call in pairs(calls) do
    if id ~= besides then times[#times + 1] = call.at end
  end
  table.sort(times)
  return times
end

local function without_approval(calls)
  local unproven = {}
  for id, call in pairs(calls) do
    if not call.proven then unproven[id] = call end
  end
  return unproven
end

local function forget_calls_before(number, moment)
  for id, call in pairs(calls_to(number)) do
    if call.at <= moment then redis.call('HDEL', number_key(number), 'call ' .. id) end
  end
end

-- Their ids, the newest first.
local function verifications_of(number)
  local ids, began = {}, {}
  for field, at in pairs(load(number_key(number)) or {}) do
    local id = field:match('^verification (.+)')
    if id then ids[#ids + 1], began[id] = id, tonumber(at) end
  end
  table.sort(ids, function(a, b) return began[a] > began[b] end)
  return ids
end

local function remember_verification(number, id, keep)
  local key = number_key(number)
  for i, known in ipairs(verifications_of(number)) do
    if i >= NEWEST then redis.call('HDEL', key, 'verification ' .. known) end
  end
  redis.call('HSET', key, 'verification ' .. id, NOW)
  keep_for(key, keep)
end

-- What was never sent leaves no gap; but the gap that another call left since then stays.
local function return_gap(number, before, after)
  local key = number_key(number)
  if redis.call('HGET', key, 'until') ~= after then return end
  redis.call('HSET', key, 'until', before)
  if redis.call('HINCRBY', key, 'sent', -1) <= 0 then redis.call('HDEL', key, 'until', 'sent', 'last') end
end

-- What a number shares with others: {prefix, area, region}; empty before its first verification.
local function shared_by(number)
  local shares = redis.call('HGET', number_key(number), 'shares') or ''
  local prefix, area, region = shares:match('^(%S+) (%S+) (%S+)$')
  return { prefix = prefix, area = area, region = region }
end

local function prefix_key(prefix) return PREFIX .. 'prefix:' .. prefix end

-- A prefix holds its numbers by their last call without approval.
local function place_in_prefix(number)
  local prefix, times = shared_by(number).prefix, times_of(without_approval(calls_to(number)))
  if not prefix then return end
  if #times == 0 then
    redis.call('ZREM', prefix_key(prefix), number)
  else
    put_in_window(prefix_key(prefix), number, times[#times], RULES.unproven_per_prefix)
  end
end

-- Until when a prefix has no room for one more number; one that is in it already needs none.
local function prefix_full_until(prefix, number, quota)
  local full, others = full_until(times_in(prefix_key(prefix), number), quota)
  local last = redis.call('ZSCORE', prefix_key(prefix), number)
  if last and tonumber(last) > NOW - quota.window then return 0, others + 1 end
  return full, others
end

local function ip_key(ip) return PREFIX .. 'ip:' .. ip end

-- Breakers: zset {which: until when it is open} -------------------------------------------------------

local BREAKERS = PREFIX .. 'breakers'

local function open_until(breaker) return tonumber(redis.call('ZSCORE', BREAKERS, breaker) or '0') end

local function open_breaker(breaker, length, details)
  redis.call('ZREMRANGEBYSCORE', BREAKERS, '-inf', NOW)
  redis.call('ZADD', BREAKERS, NOW + length, breaker)
  keep_for(BREAKERS, length)
  details.breaker, details.open_for = breaker, length / 1000
  notice('breaker.opened', details)
end

local FEWEST_ENDED, REFUSED_FOR = 20, 30 * MINUTE

-- Counts an answered verification by whether it ended approved; too few approved open the breaker.
local function count_conversion(scope, approved)
  local rule, breaker = RULES.conversion_breaker, 'conversion_breaker ' .. scope
  count('ended ' .. scope, rule.window, NOW)
  if approved then count('approved ' .. scope, rule.window, NOW) end
  local ended, proven = tally('ended ' .. scope, rule.window), tally('approved ' .. scope, rule.window)
  if ended < FEWEST_ENDED or proven * 100 >= ended * rule.percent or open_until(breaker) > NOW then return end
  open_breaker(breaker, REFUSED_FOR, { ended = ended, approved = proven })
  -- When it closes it judges anew.
  redis.call('DEL', tally_key('ended ' .. scope, rule.window), tally_key('approved ' .. scope, rule.window))
end

-- Once for each verification that has ended and was answered, whichever came first.
local function judge_conversion(verification)
  if not RULES.conversion_breaker or RULES.deliver_only[verification.client] or verification.judged then return end
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'judged', 1)
  verification.judged = '1'
  local shares, approved = shared_by(verification.number), verification.status == 'approved'
  if shares.area then count_conversion('area ' .. shares.area, approved) end
  if shares.region then count_conversion('region ' .. shares.region, approved) end
  count_conversion('client ' .. verification.client, approved)
end

-- While the breaker is open, new verifications begin with so many checks.
local FEWEST_CHECKS, CHECKS_IN_DOUBT = 200, 3

-- Counts a code that was compared; too many wrong ones open the breaker.
local function judge_codes(wrong)
  local rule = RULES.wrong_code_breaker
  if not rule then return end
  count('checks', rule.window, NOW)
  if not wrong then return end
  count('wrong checks', rule.window, NOW)
  local checks, missed = tally('checks', rule.window), tally('wrong checks', rule.window)
  if checks >= FEWEST_CHECKS and missed * 100 >= checks * rule.percent and open_until('wrong_code_breaker') <= NOW then
    open_breaker('wrong_code_breaker', rule.window, { checks = checks, wrong = missed })
  end
end

-- All limits of a call --------------------------------------------------------------------------------

-- What a call is counted in besides its number's and its address's limits.
local function own_tallies_of(client) return RULES.clients[client] or {} end

local function tallies_of(client)
  local all = { unpack(RULES.every_client) }
  for _, each in ipairs(own_tallies_of(client)) do all[#all + 1] = each end
  return all
end

local function each_limit_of_codes(number, hold)
  for _, quota in ipairs(RULES.wrong_codes_per_number) do
    hold(quota.label, tally_full_until('wrong ' .. number, quota, 0))
  end
end

-- The limit that `each` tells to hold longest, and until when; nil and 0 when none does.
local function longest_held(each)
  local longest, until_ms = nil, NOW
  each(function(label, full)
    if full > until_ms then longest, until_ms = label, full end
  end)
  return longest, longest and until_ms or 0
end

local function codes_refused(number)
  return longest_held(function(hold) each_limit_of_codes(number, hold) end)
end

local function count_wrong_code(number)
  for _, quota in ipairs(RULES.wrong_codes_per_number) do count('wrong ' .. number, quota.window, NOW) end
end

-- Tells `hold(label, until when, how many count)` of every limit that a further call meets; 0 when there is room.
-- `of`: {number, client, ip, shares: what the number shares, if it has no record yet}
-- `besides`: a call that makes room.
local function each_limit(of, besides, hold)
  local number, calls, shares = of.number, calls_to(of.number), of.shares or shared_by(of.number)
  hold('block', blocked_until(number))
  each_limit_of_codes(number, hold)
  for _, quota in ipairs(RULES.all_calls_per_number) do
    hold(quota.label, full_until(times_of(calls, besides), quota))
  end
  for _, each in ipairs(tallies_of(of.client)) do
    hold(each.label, tally_full_until(each.name, each, besides and 1 or 0))
  end
  if RULES.deliver_only[of.client] then return end
  for _, quota in ipairs(RULES.calls_per_number) do
    hold(quota.label, full_until(times_of(without_approval(calls), besides), quota))
  end
  for _, quota in ipairs(RULES.unproven_per_prefix) do 
    if shares.prefix then hold(quota.label, prefix_full_until(shares.prefix, number, quota)) end
  end
  for _, quota in ipairs(of.ip and RULES.calls_per_ip or {}) do
    hold(quota.label, full_until(times_in(ip_key(of.ip), besides), quota))
  end
  hold('conversion_breaker', shares.area and open_until('conversion_breaker area ' .. shares.area) or 0)
end

local function limit_reached(of, besides)
  return longest_held(function(hold) each_limit(of, besides, hold) end)
end

local function count_tallies(client, step, at)
  for _, each in ipairs(tallies_of(client)) do step(each.name, each.window, at) end
end

-- The number knows under which moment a call was counted.
local function untally(of, call)
  local at = redis.call('HGET', number_key(of.number), 'call ' .. call.id)
  if at then count_tallies(of.client, uncount, tonumber((at:gsub('%+', '')))) end
end

-- A call's places, from when it is due until it is sent, from then on from that moment.
local function take_places(of, call, at)
  local plus = RULES.deliver_only[of.client] and '+' or ''
  forget_calls_before(of.number, NOW - REMEMBERED)
  untally(of, call)
  write_number(of.number, 'call ' .. call.id, plus .. at)
  count_tallies(of.client, count, at)
  if plus == '+' then return end
  place_in_prefix(of.number)
  if of.ip then put_in_window(ip_key(of.ip), call.id, at, RULES.calls_per_ip) end
end

local function return_places(of, call)
  untally(of, call)
  redis.call('HDEL', number_key(of.number), 'call ' .. call.id)
  place_in_prefix(of.number)
  if of.ip then redis.call('ZREM', ip_key(of.ip), call.id) end
end

-- The number is proven: what was without approval so far is so no more.
local function prove(verification)
  local key = number_key(verification.number)
  redis.call('HDEL', key, 'until', 'sent', 'last')
  for id, call in pairs(calls_to(verification.number)) do
    redis.call('HSET', key, 'call ' .. id, '+' .. call.at)
  end
  place_in_prefix(verification.number)
  for id in string.gmatch(verification.ip and verification.calls or '', '%S+') do
    redis.call('ZREM', ip_key(verification.ip), id)
  end
  for _, quota in ipairs(RULES.approval_clears_wrong_codes and RULES.wrong_codes_per_number or {}) do
    redis.call('DEL', tally_key('wrong ' .. verification.number, quota.window))
  end
end

-- Refusals: the newest twenty of each number, for operators -------------------------------------------

local function note_refusal(number, label, details)
  local key = PREFIX .. 'refusals:' .. number
  details.at, details.limit = NOW, label
  redis.call('LPUSH', key, cjson.encode(details))
  redis.call('LTRIM', key, 0, NEWEST - 1)
  redis.call('PEXPIRE', key, DAY)
  count('refused ' .. label:match('^%S+'), HOUR, NOW)
end
