-- What is known of a number: one record, read once in a run and written through.
--
-- hash  until, sent, last           the gap: until when, after how many calls since the last approval
--       shares                      "prefix area region": what it shares with others; the area can be
--                                   read, the prefix not
--       blocked_until               at the wish of who answers there
--       pending <client> <slot>     id of the verification; the slot is its reference's hash, "-" without a
--                                   reference and "=" for an empty one
--       called_off                  when a call to it that was never sent would have been due, unless the
--                                   verification was approved: the number keeps its place in its prefix
--       call <id>                   when it is or was due, or was sent; "+" before it: it takes no place
--                                   among the calls without approval
--       verification <id>           when it began, of those that have ended; the newest twenty

local NEWEST = 20
local function number_key(number) return PREFIX .. 'number:' .. number end

local function record_of(number)
  if not read[number] then read[number] = records.read('number', number) or {} end
  return read[number]
end

-- `fields`: {field: value}
local function write_number(number, fields)
  local record, flat = record_of(number), {}
  for field, value in pairs(fields) do
    record[field] = tostring(value)
    flat[#flat + 1], flat[#flat + 2] = field, value
  end
  redis.call('HSET', number_key(number), unpack(flat))
  keep_for(number_key(number), RULES.remembered)
end

local function drop_from_number(number, ...)
  for _, field in ipairs({ ... }) do record_of(number)[field] = nil end
  redis.call('HDEL', number_key(number), ...)
end

local function gap_until(number) return tonumber(record_of(number)['until'] or '0') end
local function blocked_until(number) return tonumber(record_of(number).blocked_until or '0') end

-- {prefix, area, region}; empty before the number's first verification.
local function shared_by(number)
  local prefix, area, region = (record_of(number).shares or ''):match('^(%S+) (%S+) (%S+)$')
  return { prefix = prefix, area = area, region = region }
end

-- What was never sent leaves no gap; but the gap that another call left since then stays, and so does the one
-- that held before, such as that of a request which the provider refused.
local function return_gap(number, before, after)
  local record = record_of(number)
  if record['until'] ~= after then return end
  if tonumber(record.sent) <= 1 and tonumber(before or '0') <= NOW then
    return drop_from_number(number, 'until', 'sent', 'last')
  end
  write_number(number, { ['until'] = before, sent = record.sent - 1 })
end

local gaps = {}

-- Keep the gap that a call left which did not ring. The next gap is no longer for it.
function gaps.keep(number, after)
  local record = record_of(number)
  if record['until'] == after and tonumber(record.sent) > 0 then write_number(number, { sent = record.sent - 1 }) end
end

-- Calls: {id: {at, unproven}}
local function calls_to(number)
  local calls = {}
  for field, value in pairs(record_of(number)) do
    local id = field:match('^call (.+)')
    local plus, at = value:match('^(%+?)(%d+)$')
    if id and at then calls[id] = { at = tonumber(at), unproven = plus == '' } end
  end
  return calls
end

local function write_call(number, id, at, unproven)
  write_number(number, { ['call ' .. id] = (unproven and '' or '+') .. string.format('%d', at) })
end

-- When they were due or sent, but for one, in order.
local function times_of(calls, besides, only_unproven)
  local times = {}
  for id, call in pairs(calls) do
    if id ~= besides and (call.unproven or not only_unproven) then times[#times + 1] = call.at end
  end
  table.sort(times)
  return times
end

local function forget_calls_before(number, moment)
  for id, call in pairs(calls_to(number)) do
    if call.at <= moment then drop_from_number(number, 'call ' .. id) end
  end
end

-- The ids of its verifications: those that are pending, then those that have ended, the newest first.
local function verifications_of(number)
  local ids, began = {}, {}
  for field, value in pairs(record_of(number)) do
    local kind, word = field:match('^(%a+) (.+)')
    local id = kind == 'pending' and value or kind == 'verification' and word
    if id then ids[#ids + 1], began[id] = id, tonumber(value) or math.huge end
  end
  table.sort(ids, function(a, b) return began[a] > began[b] end)
  return ids
end

-- Verifications of a number. Of a client, at most one is pending for each reference.
local verifications = {}

-- Return the field of a reference, given as it came (nil for none) and as its hash.
function verifications.pending_field(client, reference, hash)
  return 'pending ' .. client .. ' ' .. (hash ~= '' and hash or reference and '=' or '-')
end

-- Return {field: id} of one client.
function verifications.pending(number, client)
  local fields, start = {}, 'pending ' .. client .. ' '
  for field, id in pairs(record_of(number)) do
    if field:sub(1, #start) == start then fields[field] = id end
  end
  return fields
end

-- Remove a verification that has ended. Return the hash of its reference, or nil.
function verifications.remove_pending(verification)
  for field, id in pairs(verifications.pending(verification.number, verification.client)) do
    if id == verification.id then
      drop_from_number(verification.number, field)
      local slot = field:match('%S+$')
      return #slot > 1 and slot or nil
    end
  end
end

-- Report whether a call of the verification may have rung: it was sent and not taken back since. What a record
-- that was set aside would say is not known.
function verifications.was_called(verification)
  for call in string.gmatch(verification.calls or '', '%S+') do
    local key = PREFIX .. 'call:' .. call
    if redis.call('HEXISTS', key, 'sent_at') == 1 or redis.call('EXISTS', key) == 0 then return true end
  end
  return false
end

-- Set how long the records of an ended verification are kept. Without a call and without an approval that
-- is an hour, so that endless creates do not fill the memory. The number's record stays as long as the
-- others, so that operators find them by number.
function verifications.retain(verification, reference)
  local key = PREFIX .. 'verification:' .. verification.id
  if verification.status == 'approved' or verifications.was_called(verification) then
    return keep_for(number_key(verification.number), redis.call('PTTL', key))
  end
  local keys = { key }
  if verification.again then keys[2] = PREFIX .. 'again:' .. verification.again end
  for call in string.gmatch(verification.calls or '', '%S+') do keys[#keys + 1] = PREFIX .. 'call:' .. call end
  local known = reference and PREFIX .. 'reference:' .. reference
  if known and redis.call('GET', known) == verification.id .. ' ' then keys[#keys + 1] = known end
  for _, each in ipairs(keys) do redis.call('PEXPIRE', each, HOUR, 'LT') end
end

-- Index a verification that has ended among the number's newest.
local function remember_ended(verification)
  local number = verification.number
  verifications.retain(verification, verifications.remove_pending(verification))
  write_number(number, { ['verification ' .. verification.id] = verification.created_at })
  for i, id in ipairs(verifications_of(number)) do
    if i > NEWEST and record_of(number)['verification ' .. id] then
      drop_from_number(number, 'verification ' .. id)
    end
  end
end

-- Refusals: its newest twenty, for operators ----------------------------------------------------------

-- Numbers that nothing else is known of must not fill the memory while somebody tries them all.
local REFUSALS_OF_STRANGERS = 10000

local function note_refusal(number, label, details)
  add_to('refused ' .. label:match('^%S+'), HOUR, NOW)
  if next(record_of(number)) == nil then
    if total_in('refused strangers', HOUR) >= REFUSALS_OF_STRANGERS then return end
    add_to('refused strangers', HOUR, NOW)
  end
  local key = PREFIX .. 'refusals:' .. number
  details.at, details.limit = NOW, label
  redis.call('LPUSH', key, cjson.encode(details))
  redis.call('LTRIM', key, 0, NEWEST - 1)
  redis.call('PEXPIRE', key, DAY)
end
