-- Apply a provider's report to the one call that it is about. A report can never approve a verification.
--
-- Arguments  fingerprint: of the message, so that it is applied once; none for the reply to a status query, which may
--            repeat
--            call_id: our id; provider_ids1, ...: the provider's ids in the message
--            bridges1, ...: the caller lines by which the user may have been called; number_hash: the user's;
--            has_bridge: "1" if the message names the line. Otherwise the call may use one that only another
--            process's settings have.
--            foreign_routes1, ...: those of other providers, whose calls the message is never about
--            other_routes1, ...: those by which the call was not placed, unless the message has its id; started_at
--            status, reason, raw, duration_s, next_call_id; key: the first that was pressed, "" for none
--            closes_route: every call of the route ends so
--            is_traced: return the traceparent of the verification, if it has one
-- Returns    outcome: applied, late: the status can no longer change, seen: the same message was applied before,
--            early: kept for a call that is being placed, no_call, several: it may be about several calls,
--            clock: the only possible call started at another time
--            and of the call, if one was found: call_id, call_status, verification_id, is_live_test, traceparent;
--            declines: if it was declined, how many calls the number declined within an hour

local seen_key = ARGS.fingerprint and PREFIX .. 'callback_seen:' .. ARGS.fingerprint
if seen_key and redis.call('EXISTS', seen_key) == 1 then return { 'outcome', 'seen' } end

local provider_ids = list_argument('provider_ids')
local report = { status = ARGS.status, reason = ARGS.reason, raw = ARGS.raw, duration = ARGS.duration_s,
  key = ARGS.key, closes_route = ARGS.closes_route, next_id = ARGS.next_call_id }

local function set_argument(name)
  local members = {}
  for _, member in ipairs(list_argument(name)) do members[member] = true end
  return members
end
local is_foreign, is_other = set_argument('foreign_routes'), set_argument('other_routes')

-- Return the call if it was placed by the provider that sent the message.
local function of_provider(call) return call and not is_foreign[call.route] and call or nil end

-- A message that names another number is not about the call that its address names: not every provider's signature
-- covers the address, so it may have been sent again to the address of another call.
local function find_by_own_id()
  local call = of_provider(ARGS.call_id and Calls.load(ARGS.call_id))
  return call and (not ARGS.number_hash or ARGS.number_hash == call.number) and call or nil
end

local function find_by_id()
  local call = find_by_own_id()
  for _, id in ipairs(provider_ids) do call = call or of_provider(Calls.by_provider_id(id)) end
  return call
end

-- Return whether a message without a known id may be about this call. If the message carries ids, a call with another
-- one is not meant. A call with one of them is found here if a call of another provider has the same id.
local function could_match(call)
  if not (of_provider(call) and call.sent_at and Calls.is_live(call)) or is_other[call.route] then return false end
  local has_id = #provider_ids == 0 or not call.provider_id
  for _, id in ipairs(provider_ids) do has_id = has_id or id == call.provider_id end
  return has_id
end

-- Return the live calls of the route, caller line and number that the message names.
local function find_by_number()
  local ids, found = {}, {}
  if ARGS.call_id or not ARGS.number_hash then return found end
  for _, bridge in ipairs(list_argument('bridges')) do
    local id = NumberLock.call_of(bridge, ARGS.number_hash)
    if id then ids[id] = true end
  end
  if not ARGS.has_bridge then
    for id in pairs(Numbers.calls(ARGS.number_hash)) do ids[id] = true end
  end
  for id in pairs(ids) do
    local call = Calls.load(id)
    if could_match(call) then found[#found + 1] = call end
  end
  return found
end

-- Return whether the message is about this call and not an earlier one. A message without a start is not trusted.
local function start_matches(call)
  local started_at, slack = tonumber(ARGS.started_at), POLICY.start_slack_ms
  return started_at and started_at >= call.sent_at - slack and started_at <= NOW + slack
end

local function result(outcome, call)
  if not call then return { 'outcome', outcome } end
  local reply = { 'outcome', outcome, 'call_id', call.id, 'call_status', call.status }
  local traceparent = ARGS.is_traced and redis.call('HGET', Verifications.key(call.verification), 'traceparent')
  append_fields(reply, { traceparent = traceparent }, { traceparent = 'traceparent' })
  return append_fields(reply, call, { verification_id = 'verification', is_live_test = 'live_test' })
end

-- Keep the message under its ids: the provider's reply, which assigns an id to a call, may not be
-- recorded yet. `found`: the calls that it may be about
local function keep_unmatched(found)
  local awaits_reply = false
  for _, call in ipairs(found) do awaits_reply = awaits_reply or call.status == 'dialing' end
  local foreign_routes = list_argument('foreign_routes')
  for _, provider_id in ipairs(provider_ids) do Reports.keep_early(provider_id, report, foreign_routes) end
  if #found == 0 then return result('no_call') end
  local outcome = #provider_ids > 0 and awaits_reply and 'early' or #found > 1 and 'several' or 'clock'
  return result(outcome, #found == 1 and found[1])
end

local call = find_by_id()
if not call then
  local found = find_by_number()
  if #found ~= 1 or not start_matches(found[1]) then return keep_unmatched(found) end
  call = found[1]
end
-- Only an applied message is remembered: an unmatched one is tried again when it is repeated.
if seen_key then redis.call('SET', seen_key, '1', 'PX', POLICY.callback_memory_ms) end

if provider_ids[1] and not call.provider_id then
  Records.set(Calls.key(call.id), { 'provider_id', provider_ids[1] })
  redis.call('SET', Calls.provider_key(provider_ids[1]), call.id, 'PX', POLICY.retention_ms, 'NX')
end
local was_applied = Reports.apply(call, report)
local reply = result(was_applied and 'applied' or 'late', call)
if was_applied and call.status == 'busy' then
  reply[#reply + 1], reply[#reply + 2] = 'declines', Limits.declines(call.number)
end
return reply
