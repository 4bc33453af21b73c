-- Claim the next due call for one dialer, for the length of a lease.
--
-- Arguments  holder: new for each claim; max_live_calls
-- Returns    wait_ms: until the queue is worth reading again, or -1 when it is empty; or
--            holder, call_id, verification_id, client, number_hash, encrypted_number, encrypted_speech, route, locale,
--            bridge, and those of flow_id, tried_routes, requests, is_test and is_live_test that apply;
--            region: of the number, if routes are limited to regions; encrypted_transaction and traceparent, if there
--            is one

-- Postpone a call, or expire it when that time is too late for it. Its capacity moves with it.
local function postpone(call, verification, until_ms, dial_by)
  if until_ms > dial_by then
    Calls.transition(call, 'expired', { reason = 'too_late' })
  else
    Queue.put(call.id, verification.client, until_ms)
    Capacity.reserve(verification, call.id, until_ms)
  end
end

-- Postpone a call without a limit: what blocks it may end early, so it waits until its last moment.
local function wait(call, verification, until_ms, dial_by)
  postpone(call, verification, math.min(until_ms, dial_by + 1), math.huge)
end

-- Return whether a refusal costs a call only a moment: a next call could follow in time.
local function can_afford_refusal(verification)
  return not Limits.attempts_exhausted(verification) and NOW + POLICY.lease_ms <= Calls.latest_due(verification)
end

-- Return a call's possible routes: its own, then those that did not refuse it. All call numbers of its region. If this
-- process has none, its own remains: a process with other regions chose it, and the call was promised.
local function candidates_of(call)
  local candidates = {}
  if not next(POLICY.route_regions) or Routes.serves(call.route, Numbers.region(call.number)) then
    candidates[1] = call.route
  end
  for _, route in ipairs(Routes.serving(call.number)) do
    if route ~= call.route and not has_word(call.tried, route) then candidates[#candidates + 1] = route end
  end
  return candidates[1] and candidates or { call.route }
end

-- Return the route to dial by, its caller line, and whether the call probes it; or nil, nil, and when to try again.
--
-- An open route is preferred: the call's own, or else another. But a call that may be refused probes a closed route
-- that any call may probe, even if another is open. Otherwise a route that no call prefers would stay closed although
-- the provider accepts calls again. A call that may not be refused probes a route only if none is open. A live test
-- call probes another route than its own only while its own is closed. A route that is closed for a caller line is
-- used from another line of the same client at once.
local function available_route(call, verification)
  local open, open_line, closed, closed_line, closed_until
  local soonest = math.huge
  for _, route in ipairs(candidates_of(call)) do
    local state, is_open = Routes.load(route), false
    local usable_at = math.max(tonumber(state.closed_until or '0'), tonumber(state.probe_until or '0'))
    for _, line in ipairs(Lines.of_call(call, route, not state.closed_until)) do
      is_open = not state.closed_until or not Routes.concerns(state, Routes.sender({ bridge = line, flow = call.flow }))
      if is_open then
        if not open then open, open_line = route, line end
        break
      elseif usable_at > NOW then
        soonest = math.min(soonest, usable_at)
      elseif not closed and (not open or (state.probe_by == 'any' and not call.live_test)) then
        closed, closed_line, closed_until = route, line, state.closed_until
      end
    end
  end
  if closed and (not open or call.live_test or can_afford_refusal(verification)) then
    return closed, closed_line, closed_until
  end
  if open then return open, open_line end
  return nil, nil, soonest
end

-- Return until when limits postpone a call. A code that could not be checked is not spoken, and a call at another time
-- than planned meets its client's limits again.
local function limited_until(call, verification)
  local _, codes_until = Limits.refusing_codes(verification.number)
  local _, client_until = Limits.longest(Limits.of_client(verification, NOW, call.id))
  return math.max(codes_until, client_until)
end

-- Return the latest time at which a call may be dialed. It leaves less of the code's life than queueing requires.
local function latest_dial(verification)
  local margin, slack = tonumber(verification.queue_margin), POLICY.claim_slack_ms
  return verification.expires_at - math.min(margin, math.max(slack, margin - slack))
end

-- Return the route to dial by and its line, or nil after postponing the call. A call to a test number is not dialed: it
-- needs no lock, and must not probe a closed route.
local function choose_route(call, verification)
  if verification.test then return call.route end
  local dial_by = latest_dial(verification)
  if Numbers.blocked_until(verification.number) > NOW then
    Calls.transition(call, 'canceled', { reason = 'refused' })
    return nil
  end
  local gap_until = Calls.gap_until(call)
  if gap_until > NOW and NOW <= dial_by then
    Records.set(Calls.key(call.id), { 'due_at', gap_until })
    Verifications.bump_version(verification.id)
  end
  local until_ms = math.max(NOW, gap_until, limited_until(call, verification))
  if until_ms > NOW or NOW > dial_by then return postpone(call, verification, until_ms, dial_by) end

  local locked_until = NumberLock.locked_until(call)
  if locked_until then
    NumberLock.add_waiter(call, locked_until)
    return wait(call, verification, locked_until, dial_by)
  end
  local route, line, probes = available_route(call, verification)
  if not route then
    Routes.add_waiter(call)
    return wait(call, verification, probes, dial_by)
  end
  if probes then
    redis.call('HSET', Routes.key(route), 'probe_until', NOW + POLICY.lease_ms, 'probe_call', call.id)
  end
  return route, line
end

-- Due calls go first to the client with the fewest live calls, and in the order in which they are due. So one client
-- may use all idle capacity, and its backlog delays no other client's calls.
local live_calls = {}

-- Return the id of the next due call and its client, or nil.
local function next_due()
  local id, whose, oldest
  local clients = redis.call('ZRANGEBYSCORE', QUEUE, '-inf', NOW, 'LIMIT', 0, POLICY.claim_max_candidates)
  for _, client in ipairs(clients) do
    local first, due = Queue.first(client)
    live_calls[client] = live_calls[client] or redis.call('ZCOUNT', Queue.live_key(client), '(' .. NOW, '+inf')
    local advantage = id and live_calls[whose] - live_calls[client] or 1
    if not first or due > NOW then
      Queue.index(client) -- the call that it was indexed by has expired or was quarantined
    elseif advantage > 0 or (advantage == 0 and due < oldest) then
      id, whose, oldest = first, client, due
    end
  end
  return id, whose
end

local function lease_to_holder(call, verification, route, line)
  local lease_until, changes = NOW + POLICY.lease_ms, line and Lines.changes(call, route, line) or {}
  changes.holder, changes.lease_until, changes.route = ARGS.holder, lease_until, route
  Calls.transition(call, 'dialing', changes)
  redis.call('ZADD', DIALING, lease_until, call.id)
  if not verification.test then NumberLock.acquire(call, lease_until) end
  local reply = { 'holder', ARGS.holder, 'call_id', call.id, 'verification_id', verification.id,
    'encrypted_speech', Verifications.speech(verification) }
  if next(POLICY.route_regions) then
    reply[#reply + 1], reply[#reply + 2] = 'region', Numbers.region(call.number)
  end
  Verifications.append_transaction(reply, verification)
  append_fields(reply, verification, { client = 'client', number_hash = 'number', encrypted_number = 'encrypted_number',
    is_test = 'test', is_live_test = 'live_test', traceparent = 'traceparent' })
  return append_fields(reply, call, { route = 'route', locale = 'locale', bridge = 'bridge', flow_id = 'flow',
    tried_routes = 'tried', requests = 'requests' })
end

for _ = 1, POLICY.claim_max_candidates do
  local id, client = next_due()
  if not id then
    local head = Queue.head()
    return { 'wait_ms', head and math.max(0, head - NOW) or -1 }
  end
  if Queue.live_calls() >= tonumber(ARGS.max_live_calls) then
    local first = redis.call('ZRANGEBYSCORE', LIVE, '(' .. NOW, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return { 'wait_ms', first[2] - NOW }
  end
  local call = Calls.load(id)
  local verification = call and call.status == 'queued' and Verifications.load(call.verification)
  local is_pending = verification and verification.status == 'pending'
  local route, line
  if is_pending then route, line = choose_route(call, verification) end
  if not is_pending then
    -- The end of a verification removes its calls from the queue. This one's record has expired.
    Queue.remove(id, client)
  elseif route then
    return lease_to_holder(call, verification, route, line)
  end
end
return { 'wait_ms', 0 }
