-- Limits: who may be called, and how often codes may be checked.
--
-- Capacity is reserved when a call is queued; a refusal reserves none. A call that is never sent releases its
-- capacity. Only that of its address and prefix stays reserved when a request ended its verification without an
-- approval. Otherwise creating and canceling would meet no limit.
--
-- A limit is {label, retry_at: time from which it allows one more, 0 if it allows it now, used}.

-- Return the counters of a client's calls, in addition to the windows of their number, prefix and address.
function Limits.counters(client)
  local counters = { unpack(POLICY.every_client) }
  for _, each in ipairs(client_policy(client).counters) do counters[#counters + 1] = each end
  return counters
end

function Limits.prefix_key(prefix) return PREFIX .. 'prefix:' .. prefix end
function Limits.address_key(address) return PREFIX .. 'ip:' .. address end

local function is_deliver_only(of) return client_policy(of.client).deliver_only or of.deliver_only end

-- Limits of codes -----------------------------------------------------------------------------------

function Limits.of_codes(number)
  local limits = {}
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do
    limits[#limits + 1] = { quota.label, Counters.retry_at('wrong ' .. number, quota, NOW) }
  end
  return limits
end

function Limits.count_wrong_code(number)
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do
    Counters.increment('wrong ' .. number, quota.window_ms, NOW)
  end
end

function Limits.clear_wrong_codes(number)
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do
    Counters.clear('wrong ' .. number, quota.window_ms)
  end
end

-- Declined calls ------------------------------------------------------------------------------------
--
-- Providers report a declined call as busy, so each busy call counts as one that the person may have declined. Redials
-- stop after POLICY.max_declines within an hour; a call that a client requests is placed all the same.

local function declines_name(number) return 'declines ' .. number end

function Limits.count_decline(number) Counters.increment(declines_name(number), POLICY.declines_window_ms, NOW) end

function Limits.declines(number) return Counters.total(declines_name(number), POLICY.declines_window_ms) end

function Limits.clear_declines(number) Counters.clear(declines_name(number), POLICY.declines_window_ms) end

-- Limits of creates: every create that starts a verification counts, whatever its outcome -----------------

-- Return the quotas of a create of {client, address}, each with the name of its counter.
function Limits.create_quotas(of)
  local named = {}
  local function add(quotas, name)
    for _, quota in ipairs(quotas) do
      named[#named + 1] = { label = quota.label, count = quota.count, window_ms = quota.window_ms, name = name }
    end
  end
  if of.ip then add(POLICY.creates_per_ip, 'creates ip ' .. of.ip) end
  add(POLICY.creates_per_client, 'creates client ' .. of.client)
  return named
end

function Limits.count_create(of)
  for _, quota in ipairs(Limits.create_quotas(of)) do Counters.increment(quota.name, quota.window_ms, NOW) end
end

function Limits.of_creates(of)
  local limits = {}
  for _, quota in ipairs(Limits.create_quotas(of)) do
    limits[#limits + 1] = { quota.label, Counters.retry_at(quota.name, quota, NOW) }
  end
  return limits
end

-- Limits of calls -----------------------------------------------------------------------------------

-- The number of call records of one verification, whatever became of them. The limit lasts until its end.
-- `queued`: the id of its queued call, if the question is about that call
local function attempts_limit(of, queued)
  local _, attempts = string.gsub(of.calls or '', '%S+', '')
  local is_full = attempts - (queued and 1 or 0) >= POLICY.attempts_per_verification
  return { 'attempts_per_verification', is_full and tonumber(of.expires_at) or 0, attempts }
end

function Limits.attempts_exhausted(verification) return attempts_limit(verification)[2] > 0 end

-- A prefix has few numbers, so half of a number's hash is enough.
local function member_of(number) return number:sub(1, 11) end

-- A prefix holds each number at the time of its last call without an approval. A number inside needs no new capacity.
-- `last`: that time
local function prefix_retry_at(prefix, quota, last)
  local retry_at, others = Windows.zset_retry_at(Limits.prefix_key(prefix), quota, last)
  if last > NOW - quota.window_ms then return 0, others + 1 end
  return retry_at, others
end

-- `released`: the id of a call that the new one replaces, or that the question is about
function Limits.of_client(of, at, released)
  local limits, call = {}, Numbers.call(of.number, released)
  for _, each in ipairs(Limits.counters(of.client)) do
    limits[#limits + 1] = { each.label, Counters.retry_at(each.name, each, at, call and call.at) }
  end
  return limits
end

-- Return when the call gap of a verification's number ends.
function Limits.gap_until(verification)
  return verification.test and 0 or Numbers.gap_until(verification.number)
end

-- Return every limit of a further call.
-- `of`: a verification, or {number, client, ip, test, limit_keys: those of a number without a record,
--       replaces: id of a call that is called off for this one}
-- `at`: when the call would be due
-- `call`: the id of the call, if it exists already
function Limits.of_call(of, at, call)
  local number, calls, keys = of.number, Numbers.calls(of.number), of.limit_keys or Numbers.limit_keys(of.number)
  local released = call or of.replaces
  local limits = Limits.of_codes(number)
  local function add(...) limits[#limits + 1] = { ... } end

  if of.calls then limits[#limits + 1] = attempts_limit(of, call) end
  if of.test then return limits end

  add(Numbers.block_limit(number), Numbers.blocked_until(number), 0)
  local times = Numbers.call_times(calls, released)
  for _, quota in ipairs(POLICY.all_calls_per_number) do add(quota.label, Windows.retry_at(times, quota)) end
  for _, limit in ipairs(Limits.of_client(of, at, released)) do limits[#limits + 1] = limit end
  if is_deliver_only(of) then return limits end

  times = Numbers.call_times(calls, released, true)
  for _, quota in ipairs(POLICY.calls_per_number) do add(quota.label, Windows.retry_at(times, quota)) end
  local by_prefix, by_address = keys.prefix and POLICY.unverified_per_prefix or {}, of.ip and POLICY.calls_per_ip or {}
  local last = by_prefix[1] and Windows.time_of(Limits.prefix_key(keys.prefix), member_of(number))
  for _, quota in ipairs(by_prefix) do add(quota.label, prefix_retry_at(keys.prefix, quota, last)) end
  local called_at = by_address[1] and Windows.time_of(Limits.address_key(of.ip), call)
  for _, quota in ipairs(by_address) do
    add(quota.label, Windows.zset_retry_at(Limits.address_key(of.ip), quota, called_at))
  end
  add('conversion_breaker', keys.area and Breakers.open_until(Breakers.of_area(keys.area)) or 0, 0)
  return limits
end

-- Return the label of the limit that refuses longest, and until when; nil and 0 when none refuses.
function Limits.longest(limits)
  local longest, retry_at = nil, 0
  for _, limit in ipairs(limits) do
    if limit[2] > math.max(NOW, retry_at) then longest, retry_at = limit[1], limit[2] end
  end
  return longest, retry_at
end

-- The same of the limits of codes. Every reply about a verification has it, so this creates no tables.
function Limits.refusing_codes(number)
  local longest, latest = nil, NOW
  for _, quota in ipairs(POLICY.wrong_codes_per_number) do
    local retry_at = Counters.retry_at('wrong ' .. number, quota, NOW)
    if retry_at > latest then longest, latest = quota.label, retry_at end
  end
  return longest, longest and latest or 0
end

function Limits.refusing_call(of, at, call) return Limits.longest(Limits.of_call(of, at, call)) end

-- Capacity ------------------------------------------------------------------------------------------

-- Move a number to the time of its newest call without an approval. A run writes each time once.
function Capacity.reserve_prefix(number)
  local prefix, times = Numbers.limit_keys(number).prefix, Numbers.call_times(Numbers.calls(number), nil, true)
  if not prefix then return end
  local newest = math.max(times[#times] or 0, tonumber(Numbers.load(number).canceled_call_at or '0'))
  if loaded['prefix of ' .. number] == newest then return end
  loaded['prefix of ' .. number] = newest
  if newest == 0 then return redis.call('ZREM', Limits.prefix_key(prefix), member_of(number)) end
  Windows.add(Limits.prefix_key(prefix), member_of(number), newest, POLICY.unverified_per_prefix)
end

-- Move a call between the buckets of its client's counters; nil: into or out of them.
local function move_between_counters(client, from, to)
  for _, each in ipairs(Limits.counters(client)) do
    local window_ms = each.window_ms
    if not (from and to) or Counters.bucket_of(from, window_ms) ~= Counters.bucket_of(to, window_ms) then
      if from then Counters.decrement(each.name, window_ms, from) end
      if to then Counters.increment(each.name, window_ms, to) end
    end
  end
end

-- Reserve a call's capacity at the time when it is due, or move it there. When it is sent, it moves to that time.
function Capacity.reserve(of, id, at)
  if of.test then return end
  local before = Numbers.call(of.number, id)
  if before and before.at == at then return end
  local is_unapproved = not is_deliver_only(of)
  Numbers.remove_calls_before(of.number, NOW - POLICY.call_memory_ms)
  move_between_counters(of.client, before and before.at, at)
  Numbers.index_call(of.number, id, at, is_unapproved and (not before or before.is_unapproved))
  if not is_unapproved then return end
  Capacity.reserve_prefix(of.number)
  if of.ip then Windows.add(Limits.address_key(of.ip), id, at, POLICY.calls_per_ip) end
end

-- `by_request`: a request ended its verification, so its address and prefix keep their capacity
function Capacity.release(of, id, by_request)
  local before = Numbers.call(of.number, id)
  if not before then return end
  move_between_counters(of.client, before.at, nil)
  Numbers.remove(of.number, id)
  if by_request and before.is_unapproved then
    local canceled_call_at = tonumber(Numbers.load(of.number).canceled_call_at or '0')
    Numbers.set(of.number, { canceled_call_at = math.max(before.at, canceled_call_at) })
  end
  Capacity.reserve_prefix(of.number)
  if of.ip and not by_request then redis.call('ZREM', Limits.address_key(of.ip), id) end
end

-- Release what an approval gives back: calls without an approval, except those still to be sent. The prefix follows
-- by reserve_prefix(), when the calls have ended that are not sent any more.
function Capacity.release_on_approval(verification)
  local number, address = verification.number, verification.ip
  Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last', 'canceled_call_at')
  for id, call in pairs(Numbers.calls(number)) do
    local record = Calls.load(id)
    if not record or record.sent_at then Numbers.index_call(number, id, call.at, false) end
  end
  if address then
    for id in Calls.ids(verification) do redis.call('ZREM', Limits.address_key(address), id) end
  end
  if POLICY.approval_clears_wrong_codes then Limits.clear_wrong_codes(number) end
end
