-- Who may be called, and guess, how often. A call takes its places when it is queued; a refusal takes none.
-- A call that is never sent gives its places back. Only those of its address and prefix stay taken when it
-- was called off and nobody was approved: else creating and canceling would meet no limit.

-- What a call is counted in exclude its number's, its prefix's and its address's windows.
function Limits.counters(client)
  local all = { unpack(POLICY.every_client) }
  for _, each in ipairs(CLIENT(client).counters) do all[#all + 1] = each end
  return all
end

function Limits.prefix_key(prefix) return PREFIX .. 'prefix:' .. prefix end
function Limits.ip_key(ip) return PREFIX .. 'ip:' .. ip end

-- What refuses ----------------------------------------------------------------------------------------

-- {{label, until when it refuses or 0, how many are in it}, ...}
function Limits.of_codes(number)
  local limits = {}
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do
    limits[#limits + 1] = { quota.label, Counters.retry_at('wrong ' .. number, quota, NOW) }
  end
  return limits
end

-- A prefix knows its numbers by their last call without approval; one that is in it needs no new place.
local function prefix_retry_at(prefix, number, quota)
  local full, others = Windows.zset_retry_at(Limits.prefix_key(prefix), quota, number)
  local last = tonumber(redis.call('ZSCORE', Limits.prefix_key(prefix), number) or '0')
  if last > NOW - quota.window then return 0, others + 1 end
  return full, others
end

-- The same of what is counted in counters. `exclude`: id of a call that makes room, or is itself meant.
function Limits.of_client(of, at, exclude)
  local limits, call = {}, Numbers.calls(of.number)[exclude]
  for _, each in ipairs(Limits.counters(of.client)) do
    limits[#limits + 1] = { each.label, Counters.retry_at(each.name, each, at, call and call.at) }
  end
  return limits
end

-- Attempts: the call records of one verification, whatever became of them.
-- Return {label, until when or 0, how many}: refuses until the end of the verification.
-- `queued`: id of its call that is queued and needs no further record, if that is meant
function Limits.attempts(of, queued)
  local _, made = string.gsub(of.calls or '', '%S+', '')
  local full = made - (queued and 1 or 0) >= POLICY.attempts_per_verification
  return { 'attempts_per_verification', full and tonumber(of.expires_at) or 0, made }
end

function Limits.attempts_exhausted(of) return Limits.attempts(of)[2] > 0 end

-- Creates: every one that begins a verification counts, whatever becomes of it.
-- Return the quotas that a create of {client, ip} is counted in, each with the name of its tally.
function Limits.create_quotas(of)
  local all = {}
  local function add(quotas, name)
    for _, quota in ipairs(quotas) do
      all[#all + 1] = { label = quota.label, count = quota.count, window = quota.window, name = name }
    end
  end
  if of.ip then add(POLICY.creates_per_ip, 'creates ip ' .. of.ip) end
  add(POLICY.creates_per_client, 'creates client ' .. of.client)
  return all
end

function Limits.count_create(of)
  for _, quota in ipairs(Limits.create_quotas(of)) do Counters.increment(quota.name, quota.window, NOW) end
end

-- Return {{label, until when it refuses or 0, how many are in it}, ...}.
function Limits.of_creates(of)
  local limits = {}
  for _, quota in ipairs(Limits.create_quotas(of)) do
    limits[#limits + 1] = { quota.label, Counters.retry_at(quota.name, quota, NOW) }
  end
  return limits
end

-- Until when the next call to a verification's number has to wait.
function Limits.gap_until(verification)
  return verification.test and 0 or Numbers.gap_until(verification.number)
end

-- The same of every limit that a further call meets.
-- `of`: {number, client, ip, test, limit_keys: what the number limit_keys, if it has no record yet,
--       replaces: id of a call that is called off for this one}, or a verification
-- `at`: when the call would be due
-- `exclude`: id of the call that is itself meant
function Limits.of_call(of, at, exclude)
  local number, calls, limit_keys = of.number, Numbers.calls(of.number), of.limit_keys or Numbers.limit_keys(of.number)
  local freed = exclude or of.replaces
  local limits = Limits.of_codes(number)
  local function meets(...) limits[#limits + 1] = { ... } end

  if of.calls then meets(unpack(Limits.attempts(of, exclude))) end
  if of.test then return limits end

  meets('block', Numbers.blocked_until(number), 0)
  for _, quota in ipairs(POLICY.all_calls_per_number) do
    meets(quota.label, Windows.retry_at(Numbers.timestamps(calls, freed), quota))
  end
  for _, limit in ipairs(Limits.of_client(of, at, freed)) do meets(unpack(limit)) end
  if CLIENT(of.client).deliver_only or of.deliver_only then return limits end

  for _, quota in ipairs(POLICY.calls_per_number) do
    meets(quota.label, Windows.retry_at(Numbers.timestamps(calls, freed, true), quota))
  end
  for _, quota in ipairs(limit_keys.prefix and POLICY.unverified_per_prefix or {}) do
    meets(quota.label, prefix_retry_at(limit_keys.prefix, number, quota))
  end
  for _, quota in ipairs(of.ip and POLICY.calls_per_ip or {}) do
    meets(quota.label, Windows.zset_retry_at(Limits.ip_key(of.ip), quota, exclude))
  end
  meets('conversion_breaker', limit_keys.area and Breakers.open_until(Breakers.of_area(limit_keys.area)) or 0, 0)
  return limits
end

-- The limit that refuses longest, and until when; nil and 0 when none does.
function Limits.longest(limits)
  local longest, until_ms = nil, 0
  for _, limit in ipairs(limits) do
    if limit[2] > math.max(NOW, until_ms) then longest, until_ms = limit[1], limit[2] end
  end
  return longest, until_ms
end

function Limits.refusing_codes(number) return Limits.longest(Limits.of_codes(number)) end
function Limits.refusing_call(of, at, exclude) return Limits.longest(Limits.of_call(of, at, exclude)) end

function Limits.count_wrong_code(number)
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do Counters.increment('wrong ' .. number, quota.window, NOW) end
end

-- Places ----------------------------------------------------------------------------------------------

local function reserve_prefix(number)
  local prefix, times = Numbers.limit_keys(number).prefix, Numbers.timestamps(Numbers.calls(number), nil, true)
  if not prefix then return end
  local newest = math.max(times[#times] or 0, tonumber(Numbers.load(number).canceled_call_at or '0'))
  if newest == 0 then return redis.call('ZREM', Limits.prefix_key(prefix), number) end
  Windows.add(Limits.prefix_key(prefix), number, newest, POLICY.unverified_per_prefix)
end

-- From one moment to another; nil: from or to nowhere.
local function move_between_counters(client, from, to)
  for _, each in ipairs(Limits.counters(client)) do
    if not (from and to) or Counters.bucket_of(from, each.window) ~= Counters.bucket_of(to, each.window) then
      if from then Counters.decrement(each.name, each.window, from) end
      if to then Counters.increment(each.name, each.window, to) end
    end
  end
end

-- A call's places, from when it is due until it is sent, from then on from that moment.
function Capacity.reserve(of, id, at)
  if of.test then return end
  local before = Numbers.calls(of.number)[id]
  local unapproved = not (CLIENT(of.client).deliver_only or of.deliver_only)
  if before and before.at == at then return end
  Numbers.remove_calls_before(of.number, NOW - POLICY.remembered)
  move_between_counters(of.client, before and before.at, at)
  Numbers.index_call(of.number, id, at, unapproved and (not before or before.unapproved))
  if not unapproved then return end
  reserve_prefix(of.number)
  if of.ip then Windows.add(Limits.ip_key(of.ip), id, at, POLICY.calls_per_ip) end
end

-- `is_canceled`: its verification was ended by a request, so that its address and prefix keep their places
function Capacity.release(of, id, is_canceled)
  local before = Numbers.calls(of.number)[id]
  if not before then return end
  move_between_counters(of.client, before.at, nil)
  Numbers.remove(of.number, 'call ' .. id)
  if is_canceled and before.unapproved then
    Numbers.set(of.number, { canceled_call_at = math.max(before.at, tonumber(Numbers.load(of.number).canceled_call_at or '0')) })
  end
  reserve_prefix(of.number)
  if of.ip and not is_canceled then redis.call('ZREM', Limits.ip_key(of.ip), id) end
end

-- The number is proven: calls without approval take no place any more, but for those still to be sent.
function Capacity.on_approved(verification)
  local number, ip = verification.number, verification.ip
  Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last', 'canceled_call_at')
  for id, call in pairs(Numbers.calls(number)) do
    local status, sent_at = unpack(redis.call('HMGET', PREFIX .. 'call:' .. id, 'status', 'sent_at'))
    if sent_at or not status then Numbers.index_call(number, id, call.at, false) end
  end
  reserve_prefix(number)
  for id in string.gmatch(ip and verification.calls or '', '%S+') do redis.call('ZREM', Limits.ip_key(ip), id) end
  for _, quota in ipairs(POLICY.approval_clears_wrong_codes and POLICY.wrong_codes_per_number or {}) do
    redis.call('DEL', Counters.key('wrong ' .. number, quota.window))
  end
end
