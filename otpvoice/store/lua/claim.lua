-- Hands the next due call to one dialer, for the length of a lease.
--
-- ARGV 3 holder (new for each claim)   4 lease ms   5 live_calls: how many calls may be live at once
-- Returns {now, ms until the queue is worth another look, or -1 when it is empty}
--      or {now, 0, call id, {call}, verification id, {verification}, what is to be spoken, sealed}

-- Many held calls at the head, or many clients, must not keep the server busy: the next claim goes on.
local MAX_CANDIDATES = 50

-- A call that must wait moves to the end of its hold, and ends when that comes too late for it.
-- It takes its places there.
local function postpone(call, verification, until_ms, dial_by)
  if until_ms > dial_by then
    Calls.transition(call, 'expired', { reason = 'too_late' })
  else
    Queue.put(call.id, verification.client, until_ms)
    Capacity.reserve(verification, call.id, until_ms)
  end
end

-- Report whether a refusal costs a call nothing but a moment: there would be a next call, and in time.
local function may_be_refused(call, verification)
  return not Limits.attempts_exhausted(verification) and NOW + ARGV[4] <= Calls.latest_due(verification)
end

-- The route to dial by, and whether the call is the one that tries a closed route: its own route if
-- that is open, else one that did not refuse it. Or nil, and when to look again. An open route is passed over
-- for a closed one that any call may try, if the call may be refused there; otherwise a route that calls prefer
-- no longer would stay closed although the provider accepts again. A call that may not be refused tries a
-- route only if none is open, and a trial tries no other route than its own while that is open.
local function available_route(call, verification)
  local candidates, soonest, sender = { call.route }, math.huge, Routes.sender(call)
  for _, route in ipairs(POLICY.routes) do
    local tried = (' ' .. (call.tried or '') .. ' '):find(' ' .. route .. ' ', 1, true)
    if route ~= call.route and not tried then candidates[#candidates + 1] = route end
  end
  local open, closed, closed_until
  for _, route in ipairs(candidates) do
    local state = Routes.state(route, sender)
    local look_at = math.max(tonumber(state.closed_until or '0'), tonumber(state.probe_until or '0'))
    if look_at > NOW then
      soonest = math.min(soonest, look_at)
    elseif not state.closed_until then
      open = open or route
    elseif not closed and (not open or (state.probe == 'any' and not call.live_test)) then
      closed, closed_until = route, state.closed_until
    end
  end
  if closed and (not open or call.live_test or may_be_refused(call, verification)) then return closed, closed_until end
  if open then return open end
  return nil, soonest
end

-- Until when the limits keep a call from being dialed: nobody is called for a code that nobody could
-- hand in, and a call that comes at another moment than was meant meets its client's limits again.
local function limited_until(call, verification)
  local _, codes_until = Limits.refusing_codes(verification.number)
  local _, client_until = Limits.longest(Limits.of_client(verification, NOW, call.id))
  return math.max(codes_until, client_until)
end

-- A claim may come later than a call may be queued for, and still leaves so long to ring and speak.
local CLAIM_SLACK_MS = 15000

local function latest_dial(verification)
  local margin = tonumber(verification.queue_margin)
  return verification.expires_at - math.min(margin, math.max(CLAIM_SLACK_MS, margin - CLAIM_SLACK_MS))
end

-- The route to dial by; nil, and the call is moved to when it is worth another look. A test number is
-- not dialed: it needs no line, and must not be what tries a closed route.
local function choose_route(call, verification)
  if verification.test then return call.route end
  local dial_by = latest_dial(verification)
  if Numbers.blocked_until(verification.number) > NOW then
    Calls.transition(call, 'canceled', { reason = 'refused' })
    return nil
  end
  local gap = Calls.gap_until(call)
  if gap > NOW and NOW <= dial_by then
    redis.call('HSET', Calls.key(call.id), 'due_at', gap)
    Verifications.bump_version(verification.id)
  end
  local wait = math.max(NOW, gap, limited_until(call, verification))
  if wait > NOW or NOW > dial_by then return postpone(call, verification, wait, dial_by) end

  -- What ends before it must may still come in time: wait to the last moment.
  local holder, until_ms = NumberLock.holder(call)
  if holder then
    local waiting = NumberLock.waiting_key(call.bridge, call.number)
    redis.call('SADD', waiting, call.id)
    redis.call('PEXPIRE', waiting, until_ms - NOW + MINUTE_MS)
    return postpone(call, verification, math.min(until_ms, dial_by + 1), math.huge)
  end
  local route, probes = available_route(call, verification)
  if not route then
    redis.call('SADD', PREFIX .. 'waiting_for_route', call.id)
    redis.call('PEXPIRE', PREFIX .. 'waiting_for_route', 10 * MINUTE_MS)
    return postpone(call, verification, math.min(probes, dial_by + 1), math.huge)
  end
  if probes then redis.call('HSET', Routes.key(route), 'probe_until', NOW + ARGV[4], 'probe_call', call.id) end
  return route
end

-- Due calls are handed out to the client with the fewest live calls, and among its own by when they are due.
-- So one client may use all that is idle, and no backlog of it stands before the others' calls.
local live = {}

-- Return the id of the due call whose turn it is and its client, or nil.
local function next_due()
  local id, whose, oldest
  for _, client in ipairs(redis.call('ZRANGEBYSCORE', QUEUE, '-inf', NOW, 'LIMIT', 0, MAX_CANDIDATES)) do
    local first, due = Queue.first(client)
    live[client] = live[client] or redis.call('ZCOUNT', Queue.live_key(client), '(' .. NOW, '+inf')
    local fewer = id and live[whose] - live[client] or 1
    if not first or due > NOW then
      Queue.index(client) -- the call that it was indexed by has expired or was set aside
    elseif fewer > 0 or (fewer == 0 and due < oldest) then
      id, whose, oldest = first, client, due
    end
  end
  return id, whose
end

for _ = 1, MAX_CANDIDATES do
  local id, client = next_due()
  if not id then
    local head = Queue.head()
    return { NOW, head and math.max(0, head - NOW) or -1 }
  end
  if redis.call('ZCOUNT', LIVE, '(' .. NOW, '+inf') >= tonumber(ARGV[5]) then
    local first = redis.call('ZRANGEBYSCORE', LIVE, '(' .. NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return { NOW, first[2] - NOW }
  end
  local call = Calls.load(id)
  local verification = call and call.status == 'queued' and Verifications.load(call.verification)
  local route = verification and verification.status == 'pending' and choose_route(call, verification)
  if not verification or verification.status ~= 'pending' then
    -- Ending a verification takes its calls out of the queue; this is what its key's end left.
    Queue.remove(id, client)
  elseif route then
    local lease_until = NOW + ARGV[4]
    Calls.transition(call, 'dialing', { holder = ARGV[3], lease_until = lease_until, route = route })
    redis.call('ZADD', DIALING, lease_until, call.id)
    if not verification.test then NumberLock.acquire(call, lease_until) end
    return { NOW, 0, call.id, redis.call('HGETALL', Calls.key(call.id)), verification.id,
      redis.call('HGETALL', PREFIX .. 'verification:' .. verification.id),
      redis.call('GET', PREFIX .. 'speech:' .. verification.id) or '' }
  end
end
return { NOW, 0 }
