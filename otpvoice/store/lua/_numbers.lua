-- The record of a number. A run reads it once and writes every change through.
--
-- hash number:<number hash>
--   gap_until, gap_calls, gap_last  the call gap: its end, the calls since the last approval, the time of the last one
--   scopes                          "prefix area region" for the limits; the area is in clear, the prefix a hash
--   blocked_until                   the end of a block
--   blocked_by                      "denial" if the person denied a call; without it, an operator blocked the number
--   pending <client> <slot>         id of a pending verification; the slot is the reference hash, "-" without a
--                                   reference and "=" for an empty one
--   canceled_call_at                due time of a canceled call that was never sent, unless its verification was
--                                   approved: the number keeps its capacity in its prefix
--   call_<…>                        the id of a call: when it is or was due, or was sent; "+" before it: it does not count as a call
--                                   without an approval
--   vrf_<…>                         the id of a verification: when it was created; the newest that have ended

function Numbers.key(number) return PREFIX .. 'number:' .. number end

function Numbers.load(number)
  if not loaded[number] then loaded[number] = Records.load('number', number) or {} end
  return loaded[number]
end

-- `fields`: {field: value}
function Numbers.set(number, fields)
  local record, flat = Numbers.load(number), {}
  for field, value in pairs(fields) do
    record[field] = tostring(value)
    flat[#flat + 1], flat[#flat + 2] = field, value
  end
  redis.call('HSET', Numbers.key(number), unpack(flat))
  extend_ttl(Numbers.key(number), POLICY.call_memory_ms)
end

function Numbers.remove(number, ...)
  local record, fields = Numbers.load(number), {}
  for _, field in ipairs({ ... }) do
    if record[field] then record[field], fields[#fields + 1] = nil, field end
  end
  if fields[1] then redis.call('HDEL', Numbers.key(number), unpack(fields)) end
end

function Numbers.blocked_until(number) return tonumber(Numbers.load(number).blocked_until or '0') end

-- Return the limit that a block of the number is.
function Numbers.block_limit(number) return Numbers.load(number).blocked_by and 'denial_block' or 'block' end

-- Block all calls to a number, and cancel those that are queued. Return how many.
-- `by`: "denial"; nil for an operator
function Numbers.block(number, length_ms, by)
  Numbers.set(number, { blocked_until = NOW + length_ms, blocked_by = by })
  if not by then Numbers.remove(number, 'blocked_by') end
  extend_ttl(Numbers.key(number), length_ms)
  local canceled = 0
  for id in pairs(Numbers.calls(number)) do
    local call = Calls.load(id)
    if call and call.status == 'queued' and Calls.transition(call, 'canceled', { reason = 'refused' }) then
      canceled = canceled + 1
    end
  end
  return canceled
end

-- Return {prefix, area, region}; empty before the number's first verification.
function Numbers.limit_keys(number)
  local prefix, area, region = (Numbers.load(number).scopes or ''):match('^(%S+) (%S+) (%S+)$')
  return { prefix = prefix, area = area, region = region }
end

-- Return the region of a number; empty before its first verification.
function Numbers.region(number) return Numbers.limit_keys(number).region or '' end

-- The call gap --------------------------------------------------------------------------------------

function Numbers.gap_until(number) return tonumber(Numbers.load(number).gap_until or '0') end

-- Start the gap of a call that is sent now. `gaps_ms`: after the first, second and every later call. Return the end
-- of the gap before and of the new one.
function Numbers.start_gap(number, gaps_ms)
  local record = Numbers.load(number)
  local is_recent = record.gap_last and NOW - record.gap_last <= POLICY.gap_memory_ms
  local calls = (is_recent and record.gap_calls or 0) + 1
  local before, after = is_recent and record.gap_until or 0, NOW + gaps_ms[math.min(calls, #gaps_ms)]
  Numbers.set(number, { gap_calls = calls, gap_last = NOW, gap_until = after })
  return before, after
end

-- Undo the gap of a call that was never sent. A gap that a later call left stays. So does the gap from before, such
-- as that of a request which the provider refused.
function Numbers.release_gap(number, before, after)
  local record = Numbers.load(number)
  if record.gap_until ~= after then return end
  if tonumber(record.gap_calls) <= 1 and tonumber(before or '0') <= NOW then
    return Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last')
  end
  Numbers.set(number, { gap_until = before, gap_calls = record.gap_calls - 1 })
end

-- Keep the gap of a call that did not ring, without counting the call: the next gap is no longer.
function Numbers.keep_gap(number, after)
  local record = Numbers.load(number)
  if record.gap_until == after and tonumber(record.gap_calls) > 0 then
    Numbers.set(number, { gap_calls = record.gap_calls - 1 })
  end
end

-- Calls ---------------------------------------------------------------------------------------------

local function parse_call(value)
  local plus, at = value:match('^(%+?)(%d+)$')
  return at and { at = tonumber(at), is_unapproved = plus == '' }
end

-- Return {at, is_unapproved} of one call of the number, or nil.
function Numbers.call(number, id)
  local value = id and Numbers.load(number)[id]
  return value and parse_call(value)
end

-- Return {id: {at, is_unapproved}}.
function Numbers.calls(number)
  local calls = {}
  for field, value in pairs(Numbers.load(number)) do
    if field:find('^call_') then calls[field] = parse_call(value) end
  end
  return calls
end

function Numbers.index_call(number, id, at, is_unapproved)
  Numbers.set(number, { [id] = (is_unapproved and '' or '+') .. string.format('%d', at) })
end

-- Return when the calls were due or sent, in order, without the call `excluded`.
function Numbers.call_times(calls, excluded, only_unapproved)
  local times = {}
  for id, call in pairs(calls) do
    if id ~= excluded and (call.is_unapproved or not only_unapproved) then times[#times + 1] = call.at end
  end
  table.sort(times)
  return times
end

function Numbers.remove_calls_before(number, moment)
  for id, call in pairs(Numbers.calls(number)) do
    if call.at <= moment then Numbers.remove(number, id) end
  end
end

-- Verifications -------------------------------------------------------------------------------------

-- Return the ids of the number's verifications: pending ones, then the newest that have ended.
function Numbers.verifications(number)
  local ids, created = {}, {}
  for field, value in pairs(Numbers.load(number)) do
    local id = field:find('^vrf_') and field or field:find('^pending ') and value
    if id then ids[#ids + 1], created[id] = id, tonumber(value) or math.huge end
  end
  table.sort(ids, function(a, b) return created[a] > created[b] end)
  return ids
end

-- Return the ids of a client's verifications of a number, the newest first. Ended ones may be another client's.
function Numbers.newest_first(number, client)
  local created, ids = {}, {}
  for field, value in pairs(Numbers.load(number)) do
    if field:find('^vrf_') then created[field] = tonumber(value) end
  end
  for _, id in pairs(Numbers.pending(number, client)) do
    -- A pending verification is newer than the one that it superseded in the same millisecond. One with an unreadable
    -- time comes first, so that it is read and quarantined.
    local created_at = redis.call('HGET', Verifications.key(id), 'created_at') or ''
    created[id] = (tonumber(created_at:match('^%d+$') or '') or math.huge) + 0.5
  end
  for id in pairs(created) do ids[#ids + 1] = id end
  table.sort(ids, function(a, b) return created[a] > created[b] end)
  return ids
end

-- Return the field of a reference. A client has at most one pending verification for each reference of a number.
function Numbers.pending_field(client, reference, reference_hash)
  return 'pending ' .. client .. ' ' .. (reference_hash or reference and '=' or '-')
end

-- Return {field: id} of one client's pending verifications.
function Numbers.pending(number, client)
  local fields, start = {}, 'pending ' .. client .. ' '
  for field, id in pairs(Numbers.load(number)) do
    if field:sub(1, #start) == start then fields[field] = id end
  end
  return fields
end

-- Remove a verification that has ended. Return its reference hash, or nil.
local function remove_pending(verification)
  for field, id in pairs(Numbers.pending(verification.number, verification.client)) do
    if id == verification.id then
      Numbers.remove(verification.number, field)
      local slot = field:match('%S+$')
      return #slot > 1 and slot or nil
    end
  end
end

-- Shorten the life of the records of an ended verification that had neither a call nor an approval. Otherwise keep
-- the number's record as long as the verification's, so that operators find it by number.
local function retain(verification, reference_hash)
  local key = Verifications.key(verification.id)
  if verification.status == 'approved' or Verifications.was_called(verification) then
    return extend_ttl(Numbers.key(verification.number), redis.call('PTTL', key))
  end
  local keys = { key }
  if verification.idempotency_key then keys[2] = Idempotency.key(verification.idempotency_key) end
  for id in Calls.ids(verification) do keys[#keys + 1] = Calls.key(id) end
  local by_reference = reference_hash and Verifications.reference_key(reference_hash)
  if by_reference and redis.call('GET', by_reference) == verification.id .. ' ' then keys[#keys + 1] = by_reference end
  for _, each in ipairs(keys) do redis.call('PEXPIRE', each, POLICY.unused_retention_ms, 'LT') end
end

-- Move a verification that has ended from the pending to the ended ones.
function Numbers.index_ended(verification)
  local number, reference_hash = verification.number, remove_pending(verification)
  Numbers.set(number, { [verification.id] = verification.created_at })
  retain(verification, reference_hash) -- the number's record may exist only now
  for i, id in ipairs(Numbers.verifications(number)) do
    if i > POLICY.number_max_ended and Numbers.load(number)[id] then
      Numbers.remove(number, id)
    end
  end
end

-- Refusals: the newest, for operators ----------------------------------------------------------------

function Numbers.refusals_key(number) return PREFIX .. 'refusals:' .. number end

-- `limit`: the limit's label, such as "calls_per_number 3/10m"
function Numbers.record_refusal(number, limit, details)
  Counters.increment('refused ' .. limit:match('^%S+'), HOUR_MS, NOW)
  if next(Numbers.load(number)) == nil then
    if Counters.total('refused unknown', HOUR_MS) >= POLICY.refusal_max_unknown_numbers then return end
    Counters.increment('refused unknown', HOUR_MS, NOW)
  end
  local key = Numbers.refusals_key(number)
  details.at, details.limit = NOW, limit
  redis.call('LPUSH', key, cjson.encode(details))
  redis.call('LTRIM', key, 0, POLICY.number_max_ended - 1)
  redis.call('PEXPIRE', key, POLICY.refusal_ttl_ms)
end
