-- Calls and their status. The record of a call has the bare id of its verification.

function Calls.key(id) return PREFIX .. 'call:' .. id end
function Calls.provider_key(provider_id) return PREFIX .. 'provider_call:' .. provider_id end

-- Iterate over the ids of a verification's calls.
function Calls.ids(verification) return string.gmatch(verification.calls or '', '%S+') end

function Calls.load(id)
  local call = Records.load('call', id)
  if call and not call.id then call.id, call.verification = id, 'vrf_' .. call.verification end
  return call
end

-- Return the calls of a verification.
function Calls.of(verification)
  local calls = {}
  for id in Calls.ids(verification) do calls[#calls + 1] = Calls.load(id) end
  return calls
end

-- Return a call's status, as operators count it: "open" if the provider has it and has not reported its end, "refused"
-- if the provider did not accept it.
function Calls.outcome(call)
  if call.status == 'placed' or call.status == 'unknown' then return 'open' end
  return call.status == 'failed' and not call.placed_at and 'refused' or call.status
end

-- Find the call that a provider knows by this id.
function Calls.by_provider_id(provider_id)
  local id = redis.call('GET', Calls.provider_key(provider_id))
  return id and Calls.load(id)
end

-- Return whose limits a call counts in: {number, client, ip, is_approved}.
local function owner_of(call)
  local key = Verifications.key(call.verification)
  local owner = loaded[key]
  if not owner then
    local client, ip, status = unpack(redis.call('HMGET', key, 'client', 'ip', 'status'))
    owner = { client = client, ip = ip, status = status }
  end
  return { number = call.number, client = owner.client, ip = owner.ip, is_approved = owner.status == 'approved' }
end

function Calls.release_capacity(call, by_request) Capacity.release(owner_of(call), call.id, by_request) end

function Calls.has_ended(status) return next(POLICY.call_transitions[status]) == nil end

-- Return whether a call may be ringing or connected.
function Calls.is_live(call)
  if call.status == 'dialing' then return true end
  return (call.status == 'placed' or call.status == 'unknown') and tonumber(call.live_until or '0') > NOW
end

-- Return the one of some calls that is queued or live, or nil.
function Calls.active_of(calls)
  for _, call in ipairs(calls) do
    if call.status == 'queued' or Calls.is_live(call) then return call end
  end
end

-- Return the call of a verification that is queued or live, or nil.
function Calls.active(verification) return Calls.active_of(Calls.of(verification)) end

-- Return until when the call gap of its number postpones a call. The gap that its own attempt left does not.
function Calls.gap_until(call)
  local until_ms = Numbers.gap_until(call.number)
  return until_ms == tonumber(call.own_gap or '-1') and 0 or until_ms
end

-- Return the latest due time for which a call may be queued.
function Calls.latest_due(verification) return verification.expires_at - verification.queue_margin end

-- A call to a test number is never placed, so the statistics leave it out.
-- `is_accepted`: the provider just reported that it has the call
local function count_call(call, status, is_accepted)
  count('call', call.test and 'test' or call.route, status, call.sent_at and NOW - call.sent_at or '')
  if not call.test and status ~= 'queued' then Stats.call_changed(call, status, is_accepted) end
end

-- Return whether a sent call should be canceled at its provider: the provider can (`can_cancel`), the verification has
-- ended, and nobody is known to have answered.
function Calls.should_cancel(call)
  if not (call.can_cancel and call.provider_id) or call.status == 'dialing' or not Calls.is_live(call)
    or call.speech_fetched_at or call.prompt_fetched_at or call.key
    or tonumber(call.cancels or '0') >= POLICY.max_cancels then
    return false
  end
  local verification = Records.load('verification', call.verification)
  if not verification or verification.status == 'pending' then return false end
  -- A generated code that was right was heard in a call, most likely in this one.
  return verification.status ~= 'approved' or verification.reason ~= nil or verification.own_code ~= nil
end

-- Have a dialer cancel a sent call soon, if it should be.
function Calls.cancel_soon(call)
  if Calls.should_cancel(call) then redis.call('ZADD', STATUS_QUERIES, NOW, call.id) end
end

-- Index a call for its status queries, as its new status requires.
local function schedule_status_query(call, status)
  if status == 'placed' then
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.callback_timeout_ms, call.id)
  elseif status == 'unknown' and tonumber(call.live_until or '0') > NOW then
    redis.call('ZADD', STATUS_QUERIES, NOW + POLICY.first_status_query_ms, call.id)
  end
  Calls.cancel_soon(call)
end

-- Finish a call that has reached a final status. A queued call has no lock and no status query, but others may wait
-- for its number.
local function finish(call, status, was_queued)
  if POLICY.unsent_only_statuses[status] and not call.sent_at then
    local owner = owner_of(call)
    Capacity.release(owner, call.id, status == 'canceled' and not owner.is_approved)
  end
  if not was_queued then
    redis.call('ZREM', STATUS_QUERIES, call.id)
    NumberLock.release(call)
  elseif NumberLock.release_waiting(call) then
    Queue.wake_if_due()
  end
end

-- Change a call's status if the transition is allowed. Return whether it changed.
-- `changes`: further fields. `reason` and `raw` belong to one status, so they are replaced.
-- `by_provider`: the provider canceled the call although it was sent
function Calls.transition(call, status, changes, by_provider)
  if not POLICY.call_transitions[call.status][status] then return false end
  if POLICY.unsent_only_statuses[status] and call.sent_at and not by_provider then return false end
  local key, before, has_ended = Calls.key(call.id), call.status, Calls.has_ended(status)
  if call.reason or call.raw then Records.unset(key, 'reason', 'raw') end
  local fields = { 'status', status, has_ended and 'ended_at' or nil, has_ended and NOW or nil }
  for field, value in pairs(changes or {}) do fields[#fields + 1], fields[#fields + 2] = field, value end
  Records.set(key, fields)
  Queue.remove(call.id, call.client)
  if before == 'dialing' then redis.call('ZREM', DIALING, call.id) end
  if has_ended then finish(call, status, before == 'queued') else schedule_status_query(call, status) end
  if status == 'answered' then
    local verification = Records.load('verification', call.verification)
    if verification and verification.status ~= 'pending' then
      verification.id = call.verification
      Breakers.count_answered(verification)
    end
  end
  Verifications.bump_version(call.verification, 'call.' .. status)
  if status ~= 'queued' and status ~= 'dialing' then count_call(call, status, changes and changes.placed_at) end
  return true
end

-- Return a call to the queue.
function Calls.requeue(call, due)
  if not Calls.transition(call, 'queued', { due_at = due, not_before = due }) then return end
  Records.unset(Calls.key(call.id), 'holder')
  NumberLock.release(call)
  Queue.add(call.id, call.client, due)
end

-- Return the caller line that the client's settings chose for a call, and the number that it shows.
function Calls.own_line(call)
  if call.own_bridge then return call.own_bridge, call.own_caller_id end
  return call.bridge, call.caller_id or '+' .. call.bridge
end

-- Remove the sent mark of a call that provably did not ring.
-- `is_refused`: the provider replied and took no call. Then the call gap holds all the same, so that no one can have a
-- number's calls requested in a loop; only this attempt continues within the gap, by its next request or route.
function Calls.undo_send(call, is_refused)
  local key = Calls.key(call.id)
  if call.gap_after and is_refused then
    Numbers.keep_gap(call.number, call.gap_after)
    Records.set(key, { 'own_gap', call.gap_after })
  elseif call.gap_after then
    Numbers.release_gap(call.number, call.gap_before, call.gap_after)
  end
  if call.own_bridge then
    NumberLock.release_line(call)
    Records.set(key, { 'bridge', call.own_bridge, 'caller_id', call.own_caller_id })
    Records.unset(key, 'own_bridge', 'own_caller_id')
  end
  Records.unset(key, 'sent_at', 'live_until', 'gap_before', 'gap_after', 'heard_after', 'gate', 'can_cancel',
    'fetches_speech')
end

-- Queue a new call of a verification.
-- `spec`: {id, bridge, caller_id, route, locale, flow, tried, tried_lines, own_gap, kept_ms: how long the verification's
-- record is kept, if it was just written with this call}; without a route or locale it takes the verification's. The flow is
-- the provider's id of the script that speaks the locale. It is stored with the call, so a dialer needs no settings of
-- the client.
function Calls.queue(verification, spec, due)
  local key, route = Verifications.key(verification.id), spec.route or verification.route
  local has_own_locale = not spec.locale or spec.locale == verification.locale
  local call = Records.create('call', spec.id, {
    verification = bare(verification.id), number = verification.number,
    client = verification.client, status = 'queued', route = route, locale = spec.locale or verification.locale,
    bridge = spec.bridge, due_at = due, flow = spec.flow or has_own_locale and verification.flow or nil,
    caller_id = spec.caller_id ~= '+' .. spec.bridge and spec.caller_id or nil,
    live_test = verification.live_test, test = verification.test, tried = spec.tried, tried_lines = spec.tried_lines,
    own_gap = spec.own_gap })
  call.verification = verification.id
  Capacity.reserve(verification, spec.id, due)
  redis.call('PEXPIRE', Calls.key(spec.id), spec.kept_ms or redis.call('PTTL', key))
  if not spec.kept_ms then
    Records.set(key, { 'calls', (((verification.calls or '') .. ' ' .. spec.id):gsub('^ ', '')) })
    Verifications.bump_version(verification.id)
  end
  Queue.add(spec.id, verification.client, due)
  count_call({ route = route, test = verification.test }, 'queued')
end

-- Queue a further call with the settings of the one before, such as its caller line if `spec` has no other.
function Calls.queue_after(call, verification, spec, due)
  local bridge, caller_id = Calls.own_line(call)
  spec.locale, spec.flow = call.locale, call.flow
  if not spec.bridge then spec.bridge, spec.caller_id = bridge, caller_id end
  Calls.queue(verification, spec, due)
end

-- Return the reply about what a call speaks: outcome, verification_id, client, encrypted_speech, route, locale, and
-- those of gate, is_live_test, encrypted_transaction and traceparent that apply.
function Calls.speech_reply(outcome, call, verification)
  local reply = { 'outcome', outcome, 'verification_id', verification.id, 'client', verification.client,
    'encrypted_speech', Verifications.speech(verification) }
  Verifications.append_transaction(reply, verification)
  append_fields(reply, verification, { traceparent = 'traceparent' })
  return append_fields(reply, call, { route = 'route', locale = 'locale', gate = 'gate', is_live_test = 'live_test' })
end

-- Return why no call can be accepted, as an outcome, or nil. A delayed call may wait for a dialer to start, and a
-- test number needs no route. Among the lines of its client, the call gets one that no open route refuses.
-- `of`: {client, number, test; limit_keys if it is new}   `spec`: see queue(); its line is set   `flow`: of the call
function Calls.unavailable(of, spec, flow, is_delayed)
  local has_dialer, has_route = Queue.dialers() > 0, of.test ~= nil
  local region = of.limit_keys and of.limit_keys.region
  local lines = Lines.of_client(of, spec, region)
  local line = lines[1]
  for _, route in ipairs(has_route and {} or Routes.serving(of.number, region)) do
    local of_route = POLICY.route_lines[route]
    local open = Routes.open_line(route, of_route and of_route.all or lines, flow)
    has_route, line = open ~= nil, not of_route and open or line
    if has_route then break end
  end
  if line ~= spec.bridge then spec.bridge, spec.caller_id = line, '+' .. line end
  if not is_delayed and not (has_dialer and has_route) then return 'calls_unavailable' end
  if not has_dialer then return nil end
  local _, due = Queue.first(of.client)
  if due and NOW - due > POLICY.queue_overdue_ms then return 'over_capacity' end
end
