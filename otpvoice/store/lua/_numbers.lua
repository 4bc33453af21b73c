-- What is known of a number: one record, read once in a run and written through.
--
-- hash  until, sent, last           the gap: until when, after how many calls since the last approval
--       limit_keys                      "prefix area region": what it limit_keys with others; the area can be
--                                   read, the prefix not
--       blocked_until               at the wish of who answers there
--       pending <client> <slot>     id of the verification; the slot is its reference's hash, "-" without a
--                                   reference and "=" for an empty one
--       called_off                  when a call to it that was never sent would have been due, unless the
--                                   verification was approved: the number keeps its place in its prefix
--       call <id>                   when it is or was due, or was sent; "+" before it: it takes no place
--                                   among the calls without approval
--       verification <id>           when it began, of those that have ended; the newest twenty

Numbers.MAX_ENDED = 20
function Numbers.key(number) return PREFIX .. 'number:' .. number end

function Numbers.load(number)
  if not loaded[number] then loaded[number] = Records.read('number', number) or {} end
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
  extend_ttl(Numbers.key(number), POLICY.remembered)
end

function Numbers.remove(number, ...)
  for _, field in ipairs({ ... }) do Numbers.load(number)[field] = nil end
  redis.call('HDEL', Numbers.key(number), ...)
end

function Numbers.gap_until(number) return tonumber(Numbers.load(number).gap_until or '0') end
function Numbers.blocked_until(number) return tonumber(Numbers.load(number).blocked_until or '0') end

-- {prefix, area, region}; empty before the number's first verification.
function Numbers.limit_keys(number)
  local prefix, area, region = (Numbers.load(number).limit_keys or ''):match('^(%S+) (%S+) (%S+)$')
  return { prefix = prefix, area = area, region = region }
end

-- What was never sent leaves no gap; but the gap that another call left since then stays, and so does the one
-- that held before, such as that of a request which the provider refused.
function Numbers.release_gap(number, before, after)
  local record = Numbers.load(number)
  if record.gap_until ~= after then return end
  if tonumber(record.gap_calls) <= 1 and tonumber(before or '0') <= NOW then
    return Numbers.remove(number, 'gap_until', 'gap_calls', 'gap_last')
  end
  Numbers.set(number, { gap_until = before, gap_calls = record.gap_calls - 1 })
end

-- Keep the gap that a call left which did not ring. The next gap is no longer for it.
function Numbers.keep_gap(number, after)
  local record = Numbers.load(number)
  if record.gap_until == after and tonumber(record.gap_calls) > 0 then Numbers.set(number, { gap_calls = record.gap_calls - 1 }) end
end

-- Calls: {id: {at, unapproved}}
function Numbers.calls(number)
  local calls = {}
  for field, value in pairs(Numbers.load(number)) do
    local id = field:match('^call (.+)')
    local plus, at = value:match('^(%+?)(%d+)$')
    if id and at then calls[id] = { at = tonumber(at), unapproved = plus == '' } end
  end
  return calls
end

function Numbers.index_call(number, id, at, unapproved)
  Numbers.set(number, { ['call ' .. id] = (unapproved and '' or '+') .. string.format('%d', at) })
end

-- When they were due or sent, but for one, in order.
function Numbers.timestamps(calls, exclude, only_unapproved)
  local times = {}
  for id, call in pairs(calls) do
    if id ~= exclude and (call.unapproved or not only_unapproved) then times[#times + 1] = call.at end
  end
  table.sort(times)
  return times
end

function Numbers.remove_calls_before(number, moment)
  for id, call in pairs(Numbers.calls(number)) do
    if call.at <= moment then Numbers.remove(number, 'call ' .. id) end
  end
end

-- The ids of its verifications: those that are pending, then those that have ended, the newest first.
function Numbers.verifications(number)
  local ids, began = {}, {}
  for field, value in pairs(Numbers.load(number)) do
    local kind, word = field:match('^(%a+) (.+)')
    local id = kind == 'pending' and value or kind == 'verification' and word
    if id then ids[#ids + 1], began[id] = id, tonumber(value) or math.huge end
  end
  table.sort(ids, function(a, b) return began[a] > began[b] end)
  return ids
end

-- Verifications of a number. Of a client, at most one is pending for each reference.
-- Return the field of a reference, given as it came (nil for none) and as its hash.
function Numbers.pending_field(client, reference, hash)
  return 'pending ' .. client .. ' ' .. (hash ~= '' and hash or reference and '=' or '-')
end

-- Return {field: id} of one client.
function Numbers.pending(number, client)
  local fields, start = {}, 'pending ' .. client .. ' '
  for field, id in pairs(Numbers.load(number)) do
    if field:sub(1, #start) == start then fields[field] = id end
  end
  return fields
end

-- Remove a verification that has ended. Return the hash of its reference, or nil.
function Numbers.remove_pending(verification)
  for field, id in pairs(Numbers.pending(verification.number, verification.client)) do
    if id == verification.id then
      Numbers.remove(verification.number, field)
      local slot = field:match('%S+$')
      return #slot > 1 and slot or nil
    end
  end
end

-- Report whether a call of the verification may have rung: it was sent and not taken back since. What a record
-- that was set aside would say is not known.
function Verifications.was_called(verification)
  for call in string.gmatch(verification.calls or '', '%S+') do
    local key = PREFIX .. 'call:' .. call
    if redis.call('HEXISTS', key, 'sent_at') == 1 or redis.call('EXISTS', key) == 0 then return true end
  end
  return false
end

-- Set how long the records of an ended verification are kept. Without a call and without an approval that
-- is an hour, so that endless creates do not fill the memory. The number's record stays as long as the
-- others, so that operators find them by number.
local function retain(verification, reference)
  local key = PREFIX .. 'verification:' .. verification.id
  if verification.status == 'approved' or Verifications.was_called(verification) then
    return extend_ttl(Numbers.key(verification.number), redis.call('PTTL', key))
  end
  local keys = { key }
  if verification.idempotency_key then keys[2] = PREFIX .. 'idempotency:' .. verification.idempotency_key end
  for call in string.gmatch(verification.calls or '', '%S+') do keys[#keys + 1] = PREFIX .. 'call:' .. call end
  local known = reference and PREFIX .. 'reference:' .. reference
  if known and redis.call('GET', known) == verification.id .. ' ' then keys[#keys + 1] = known end
  for _, each in ipairs(keys) do redis.call('PEXPIRE', each, HOUR_MS, 'LT') end
end

-- Index a verification that has ended among the number's newest.
function Numbers.index_ended(verification)
  local number = verification.number
  retain(verification, Numbers.remove_pending(verification))
  Numbers.set(number, { ['verification ' .. verification.id] = verification.created_at })
  for i, id in ipairs(Numbers.verifications(number)) do
    if i > Numbers.MAX_ENDED and Numbers.load(number)['verification ' .. id] then
      Numbers.remove(number, 'verification ' .. id)
    end
  end
end

-- Refusals: its newest twenty, for operators ----------------------------------------------------------

-- Numbers that nothing else is known of must not fill the memory while somebody tries them all.
local MAX_UNKNOWN_NUMBERS = 10000

function Numbers.record_refusal(number, label, details)
  Counters.increment('refused ' .. label:match('^%S+'), HOUR_MS, NOW)
  if next(Numbers.load(number)) == nil then
    if Counters.total('refused strangers', HOUR_MS) >= MAX_UNKNOWN_NUMBERS then return end
    Counters.increment('refused strangers', HOUR_MS, NOW)
  end
  local key = PREFIX .. 'refusals:' .. number
  details.at, details.limit = NOW, label
  redis.call('LPUSH', key, cjson.encode(details))
  redis.call('LTRIM', key, 0, Numbers.MAX_ENDED - 1)
  redis.call('PEXPIRE', key, DAY_MS)
end
