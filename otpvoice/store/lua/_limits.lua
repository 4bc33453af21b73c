-- Who may be called, and guess, how often. A call takes its places when it is queued; a refusal takes none.
-- A call that is never sent gives its places back. Only those of its address and prefix stay taken when it
-- was called off and nobody was approved: else creating and canceling would meet no limit.

-- What a call is counted in besides its number's, its prefix's and its address's windows.
local function tallies_of(client)
  local all = { unpack(RULES.every_client) }
  for _, each in ipairs(CLIENT(client).tallies) do all[#all + 1] = each end
  return all
end

local function prefix_key(prefix) return PREFIX .. 'prefix:' .. prefix end
local function ip_key(ip) return PREFIX .. 'ip:' .. ip end

-- What refuses ----------------------------------------------------------------------------------------

-- {{label, until when it refuses or 0, how many are in it}, ...}
local function limits_of_codes(number)
  local limits = {}
  for _, quota in ipairs(RULES.wrong_codes_per_number) do
    limits[#limits + 1] = { quota.label, tally_full_until('wrong ' .. number, quota, NOW) }
  end
  return limits
end

-- A prefix knows its numbers by their last call without approval; one that is in it needs no new place.
local function prefix_full_until(prefix, number, quota)
  local full, others = zset_full_until(prefix_key(prefix), quota, number)
  local last = tonumber(redis.call('ZSCORE', prefix_key(prefix), number) or '0')
  if last > NOW - quota.window then return 0, others + 1 end
  return full, others
end

-- The same of what is counted in tallies. `besides`: id of a call that makes room, or is itself meant.
local function limits_of_client(of, at, besides)
  local limits, call = {}, calls_to(of.number)[besides]
  for _, each in ipairs(tallies_of(of.client)) do
    limits[#limits + 1] = { each.label, tally_full_until(each.name, each, at, call and call.at) }
  end
  return limits
end

-- Attempts: the call records of one verification, whatever became of them.
local attempts = {}

-- Return {label, until when or 0, how many}: refuses until the end of the verification.
-- `queued`: id of its call that is queued and needs no further record, if that is meant
function attempts.limit(of, queued)
  local _, made = string.gsub(of.calls or '', '%S+', '')
  local full = made - (queued and 1 or 0) >= RULES.attempts_per_verification
  return { 'attempts_per_verification', full and tonumber(of.expires_at) or 0, made }
end

function attempts.exhausted(of) return attempts.limit(of)[2] > 0 end

-- Creates: every one that begins a verification counts, whatever becomes of it.
local creates = {}

-- Return the quotas that a create of {client, ip} is counted in, each with the name of its tally.
function creates.quotas(of)
  local all = {}
  local function add(quotas, name)
    for _, quota in ipairs(quotas) do
      all[#all + 1] = { label = quota.label, count = quota.count, window = quota.window, name = name }
    end
  end
  if of.ip then add(RULES.creates_per_ip, 'creates ip ' .. of.ip) end
  add(RULES.creates_per_client, 'creates client ' .. of.client)
  return all
end

function creates.count(of)
  for _, quota in ipairs(creates.quotas(of)) do add_to(quota.name, quota.window, NOW) end
end

-- Return {{label, until when it refuses or 0, how many are in it}, ...}.
function creates.limits(of)
  local limits = {}
  for _, quota in ipairs(creates.quotas(of)) do
    limits[#limits + 1] = { quota.label, tally_full_until(quota.name, quota, NOW) }
  end
  return limits
end

-- Until when the next call to a verification's number has to wait.
local function gap_of(verification)
  return verification.test and 0 or gap_until(verification.number)
end

-- The same of every limit that a further call meets.
-- `of`: {number, client, ip, test, shares: what the number shares, if it has no record yet,
--       replaces: id of a call that is called off for this one}, or a verification
-- `at`: when the call would be due
-- `besides`: id of the call that is itself meant
local function limits_of_call(of, at, besides)
  local number, calls, shares = of.number, calls_to(of.number), of.shares or shared_by(of.number)
  local freed = besides or of.replaces
  local limits = limits_of_codes(number)
  local function meets(...) limits[#limits + 1] = { ... } end

  if of.calls then meets(unpack(attempts.limit(of, besides))) end
  if of.test then return limits end

  meets('block', blocked_until(number), 0)
  for _, quota in ipairs(RULES.all_calls_per_number) do
    meets(quota.label, full_until(times_of(calls, freed), quota))
  end
  for _, limit in ipairs(limits_of_client(of, at, freed)) do meets(unpack(limit)) end
  if CLIENT(of.client).deliver_only or of.deliver_only then return limits end

  for _, quota in ipairs(RULES.calls_per_number) do
    meets(quota.label, full_until(times_of(calls, freed, true), quota))
  end
  for _, quota in ipairs(shares.prefix and RULES.unverified_per_prefix or {}) do
    meets(quota.label, prefix_full_until(shares.prefix, number, quota))
  end
  for _, quota in ipairs(of.ip and RULES.calls_per_ip or {}) do
    meets(quota.label, zset_full_until(ip_key(of.ip), quota, besides))
  end
  meets('conversion_breaker', shares.area and open_until(area_breaker(shares.area)) or 0, 0)
  return limits
end

-- The limit that refuses longest, and until when; nil and 0 when none does.
local function longest_of(limits)
  local longest, until_ms = nil, 0
  for _, limit in ipairs(limits) do
    if limit[2] > math.max(NOW, until_ms) then longest, until_ms = limit[1], limit[2] end
  end
  return longest, until_ms
end

local function codes_refused(number) return longest_of(limits_of_codes(number)) end
local function call_refused(of, at, besides) return longest_of(limits_of_call(of, at, besides)) end

local function count_wrong_code(number)
  for _, quota in ipairs(RULES.wrong_codes_per_number) do add_to('wrong ' .. number, quota.window, NOW) end
end

-- Places ----------------------------------------------------------------------------------------------

local function place_in_prefix(number)
  local prefix, times = shared_by(number).prefix, times_of(calls_to(number), nil, true)
  if not prefix then return end
  local newest = math.max(times[#times] or 0, tonumber(record_of(number).called_off or '0'))
  if newest == 0 then return redis.call('ZREM', prefix_key(prefix), number) end
  put_in_window(prefix_key(prefix), number, newest, RULES.unverified_per_prefix)
end

-- From one moment to another; nil: from or to nowhere.
local function move_in_tallies(client, from, to)
  for _, each in ipairs(tallies_of(client)) do
    if not (from and to) or slice_of(from, each.window) ~= slice_of(to, each.window) then
      if from then take_from(each.name, each.window, from) end
      if to then add_to(each.name, each.window, to) end
    end
  end
end

-- A call's places, from when it is due until it is sent, from then on from that moment.
local function take_places(of, id, at)
  if of.test then return end
  local before = calls_to(of.number)[id]
  local unproven = not (CLIENT(of.client).deliver_only or of.deliver_only)
  if before and before.at == at then return end
  forget_calls_before(of.number, NOW - RULES.remembered)
  move_in_tallies(of.client, before and before.at, at)
  write_call(of.number, id, at, unproven and (not before or before.unproven))
  if not unproven then return end
  place_in_prefix(of.number)
  if of.ip then put_in_window(ip_key(of.ip), id, at, RULES.calls_per_ip) end
end

-- `called_off`: its verification was ended by a request, so that its address and prefix keep their places
local function return_places(of, id, called_off)
  local before = calls_to(of.number)[id]
  if not before then return end
  move_in_tallies(of.client, before.at, nil)
  drop_from_number(of.number, 'call ' .. id)
  if called_off and before.unproven then
    write_number(of.number, { called_off = math.max(before.at, tonumber(record_of(of.number).called_off or '0')) })
  end
  place_in_prefix(of.number)
  if of.ip and not called_off then redis.call('ZREM', ip_key(of.ip), id) end
end

-- The number is proven: calls without approval take no place any more, but for those still to be sent.
local function prove(verification)
  local number, ip = verification.number, verification.ip
  drop_from_number(number, 'until', 'sent', 'last', 'called_off')
  for id, call in pairs(calls_to(number)) do
    local status, sent_at = unpack(redis.call('HMGET', PREFIX .. 'call:' .. id, 'status', 'sent_at'))
    if sent_at or not status then write_call(number, id, call.at, false) end
  end
  place_in_prefix(number)
  for id in string.gmatch(ip and verification.calls or '', '%S+') do redis.call('ZREM', ip_key(ip), id) end
  for _, quota in ipairs(RULES.approval_clears_wrong_codes and RULES.wrong_codes_per_number or {}) do
    redis.call('DEL', tally_key('wrong ' .. number, quota.window))
  end
end
