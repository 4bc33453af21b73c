-- What is known of a number: one record, read once in a run and written through.
--
-- hash  until, sent, last           the gap: until when, after how many calls since the last approval
--       shares                      "prefix area region": what it shares with others; the area can be
--                                   read, the prefix not
--       blocked_until               at the wish of who answers there
--       pending <client>            id of the verification
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

-- What was never sent leaves no gap; but the gap that another call left since then stays.
local function return_gap(number, before, after)
  local record = record_of(number)
  if record['until'] ~= after then return end
  if tonumber(record.sent) <= 1 then return drop_from_number(number, 'until', 'sent', 'last') end
  write_number(number, { ['until'] = before, sent = record.sent - 1 })
end

-- Calls: {id: {at, unproven}}
local function calls_to(number)
  local calls = {}
  for field, value in pairs(record_of(number)) do
    local id = field:match('^call (.+)')
    local plus, at = value:match('^(%+?)(%d+)$')
    if id then calls[id] = { at = tonumber(at), unproven = plus == '' } end
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

-- A number's older verifications need no long memory where nobody was called: it would cost memory to
-- ask again and again.
local function fade(id)
  local key = PREFIX .. 'verification:' .. id
  local calls, status = unpack(redis.call('HMGET', key, 'calls', 'status'))
  if not status or status == 'pending' then return end
  local keys = { key }
  for call in string.gmatch(calls or '', '%S+') do
    keys[#keys + 1] = PREFIX .. 'call:' .. call
    if redis.call('HEXISTS', keys[#keys], 'sent_at') == 1 then return end
  end
  for _, each in ipairs(keys) do redis.call('PEXPIRE', each, HOUR, 'LT') end
end

-- It is pending no more.
local function remember_ended(verification)
  local number, pending = verification.number, 'pending ' .. verification.client
  if record_of(number)[pending] == verification.id then drop_from_number(number, pending) end
  write_number(number, { ['verification ' .. verification.id] = verification.created_at })
  for i, id in ipairs(verifications_of(number)) do
    if i > NEWEST and record_of(number)['verification ' .. id] then
      drop_from_number(number, 'verification ' .. id)
      fade(id)
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
