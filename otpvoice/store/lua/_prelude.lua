-- What stands before every rule. The store puts two tables in front of it, rendered from Python:
--   CALL_MOVES[status]   set of the statuses it may move to (core/verification.py)
--   RULES                redialed (set of statuses), routes (list), redials, callback_wait (ms),
--                        calls_per_number (list of {name, count, window in ms}) (store/rules.py)
--
-- KEYS 1-7 are the same for every rule (see keys.py for the whole legend):
--   1 queue     zset  call id -> when to dial (ms)
--   2 dialing   zset  call id -> when its lease ends (ms)
--   3 live      zset  call id -> until when it may ring or talk (ms)
--   4 expiring  zset  verification id -> end of its life (ms)
--   5 wake      list  a token for each reason to look at the queue now
--   6 dialers   zset  dialer id -> last heard (ms)
--   7 pull      zset  call id -> when to ask the provider about it (ms)
-- ARGV 1 key prefix   ARGV 2 offset of the clock in ms: 0 but in tests, which move it
--
-- Errors are not caught anywhere: a rule that fails half way must be seen, never counted as done.

local QUEUE, DIALING, LIVE, EXPIRING, WAKE, DIALERS, PULL = unpack(KEYS, 1, 7)
local PREFIX = ARGV[1]
local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]

local function load(key)
  local flat = redis.call('HGETALL', key)
  if #flat == 0 then return nil end
  local record = {}
  for i = 1, #flat, 2 do record[flat[i]] = flat[i + 1] end
  return record
end

local function call_key(id) return PREFIX .. 'call:' .. id end

local function load_call(id)
  local call = load(call_key(id))
  if call then call.id = id end
  return call
end

local function calls_of(verification)
  local calls = {}
  for id in string.gmatch(verification.calls or '', '%S+') do
    calls[#calls + 1] = load_call(id)
  end
  return calls
end

-- A server that was told to evict may have dropped the record: it must not come back without an end.
local function changed(verification_id)
  local key = PREFIX .. 'verification:' .. verification_id
  if redis.call('EXISTS', key) == 1 then redis.call('HINCRBY', key, 'version', 1) end
end

-- The queue ---------------------------------------------------------------------------------------

local function wake()
  redis.call('LPUSH', WAKE, '1')
  redis.call('LTRIM', WAKE, 0, 99)
  redis.call('PEXPIRE', WAKE, 60000)
end

-- A sleeping dialer knows the head of the queue only: a new head is told to it.
local function enqueue(id, due)
  local head = redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')
  redis.call('ZADD', QUEUE, due, id)
  if due <= NOW or not head[2] or due < tonumber(head[2]) then wake() end
end

-- The gap: {until, sent, last} of a number --------------------------------------------------------

local function gap_key(number) return PREFIX .. 'gap:' .. number end

local function gap_until(number)
  return tonumber(redis.call('HGET', gap_key(number), 'until') or '0')
end

-- What was never sent leaves no gap; but the gap that another call left since then stays.
local function give_back(call)
  local key = gap_key(call.number)
  if call.gap_after and redis.call('HGET', key, 'until') == call.gap_after then
    redis.call('HSET', key, 'until', call.gap_before)
    if redis.call('HINCRBY', key, 'sent', -1) <= 0 then redis.call('DEL', key) end
  end
  redis.call('HDEL', call_key(call.id), 'sent_at', 'live_until', 'gap_before', 'gap_after')
  call.sent_at, call.live_until, call.gap_before, call.gap_after = nil, nil, nil, nil
end

-- Places in calls_per_number: zset {call id: when it is or was due} ----------------------------------

local function places_key(number) return PREFIX .. 'places:' .. number end

-- The quota that is used up longest, and when a place in it is free; nil when there is room.
-- `besides`: a call whose place does not count.
local function quota_reached(number, besides)
  local reached, free_at = nil, 0
  for _, quota in ipairs(RULES.calls_per_number) do
    local taken = {}
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', places_key(number), '(' .. NOW - quota.window, '+inf')) do
      if id ~= besides then taken[#taken + 1] = id end
    end
    local first_to_go = taken[#taken - quota.count + 1]
    local frees = first_to_go and redis.call('ZSCORE', places_key(number), first_to_go) + quota.window
    if frees and frees > free_at then reached, free_at = quota, frees end
  end
  return reached, free_at
end

-- From when it is due until it is sent, from then on from that moment.
local function take_place(number, id, at)
  if #RULES.calls_per_number == 0 then return end
  local key = places_key(number)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', NOW - RULES.longest_window)
  redis.call('ZADD', key, at, id)
  redis.call('PEXPIRE', key, math.max(at - NOW + RULES.longest_window, redis.call('PTTL', key)))
end

local function return_place(call) redis.call('ZREM', places_key(call.number), call.id) end

-- Routes: hash {failures, closings, closed_until, probe_until}; none while all is well ----------------

local function route_key(route) return PREFIX .. 'route:' .. route end

local function is_closed(route)
  return tonumber(redis.call('HGET', route_key(route), 'closed_until') or '0') > NOW
end

-- At most one call of a bridge and number is live ---------------------------------------------------

local function line_key(bridge, number) return PREFIX .. 'line:' .. bridge .. ':' .. number end
local function waiting_key(bridge, number) return PREFIX .. 'waiting:' .. bridge .. ':' .. number end

local function hold_line(call, until_ms)
  redis.call('ZADD', LIVE, until_ms, call.id)
  redis.call('SET', line_key(call.bridge, call.number), call.id, 'PX', until_ms - NOW + 1000)
end

-- The call that holds the line of this one, and until when; nil when nothing does.
local function line_holder(call)
  local id = redis.call('GET', line_key(call.bridge, call.number))
  local until_ms = id and id ~= call.id and tonumber(redis.call('ZSCORE', LIVE, id) or '0')
  if until_ms and until_ms > NOW then return id, until_ms end
end

local function release_line(call)
  redis.call('ZREM', LIVE, call.id)
  local key = line_key(call.bridge, call.number)
  if redis.call('GET', key) == call.id then redis.call('DEL', key) end
  local waiting = waiting_key(call.bridge, call.number)
  for _, id in ipairs(redis.call('SMEMBERS', waiting)) do
    if redis.call('ZSCORE', QUEUE, id) then redis.call('ZADD', QUEUE, NOW, id) end
  end
  redis.call('DEL', waiting)
  local head = redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')
  if head[2] and tonumber(head[2]) <= NOW then wake() end
end

-- Calls -------------------------------------------------------------------------------------------

local function has_ended(status) return next(CALL_MOVES[status]) == nil end

-- Milliseconds from a silence to the first question about it: the provider may still be at it.
local FIRST_PULL = 3000

-- Only what was never sent can go back to the queue or be called off.
local UNSENT_ONLY = { queued = true, canceled = true, expired = true }

-- Moves a call if the table allows it; `changes` are further fields. False: nothing was changed.
-- A reason and the provider's word belong to the state that they came with.
local function move_call(call, status, changes)
  if not CALL_MOVES[call.status][status] then return false end
  if UNSENT_ONLY[status] and call.sent_at then return false end
  redis.call('HDEL', call_key(call.id), 'reason', 'raw')
  call.status, call.reason, call.raw = status, nil, nil
  local fields = { 'status', status }
  for field, value in pairs(changes or {}) do
    call[field] = value
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  redis.call('HSET', call_key(call.id), unpack(fields))
  redis.call('ZREM', QUEUE, call.id)
  if status ~= 'dialing' then redis.call('ZREM', DIALING, call.id) end
  if has_ended(status) then
    redis.call('HSET', call_key(call.id), 'ended_at', NOW)
    redis.call('ZREM', PULL, call.id)
    if UNSENT_ONLY[status] then return_place(call) end
    release_line(call)
  elseif status == 'placed' then
    redis.call('ZADD', PULL, NOW + RULES.callback_wait, call.id)
  elseif status == 'unknown' and tonumber(call.live_until or '0') > NOW then
    redis.call('ZADD', PULL, NOW + FIRST_PULL, call.id)
  end
  changed(call.verification)
  return true
end

-- Puts the call back where any dialer finds it.
local function requeue(call, due)
  if not move_call(call, 'queued', { due_at = due, not_before = due }) then return end
  redis.call('HDEL', call_key(call.id), 'holder')
  release_line(call)
  enqueue(call.id, due)
end

local function is_live(call)
  if call.status == 'dialing' then return true end
  return (call.status == 'placed' or call.status == 'unknown') and tonumber(call.live_until or '0') > NOW
end

-- The call of a verification that is under way: queued, or live.
local function call_under_way(verification)
  for _, call in ipairs(calls_of(verification)) do
    if call.status == 'queued' or is_live(call) then return call end
  end
end

-- `spec`: {id, route, locale, bridge, caller_id, tried}; an empty route or locale is the verification's own.
local function queue_call(verification, spec, due)
  local key = call_key(spec.id)
  redis.call('HSET', key, 'verification', verification.id, 'number', verification.number,
    'status', 'queued', 'route', spec.route ~= '' and spec.route or verification.route,
    'locale', spec.locale ~= '' and spec.locale or verification.locale,
    'bridge', spec.bridge, 'caller_id', spec.caller_id, 'due_at', due)
  if spec.tried then redis.call('HSET', key, 'tried', spec.tried) end
  take_place(verification.number, spec.id, due)
  redis.call('PEXPIRE', key, redis.call('PTTL', PREFIX .. 'verification:' .. verification.id))
  verification.calls = ((verification.calls or '') .. ' ' .. spec.id):gsub('^ ', '')
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'calls', verification.calls)
  enqueue(spec.id, due)
  changed(verification.id)
end

-- The last moment for which a call may be queued.
local function last_due(verification) return verification.expires_at - verification.queue_margin end

-- Why no call can be taken on, as an outcome; nil when one can. A delayed call may wait for a dialer
-- to come back.
local function calls_closed(delayed, heard_within, overdue_after)
  local alive = redis.call('ZCOUNT', DIALERS, NOW - heard_within, '+inf') > 0
  local open = false
  for _, route in ipairs(RULES.routes) do open = open or not is_closed(route) end
  if not delayed and not (alive and open) then return 'calls_unavailable' end
  if not alive then return nil end
  local head = redis.call('ZRANGE', QUEUE, 0, 0, 'WITHSCORES')
  if head[2] and NOW - tonumber(head[2]) > tonumber(overdue_after) then return 'over_capacity' end
end

-- Verifications -----------------------------------------------------------------------------------

-- How a call ends that was not sent when its verification ended.
local function ended_first(verification)
  return verification and verification.status == 'expired' and 'expired' or 'canceled'
end

-- Ends a pending verification: what could speak or match its code is gone with the same breath.
local function finish(verification, status, reason, at)
  local key = PREFIX .. 'verification:' .. verification.id
  redis.call('HSET', key, 'status', status, 'ended_at', at)
  if reason ~= '' then redis.call('HSET', key, 'reason', reason) end
  redis.call('HDEL', key, 'digest', 'request_digest', 'wrong')
  redis.call('DEL', PREFIX .. 'speech:' .. verification.id)
  redis.call('ZREM', EXPIRING, verification.id)
  local pending = PREFIX .. 'pending:' .. verification.client .. ':' .. verification.number
  if redis.call('GET', pending) == verification.id then redis.call('DEL', pending) end
  if status == 'approved' then
    redis.call('DEL', gap_key(verification.number), places_key(verification.number))
  end
  verification.status = status
  for _, call in ipairs(calls_of(verification)) do
    move_call(call, ended_first(verification), { reason = 'ended_first' })
  end
  changed(verification.id)
end

-- The verification as it stands now: one whose life is over is ended by whoever reads it.
local function load_verification(id)
  local key = PREFIX .. 'verification:' .. id
  local verification = load(key)
  if not verification then return nil end
  verification.id = id
  if verification.status == 'pending' and tonumber(verification.expires_at) <= NOW then
    finish(verification, 'expired', '', verification.expires_at)
    verification = load(key)
    verification.id = id
  end
  return verification
end

-- The same for one client; another client's is as unknown as none.
local function load_own(id, client)
  local verification = load_verification(id)
  if verification and verification.client == client then return verification end
end

-- What every answer about a verification is made from:
-- {outcome, now, number, gap_until, quota_until, id, {fields}, call id, {fields}, ...}
local function answer(outcome, verification, number)
  if not verification then return { outcome, NOW, number or 0 } end
  local key = PREFIX .. 'verification:' .. verification.id
  local _, quota_until = quota_reached(verification.number)
  local reply = { outcome, NOW, number or 0, gap_until(verification.number), quota_until,
    verification.id, redis.call('HGETALL', key) }
  for id in string.gmatch(redis.call('HGET', key, 'calls') or '', '%S+') do
    reply[#reply + 1], reply[#reply + 2] = id, redis.call('HGETALL', call_key(id))
  end
  return reply
end
