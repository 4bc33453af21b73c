-- Figures: what happened, for the console. Buckets of five minutes, each known for 26 hours.
--
-- hash figures:<bucket>   began                   verifications
--                         verification <status>   their ends; "superseded" is told apart
--                         call <route> <status>   calls that came into it; "placed": each once that the provider
--                                                 took, and "refused": failed before that
--                         and behind "approved" and "answered" how long it took: the number of the first
--                         bound (store/stats.py) that is not less
-- hash areas:<bucket>     <area> <what>           placed, answered, approved, unapproved
--
-- <bucket>: how many there were since 1970. Verifications and calls of test numbers are in none.

local TTL_MS = 26 * HOUR_MS
-- Fields of areas in one bucket: 64 areas with all they have. Further ones are "other", so that whoever
-- calls all over the world does not fill the memory.
local MAX_AREA_FIELDS = 256
-- Seconds; see store/stats.py.
local ANSWER_BOUNDS_S, APPROVAL_BOUNDS_S = { 5, 10, 15, 20, 30, 45, 60 }, { 15, 30, 45, 60, 90, 120, 180, 300 }

local function bucket_of(kind)
  return string.format('%s%s:%d', PREFIX, kind, math.floor(NOW / (5 * MINUTE_MS)))
end

local function add(kind, field)
  local key = bucket_of(kind)
  if redis.call('HINCRBY', key, field, 1) == 1 then redis.call('PEXPIRE', key, TTL_MS) end
end

-- Read alone: most rules that come here have no other use for the number's record.
local function area_of(number)
  local limit_keys = loaded[number] and loaded[number].limit_keys or redis.call('HGET', Numbers.key(number), 'limit_keys')
  return limit_keys and limit_keys:match('^%S+ (%S+)') or 'other'
end

local function add_in_area(number, what)
  local key, field = bucket_of('area_stats'), area_of(number) .. ' ' .. what
  local full = redis.call('HLEN', key) >= MAX_AREA_FIELDS
  if full and redis.call('HEXISTS', key, field) == 0 then field = 'other ' .. what end
  add('area_stats', field)
end

-- The first of the bounds that is not less; what is longer is behind the last.
local function slot_of(milliseconds, bounds)
  local slot = 1
  while bounds[slot] and milliseconds > bounds[slot] * 1000 do slot = slot + 1 end
  return ' ' .. slot
end

function Stats.verification_created() add('stats', 'began') end

-- A call came into a status. `taken`: the provider just told that it has it.
function Stats.call_transition(call, status, taken)
  if taken then
    add('stats', 'call ' .. call.route .. ' placed')
    add_in_area(call.number, 'placed')
  end
  if status == 'placed' then return end
  if status == 'failed' and not call.placed_at then status = 'refused' end
  if status ~= 'answered' then
    add('stats', 'call ' .. call.route .. ' ' .. status)
    return
  end
  -- The news of an answer comes when the talk is over.
  local took = NOW - (call.sent_at or NOW) - (call.duration or 0) * 1000
  add('stats', 'call ' .. call.route .. ' answered' .. slot_of(took, ANSWER_BOUNDS_S))
  add_in_area(call.number, 'answered')
end

-- One that was superseded goes on as another: it is no failure of its own.
function Stats.verification_closed(verification, status, reason)
  if reason == 'superseded' then
    add('stats', 'verification superseded')
    return
  end
  local approved = status == 'approved'
  local slot = approved and slot_of(NOW - verification.created_at, APPROVAL_BOUNDS_S) or ''
  add('stats', 'verification ' .. status .. slot)
  add_in_area(verification.number, approved and 'approved' or 'unapproved')
end
