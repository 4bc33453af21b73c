-- Calls and the queue: their states, the line to a number, and the routes they go by.

function Calls.key(id) return PREFIX .. 'call:' .. id end

function Calls.load(id)
  local call = Records.read('call', id)
  if call then call.id = id end
  return call
end

function Calls.of(verification)
  local calls = {}
  for id in string.gmatch(verification.calls or '', '%S+') do
    calls[#calls + 1] = Calls.load(id)
  end
  return calls
end

-- Whose limits a call counts in: {number, client, ip, is_approved}.
function Calls.owner(call)
  local key = PREFIX .. 'verification:' .. call.verification
  local client, ip, status = unpack(redis.call('HMGET', key, 'client', 'ip', 'status'))
  return { number = call.number, client = client, ip = ip, is_approved = status == 'approved' }
end

-- Undo the mark of a call that provably did not ring. `refused`: the provider answered and took no call. Then
-- the gap holds all the same, so that nobody has a number's calls requested in a loop; only this attempt goes
-- on within it, by its next request or route.
function Calls.undo_send(call, refused)
  if call.gap_after and refused then
    Numbers.keep_gap(call.number, call.gap_after)
    call.own_gap = call.gap_after
    redis.call('HSET', Calls.key(call.id), 'own_gap', call.own_gap)
  elseif call.gap_after then
    Numbers.release_gap(call.number, call.gap_before, call.gap_after)
  end
  redis.call('HDEL', Calls.key(call.id), 'sent_at', 'live_until', 'gap_before', 'gap_after')
  call.sent_at, call.live_until, call.gap_before, call.gap_after = nil, nil, nil, nil
end

function Calls.has_ended(status) return next(CALL_TRANSITIONS[status]) == nil end

-- Milliseconds from a silence to the first question about it: the provider may still be at it.
local FIRST_STATUS_QUERY_MS = 3000

-- Only what was never sent can go back to the queue or be called off.
local REQUIRES_UNSENT = { queued = true, canceled = true, expired = true }

-- Nobody places a call to a test number. `taken`: the provider just told that it has the call.
local function count_call(call, status, taken)
  count('call', call.test and 'test' or call.route, status, call.sent_at and NOW - call.sent_at or '')
  if not call.test and status ~= 'queued' then Stats.call_transition(call, status, taken) end
end

-- Moves a call if the table allows it; `changes` are further fields. False: nothing was changed.
-- A reason and the provider's word belong to the state that they came with.
function Calls.transition(call, status, changes)
  if not CALL_TRANSITIONS[call.status][status] then return false end
  if REQUIRES_UNSENT[status] and call.sent_at then return false end
  redis.call('HDEL', Calls.key(call.id), 'reason', 'raw')
  call.status, call.reason, call.raw = status, nil, nil
  local fields = { 'status', status }
  for field, value in pairs(changes or {}) do
    call[field] = value
    fields[#fields + 1], fields[#fields + 2] = field, value
  end
  redis.call('HSET', Calls.key(call.id), unpack(fields))
  Queue.remove(call.id, call.client)
  if status ~= 'dialing' then redis.call('ZREM', DIALING, call.id) end
  if Calls.has_ended(status) then
    redis.call('HSET', Calls.key(call.id), 'ended_at', NOW)
    redis.call('ZREM', STATUS_QUERIES, call.id)
    if REQUIRES_UNSENT[status] then
      local owner = Calls.owner(call)
      Capacity.release(owner, call.id, status == 'canceled' and not owner.is_approved)
    end
    NumberLock.release(call)
  elseif status == 'placed' then
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.callback_timeout, call.id)
  elseif status == 'unknown' and tonumber(call.live_until or '0') > NOW then
    redis.call('ZADD', STATUS_QUERIES, NOW + FIRST_STATUS_QUERY_MS, call.id)
  end
  if status == 'answered' then
    local verification = Records.read('verification', call.verification)
    if verification and verification.status ~= 'pending' then
      verification.id = call.verification
      Breakers.count_answered(verification)
    end
  end
  Verifications.bump_version(call.verification, 'call.' .. status)
  if status ~= 'queued' and status ~= 'dialing' then
    count_call(call, status, changes and changes.placed_at)
  end
  return true
end

-- Puts the call back where any dialer finds it.
function Calls.requeue(call, due)
  if not Calls.transition(call, 'queued', { due_at = due, not_before = due }) then return end
  redis.call('HDEL', Calls.key(call.id), 'holder')
  NumberLock.release(call)
  Queue.add(call.id, call.client, due)
end

function Calls.is_live(call)
  if call.status == 'dialing' then return true end
  return (call.status == 'placed' or call.status == 'unknown') and tonumber(call.live_until or '0') > NOW
end

-- The call of a verification that is under way: queued, or live.
function Calls.active(verification)
  for _, call in ipairs(Calls.of(verification)) do
    if call.status == 'queued' or Calls.is_live(call) then return call end
  end
end

-- Return until when the gap of its number holds a call. A gap that its own attempt left does not.
function Calls.gap_until(call)
  local until_ms = Numbers.gap_until(call.number)
  return until_ms == tonumber(call.own_gap or '-1') and 0 or until_ms
end

-- `spec`: {id, route, locale, flow, bridge, caller_id, tried, own_gap}; an empty route or locale is the
-- verification's own. The flow is the provider's id of the script that speaks the locale. It is stored with the
-- call, so that a dialer needs no settings of the client.
function Calls.queue(verification, spec, due)
  local key, route = Calls.key(spec.id), spec.route ~= '' and spec.route or verification.route
  redis.call('HSET', key, 'verification', verification.id, 'number', verification.number, 'client', verification.client,
    'status', 'queued', 'route', route,
    'locale', spec.locale ~= '' and spec.locale or verification.locale,
    'bridge', spec.bridge, 'due_at', due)
  local own = spec.locale == '' or spec.locale == verification.locale
  local flow = spec.flow and spec.flow ~= '' and spec.flow or own and verification.flow
  if flow then redis.call('HSET', key, 'flow', flow) end
  if spec.caller_id ~= '+' .. spec.bridge then redis.call('HSET', key, 'caller_id', spec.caller_id) end
  if verification.live_test then redis.call('HSET', key, 'live_test', 1) end
  if spec.tried then redis.call('HSET', key, 'tried', spec.tried) end
  if spec.own_gap then redis.call('HSET', key, 'own_gap', spec.own_gap) end
  if verification.test then redis.call('HSET', key, 'test', 1) end
  Capacity.reserve(verification, spec.id, due)
  redis.call('PEXPIRE', key, redis.call('PTTL', PREFIX .. 'verification:' .. verification.id))
  verification.calls = ((verification.calls or '') .. ' ' .. spec.id):gsub('^ ', '')
  redis.call('HSET', PREFIX .. 'verification:' .. verification.id, 'calls', verification.calls)
  Queue.add(spec.id, verification.client, due)
  Verifications.bump_version(verification.id)
  count_call({ route = route, test = verification.test }, 'queued')
end

-- The last moment for which a call may be queued.
function Calls.latest_due(verification) return verification.expires_at - verification.queue_margin end

-- Why no call can be taken on, as an outcome; nil when one can. A delayed call may wait for a dialer
-- to come back, and a test number needs no route.
-- `of`: {client, test}   `sender`: of the call
function Calls.unavailable(of, sender, delayed, heard_within, overdue_after)
  local alive = redis.call('ZCOUNT', DIALERS, NOW - heard_within, '+inf') > 0
  local open = of.test ~= nil
  for _, route in ipairs(POLICY.routes) do open = open or not Routes.is_closed(route, sender) end
  if not delayed and not (alive and open) then return 'calls_unavailable' end
  if not alive then return nil end
  local _, due = Queue.first(of.client)
  if due and NOW - due > tonumber(overdue_after) then return 'over_capacity' end
end
