-- Statistics for the console, in buckets of five minutes that are kept for 26 hours.
--
-- hash stats:<bucket>
--   created                 verifications
--   verification <status>   their ends; "superseded" and "denied" are separate
--   call <route> <status>   calls that reached the status; "placed": each once that the provider accepted, and
--                           "refused": failed before that
--                           "approved" and "answered" are followed by a slot: the number of the first upper bound
--                           (store/policy.py) that the duration does not exceed
--   line <caller line> <what>   answered, unanswered: calls that rang
-- hash area_stats:<bucket>
--   <area> <what>           placed, answered, approved, unapproved
--
-- <bucket>: the number of buckets since 1970. Test numbers are in none of the statistics.

local function add(kind, field)
  local key = string.format('%s%s:%d', PREFIX, kind, math.floor(NOW / POLICY.stats_bucket_ms))
  local is_new = redis.call('HINCRBY', key, field, 1) == 1
  if is_new then redis.call('PEXPIRE', key, POLICY.stats_ttl_ms) end
  return is_new, key
end

-- One field is read: most functions that come here need nothing else of the number's record.
local function area_of(number)
  local keys = loaded[number] and loaded[number].scopes or redis.call('HGET', Numbers.key(number), 'scopes')
  return keys and keys:match('^%S+ (%S+)') or 'other'
end

local function add_in_area(number, what)
  local field = area_of(number) .. ' ' .. what
  local is_new, key = add('area_stats', field)
  if is_new and redis.call('HLEN', key) > POLICY.stats_max_area_fields then
    redis.call('HDEL', key, field)
    add('area_stats', 'other ' .. what)
  end
end

-- Return the slot of a duration; a longer one than the last bound is in the slot after it.
local function slot_of(duration_ms, bounds_s)
  local slot = 1
  while bounds_s[slot] and duration_ms > bounds_s[slot] * 1000 do slot = slot + 1 end
  return ' ' .. slot
end

function Stats.verification_created() add('stats', 'created') end

-- A call reached a status. `is_accepted`: the provider just reported that it has the call
function Stats.call_changed(call, status, is_accepted)
  local name = 'call ' .. call.route .. ' '
  if is_accepted then
    add('stats', name .. 'placed')
    add_in_area(call.number, 'placed')
  end
  if status == 'placed' then return end
  if status == 'failed' and not call.placed_at then status = 'refused' end
  Lines.call_ended(call, status)
  if status ~= 'answered' then return add('stats', name .. status) end
  -- The report of an answered call arrives when the conversation is over.
  local until_answer_ms = NOW - (call.sent_at or NOW) - (call.duration or 0) * 1000
  add('stats', name .. 'answered' .. slot_of(until_answer_ms, POLICY.answer_bounds_s))
  add_in_area(call.number, 'answered')
end

function Stats.line_ended(bridge, is_answered)
  add('stats', 'line ' .. bridge .. (is_answered and ' answered' or ' unanswered'))
end

-- A verification that was superseded continues as another, so it does not count as unapproved.
function Stats.verification_ended(verification, status, reason)
  if reason == 'superseded' then return add('stats', 'verification superseded') end
  local is_approved = status == 'approved'
  local slot = is_approved and slot_of(NOW - verification.created_at, POLICY.approval_bounds_s) or ''
  add('stats', 'verification ' .. (reason == 'denied' and reason or status) .. slot)
  add_in_area(verification.number, is_approved and 'approved' or 'unapproved')
end
